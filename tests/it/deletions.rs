//! Deletions that the feed announces.

use serde_json::json;

use crate::moves::{assert_log_equals_the_difference, copy};
use crate::support::*;
use simulator::{DeletedNames, Fault, FaultRule, Simulator};

fn asked_for_deleted(feed: &Simulator) -> usize {
    let asked = feed.requests().into_iter();
    asked
        .filter(|request| request.path.ends_with("/Deleted"))
        .count()
}

fn reason(mirror: &Mirror, key: i64) -> String {
    let sql =
        format!("SELECT coalesce(deleted_reason, 'live') FROM listings WHERE ListingKey = '{key}'");
    text(&mirror.open(), &sql)
}

#[test]
fn an_announced_listing_is_deleted_with_its_children() {
    let feed = feed(40);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let keys = feed.listing_keys();
    let before = copy(&mirror.open(), &MAIN);
    feed.advance(chrono::Duration::hours(2));
    feed.delete("Property", &keys[3].to_string(), true).unwrap();
    let photo = feed.truth_children(keys[5], "Media")[0]["MediaKey"].clone();
    feed.remove_photo(photo.as_str().unwrap(), true, false)
        .unwrap();
    let announced = stored_timestamp(&feed.now().to_rfc3339());
    feed.advance(chrono::Duration::hours(1));
    let ended = mirror.sync_ends(0, &["deletions"]);
    assert!(ended.stdout.contains("1 listing (announced)"), "{ended}");
    assert!(ended.stdout.contains("(parent)"), "{ended}");
    let db = mirror.open();
    assert_eq!(reason(&mirror, keys[3]), "announced");
    let of_listing = format!("FROM media WHERE listing_key = '{}'", keys[3]);
    let reasons = texts(
        &db,
        &format!("SELECT DISTINCT coalesce(deleted_reason, 'live') {of_listing}"),
    );
    assert_eq!(reasons, ["parent"]);
    let stamps = texts(
        &db,
        "SELECT DISTINCT source_timestamp FROM changes WHERE change = 'delete'",
    );
    assert_eq!(stamps, [announced]);
    assert_log_equals_the_difference(&db, 0, &before, &copy(&db, &MAIN));

    let count = number(&db, "SELECT count(*) FROM changes");
    mirror.sync_ends(0, &["deletions"]);
    assert_eq!(
        number(&mirror.open(), "SELECT count(*) FROM changes"),
        count
    );
}

#[test]
fn an_announcement_older_than_the_record_is_ignored_because_keys_come_back() {
    for between in [true, false] {
        let feed = feed(30);
        let mirror = Mirror::of(&feed);
        mirror.sync();
        let key = feed.listing_keys()[4];
        feed.advance(chrono::Duration::hours(2));
        feed.delete("Property", &key.to_string(), true).unwrap();
        if between {
            mirror.sync();
            assert_eq!(reason(&mirror, key), "announced");
        }
        feed.bring_back(key).unwrap();
        mirror.sync();
        assert_eq!(reason(&mirror, key), "live");
        mirror.sync();
        let db = mirror.open();
        assert_mirror_equals_feed(&db, &feed, &MAIN);
        let logged = "SELECT count(*) FROM changes WHERE change IN ('delete', 'restore') AND resource = 'Property'";
        assert_eq!(number(&db, logged), if between { 2 } else { 0 });
    }
}

#[test]
fn the_names_that_answer_are_searched_once() {
    for names in [
        DeletedNames::Live,
        DeletedNames::Guide,
        DeletedNames::Resource,
    ] {
        let feed = feed(30);
        feed.set_server(|server| server.deleted_names = names);
        let mirror = Mirror::of(&feed);
        mirror.sync();
        let key = feed.listing_keys()[4];
        feed.advance(chrono::Duration::hours(2));
        feed.delete("Property", &key.to_string(), true).unwrap();
        feed.clear_requests();
        mirror.sync_ends(0, &["deletions"]);
        assert_eq!(reason(&mirror, key), "announced", "{names:?}");
        assert_eq!(asked_for_deleted(&feed), 1, "{names:?}");
    }
}

#[test]
fn a_feed_without_announcements_is_reported_and_is_no_failure() {
    let feed = feed(20);
    feed.set_server(|server| server.deleted_names = DeletedNames::Absent);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let ended = mirror.sync_ends(0, &["deletions"]);
    assert!(ended.stderr.contains("announces no deletions"), "{ended}");
    let status = "SELECT status FROM sync_runs WHERE job = 'deletions' AND resource = 'Property'
                  ORDER BY id DESC LIMIT 1";
    assert_eq!(text(&mirror.open(), status), "succeeded");
}

#[test]
fn announcements_that_could_not_be_read_are_read_later() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let keys = feed.listing_keys();
    feed.advance(chrono::Duration::hours(2));
    feed.delete("Property", &keys[4].to_string(), true).unwrap();
    feed.advance(chrono::Duration::hours(2));
    feed.edit(
        "Property",
        &keys[5].to_string(),
        fields(json!({"ListPrice": 5})),
    )
    .unwrap();
    feed.fault(FaultRule {
        path_contains: Some("/Deleted".to_owned()),
        ..FaultRule::always(Fault::Status(503))
    });
    mirror.sync_ends(3, &[]);
    assert_eq!(reason(&mirror, keys[4]), "live");
    mirror.sync_ends(1, &["deletions"]);
    feed.clear_faults();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn more_announcements_than_a_page_are_all_read() {
    let feed = feed(120);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.advance(chrono::Duration::hours(2));
    for key in feed.listing_keys().into_iter().step_by(2) {
        feed.delete("Property", &key.to_string(), true).unwrap();
    }
    mirror.sync();
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_eq!(live(&db, "Property"), 60);
}

#[test]
fn a_record_announced_twice_within_a_second_is_deleted_once() {
    let feed = feed(40);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.advance(chrono::Duration::hours(2));
    let key = feed.listing_keys()[3];
    // The record has the timestamp of its first announcement, and of its second.
    feed.delete("Property", &key.to_string(), true).unwrap();
    feed.bring_back(key).unwrap();
    mirror.sync();
    assert_eq!(reason(&mirror, key), "live");
    let before = copy(&mirror.open(), &MAIN);
    let since = crate::moves::last_change(&mirror.open());
    feed.delete("Property", &key.to_string(), true).unwrap();
    mirror.sync_ends(0, &["deletions"]);
    assert_eq!(reason(&mirror, key), "announced");
    let db = mirror.open();
    assert_log_equals_the_difference(&db, since, &before, &copy(&db, &MAIN));
}
