//! An incremental sync reads the changes since the watermark, and nothing else.

use serde_json::json;

use crate::moves::{assert_log_equals_the_difference, copy, last_change};
use crate::support::*;
use simulator::{Behaviour, Simulator, Spoil};

/// Returns everything but the runs, to detect writes.
fn all_rows(mirror: &Mirror) -> String {
    let db = mirror.open();
    let log = rows(&db, "SELECT * FROM changes ORDER BY id");
    let rejects = rows(&db, "SELECT * FROM rejects ORDER BY id");
    let metadata = rows(&db, "SELECT * FROM _metadata");
    format!("{}{log:?}{rejects:?}{metadata:?}", dump(&db, &MAIN))
}

fn changed_pages(feed: &Simulator, entity_set: &str) -> usize {
    let is_changes =
        |query: &str| query.contains("filter=ModificationTimestamp") && query.contains("$count");
    let path = format!("/reso/odata/{entity_set}");
    let asked = feed.requests().into_iter();
    asked
        .filter(|request| request.path == path && is_changes(&request.query))
        .count()
}

#[test]
fn changes_are_mirrored_and_logged() {
    let feed = feed(60);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let keys = feed.listing_keys();
    let before = copy(&mirror.open(), &MAIN);

    feed.advance(chrono::Duration::hours(2));
    feed.edit(
        "Property",
        &keys[3].to_string(),
        fields(json!({"ListPrice": 123456})),
    )
    .unwrap();
    feed.insert_listing().unwrap();
    feed.add_photo(keys[4], true).unwrap();
    let replaced = feed.truth_children(keys[5], "Media")[0]["MediaKey"].clone();
    feed.replace_photo(replaced.as_str().unwrap(), false)
        .unwrap();
    feed.reorder_photos(keys[6], false).unwrap();
    feed.add_open_house(keys[7]).unwrap();
    let photo = feed.truth_children(keys[8], "Media")[0]["MediaKey"].clone();
    feed.remove_photo(photo.as_str().unwrap(), false, true)
        .unwrap();
    feed.clear_requests();
    mirror.sync();

    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_log_equals_the_difference(&db, 0, &before, &copy(&db, &MAIN));
    let runs = "SELECT count(*) FROM sync_runs WHERE job = 'full' AND resource = 'Property'";
    assert_eq!(number(&db, runs), 1);
    let reason = format!(
        "SELECT deleted_reason FROM media WHERE MediaKey = '{}'",
        photo.as_str().unwrap()
    );
    assert_eq!(text(&db, &reason), "replaced");
    assert_eq!(changed_pages(&feed, "Property"), 1);
}

#[test]
fn an_idle_sync_writes_no_row_and_sends_few_requests() {
    for profile in ["wfrmls", "reso"] {
        let feed = feed(40);
        let mirror = Mirror::with(&feed, |settings| {
            settings.set("profile", format!("{profile:?}"))
        });
        mirror.sync();
        let before = all_rows(&mirror);
        feed.clear_requests();
        mirror.sync();
        assert!(all_rows(&mirror) == before, "{profile}: a row was written");
        let asked = feed.requests().len();
        assert!(asked <= 8, "{profile}: {asked} requests");
    }
}

#[test]
fn more_records_with_one_timestamp_than_a_page_holds_are_all_read() {
    for (profile, refuse_or) in [
        ("wfrmls", false),
        ("wfrmls", true),
        ("reso", false),
        ("reso", true),
    ] {
        let feed = feed(50);
        let mirror = Mirror::with(&feed, |settings| {
            settings.set("profile", format!("{profile:?}"));
            settings.set("page_size", 4);
        });
        mirror.sync();
        feed.set_server(|server| server.refuse_or = refuse_or);
        feed.advance(chrono::Duration::hours(3));
        let at = feed.now();
        for (n, key) in feed.listing_keys().iter().enumerate().take(30) {
            let stamp = at
                - chrono::Duration::minutes(if n < 5 {
                    40
                } else if n < 25 {
                    30
                } else {
                    20
                });
            feed.edit_at(
                "Property",
                &key.to_string(),
                fields(json!({"ListPrice": 500 + n})),
                stamp,
            )
            .unwrap();
        }
        mirror.sync();
        let db = mirror.open();
        assert_mirror_equals_feed(&db, &feed, &MAIN);
        let logged = "SELECT count(*) FROM changes WHERE field = 'ListPrice'";
        assert_eq!(number(&db, logged), 30, "{profile} {refuse_or}");
    }
}

