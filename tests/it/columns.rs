//! The columns of tables: fields whose names SQLite regards as equal, too many fields, and
//! fields with the names of other things.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::support::*;

/// Declares more fields at the start of an entity type.
pub fn declare_in(metadata: &str, entity_type: &str, fields: &str) -> String {
    let start = format!("<EntityType Name=\"{entity_type}\">");
    let at = metadata.find(&start).unwrap();
    let key = at + metadata[at..].find("</Key>").unwrap() + "</Key>".len();
    format!("{}{fields}{}", &metadata[..key], &metadata[key..])
}

fn column_names(mirror: &Mirror, table: &str) -> Vec<String> {
    let sql = format!("SELECT name FROM pragma_table_info('{table}')");
    texts(&mirror.open(), &sql)
}

/// Returns a member of `extra` of every live row, without repetitions.
fn in_extra(mirror: &Mirror, table: &str, name: &str) -> Vec<String> {
    let sql = format!(
        "SELECT DISTINCT coalesce(extra ->> '{name}', 'nothing') FROM {table}
         WHERE deleted_at IS NULL ORDER BY 1"
    );
    texts(&mirror.open(), &sql)
}

#[test]
fn of_names_that_differ_only_by_case_the_reso_name_has_the_column() {
    let feed = feed(40);
    let proxy = Proxy::of(&feed, |answer| {
        if answer.is_of("Property") && answer.body.get("value").is_some() {
            for record in answer.records() {
                record["LISTPRICE"] = json!("a twin");
                record["listingkey"] = json!("another twin");
                record["city"] = json!("a third twin");
            }
        }
    });
    proxy.declare(|metadata| {
        let twins = r#"<Property Name="LISTPRICE" Type="Edm.String"/>
            <Property Name="listingkey" Type="Edm.String"/>
            <Property Name="city" Type="Edm.String"/>"#;
        declare_in(&metadata, "Property", twins)
    });
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    let noted = "Property: 3 declared fields have no column";
    mirror.run(&["check"]).says(0, &[noted]);
    mirror.sync().says(0, &[noted]);
    let columns = column_names(&mirror, "listings");
    for name in ["ListPrice", "ListingKey", "City"] {
        assert!(columns.iter().any(|column| column == name), "{name}");
    }
    for (listing, record) in truth(&feed, "Property") {
        let sql = format!("SELECT ListPrice, City FROM listings WHERE ListingKey = '{listing}'");
        let row = &rows(&mirror.open(), &sql)[0];
        let price = match row["ListPrice"] {
            rusqlite::types::Value::Integer(price) => price as f64,
            rusqlite::types::Value::Real(price) => price,
            ref other => panic!("{other:?}"),
        };
        assert_eq!(Some(price), record["ListPrice"].as_f64());
        assert_eq!(as_text(&row["City"]), record["City"].as_str().unwrap());
    }
    assert_eq!(in_extra(&mirror, "listings", "LISTPRICE"), ["a twin"]);
    assert_eq!(
        in_extra(&mirror, "listings", "listingkey"),
        ["another twin"]
    );
    assert_eq!(in_extra(&mirror, "listings", "city"), ["a third twin"]);
    mirror.sync();
    assert_eq!(number(&mirror.open(), "SELECT count(*) FROM changes"), 0);
}

/// Declares this range of numbered fields at the start of Property.
fn numbered(metadata: &str, range: std::ops::Range<usize>) -> String {
    let mut fields = String::new();
    for number in range {
        let _ = write!(
            fields,
            "<Property Name=\"Many{number}\" Type=\"Edm.String\"/>"
        );
    }
    declare_in(metadata, "Property", &fields)
}

/// Adds values of numbered fields to the records of a page.
fn fill(answer: &mut Answer, numbers: &[usize]) {
    if answer.is_of("Property") && answer.body.get("value").is_some() {
        for record in answer.records() {
            for number in numbers {
                record[format!("Many{number}")] = json!(format!("value {number}"));
            }
        }
    }
}

/// Returns the value of a numbered field wherever the mirror holds it, and whether that is
/// its column.
fn held(mirror: &Mirror, number: usize) -> (String, bool) {
    let name = format!("Many{number}");
    let has_column = column_names(mirror, "listings").contains(&name);
    let place = if has_column {
        name
    } else {
        format!("extra ->> '{name}'")
    };
    let sql = format!("SELECT DISTINCT {place} FROM listings WHERE deleted_at IS NULL");
    (texts(&mirror.open(), &sql).join(" and "), has_column)
}

