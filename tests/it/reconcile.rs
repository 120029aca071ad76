//! A reconcile compares keys and timestamps with the feed, and fixes every difference.

use serde_json::json;

use crate::moves::{assert_log_equals_the_difference, copy};
use crate::support::*;
use simulator::{Fault, FaultRule};

#[test]
fn a_reconcile_fixes_silent_changes() {
    for profile in ["wfrmls", "reso"] {
        let feed = feed(80);
        let mirror = Mirror::with(&feed, |settings| {
            settings.set("profile", format!("{profile:?}"))
        });
        mirror.sync();
        let keys = feed.listing_keys();
        let before = copy(&mirror.open(), &MAIN);
        // Changed with a timestamp long before the watermark, or deleted silently.
        let old = feed.now() - chrono::Duration::days(3);
        for key in &keys[3..6] {
            let price = fields(json!({"ListPrice": 4321}));
            feed.edit_at("Property", &key.to_string(), price, old)
                .unwrap();
        }
        feed.delete("Property", &keys[10].to_string(), false)
            .unwrap();
        let photo = feed.truth_children(keys[20], "Media")[0]["MediaKey"].clone();
        feed.remove_photo(photo.as_str().unwrap(), false, false)
            .unwrap();
        feed.insert_listing_at(old).unwrap();
        feed.clear_requests();
        mirror.sync_ends(0, &["reconcile"]);
        let whole = "$select=";
        let asked = feed.requests().into_iter();
        let whole = asked
            .filter(|request| request.path.ends_with("/Property"))
            .filter(|request| !request.query.contains(whole))
            .count();
        assert!(whole <= 4, "{profile}: {whole} requests for whole records");
        let db = mirror.open();
        let differing = format!("AND listing_key <> '{}'", keys[20]);
        assert_eq!(
            number(
                &db,
                &format!("SELECT count(*) FROM media WHERE deleted_reason = 'missing' {differing}")
            ),
            0
        );
        feed.edit(
            "Property",
            &keys[20].to_string(),
            fields(json!({"ListPrice": 1})),
        )
        .unwrap();
        mirror.sync();
        let db = mirror.open();
        assert_mirror_equals_feed(&db, &feed, &MAIN);
        assert_log_equals_the_difference(&db, 0, &before, &copy(&db, &MAIN));
        let reason = format!(
            "SELECT deleted_reason FROM listings WHERE ListingKey = '{}'",
            keys[10]
        );
        assert_eq!(text(&db, &reason), "missing");
    }
}

#[test]
fn a_second_change_within_a_second_of_a_reconcile_is_read() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    let key = feed.listing_keys()[4].to_string();
    for price in [1_000, 2_000] {
        let price = fields(json!({ "ListPrice": price }));
        feed.edit("Property", &key, price).unwrap();
        mirror.sync();
    }
    let price = fields(json!({ "ListPrice": 3_000 }));
    feed.edit("Property", &key, price).unwrap();
    feed.advance(chrono::Duration::hours(8));
    feed.insert_listing().unwrap();
    let ended = mirror.sync_ends(0, &["reconcile"]);
    assert_eq!(
        ended.stderr.matches("listings to read").count(),
        1,
        "{ended}"
    );
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn a_mass_deletion_waits_in_a_reconcile_too() {
    let feed = feed(100);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    for key in feed.listing_keys().into_iter().take(40) {
        feed.delete("Property", &key.to_string(), false).unwrap();
    }
    let before = dump(&mirror.open(), &MAIN);
    let ended = mirror.sync_ends(3, &["reconcile", "--only", "Property"]);
    ended.says(3, &["40 of 100 listings", "--allow-deletes 40"]);
    assert!(dump(&mirror.open(), &MAIN) == before, "a row was written");
    mirror.sync_ends(0, &["reconcile", "--allow-deletes", "200"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn an_interrupted_reconcile_deletes_nothing_and_resumes() {
    let feed = feed(120);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let keys = feed.listing_keys();
    feed.delete("Property", &keys[3].to_string(), false)
        .unwrap();
    feed.set_server(|server| server.page_cap = Some(10));
    feed.fault(FaultRule {
        path_contains: Some("/Property".to_owned()),
        skip: 8,
        ..FaultRule::always(Fault::Status(500))
    });
    mirror.sync_ends(1, &["reconcile", "--only", "Property"]);
    assert_eq!(live(&mirror.open(), "Property"), 120);
    feed.clear_faults();
    mirror.sync_ends(0, &["reconcile", "--only", "Property"]);
    assert_eq!(live(&mirror.open(), "Property"), 119);
}
