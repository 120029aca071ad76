//! A sync of a feed that was quiet asks once for each resource and reads nothing again. A
//! record that becomes visible late is read all the same.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use simulator::{Clock, DeletedNames, Simulator};

use crate::support::*;

/// Edits listings with one timestamp.
fn edit_at(feed: &Simulator, keys: &[i64], price: i64, at: DateTime<Utc>) {
    for key in keys {
        let price = fields(json!({ "ListPrice": price }));
        feed.edit_at("Property", &key.to_string(), price, at)
            .unwrap();
    }
}

/// Returns the last parts of the paths that a sync requested.
fn paths_of_sync(feed: &Simulator, mirror: &Mirror) -> Vec<String> {
    feed.clear_requests();
    mirror.sync();
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    feed.requests().iter().map(|one| name(&one.path)).collect()
}

/// Returns the number of listings that the last run has read.
fn listings_read(mirror: &Mirror) -> i64 {
    let sql =
        "SELECT records_seen FROM sync_runs WHERE resource = 'Property' AND job <> 'deletions'
               ORDER BY id DESC LIMIT 1";
    number(&mirror.open(), sql)
}

#[test]
fn an_idle_sync_asks_once_for_each_resource_and_once_for_deletions() {
    let feed = feed(60);
    let mirror = Mirror::of(&feed);
    feed.advance(Duration::hours(2));
    mirror.sync();
    let asked = ["$metadata", "Property", "Media", "OpenHouse", "Deleted"];
    assert_eq!(paths_of_sync(&feed, &mirror), asked);
    feed.advance(Duration::hours(2));
    assert_eq!(paths_of_sync(&feed, &mirror), asked);
    assert_eq!(listings_read(&mirror), 0);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);

    // Without announcements, the same answers count the records.
    feed.set_server(|server| server.deleted_names = DeletedNames::Absent);
    mirror.sync_ends(3, &[]);
    feed.advance(Duration::hours(25));
    paths_of_sync(&feed, &mirror);
    assert_eq!(paths_of_sync(&feed, &mirror), asked[..4]);
}

