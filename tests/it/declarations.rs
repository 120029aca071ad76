//! Declarations that come and go: fields, types and whole resources.

use serde_json::{Value as Json, json};

use crate::columns::declare_in;
use crate::support::*;

/// Returns `$metadata` without a field of an entity type.
fn without_field(metadata: &str, entity_type: &str, field: &str) -> String {
    let start = metadata
        .find(&format!("<EntityType Name=\"{entity_type}\">"))
        .unwrap();
    let (before, rest) = metadata.split_at(start);
    let (declared, after) = rest.split_at(rest.find("</EntityType>").unwrap());
    let name = format!("Name=\"{field}\"");
    let lines = declared
        .lines()
        .filter(|line| !line.contains("<Property ") || !line.contains(&name));
    let lines: Vec<&str> = lines.collect();
    assert!(lines.len() < declared.lines().count(), "{field}");
    format!("{before}{}{after}", lines.join("\n"))
}

fn changes(mirror: &Mirror) -> i64 {
    number(&mirror.open(), "SELECT count(*) FROM changes")
}

/// Returns how many full syncs have run.
fn fulls(mirror: &Mirror) -> i64 {
    let sql = "SELECT count(*) FROM sync_runs WHERE job = 'full' AND resource = 'Property'";
    number(&mirror.open(), sql)
}

/// Returns why the column of a field is not filled.
fn left_out(mirror: &Mirror, field: &str) -> String {
    let sql = format!(
        "SELECT coalesce(left_out, '') FROM _fields WHERE resource = 'Property' AND field = '{field}'"
    );
    text(&mirror.open(), &sql)
}

#[test]
fn a_declaration_that_comes_and_goes_within_a_day_causes_no_full() {
    let feed = feed(60);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    for round in 0..15 {
        if round % 2 == 0 {
            proxy.declare(|metadata| without_field(&metadata, "Property", "PublicRemarks"));
        } else {
            proxy.declare(|metadata| metadata);
        }
        feed.advance(chrono::Duration::hours(2));
        let key = feed.listing_keys()[round % 7].to_string();
        let change = json!({"PublicRemarks": format!("remark {round}")});
        feed.edit("Property", &key, fields(change)).unwrap();
        mirror.sync();
        assert_eq!(fulls(&mirror), 1, "round {round}");
        let held = format!("SELECT PublicRemarks FROM listings WHERE ListingKey = '{key}'");
        assert_eq!(text(&mirror.open(), &held), format!("remark {round}"));
    }
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert_eq!(changes(&mirror), 15);
    mirror.run(&["verify"]).says(0, &[]);
}

