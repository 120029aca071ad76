//! A feed that announces no deletions: at the end of a sync, its counts show that records are
//! missing.

use serde_json::json;

use crate::support::*;
use simulator::{Behaviour, DeletedNames, Simulator};

/// Starts a feed that announces no deletions.
fn silent_feed(listings: u64) -> Simulator {
    let feed = feed(listings);
    feed.set_server(|server| server.deleted_names = DeletedNames::Absent);
    feed
}

/// Deletes listings without an announcement, after some hours.
fn delete(feed: &Simulator, count: usize) {
    feed.advance(chrono::Duration::hours(3));
    for key in feed.listing_keys().into_iter().take(count) {
        feed.delete("Property", &key.to_string(), false).unwrap();
    }
}

fn reconciles(mirror: &Mirror) -> i64 {
    let runs = "SELECT count(*) FROM sync_runs WHERE job = 'reconcile'";
    number(&mirror.open(), runs)
}

/// Returns whether a request is for the number of listings.
fn asks_for_count(answer: &Answer) -> bool {
    let asked = &answer.request;
    let is_one = asked.contains("$top=1&") || asked.ends_with("$top=1");
    answer.is_of("Property") && (asked.contains(" desc") || is_one)
}

/// Adds listings to their count.
fn count_more(answer: &mut Answer, by: u64) {
    if asks_for_count(answer)
        && let Some(count) = answer.body["@odata.count"].as_u64()
    {
        answer.body["@odata.count"] = json!(count + by);
    }
}

#[test]
fn an_unannounced_deletion_is_found_by_the_next_sync() {
    for profile in ["wfrmls", "reso"] {
        let feed = silent_feed(60);
        let mirror = Mirror::with(&feed, |settings| {
            settings.set("profile", format!("{profile:?}"));
        });
        mirror.sync();
        delete(&feed, 3);
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        let reconciled = reconciles(&mirror);
        mirror.sync();
        assert_eq!(reconciles(&mirror), reconciled);
    }
}

#[test]
fn a_listing_that_appears_with_an_old_timestamp_comes_with_its_children() {
    for is_silent in [false, true] {
        for is_idle in [false, true] {
            let feed = if is_silent { silent_feed(60) } else { feed(60) };
            let mirror = Mirror::of(&feed);
            mirror.sync();
            feed.advance(chrono::Duration::hours(3));
            mirror.sync();
            feed.advance(chrono::Duration::hours(3));
            let old = feed.now() - chrono::Duration::days(9);
            let key = feed.insert_listing_at(old).unwrap();
            assert!(!feed.truth_children(key, "Media").is_empty());
            if !is_idle {
                let other = feed.listing_keys()[7].to_string();
                let price = fields(json!({"ListPrice": 123_456}));
                feed.edit("Property", &other, price).unwrap();
            }
            let ended = mirror.sync();
            let all = |_: &str, _: &Record| true;
            let different = differences_from_part(&mirror.open(), &feed, &MAIN, all);
            assert!(different.is_empty(), "{different:?}: {ended}");
        }
    }
}

#[test]
fn a_difference_of_counts_is_reconciled_again_after_a_day() {
    let feed = silent_feed(60);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    proxy.change(|answer| count_more(answer, 1));
    for (hours, expected) in [(1, 1), (1, 1), (25, 2), (1, 2)] {
        feed.advance(chrono::Duration::hours(hours));
        mirror.sync_ends(3, &[]);
        assert_eq!(reconciles(&mirror), expected);
    }
    let status = mirror.run(&["status"]);
    assert!(status.stdout.contains("counts"), "{status}");
}

#[test]
fn fewer_photos_than_the_mirror_has_are_found_too() {
    let feed = silent_feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.advance(chrono::Duration::hours(3));
    let photo = feed.truth("Media")[7]["MediaKey"].clone();
    feed.remove_photo(photo.as_str().unwrap(), false, false)
        .unwrap();
    mirror.sync();
    assert_eq!(live(&mirror.open(), "Media"), feed.count("Media") as i64);
}

