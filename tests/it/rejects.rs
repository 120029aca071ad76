//! The mirror keeps, reports and later resolves the records that it cannot store.

use rusqlite::types::Value as Sql;
use serde_json::Value as Json;
use simulator::{Behaviour, Simulator, Spoil};

use crate::support::*;

#[test]
fn bad_records_among_good_ones_are_kept_whole_until_they_are_fixed() {
    let feed = feed(100);
    let keys = feed.listing_keys();
    // Inside a page, at its start and end, and at the end of the resource.
    let spoiled = [
        (keys[3], Spoil::WrongType),
        (keys[7], Spoil::NoKey),
        (keys[11], Spoil::NotAnObject),
        (keys[39], Spoil::NoKey),
        (keys[40], Spoil::NotAnObject),
        (keys[59], Spoil::WrongType),
        (keys[99], Spoil::NoKey),
    ];
    for (key, spoil) in spoiled {
        feed.spoil("Property", &key.to_string(), spoil).unwrap();
    }
    let is_spoiled = |listing: &str| spoiled.iter().any(|(key, _)| key.to_string() == listing);
    let mirror = Mirror::of(&feed);
    for round in 1..=2 {
        let ended = mirror.sync_ends(3, &["full"]);
        ended.says(3, &["7 records could not be stored", "`rejects`"]);
        let db = mirror.open();
        assert_mirror_equals_part(&db, &feed, &MAIN, |listing, _| !is_spoiled(listing));
        let run = last_run(&db, "Property");
        assert_eq!(run["status"], Sql::Text("partial".to_owned()));
        assert_eq!(run["rejected"], Sql::Integer(7));
        // Two of them are the same string.
        let kept = texts(
            &db,
            "SELECT payload FROM rejects WHERE resource = 'Property'",
        );
        assert!(
            (6..=7).contains(&kept.len()),
            "round {round}: {} rejects",
            kept.len()
        );
        assert_eq!(
            number(
                &db,
                "SELECT count(*) FROM rejects WHERE resolved_at IS NOT NULL"
            ),
            0
        );
    }

    let db = mirror.open();
    let payloads: Vec<Json> = texts(&db, "SELECT payload FROM rejects")
        .iter()
        .map(|payload| serde_json::from_str(payload).unwrap())
        .collect();
    // All fields except the keys are stored as the feed sent them.
    let is_of = |payload: &Json, record: &Record| {
        record
            .iter()
            .filter(|(field, _)| !field.starts_with("ListingKey"))
            .all(|(field, value)| {
                payload[field] == *value || payload[field] == "not what it should be"
            })
    };
    for (listing, record) in truth(&feed, "Property") {
        let Some((_, spoil)) = spoiled.iter().find(|(key, _)| key.to_string() == listing) else {
            continue;
        };
        if *spoil != Spoil::NotAnObject {
            let kept = payloads.iter().find(|payload| is_of(payload, &record));
            let kept = kept.unwrap_or_else(|| panic!("no reject has all of listing {listing}"));
            let photos = feed.truth_children(listing.parse().unwrap(), "Media").len();
            assert_eq!(kept["Media"].as_array().unwrap().len(), photos);
        }
    }

    for (key, _) in spoiled {
        feed.repair("Property", &key.to_string()).unwrap();
    }
    mirror.sync_full();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_eq!(
        number(
            &db,
            "SELECT count(*) FROM rejects WHERE resolved_at IS NULL"
        ),
        0
    );
    assert!(
        number(&db, "SELECT count(*) FROM rejects") >= 6,
        "the rejects are history too"
    );
}

const OPEN: &str = "SELECT count(*) FROM rejects WHERE resolved_at IS NULL";

/// Returns the number of requests for listings.
fn asked_for_listings(feed: &Simulator) -> usize {
    let asked = feed.requests().into_iter();
    asked
        .filter(|request| request.path.ends_with("/Property"))
        .count()
}

/// Changes this number of listings, after some hours.
fn change(feed: &Simulator, keys: &[i64]) {
    feed.advance(chrono::Duration::hours(3));
    for key in keys {
        let price = fields(serde_json::json!({"ListPrice": 1_000 + key}));
        feed.edit("Property", &key.to_string(), price).unwrap();
    }
}

#[test]
fn the_watermark_does_not_wait_for_rejected_records() {
    for spoil in [Spoil::WrongType, Spoil::NoKey, Spoil::NotAnObject] {
        let feed = feed(120);
        let keys = feed.listing_keys();
        let mirror = Mirror::of(&feed);
        mirror.sync();
        change(&feed, &keys[..1]);
        feed.spoil("Property", &keys[0].to_string(), spoil).unwrap();
        mirror.sync_ends(3, &[]);
        change(&feed, &keys[10..]);
        mirror.sync_ends(3, &[]);
        let after = last_run(&mirror.open(), "Property")["watermark_after"].clone();
        assert_eq!(after, Sql::Text(newest_timestamp(&feed, "Property")));

        feed.advance(chrono::Duration::hours(3));
        feed.clear_requests();
        mirror
            .sync_ends(3, &[])
            .says(3, &["Property: 1 record could not be stored"]);
        let asked = asked_for_listings(&feed);
        assert!(asked <= 10, "{spoil:?}: {asked} requests for listings");
        assert_eq!(number(&mirror.open(), OPEN), 1);

        feed.repair("Property", &keys[0].to_string()).unwrap();
        if spoil == Spoil::NotAnObject {
            mirror.sync_full();
        }
        mirror.sync();
        let db = mirror.open();
        assert_eq!(number(&db, OPEN), 0);
        assert_mirror_equals_feed(&db, &feed, &MAIN);
    }
}