#[test]
fn records_that_share_the_watermark_are_not_read_again() {
    // Ten equal timestamps do not show that the server has put them in order. An older record
    // does, if there is one; the requests are those of the first and of a later idle sync.
    for (older, requests) in [(1, [2, 1]), (0, [3, 2])] {
        let feed = feed(60);
        let keys = feed.listing_keys();
        edit_at(&feed, &keys[older..], 1, feed.now());
        feed.advance(Duration::hours(1));
        let mirror = Mirror::of(&feed);
        mirror.sync();
        for number in requests {
            let asked = paths_of_sync(&feed, &mirror);
            assert_eq!(listings_read(&mirror), 0);
            let of_listings = asked.iter().filter(|path| *path == "Property");
            assert_eq!(of_listings.count(), number, "{older}");
        }

        feed.advance(Duration::hours(1));
        edit_at(&feed, &keys[3..4], 2, feed.now());
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

/// Syncs twice, and lets a change become visible late: 15 minutes after its timestamp, which
/// is before the newest one that the mirror has seen.
fn late_change(feed: &Simulator, mirror: &Mirror) {
    let keys = feed.listing_keys();
    edit_at(feed, &keys[1..2], 10, feed.now());
    mirror.sync();
    feed.advance(Duration::minutes(10));
    mirror.sync();
    edit_at(feed, &keys[2..3], 20, feed.now() - Duration::minutes(15));
    mirror.sync();
}

#[test]
fn a_change_that_becomes_visible_late_is_read_with_or_without_a_clock() {
    let feed = feed(60);
    let mirror = Mirror::of(&feed);
    late_change(&feed, &mirror);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);

    let now = Utc::now() - Duration::days(2);
    let feed = feed_with(60, |options| options.clock = Clock::At(now));
    let proxy = Proxy::of(&feed, |_| {});
    proxy.stop_clock();
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    late_change(&feed, &mirror);
    feed.advance(Duration::hours(1));
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn changes_before_the_time_of_the_last_sync_show_that_the_feeds_clock_is_wrong() {
    // Timestamps are in local time, six hours behind the `Date` header.
    let feed = feed(60);
    let mirror = Mirror::of(&feed);
    let keys = feed.listing_keys();
    let local = |feed: &Simulator| feed.now() - Duration::hours(6);
    feed.advance(Duration::hours(12));
    edit_at(&feed, &keys[1..2], 10, local(&feed));
    mirror.sync();
    feed.advance(Duration::minutes(10));
    // One change becomes visible late, and another one at once.
    edit_at(&feed, &keys[2..3], 20, local(&feed) - Duration::minutes(15));
    edit_at(&feed, &keys[3..4], 30, local(&feed));
    let ended = mirror.sync();
    assert!(ended.stderr.contains("looking back further"), "{ended}");
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);

    // It is remembered: a late change alone is read at once.
    feed.advance(Duration::minutes(10));
    edit_at(&feed, &keys[4..5], 40, local(&feed) - Duration::minutes(15));
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn children_of_changed_listings_are_read_once() {
    let feed = feed(60);
    let mirror = Mirror::of(&feed);
    feed.advance(Duration::hours(2));
    mirror.sync();
    feed.advance(Duration::hours(2));
    let keys = feed.listing_keys();
    // The listing at the watermark is read again after a quiet time.
    let newest = truth(&feed, "Property")
        .into_iter()
        .max_by_key(|(_, listing)| listing["ModificationTimestamp"].to_string());
    let newest: i64 = newest.unwrap().0.parse().unwrap();
    for key in &keys[..5] {
        let photo = key_text(&feed.truth_children(*key, "Media")[0]["MediaKey"]);
        feed.replace_photo(&photo, true).unwrap();
    }
    // After a quiet time, a first request shows that listings have changed.
    let asked = [
        "$metadata",
        "Property",
        "Property",
        "Media",
        "OpenHouse",
        "Deleted",
    ];
    assert_eq!(paths_of_sync(&feed, &mirror), asked);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let photos =
        "SELECT records_seen FROM sync_runs WHERE resource = 'Media' AND job <> 'deletions'
                  ORDER BY id DESC LIMIT 1";
    assert!(!keys[..5].contains(&newest));
    let of_listings: usize = (keys[..5].iter().chain([&newest]))
        .map(|key| feed.truth_children(*key, "Media").len())
        .sum();
    assert_eq!(number(&mirror.open(), photos), of_listings as i64);

    // A photo that changes without its listing does not come along.
    feed.advance(Duration::minutes(5));
    edit_at(&feed, &keys[7..8], 5, feed.now());
    let alone = key_text(&feed.truth_children(keys[8], "Media")[0]["MediaKey"]);
    feed.replace_photo(&alone, false).unwrap();
    let with = key_text(&feed.truth_children(keys[9], "Media")[0]["MediaKey"]);
    feed.replace_photo(&with, true).unwrap();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn answers_from_a_copy_that_is_behind_are_noticed_after_a_quiet_time() {
    let feed = feed(60);
    let mirror = Mirror::of(&feed);
    feed.advance(Duration::hours(2));
    mirror.sync();
    // The copy lacks the newest listing of the mirror.
    let newest = newest_timestamp(&feed, "Property");
    let is_newest = move |listing: &serde_json::Value| {
        let timestamp = listing["ModificationTimestamp"].as_str();
        timestamp.map(stored_timestamp).as_ref() == Some(&newest)
    };
    let proxy = Proxy::of(&feed, move |answer| {
        let is_by_key = answer.request.contains(" in (");
        if answer.is_of("Property") && !is_by_key {
            let before = answer.records().len();
            answer.records().retain(|listing| !is_newest(listing));
            let removed = before - answer.records().len();
            let count = answer.body["@odata.count"].as_u64();
            if let Some(count) = count {
                answer.body["@odata.count"] = json!(count - removed as u64);
            }
        }
    });
    let mut mirror = mirror;
    mirror.configure(|settings| settings.base_url = proxy.base_url.clone());
    let ended = mirror.sync_ends(3, &["--feed-moved"]);
    assert!(ended.stderr.contains("a copy that is behind"), "{ended}");
}

#[test]
fn after_the_newest_listing_was_deleted_an_idle_sync_asks_once_again() {
    let feed = feed(60);
    let mirror = Mirror::of(&feed);
    feed.advance(Duration::hours(2));
    mirror.sync();
    let newest = truth(&feed, "Property")
        .into_iter()
        .max_by_key(|(_, listing)| listing["ModificationTimestamp"].to_string());
    feed.delete("Property", &newest.unwrap().0, true).unwrap();
    feed.advance(Duration::hours(2));
    mirror.sync();
    mirror.sync();
    let asked = paths_of_sync(&feed, &mirror);
    assert_eq!(asked.iter().filter(|path| *path == "Property").count(), 1);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}