#[test]
fn records_that_are_counted_but_not_sent_are_reported_and_reconciled_once() {
    let feed = silent_feed(60);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    proxy.change(|answer| count_more(answer, 5));
    for listings in 60..63 {
        let counted = format!("the feed counts {} listings", listings + 5);
        mirror.sync_ends(3, &[]).says(3, &[&counted]);
        assert_eq!(reconciles(&mirror), 1);
        feed.advance(chrono::Duration::hours(1));
        feed.insert_listing().unwrap();
    }
    proxy.change(|_| {});
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn a_count_that_says_nothing_is_not_used() {
    let counts: [fn(&mut Answer); 3] = [
        // The number of records in the page.
        |answer| answer.body["@odata.count"] = json!(answer.records().len()),
        // The number of all records, whatever the filter says.
        |answer| answer.body["@odata.count"] = json!(90),
        // Too small.
        |answer| answer.body["@odata.count"] = json!(20),
    ];
    for (at, count) in counts.into_iter().enumerate() {
        let feed = silent_feed(90);
        let proxy = Proxy::of(&feed, |_| {});
        let mirror = Mirror::at(&proxy.base_url, |settings| {
            settings.resources = vec!["Property"];
            let filter = "[sync.filter]\nProperty = \"StandardStatus eq 'Active'\"";
            settings.sync = filter.to_owned();
        });
        mirror.sync();
        let listings = live(&mirror.open(), "Property");
        assert!((21..90).contains(&listings), "{listings} active listings");
        proxy.change(move |answer| {
            if asks_for_count(answer) {
                count(answer);
            }
        });
        for _ in 0..3 {
            mirror.sync();
            feed.advance(chrono::Duration::hours(1));
            feed.insert_listing().unwrap();
        }
        assert!(reconciles(&mirror) <= 2, "count {at}");
    }
}

#[test]
fn counts_are_compared_under_a_filter_that_accepts_all_records() {
    let feed = silent_feed(90);
    let mirror = Mirror::with(&feed, |settings| {
        settings.resources = vec!["Property"];
        settings.sync = "[sync.filter]\nProperty = \"ListPrice gt 0\"".to_owned();
    });
    mirror.sync();
    delete(&feed, 3);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Property"]);
}

#[test]
fn a_count_that_ignores_the_filter_contradicts_no_keys() {
    let feed = feed(90);
    feed.behave(&[Behaviour::FilterIgnoredByCount]);
    let mirror = Mirror::with(&feed, |settings| {
        let filter = "[sync.filter]\nProperty = \"StandardStatus eq 'Active'\"";
        settings.sync = filter.to_owned();
    });
    mirror.sync();
    mirror.sync_ends(0, &["reconcile"]);
    let verified = mirror.run(&["verify"]);
    assert_eq!(verified.code, Some(0), "{verified}");
}

#[test]
fn a_total_count_takes_precedence_over_the_count_of_the_page() {
    let feed = silent_feed(90);
    let proxy = Proxy::of(&feed, |answer| {
        if asks_for_count(answer) {
            let total = answer.body["@odata.count"].take();
            answer.body["@odata.totalCount"] = total;
            answer.body["@odata.count"] = json!(answer.records().len());
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.resources = vec!["Property"]
    });
    let plan = mirror.run(&["check", "--json"]).json();
    assert_eq!(plan["resources"][0]["records"], 90);
    mirror.sync();
    delete(&feed, 3);
    mirror.sync();
    assert_eq!(reconciles(&mirror), 1);
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Property"]);
}

#[test]
fn a_mass_deletion_waits_at_the_end_of_a_sync_too() {
    let feed = silent_feed(100);
    let mirror = Mirror::with(&feed, |settings| settings.resources = vec!["Property"]);
    mirror.sync();
    delete(&feed, 40);
    let before = dump(&mirror.open(), &["Property"]);
    mirror
        .sync_ends(3, &[])
        .says(3, &["40 of 100 listings", "--allow-deletes 40"]);
    mirror
        .sync_ends(3, &[])
        .says(3, &["the feed counts 60 listings, and the mirror has 100"]);
    assert_eq!(reconciles(&mirror), 1);
    assert!(dump(&mirror.open(), &["Property"]) == before);
    mirror.sync_ends(0, &["--allow-deletes", "40"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Property"]);
}