#[test]
fn more_fields_than_a_table_can_hold_are_kept_in_extra() {
    const LAST: usize = 2_399;
    let feed = feed(20);
    let proxy = Proxy::of(&feed, |answer| fill(answer, &[0, LAST]));
    proxy.declare(|metadata| numbered(&metadata, 0..LAST + 1));
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    let checked = mirror.run(&["check"]);
    checked.says(0, &["declared fields have no column"]);
    let lines = checked.stderr.lines();
    let noted = lines.filter(|line| line.contains("have no column"));
    assert_eq!(noted.count(), 1, "{checked}");
    mirror.sync().says(0, &["declared fields have no column"]);
    assert_eq!(held(&mirror, 0), ("value 0".to_owned(), true));
    assert_eq!(held(&mirror, LAST), (format!("value {LAST}"), false));
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Media", "OpenHouse"]);
    let key = feed.listing_keys()[0].to_string();
    let shown = mirror.run(&["listing", &key]);
    assert!(shown.stdout.contains("value 0"), "{shown}");
    mirror.sync();
    assert_eq!(number(&mirror.open(), "SELECT count(*) FROM changes"), 0);
}

#[test]
fn a_table_that_is_full_after_years_keeps_later_fields_in_extra() {
    let feed = feed(20);
    let proxy = Proxy::of(&feed, |answer| fill(answer, &[0, 1_500, 1_501, 2_999]));
    proxy.declare(|metadata| numbered(&metadata, 0..1_501));
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    proxy.declare(|metadata| numbered(&metadata, 1_500..3_000));
    mirror.sync();
    for number in [1_500, 1_501, 2_999] {
        assert_eq!(
            held(&mirror, number),
            (format!("value {number}"), number < 2_000)
        );
    }
    mirror
        .run(&["check"])
        .says(0, &["declared fields have no column"]);

    // No timestamp shows that the records have one more field.
    proxy.change(|answer| fill(answer, &[0, 1_500, 1_501, 2_999, 3_000]));
    proxy.declare(|metadata| numbered(&metadata, 1_500..3_001));
    mirror.sync();
    assert_eq!(held(&mirror, 3_000), ("value 3000".to_owned(), false));
    let next = mirror.sync();
    assert!(next.stdout.starts_with("incremental Property"), "{next}");
    assert_eq!(number(&mirror.open(), "SELECT count(*) FROM changes"), 0);
}

#[test]
fn views_work_whatever_the_fields_of_other_tables_are_named() {
    let feed = feed(20);
    let proxy = Proxy::of(&feed, |_| {});
    let with_foreign_names = |metadata: String| {
        let own = |table: &str| -> Vec<String> {
            let from = metadata
                .find(&format!("<EntityType Name=\"{table}\">"))
                .unwrap();
            let until = from + metadata[from..].find("</EntityType>").unwrap();
            let names = metadata[from..until].split("Name=\"").skip(1);
            names
                .map(|rest| rest.split('"').next().unwrap().to_owned())
                .collect()
        };
        // The columns of the mirror's own tables are among the names.
        let all: Vec<String> = ["Property", "Media", "OpenHouse"]
            .into_iter()
            .flat_map(own)
            .collect();
        let ours = [
            "id",
            "run_id",
            "resource",
            "record_key",
            "change",
            "field",
            "old_value",
            "new_value",
            "source_timestamp",
            "recorded_at",
            "since",
            "offset_minutes",
            "address",
            "job",
        ];
        let mut result = metadata.clone();
        for table in ["Property", "Media", "OpenHouse"] {
            let known = own(table);
            let mut fields = String::new();
            let mut added: Vec<String> = Vec::new();
            for name in all.iter().map(String::as_str).chain(ours) {
                let is_known = |known: &String| known.eq_ignore_ascii_case(name);
                if !known.iter().any(is_known) && !added.iter().any(is_known) {
                    let _ = write!(fields, "<Property Name=\"{name}\" Type=\"Edm.String\"/>");
                    added.push(name.to_owned());
                }
            }
            result = declare_in(&result, table, &fields);
        }
        result
    };
    proxy.declare(with_foreign_names);
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    let key = feed.listing_keys()[0].to_string();
    for status in ["Active", "Pending"] {
        let change = json!({"StandardStatus": status, "ListPrice": 5});
        feed.edit("Property", &key, fields(change)).unwrap();
        mirror.sync();
    }
    let db = mirror.open();
    let views = texts(&db, "SELECT name FROM sqlite_schema WHERE type = 'view'");
    assert!(views.len() >= 9, "{views:?}");
    for view in views {
        number(&db, &format!("SELECT count(*) FROM (SELECT * FROM {view})"));
    }
    let photos = "SELECT count(*) FROM listing_photos";
    assert_eq!(number(&db, photos), feed.truth("Media").len() as i64);
    mirror.run(&["init", "--datasette"]).says(0, &[]);
    mirror.run(&["sync", "monitor"]).says(0, &[]);
    mirror.run(&["report"]).says(0, &[]);
    let shown: Json = mirror.run(&["status", "--json"]).json();
    assert!(shown.is_object());
}
