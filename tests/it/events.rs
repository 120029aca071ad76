//! Feeds that list events: which records were added, changed or deleted.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};
use simulator::Simulator;

use crate::support::*;

/// The events of a feed: numbers, resources and keys.
type Log = Arc<Mutex<Vec<(i64, &'static str, String)>>>;

const DECLARATION: &str = "<EntityType Name=\"EntityEvent\"><Key>\
    <PropertyRef Name=\"EntityEventSequence\"/></Key>\
    <Property Name=\"EntityEventSequence\" Type=\"Edm.Int64\"/>\
    <Property Name=\"ResourceName\" Type=\"Edm.String\"/>\
    <Property Name=\"ResourceRecordKey\" Type=\"Edm.String\"/></EntityType>";

/// Declares EntityEvent in the answers for `$metadata`.
fn declare_events(proxy: &Proxy) {
    proxy.declare(|metadata| {
        let set = "<EntitySet Name=\"EntityEvent\" EntityType=\"Odata.Models.EntityEvent\"/>";
        metadata
            .replacen("<EntityType ", &format!("{DECLARATION}<EntityType "), 1)
            .replacen("<EntitySet ", &format!("{set}<EntitySet "), 1)
    });
}

/// Starts a feed without announcements, and a proxy that answers for EntityEvent.
fn feed_with_events(log: &Log) -> (Simulator, Proxy) {
    let feed = feed(30);
    let events = log.clone();
    let proxy = Proxy::of(&feed, move |answer| {
        if answer.is_of("EntityEvent") {
            answer.status = 200;
            answer.body = page(&events.lock().unwrap(), &answer.request);
        } else if answer.is_of("Deleted") {
            panic!(
                "a feed with events is not asked for Deleted: {}",
                answer.request
            );
        }
    });
    declare_events(&proxy);
    (feed, proxy)
}

/// Returns the page of events that a request asks for, at most 2.
fn page(events: &[(i64, &str, String)], request: &str) -> Json {
    let after = request.split("EntityEventSequence gt ").nth(1);
    let after = after.map_or(i64::MIN, |rest| {
        let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next();
        digits.unwrap().parse().unwrap()
    });
    let mut found: Vec<_> = events.iter().filter(|event| event.0 > after).collect();
    if request.contains("EntityEventSequence desc") {
        found.reverse();
    } else if !request.contains("$orderby=EntityEventSequence") {
        // Without an order, they come in any.
        found.rotate_left(1);
    }
    let limit = if request.contains("$top=1&") || request.ends_with("$top=1") {
        1
    } else {
        2
    };
    let entries = found
        .into_iter()
        .take(limit)
        .map(|(number, resource, key)| {
            json!({
                "EntityEventSequence": number,
                "ResourceName": resource,
                "ResourceRecordKey": key,
            })
        });
    json!({"value": entries.collect::<Vec<_>>()})
}

fn mirror_of(proxy: &Proxy) -> Mirror {
    Mirror::at(&proxy.base_url, |settings| {
        settings.set("profile", "\"reso\"")
    })
}

/// Deletes a listing without an announcement. The events of its children come first.
fn delete(feed: &Simulator, log: &Log, listing: i64, first: i64) {
    let mut events = Vec::new();
    for set in ["Media", "OpenHouse"] {
        for child in feed.truth_children(listing, set) {
            let key = if set == "Media" {
                "MediaKey"
            } else {
                "OpenHouseKey"
            };
            events.push((set, key_text(&child[key])));
        }
    }
    events.push(("Property", listing.to_string()));
    feed.delete("Property", &listing.to_string(), false)
        .unwrap();
    let mut log = log.lock().unwrap();
    for (at, (set, key)) in events.into_iter().enumerate() {
        log.push((first + 2 * at as i64, set, key));
    }
}

fn event_requests(feed: &Simulator) -> usize {
    let requests = feed.requests();
    requests
        .iter()
        .filter(|request| request.path.ends_with("EntityEvent"))
        .count()
}

#[test]
fn deletions_are_found_by_the_events_of_the_feed() {
    let log = Log::default();
    log.lock()
        .unwrap()
        .push((7, "Lookup", "an older event".to_owned()));
    let (feed, proxy) = feed_with_events(&log);
    let mirror = mirror_of(&proxy);
    mirror.sync_ends(0, &[]);
    let listings = feed.listing_keys();

    delete(&feed, &log, listings[3], 10);
    let photo = feed.truth_children(listings[5], "Media")[0].clone();
    let photo = key_text(&photo["MediaKey"]);
    feed.remove_photo(&photo, false, false).unwrap();
    // The number of photos changes without a timestamp, too.
    let changed = [
        (90, "Media", photo.clone()),
        (91, "Property", listings[5].to_string()),
    ];
    log.lock().unwrap().extend(changed);
    mirror.sync_ends(0, &[]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let reason = format!(
        "SELECT deleted_reason FROM listings WHERE ListingKey = '{}'",
        listings[3]
    );
    assert_eq!(text(&mirror.open(), &reason), "announced");
    let reason = format!("SELECT deleted_reason FROM media WHERE MediaKey = '{photo}'");
    assert_eq!(text(&mirror.open(), &reason), "announced");

    let before = event_requests(&feed);
    mirror.sync_ends(0, &[]);
    assert_eq!(
        event_requests(&feed),
        before + 1,
        "an idle sync asks for events once"
    );

    delete(&feed, &log, listings[9], 100);
    mirror.sync_ends(0, &["deletions"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn keys_are_compared_if_the_feed_has_purged_its_events() {
    let log = Log::default();
    log.lock()
        .unwrap()
        .push((7, "Lookup", "an older event".to_owned()));
    let (feed, proxy) = feed_with_events(&log);
    let mirror = mirror_of(&proxy);
    mirror.sync_ends(0, &[]);

    delete(&feed, &log, feed.listing_keys()[3], 10);
    *log.lock().unwrap() = vec![(5_000, "Lookup", "a later event".to_owned())];
    mirror.sync_ends(0, &[]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let jobs = "SELECT count(*) FROM sync_runs WHERE job = 'reconcile'";
    let reconciles = number(&mirror.open(), jobs);
    assert!(reconciles > 0);

    mirror.sync_ends(0, &[]);
    assert_eq!(number(&mirror.open(), jobs), reconciles);
}

#[test]
fn check_reports_that_the_feed_lists_events() {
    let log = Log::default();
    let (_feed, proxy) = feed_with_events(&log);
    let checked = mirror_of(&proxy).run(&["check"]);
    assert_eq!(checked.code, Some(0), "{checked}");
    let expected = "deletions: listed by the feed as events (EntityEvent)";
    assert!(checked.stdout.contains(expected), "{checked}");
}

#[test]
fn events_of_resources_that_a_sync_leaves_out_are_applied_by_the_next() {
    let log = Log::default();
    log.lock()
        .unwrap()
        .push((7, "Lookup", "an older event".to_owned()));
    let (feed, proxy) = feed_with_events(&log);
    let mirror = mirror_of(&proxy);
    mirror.sync_ends(0, &[]);

    let photo = feed.truth_children(feed.listing_keys()[5], "Media")[0].clone();
    let photo = key_text(&photo["MediaKey"]);
    feed.remove_photo(&photo, false, false).unwrap();
    let listing = feed.listing_keys()[5].to_string();
    // Servers write the names of resources in any case.
    let changed = [(90, "MEDIA", photo.clone()), (91, "Property", listing)];
    log.lock().unwrap().extend(changed);
    mirror.sync_ends(0, &["--only", "Property"]);
    mirror.sync_ends(0, &[]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn events_that_end_before_the_newest_one_are_not_the_end() {
    let log = Log::default();
    log.lock()
        .unwrap()
        .push((7, "Lookup", "an older event".to_owned()));
    let (feed, proxy) = feed_with_events(&log);
    let mirror = mirror_of(&proxy);
    mirror.sync_ends(0, &[]);

    delete(&feed, &log, feed.listing_keys()[3], 10);
    let events = log.clone();
    let is_empty = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let empty = is_empty.clone();
    proxy.change(move |answer| {
        if answer.is_of("EntityEvent") {
            answer.status = 200;
            answer.body = page(&events.lock().unwrap(), &answer.request);
            if answer.request.contains(" gt ") && empty.load(std::sync::atomic::Ordering::Relaxed) {
                answer.records().clear();
            }
        }
    });
    mirror.sync_ends(3, &[]);
    is_empty.store(false, std::sync::atomic::Ordering::Relaxed);
    mirror.sync_ends(0, &[]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn events_that_fail_after_they_have_answered_are_a_failure() {
    for failure in [404, 500] {
        let log = Log::default();
        let status = Arc::new(AtomicU16::new(200));
        let feed = feed(30);
        let (events, now) = (log.clone(), status.clone());
        let proxy = Proxy::of(&feed, move |answer| {
            if answer.is_of("EntityEvent") {
                answer.status = now.load(Ordering::Relaxed);
                answer.body = page(&events.lock().unwrap(), &answer.request);
            } else if answer.is_of("Deleted") {
                answer.status = 404;
            }
        });
        declare_events(&proxy);
        let mirror = Mirror::at(&proxy.base_url, |settings| {
            settings.set("profile", "\"reso\"");
            settings.set("max_retries", 0);
        });
        mirror.sync();
        mirror.sync();
        delete(&feed, &log, feed.listing_keys()[3], 7);
        status.store(failure, Ordering::Relaxed);
        mirror.sync_ends(3, &[]).says(3, &["EntityEvent"]);
        status.store(200, Ordering::Relaxed);
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn events_that_are_declared_and_refused_are_asked_for_once_a_day() {
    for status in [403, 404] {
        let feed = feed(20);
        let proxy = Proxy::of(&feed, move |answer| {
            if answer.is_of("EntityEvent") {
                answer.status = status;
                answer.body = json!({"error": {"message": "no events for this account"}});
            }
        });
        declare_events(&proxy);
        let mirror = mirror_of(&proxy);
        for _ in 0..3 {
            mirror.sync();
        }
        let listing = feed.listing_keys()[3].to_string();
        feed.delete("Property", &listing, true).unwrap();
        mirror.run(&["check"]).says(0, &[]);
        mirror.sync();
        assert_eq!(event_requests(&feed), 1, "{status}");
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        let known = "SELECT value FROM _capabilities WHERE capability = 'entity_event'";
        assert_eq!(text(&mirror.open(), known), "refused");
        feed.advance(chrono::Duration::hours(25));
        mirror.sync();
        assert_eq!(event_requests(&feed), 2, "{status}");
    }
}
