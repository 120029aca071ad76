//! Declared types that change: columns keep exact values, and the log has no false change.

use rusqlite::{Connection, types::Value as Sql};
use serde_json::{Value as Json, json};

use crate::columns::declare_in;
use crate::support::*;

/// A feed whose listings have one more field, whose type and values can be replaced.
struct Typed {
    feed: simulator::Simulator,
    proxy: Proxy,
    mirror: Mirror,
}

impl Typed {
    fn new(edm_type: &str, value: Json) -> Typed {
        let feed = feed(20);
        let proxy = Proxy::of(&feed, |_| {});
        let mirror = Mirror::at(&proxy.base_url, |_| {});
        let typed = Typed {
            feed,
            proxy,
            mirror,
        };
        typed.send(edm_type, value);
        typed
    }

    fn send(&self, edm_type: &str, value: Json) {
        let field = format!("<Property Name=\"TaxCode\" Type=\"{edm_type}\"/>");
        self.proxy
            .declare(move |metadata| declare_in(&metadata, "Property", &field));
        self.proxy.change(move |answer| {
            if answer.is_of("Property") && answer.body.get("value").is_some() {
                for record in answer.records() {
                    record["TaxCode"] = value.clone();
                }
            }
        });
    }

    /// Returns the values of the field, without repetitions.
    fn held(&self) -> Vec<Sql> {
        let sql = "SELECT DISTINCT TaxCode AS value FROM listings WHERE deleted_at IS NULL";
        let found = rows(&self.mirror.open(), sql);
        found.iter().map(|row| row["value"].clone()).collect()
    }

    fn declared_type(&self) -> String {
        let sql = "SELECT type FROM pragma_table_info('listings') WHERE name = 'TaxCode'";
        text(&self.mirror.open(), sql)
    }

    fn changes(&self) -> i64 {
        number(&self.mirror.open(), "SELECT count(*) FROM changes")
    }
}