#[test]
fn types_that_alternate_cause_one_full_and_no_change() {
    let feed = feed(30);
    let proxy = Proxy::of(&feed, |answer| {
        if answer.is_of("Property") && answer.body.get("value").is_some() {
            for record in answer.records() {
                record["TaxCode"] = json!("731");
            }
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    for round in 0..15 {
        let edm_type = ["Edm.Int32", "Edm.String"][round % 2];
        let field = format!("<Property Name=\"TaxCode\" Type=\"{edm_type}\"/>");
        proxy.declare(move |metadata| declare_in(&metadata, "Property", &field));
        feed.advance(chrono::Duration::hours(2));
        mirror.sync();
        assert_eq!(fulls(&mirror), 1 + i64::from(round > 0), "round {round}");
    }
    let stored = "SELECT DISTINCT typeof(TaxCode) || TaxCode FROM listings";
    assert_eq!(texts(&mirror.open(), stored), ["text731"]);
    assert_eq!(changes(&mirror), 0);
    // One of the two remains.
    for _ in 0..3 {
        let field = "<Property Name=\"TaxCode\" Type=\"Edm.Int32\"/>";
        proxy.declare(move |metadata| declare_in(&metadata, "Property", field));
        feed.advance(chrono::Duration::hours(13));
        mirror.sync();
    }
    assert_eq!(texts(&mirror.open(), stored), ["integer731"]);
    assert_eq!(changes(&mirror), 0);
}

#[test]
fn a_field_that_is_no_longer_declared_for_a_day_is_emptied_without_a_log_entry() {
    for still_sent in [false, true] {
        let feed = feed(40);
        let proxy = Proxy::of(&feed, |_| {});
        let mirror = Mirror::at(&proxy.base_url, |_| {});
        mirror.sync();
        let filled = "SELECT count(*) FROM listings WHERE PublicRemarks IS NOT NULL";
        let before = number(&mirror.open(), filled);
        assert!(before > 0);
        proxy.declare(|metadata| without_field(&metadata, "Property", "PublicRemarks"));
        if !still_sent {
            proxy.change(|answer| {
                if answer.is_of("Property") && answer.body.get("value").is_some() {
                    for record in answer.records() {
                        record.as_object_mut().unwrap().remove("PublicRemarks");
                    }
                }
            });
        }
        feed.advance(chrono::Duration::hours(1));
        mirror.sync();
        assert_eq!(left_out(&mirror, "PublicRemarks"), "");
        feed.advance(chrono::Duration::hours(25));
        mirror.sync();
        assert_eq!(number(&mirror.open(), filled), 0);
        assert_eq!(left_out(&mirror, "PublicRemarks"), "not declared");
        let sql = "SELECT name FROM pragma_table_info('listings')";
        assert!(texts(&mirror.open(), sql).contains(&"PublicRemarks".to_owned()));
        assert_eq!(changes(&mirror), 0);
        mirror.sync_full();
        assert_eq!(changes(&mirror), 0, "still sent: {still_sent}");
        let extra = "SELECT count(*) FROM listings WHERE extra ->> 'PublicRemarks' IS NOT NULL";
        let expected = if still_sent { before } else { 0 };
        assert_eq!(number(&mirror.open(), extra), expected);
        assert_eq!(fulls(&mirror), 2);

        proxy.declare(|metadata| metadata);
        proxy.change(|_| {});
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        assert_eq!(left_out(&mirror, "PublicRemarks"), "");
        assert_eq!(changes(&mirror), 0);
    }
}

#[test]
fn a_field_that_is_no_longer_selected_is_emptied_without_a_log_entry() {
    let feed = feed(40);
    let proxy = Proxy::of(&feed, |answer| {
        if answer.is_of("Property") && answer.body.get("value").is_some() {
            for record in answer.records() {
                record["Undeclared"] = json!("in extra");
            }
        }
    });
    let mut mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    let select = |settings: &mut Settings| {
        settings.sync = "select = { Property = [\"ListPrice\", \"StandardStatus\"] }".to_owned();
    };
    mirror.configure(select);
    mirror.sync();
    let columns = texts(
        &mirror.open(),
        "SELECT name FROM pragma_table_info('listings')",
    );
    let is_field = |name: &&String| name.starts_with(|first: char| first.is_ascii_uppercase());
    let filled = columns.iter().filter(is_field).filter(|name| {
        let sql = format!("SELECT count(*) FROM listings WHERE \"{name}\" IS NOT NULL");
        number(&mirror.open(), &sql) > 0
    });
    let filled: Vec<&str> = filled.map(String::as_str).collect();
    let mut expected = [
        "ListPrice",
        "ListingKey",
        "ListingKeyNumeric",
        "ModificationTimestamp",
        "PhotosCount",
        "StandardStatus",
    ];
    expected.sort_unstable();
    let mut found = filled.clone();
    found.sort_unstable();
    assert_eq!(found, expected);
    let extra = "SELECT count(*) FROM listings WHERE extra IS NOT NULL";
    assert_eq!(number(&mirror.open(), extra), 0);
    assert_eq!(left_out(&mirror, "City"), "not selected");
    assert_eq!(left_out(&mirror, "ListPrice"), "");
    let cities = "SELECT count(City) FROM active_listings";
    assert_eq!(number(&mirror.open(), cities), 0);
    assert_eq!(changes(&mirror), 0);

    mirror.configure(|settings| settings.sync = String::new());
    mirror.sync();
    assert_eq!(left_out(&mirror, "City"), "");
    assert_eq!(changes(&mirror), 0);
    let sent = feed.truth("Property").len() as i64;
    assert_eq!(number(&mirror.open(), extra), sent);
    assert_eq!(
        number(&mirror.open(), "SELECT count(City) FROM listings"),
        sent
    );
}

#[test]
fn rows_that_were_inserted_by_hand_are_removed_or_refetched() {
    for job in ["full", "reconcile"] {
        let feed = feed(40);
        let mirror = Mirror::of(&feed);
        mirror.sync();
        let keys = feed.listing_keys();
        let own = rusqlite::Connection::open(mirror.database_path()).unwrap();
        own.execute_batch(&format!(
            "INSERT INTO listings (ListingKey, first_seen_at, updated_at)
                 VALUES ('by hand', '2026-01-01 00:00:00', '2026-01-01 00:00:00');
             INSERT INTO listings (ListingKey, ListingKeyNumeric, first_seen_at, updated_at)
                 VALUES ('another', 999999999, '2026-01-01 00:00:00', '2026-01-01 00:00:00');
             INSERT INTO listings (ListingKey, ListingKeyNumeric, first_seen_at, updated_at)
                 VALUES ('third', 'no number', '2026-01-01 00:00:00', '2026-01-01 00:00:00');
             INSERT INTO media (MediaKey, listing_key, first_seen_at, updated_at)
                 VALUES ('by hand', '{}', '2026-01-01 00:00:00', '2026-01-01 00:00:00');
             UPDATE listings SET ListingKeyNumeric = NULL WHERE ListingKey = '{}';
             UPDATE listings SET ModificationTimestamp = NULL, City = 'x' WHERE ListingKey = '{}';",
            keys[0], keys[1], keys[2]
        ))
        .unwrap();
        drop(own);
        mirror.sync_ends(0, &[job]);
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn children_do_not_wait_for_listings_that_metadata_does_not_declare() {
    let feed = feed(40);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    proxy.hide("Property");
    feed.advance(chrono::Duration::hours(1));
    let key = feed.listing_keys()[2];
    let photo = key_text(&feed.truth_children(key, "Media")[0]["MediaKey"]);
    let change = json!({"ShortDescription": "a new description"});
    feed.edit("Media", &photo, fields(change)).unwrap();
    mirror.sync_ends(3, &[]).says(3, &["Property"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Media", "OpenHouse"]);
    mirror.sync_ends(3, &["full"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Media", "OpenHouse"]);
    proxy.declare(|metadata| metadata);
    feed.clear_requests();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert!(
        pages_of(&feed, "Property").len() <= 2,
        "listings are read again"
    );
    let logged = "SELECT count(*) FROM changes WHERE resource = 'Property'";
    assert_eq!(number(&mirror.open(), logged), 0);
    let shown: Json = mirror.run(&["status", "--json"]).json();
    assert!(shown.is_object());
}