#[test]
fn a_record_that_becomes_visible_late_is_read() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let keys = feed.listing_keys();
    feed.advance(chrono::Duration::hours(1));
    feed.hold();
    feed.edit(
        "Property",
        &keys[1].to_string(),
        fields(json!({"ListPrice": 1})),
    )
    .unwrap();
    feed.advance(chrono::Duration::minutes(10));
    mirror.sync();
    feed.release();
    feed.edit(
        "Property",
        &keys[2].to_string(),
        fields(json!({"ListPrice": 2})),
    )
    .unwrap();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn a_listing_that_leaves_the_filter_gets_its_last_values_and_comes_back() {
    let feed = feed(60);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = "[sync.filter]\nProperty = \"ListPrice gt 300000\"\n".to_owned();
    });
    mirror.sync();
    let price = |record: &Record| record["ListPrice"].as_f64().unwrap_or(0.0) > 300_000.0;
    let inside: Vec<String> = truth(&feed, "Property")
        .into_iter()
        .filter(|(_, record)| price(record))
        .map(|(key, _)| key)
        .collect();
    assert!(inside.len() > 3);
    let (leaver, stayer) = (&inside[0], &inside[1]);
    feed.advance(chrono::Duration::hours(1));
    feed.edit("Property", leaver, fields(json!({"ListPrice": 9000})))
        .unwrap();
    feed.edit("Property", stayer, fields(json!({"ListPrice": 300001})))
        .unwrap();
    mirror.sync();
    let db = mirror.open();
    let row = format!(
        "SELECT ListPrice || ' ' || deleted_reason FROM listings WHERE ListingKey = '{leaver}'"
    );
    assert_eq!(text(&db, &row), "9000 scope");
    let children =
        format!("SELECT count(*) FROM media WHERE listing_key = '{leaver}' AND deleted_at IS NULL");
    assert_eq!(number(&db, &children), 0);
    let is_inside = |listing: &str, _: &Record| {
        let all = truth(&feed, "Property");
        all.iter()
            .any(|(key, record)| key == listing && price(record))
    };
    assert_mirror_equals_part(&db, &feed, &MAIN, is_inside);

    let before = copy(&db, &MAIN);
    let last = last_change(&db);
    feed.advance(chrono::Duration::hours(1));
    feed.edit("Property", leaver, fields(json!({"ListPrice": 400000})))
        .unwrap();
    mirror.sync();
    let db = mirror.open();
    assert_mirror_equals_part(&db, &feed, &MAIN, is_inside);
    assert_log_equals_the_difference(&db, last, &before, &copy(&db, &MAIN));
}

#[test]
fn another_filter_or_field_selection_reads_all_again_and_logs_no_change() {
    let feed = feed(40);
    let mut mirror = Mirror::with(&feed, |settings| {
        settings.sync = "[sync.select]\nProperty = [\"ListPrice\", \"City\"]\n".to_owned();
    });
    mirror.sync();
    mirror.configure(|settings| {
        settings.sync =
            "[sync.select]\nProperty = [\"ListPrice\", \"City\", \"StandardStatus\"]\n".to_owned();
    });
    mirror.sync();
    let db = mirror.open();
    assert_eq!(number(&db, "SELECT count(*) FROM changes"), 0);
    let filled = "SELECT count(*) FROM listings WHERE StandardStatus IS NOT NULL";
    assert_eq!(number(&db, filled), 40);
    mirror.configure(|settings| settings.sync = String::new());
    mirror.sync();
    let db = mirror.open();
    assert_eq!(number(&db, "SELECT count(*) FROM changes"), 0);
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    feed.clear_requests();
    mirror.sync();
    assert!(feed.requests().len() <= 8);
}

#[test]
fn a_field_declared_or_undeclared_is_no_change() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.undeclare_field("Property", "City").unwrap();
    feed.advance(chrono::Duration::hours(1));
    let key = feed.listing_keys()[0].to_string();
    feed.edit("Property", &key, fields(json!({"ListPrice": 77})))
        .unwrap();
    mirror.sync();
    mirror.sync_full();
    let db = mirror.open();
    assert_eq!(number(&db, "SELECT count(*) FROM changes"), 1);
    assert_eq!(
        number(&db, "SELECT count(*) FROM listings WHERE City IS NULL"),
        0
    );
}

#[test]
fn a_rejected_record_is_read_again_until_it_is_fixed() {
    for spoil in [Spoil::NoKey, Spoil::WrongType, Spoil::NotAnObject] {
        let feed = feed(30);
        let mirror = Mirror::of(&feed);
        mirror.sync();
        let keys = feed.listing_keys();
        feed.advance(chrono::Duration::hours(1));
        feed.edit(
            "Property",
            &keys[1].to_string(),
            fields(json!({"ListPrice": 5})),
        )
        .unwrap();
        feed.spoil("Property", &keys[1].to_string(), spoil).unwrap();
        feed.advance(chrono::Duration::hours(1));
        feed.edit(
            "Property",
            &keys[2].to_string(),
            fields(json!({"ListPrice": 6})),
        )
        .unwrap();
        mirror.sync_ends(3, &[]);
        let open = "SELECT count(*) FROM rejects WHERE resolved_at IS NULL";
        assert_eq!(number(&mirror.open(), open), 1);
        feed.advance(chrono::Duration::hours(2));
        mirror.sync_ends(3, &[]);
        assert_eq!(number(&mirror.open(), open), 1);
        feed.repair("Property", &keys[1].to_string()).unwrap();
        if spoil == Spoil::NotAnObject {
            // Neither a key nor a timestamp shows which record it is.
            mirror.sync_ends(3, &[]);
            mirror.sync_full();
        }
        mirror.sync();
        let db = mirror.open();
        assert_eq!(number(&db, open), 0);
        assert_mirror_equals_feed(&db, &feed, &MAIN);
    }
}

#[test]
fn ties_are_asked_for_as_the_server_wrote_their_time() {
    let feed = feed(60);
    feed.behave(&[
        Behaviour::TimestampsWith7DigitsComparedAsText,
        Behaviour::CountRefused,
    ]);
    let mirror = Mirror::with(&feed, |settings| {
        settings.resources = vec!["Property"];
        settings.resources = vec!["Property"];
        settings.set("timestamps", "\"milliseconds\"");
        settings.set("page_size", 8);
    });
    mirror.sync();
    feed.advance(chrono::Duration::hours(26));
    for key in &feed.listing_keys()[..30] {
        let price = fields(json!({"ListPrice": 654_321}));
        feed.edit("Property", &key.to_string(), price).unwrap();
    }
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Property"]);
}