#[test]
fn a_field_whose_type_changes_keeps_exact_values_and_logs_nothing() {
    let sql_text = |text: &str| Sql::Text(text.to_owned());
    let stamp = "2025-01-02T03:04:05Z";
    let stored = "2025-01-02 03:04:05";
    let cases = [
        (
            "Edm.Int32",
            json!(731),
            "Edm.String",
            json!("00731"),
            sql_text("00731"),
            "TEXT",
        ),
        (
            "Edm.Int32",
            json!(731),
            "Edm.String",
            json!("731"),
            sql_text("731"),
            "TEXT",
        ),
        (
            "Edm.Int32",
            json!(731),
            "Edm.String",
            json!(731),
            sql_text("731"),
            "TEXT",
        ),
        (
            "Edm.Decimal",
            json!(1.5),
            "Edm.String",
            json!("1.50"),
            sql_text("1.50"),
            "TEXT",
        ),
        (
            "Edm.String",
            json!("00731"),
            "Edm.Int32",
            json!(731),
            Sql::Integer(731),
            "INTEGER",
        ),
        (
            "Edm.String",
            json!("1.50"),
            "Edm.Decimal",
            json!(1.5),
            Sql::Real(1.5),
            "NUMERIC",
        ),
        (
            "Edm.String",
            json!(""),
            "Edm.Int32",
            Json::Null,
            Sql::Null,
            "INTEGER",
        ),
        (
            "Edm.Boolean",
            json!(true),
            "Edm.String",
            json!("true"),
            sql_text("true"),
            "TEXT",
        ),
        (
            "Edm.String",
            json!("True"),
            "Edm.Boolean",
            json!(true),
            Sql::Integer(1),
            "BOOLEAN",
        ),
        (
            "Edm.Int32",
            json!(1),
            "Edm.Boolean",
            json!(true),
            Sql::Integer(1),
            "BOOLEAN",
        ),
        (
            "Edm.DateTimeOffset",
            json!(stamp),
            "Edm.String",
            json!(stamp),
            sql_text(stamp),
            "TEXT",
        ),
        (
            "Edm.String",
            json!(stamp),
            "Edm.DateTimeOffset",
            json!(stamp),
            sql_text(stored),
            "TIMESTAMP",
        ),
        (
            "Edm.String",
            json!("Pool, Sauna"),
            "Collection(Edm.String)",
            json!(["Pool", "Sauna"]),
            sql_text(r#"["Pool","Sauna"]"#),
            "TEXT",
        ),
        (
            "Collection(Edm.String)",
            json!(["Pool"]),
            "Edm.String",
            json!("Pool"),
            sql_text("Pool"),
            "TEXT",
        ),
        (
            "Edm.Date",
            json!("2025-01-02"),
            "Edm.DateTimeOffset",
            json!("2025-01-02T00:00:00Z"),
            sql_text("2025-01-02 00:00:00"),
            "TIMESTAMP",
        ),
    ];
    for (before, first, after, second, exact, column) in cases {
        let case = format!("{before} {first} to {after} {second}");
        let typed = Typed::new(before, first);
        typed.mirror.sync();
        typed.send(after, second);
        typed.mirror.sync();
        assert_eq!(typed.held(), [exact], "{case}");
        assert_eq!(typed.declared_type(), column, "{case}");
        assert_eq!(typed.changes(), 0, "{case}");
        typed.feed.clear_requests();
        typed.mirror.sync();
        assert_eq!(typed.changes(), 0, "{case}");
        assert!(
            pages_of(&typed.feed, "Property").len() <= 1,
            "{case}: read again"
        );
        typed.mirror.sync_full();
        assert_eq!(typed.changes(), 0, "{case}");
    }
}

#[test]
fn a_value_that_changes_together_with_its_type_is_logged_once() {
    let typed = Typed::new("Edm.Int32", json!(731));
    typed.mirror.sync();
    typed.send("Edm.String", json!("00732"));
    typed.mirror.sync();
    let db = typed.mirror.open();
    let logged = "SELECT count(*) FROM changes
                  WHERE field = 'TaxCode' AND old_value = '731' AND new_value = '00732'";
    assert_eq!(number(&db, logged), 20);
    typed.mirror.sync_full();
    assert_eq!(typed.changes(), 20);
}

#[test]
fn numbers_and_booleans_in_other_spellings_are_stored_and_log_nothing() {
    let cases = [
        (
            "Edm.Double",
            vec![json!("1.50"), json!(1.5), json!("15e-1")],
            Sql::Real(1.5),
        ),
        (
            "Edm.Int32",
            vec![json!("7"), json!(7), json!("7.0")],
            Sql::Integer(7),
        ),
        (
            "Edm.Boolean",
            vec![json!("True"), json!(true), json!("Y"), json!(1), json!("1")],
            Sql::Integer(1),
        ),
        (
            "Edm.Boolean",
            vec![json!("N"), json!(0), json!(false), json!("FALSE")],
            Sql::Integer(0),
        ),
    ];
    for (edm_type, spellings, stored) in cases {
        let typed = Typed::new(edm_type, spellings[0].clone());
        typed.mirror.sync();
        for spelling in spellings {
            let what = format!("{edm_type} {spelling}");
            typed.send(edm_type, spelling);
            typed.mirror.sync_ends(0, &["full"]);
            assert_eq!(typed.held(), std::slice::from_ref(&stored), "{what}");
        }
        let db = typed.mirror.open();
        assert_eq!(number(&db, "SELECT count(*) FROM rejects"), 0, "{edm_type}");
        assert_eq!(typed.changes(), 0, "{edm_type}");
    }
}

#[test]
fn a_decimal_with_more_digits_than_a_number_stays_exact_in_extra() {
    for (sent, kept) in [
        ("0.1234567890123456789", None),
        ("40.76123456789012345", None),
        ("9007199254740993.5", None),
        ("-0040.500", Some(Sql::Real(-40.5))),
        ("123456789.123456", Some(Sql::Real(123_456_789.123_456))),
        (
            "9007199254740993",
            Some(Sql::Integer(9_007_199_254_740_993)),
        ),
    ] {
        let typed = Typed::new("Edm.Decimal", json!(sent));
        typed.mirror.sync();
        let exact = match &kept {
            None => vec![sent.to_owned()],
            Some(_) => Vec::new(),
        };
        assert_eq!(typed.held(), [kept.unwrap_or(Sql::Null)], "{sent}");
        let extra = "SELECT DISTINCT json_extract(extra, '$.TaxCode') FROM listings
                     WHERE extra LIKE '%TaxCode%'";
        assert_eq!(texts(&typed.mirror.open(), extra), exact, "{sent}");
        typed.mirror.sync_full();
        assert_eq!(typed.changes(), 0, "{sent}");
        typed.mirror.run(&["verify"]).says(0, &[]);
    }
}

#[test]
fn a_table_that_is_rebuilt_keeps_what_users_added() {
    let typed = Typed::new("Edm.Int32", json!(731));
    typed.mirror.sync();
    let own = Connection::open(typed.mirror.database_path()).unwrap();
    own.execute_batch(
        "CREATE VIEW my_view AS SELECT ListingKey, TaxCode FROM listings;
         CREATE INDEX my_index ON listings (TaxCode);
         CREATE TABLE my_log (listing TEXT);
         CREATE TRIGGER my_trigger AFTER UPDATE OF TaxCode ON listings
             BEGIN INSERT INTO my_log VALUES (new.ListingKey); END;
         CREATE TABLE my_notes (
             listing TEXT REFERENCES listings (ListingKey) ON DELETE CASCADE, note TEXT);
         INSERT INTO my_notes SELECT ListingKey, 'mine' FROM listings;",
    )
    .unwrap();
    let objects = "SELECT type || ' ' || name || ' ' || sql FROM sqlite_schema
                   WHERE name <> 'listings' AND sql IS NOT NULL ORDER BY 1";
    let before = texts(&own, objects);
    drop(own);
    let first_seen = "SELECT ListingKey || first_seen_at FROM listings ORDER BY 1";
    let rows_before = texts(&typed.mirror.open(), first_seen);
    typed.send("Edm.String", json!("00731"));
    typed.mirror.sync();
    let db = typed.mirror.open();
    assert_eq!(texts(&db, objects), before);
    assert_eq!(texts(&db, first_seen), rows_before);
    assert_eq!(number(&db, "SELECT count(*) FROM my_notes"), 20);
    assert_eq!(
        number(&db, "SELECT count(*) FROM my_view WHERE TaxCode = '00731'"),
        20
    );
    assert_eq!(texts(&db, "PRAGMA integrity_check"), ["ok"]);
    assert_eq!(
        texts(&db, "SELECT \"table\" FROM pragma_foreign_key_check").len(),
        0
    );
    drop(db);
    // The trigger works on the rebuilt table: each listing was written once with the new spelling.
    let logged = number(
        &typed.mirror.open(),
        "SELECT count(DISTINCT listing) FROM my_log",
    );
    assert_eq!(logged, 20);
}

/// Sends the keys of listings as numbers, or leaves them as texts.
fn key_of_type(proxy: &Proxy, edm_type: &'static str) {
    proxy.declare(move |metadata| {
        let start = metadata.find("<EntityType Name=\"Property\">").unwrap();
        let (before, rest) = metadata.split_at(start);
        let end = rest.find("</EntityType>").unwrap();
        let (property, after) = rest.split_at(end);
        let lines = property.lines().map(|line| {
            if line.contains("Name=\"ListingKey\"") && line.contains("Type=\"Edm.String\"") {
                line.replace("Edm.String", edm_type)
            } else {
                line.to_owned()
            }
        });
        let property: Vec<String> = lines.collect();
        format!("{before}{}{after}", property.join("\n"))
    });
    proxy.change(move |answer| {
        if answer.is_of("Property") && edm_type == "Edm.Int64" && answer.body.get("value").is_some()
        {
            for record in answer.records() {
                if let Some(key) = record["ListingKey"].as_str() {
                    record["ListingKey"] = json!(key.parse::<i64>().unwrap());
                }
            }
        }
    });
}

#[test]
fn a_row_whose_key_is_no_number_is_removed_when_keys_become_numbers() {
    let feed = feed(40);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    let own = Connection::open(mirror.database_path()).unwrap();
    own.execute_batch(
        "INSERT INTO listings (ListingKey, first_seen_at, updated_at)
         VALUES ('no number', '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
    )
    .unwrap();
    drop(own);
    key_of_type(&proxy, "Edm.Int64");
    mirror.sync();
    let db = mirror.open();
    assert_eq!(live(&db, "Property"), 40);
    let deleted = "SELECT ListingKey || ' ' || deleted_reason FROM listings
                   WHERE deleted_at IS NOT NULL";
    assert_eq!(texts(&db, deleted), ["no number missing"]);
    let logged = "SELECT record_key || ' ' || change FROM changes";
    assert_eq!(texts(&db, logged), ["no number delete"]);
}

#[test]
fn a_key_whose_type_changes_stays_the_key_of_the_same_rows() {
    for types in [["Edm.Int64", "Edm.String"], ["Edm.String", "Edm.Int64"]] {
        let feed = feed(40);
        let proxy = Proxy::of(&feed, |_| {});
        key_of_type(&proxy, types[0]);
        let mirror = Mirror::at(&proxy.base_url, |_| {});
        mirror.sync();
        key_of_type(&proxy, types[1]);
        mirror.sync();
        let db = mirror.open();
        assert_mirror_equals_feed(&db, &feed, &["Media", "OpenHouse"]);
        assert_eq!(live(&db, "Property"), 40, "{types:?}");
        assert_eq!(
            number(&db, "SELECT count(*) FROM listings"),
            40,
            "{types:?}"
        );
        assert_eq!(number(&db, "SELECT count(*) FROM changes"), 0, "{types:?}");
        let wanted = if types[1] == "Edm.String" {
            "text"
        } else {
            "integer"
        };
        let stored = "SELECT DISTINCT typeof(ListingKey) FROM listings";
        assert_eq!(texts(&db, stored), [wanted]);
        drop(db);
        mirror.sync_ends(0, &["reconcile"]);
        if types[1] != "Edm.String" {
            // The simulated feed compares its keys only with texts.
            continue;
        }
        let key = feed.listing_keys()[3].to_string();
        feed.advance(chrono::Duration::hours(1));
        feed.delete("Property", &key, true).unwrap();
        mirror.sync();
        let db = mirror.open();
        assert_eq!(live(&db, "Property"), 39, "{types:?}");
        let logged = "SELECT DISTINCT resource || change FROM changes WHERE resource = 'Property'";
        assert_eq!(texts(&db, logged), ["Propertydelete"], "{types:?}");
        let photos = "SELECT count(*) FROM listing_photos";
        assert_eq!(number(&db, photos), feed.truth("Media").len() as i64);
    }
}
