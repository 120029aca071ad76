//! The mirror keeps, reports and later resolves the records that it cannot store.

use rusqlite::types::Value as Sql;
use serde_json::Value as Json;
use simulator::Spoil;

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

#[test]
fn the_watermark_stays_before_a_rejected_record() {
    let feed = feed(60);
    let records = feed.truth("Property");
    let middle = records.iter().max_by_key(|record| {
        let stamp = stored_timestamp(record["ModificationTimestamp"].as_str().unwrap());
        (stamp < newest_timestamp(&feed, "Property")).then_some(stamp)
    });
    let record = middle.unwrap();
    let stamp = stored_timestamp(record["ModificationTimestamp"].as_str().unwrap());
    let key = record["ListingKey"].as_str().unwrap();
    feed.spoil("Property", key, Spoil::NoKey).unwrap();
    let mirror = Mirror::of(&feed);
    mirror.sync_ends(3, &["full"]);
    let after = last_run(&mirror.open(), "Property")["watermark_after"].clone();
    assert!(
        after == Sql::Null || as_text(&after) <= stamp.as_str(),
        "{after:?} is past {stamp}"
    );

    feed.repair("Property", key).unwrap();
    mirror.sync_full();
    let after = last_run(&mirror.open(), "Property")["watermark_after"].clone();
    assert_eq!(after, Sql::Text(newest_timestamp(&feed, "Property")));
}

#[test]
fn a_rejected_unreadable_timestamp_does_not_move_the_watermark() {
    let feed = feed(60);
    let mirror = Mirror::of(&feed);
    mirror.sync_full();
    let before = last_run(&mirror.open(), "Property")["watermark_after"].clone();
    feed.advance(chrono::Duration::hours(2));
    feed.move_market(10);
    let key = feed.listing_keys()[30].to_string();
    feed.spoil("Property", &key, Spoil::WrongType).unwrap();
    mirror.sync_ends(3, &["full"]);
    let db = mirror.open();
    assert_eq!(last_run(&db, "Property")["watermark_after"], before);
    assert_eq!(
        live(&db, "Property"),
        feed.count("Property") as i64,
        "the bad record is still stored"
    );
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