#[test]
fn a_record_that_is_rejected_in_two_versions_counts_once() {
    let feed = feed(40);
    let key = feed.listing_keys()[0].to_string();
    feed.spoil("Property", &key, Spoil::WrongType).unwrap();
    feed.behave(&[Behaviour::PageRepeatsARecord]);
    let mirror = Mirror::of(&feed);
    let ended = mirror.sync_ends(3, &[]);
    assert!(!ended.stderr.contains("Property, Property"), "{ended}");
    let db = mirror.open();
    assert_eq!(number(&db, OPEN), 2, "both versions are kept");
    let health = "SELECT DISTINCT open_rejects FROM sync_health WHERE resource = 'Property'";
    assert_eq!(number(&db, health), 1);
    let status = mirror.run(&["status"]);
    let said = "Property: 1 record could not be stored; see";
    assert!(status.stdout.contains(said), "{status}");
    let ended = mirror.sync_ends(3, &["deletions"]);
    let said = "mlsmirror: Property: 1 record could not be stored";
    assert!(ended.stderr.contains(said), "{ended}");
}

#[test]
fn a_rejected_record_that_was_deleted_is_resolved() {
    for spoil in [Spoil::WrongType, Spoil::NoKey] {
        let feed = feed(30);
        let key = feed.listing_keys()[3].to_string();
        feed.spoil("Property", &key, spoil).unwrap();
        let mirror = Mirror::of(&feed);
        mirror.sync_ends(3, &[]);
        feed.advance(chrono::Duration::hours(3));
        feed.delete("Property", &key, true).unwrap();
        mirror.sync();
        let db = mirror.open();
        assert_eq!(number(&db, OPEN), 0);
        assert_mirror_equals_feed(&db, &feed, &MAIN);
    }
}

#[test]
fn children_come_with_a_listing_that_could_not_be_stored_before() {
    for refused in [None, Some(400)] {
        let feed = feed(40);
        feed.set_server(|server| server.expand_refused = refused);
        let key = feed.listing_keys()[3].to_string();
        feed.spoil("Property", &key, Spoil::WrongType).unwrap();
        let mirror = Mirror::of(&feed);
        mirror.sync_ends(3, &[]);
        change(&feed, &feed.listing_keys()[10..]);
        mirror.sync_ends(3, &[]);
        feed.advance(chrono::Duration::hours(3));
        feed.repair("Property", &key).unwrap();
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn a_photo_that_could_not_be_stored_comes_later() {
    for refused in [None, Some(404)] {
        let feed = feed(40);
        let photo = feed.truth("Media")[7]["MediaKey"].clone();
        let photo = photo.as_str().unwrap();
        feed.spoil("Media", photo, Spoil::WrongType).unwrap();
        feed.set_server(|server| server.media_status = refused);
        let mirror = Mirror::of(&feed);
        mirror.sync_ends(3, &[]);
        change(&feed, &feed.listing_keys()[10..]);
        mirror.sync_ends(3, &[]);
        feed.advance(chrono::Duration::hours(3));
        feed.repair("Media", photo).unwrap();
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn a_bad_photo_does_not_cost_its_listing_or_the_other_photos() {
    let feed = feed_with(60, |options| options.photos = 4);
    let photos = feed.truth("Media");
    let spoils = [Spoil::NoKey, Spoil::WrongType, Spoil::NotAnObject];
    let spoiled: Vec<String> = spoils
        .into_iter()
        .enumerate()
        .map(|(at, spoil)| {
            let key = photos[at * 20]["MediaKey"].as_str().unwrap().to_owned();
            feed.spoil("Media", &key, spoil).unwrap();
            key
        })
        .collect();
    let mirror = Mirror::of(&feed);
    mirror
        .sync_ends(3, &["full"])
        .says(3, &["Media: 3 records could not be stored"]);
    let db = mirror.open();
    assert_mirror_equals_part(&db, &feed, &MAIN, |_, record| {
        !record
            .get("MediaKey")
            .is_some_and(|key| spoiled.iter().any(|spoiled| key == spoiled))
    });
    assert_eq!(
        number(&db, "SELECT count(*) FROM rejects WHERE resource = 'Media'"),
        3
    );
    for key in spoiled {
        feed.repair("Media", &key).unwrap();
    }
    mirror.sync_full();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_eq!(
        number(
            &db,
            "SELECT count(*) FROM rejects WHERE resolved_at IS NULL"
        ),
        0
    );
}

#[test]
fn a_record_that_is_bad_later_keeps_its_row() {
    let feed = feed(100);
    let mirror = Mirror::of(&feed);
    mirror.sync_full();
    let before = dump(&mirror.open(), &MAIN);
    for (at, spoil) in [
        (3, Spoil::NoKey),
        (44, Spoil::WrongType),
        (99, Spoil::NotAnObject),
    ] {
        feed.spoil("Property", &feed.listing_keys()[at].to_string(), spoil)
            .unwrap();
    }
    mirror.sync_ends(3, &["full"]);
    assert!(
        dump(&mirror.open(), &MAIN) == before,
        "a row was written or deleted"
    );
}
