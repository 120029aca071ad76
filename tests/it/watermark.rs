//! The watermark: the feed's time up to which a resource is mirrored.

use chrono::Duration;
use rusqlite::types::Value as Sql;
use serde_json::json;
use simulator::Clock;

use crate::support::*;

#[test]
fn the_watermark_is_the_newest_timestamp_whatever_the_local_clock_says() {
    for year in [2019, 2026, 2041] {
        let now = instant(&format!("{year}-06-15T12:00:00Z"));
        let feed = feed_with(60, |options| options.clock = Clock::At(now));
        let mirror = Mirror::with(&feed, |settings| settings.resources = ALL.to_vec());
        mirror.sync();
        let db = mirror.open();
        for set in ["Property", "Media", "OpenHouse", "Member", "Office"] {
            let newest = Sql::Text(newest_timestamp(&feed, set));
            assert_eq!(
                last_run(&db, set)["watermark_after"],
                newest,
                "{set} in {year}"
            );
        }
        assert_mirror_equals_feed(&db, &feed, &ALL);
    }
}

#[test]
fn a_timestamp_in_the_feeds_future_does_not_move_the_watermark() {
    let feed = feed(60);
    let keys = feed.listing_keys();
    let edit = |key: i64, stamp| {
        let change = fields(json!({"ListPrice": 123_456}));
        feed.edit_at("Property", &key.to_string(), change, stamp)
            .unwrap();
    };
    // More records than a first query for the newest one returns.
    for key in &keys[..15] {
        edit(*key, feed.now() + Duration::hours(1));
    }
    edit(keys[20], feed.now() - Duration::seconds(1));
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let db = mirror.open();
    assert_eq!(
        text(
            &db,
            "SELECT watermark_after FROM sync_runs WHERE resource = 'Property' AND job = 'full'"
        ),
        "2026-03-04 18:59:59"
    );
    assert_mirror_equals_feed(&db, &feed, &MAIN);
}

#[test]
fn the_watermark_advances_with_the_feed_and_stays_if_a_run_fails() {
    let feed = feed(60);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let first = newest_timestamp(&feed, "Property");
    feed.advance(Duration::hours(5));
    feed.edit(
        "Property",
        &feed.listing_keys()[0].to_string(),
        fields(json!({"ListPrice": 1})),
    )
    .unwrap();
    let second = newest_timestamp(&feed, "Property");
    assert_ne!(first, second);

    feed.set_server(|server| server.metadata_status = Some(401));
    mirror.sync_ends(5, &[]);
    let failed = last_run(&mirror.open(), "Property");
    feed.set_server(|server| server.metadata_status = None);
    mirror.sync();
    let succeeded = last_run(&mirror.open(), "Property");
    let marks = |run: &Row| {
        (
            run["watermark_before"].clone(),
            run["watermark_after"].clone(),
        )
    };
    let (first, second) = (Sql::Text(first), Sql::Text(second));
    assert_eq!(marks(&failed), (first.clone(), first.clone()));
    assert_eq!(marks(&succeeded), (first, second));
}
