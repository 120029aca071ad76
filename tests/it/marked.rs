//! Feeds that mark deleted records and still send them for a while.

use serde_json::json;

use crate::support::*;
use simulator::{Behaviour, Simulator};

/// Starts a feed that marks deleted listings and open houses.
fn flagged_feed() -> Simulator {
    let feed = feed(60);
    feed.behave(&[Behaviour::DeletedByFlag]);
    feed
}

fn flag(feed: &Simulator, key: i64) {
    feed.delete("Property", &key.to_string(), true).unwrap();
}

fn mirror(feed: &Simulator) -> Mirror {
    Mirror::with(feed, |settings| {
        settings.set("profile", "\"mlsgrid\"");
        settings.set("filter", "\"\"");
        settings.set("token_env", "\"WFRMLS_BEARER_TOKEN\"");
    })
}

fn reasons(mirror: &Mirror, table: &str, key: i64) -> Vec<String> {
    texts(
        &mirror.open(),
        &format!(
            "SELECT DISTINCT coalesce(deleted_reason, 'live') FROM {table} WHERE ListingKey = '{key}'"
        ),
    )
}

#[test]
fn a_record_with_the_mark_of_deleted_ones_is_deleted_as_announced() {
    let feed = flagged_feed();
    let keys = feed.listing_keys();
    // This record was deleted before the mirror existed.
    flag(&feed, keys[1]);
    let mirror = mirror(&feed);
    mirror.sync();
    let db = mirror.open();
    assert_eq!(live(&db, "Property"), 59);
    assert_eq!(reasons(&mirror, "listings", keys[1]), [""; 0]);

    feed.advance(chrono::Duration::hours(2));
    flag(&feed, keys[3]);
    let deleted_at = stored_timestamp(&feed.now().to_rfc3339());
    feed.edit(
        "Property",
        &keys[1].to_string(),
        fields(json!({ "ListPrice": 1.0 })),
    )
    .unwrap();
    feed.advance(chrono::Duration::hours(1));
    let ended = mirror.sync_ends(0, &[]);
    assert!(ended.stdout.contains("1 listing (announced)"), "{ended}");
    assert_eq!(reasons(&mirror, "listings", keys[1]), [""; 0]);
    assert_eq!(reasons(&mirror, "listings", keys[3]), ["announced"]);
    let db = mirror.open();
    let of_children = format!(
        "SELECT DISTINCT coalesce(deleted_reason, 'live') FROM media WHERE listing_key = '{}'",
        keys[3]
    );
    assert_eq!(texts(&db, &of_children), ["parent"]);
    let logged = "SELECT DISTINCT source_timestamp FROM changes WHERE change = 'delete'";
    assert_eq!(texts(&db, logged), [deleted_at]);

    // Nothing calls the marked records missing.
    mirror.sync_ends(0, &["reconcile"]);
    mirror.sync_ends(0, &["full"]);
    mirror.run(&["verify"]).says(0, &[]);
    let before = number(&mirror.open(), "SELECT count(*) FROM changes");
    mirror.sync();
    assert_eq!(
        number(&mirror.open(), "SELECT count(*) FROM changes"),
        before
    );
    let ended = mirror.run(&["check"]);
    assert!(
        ended.stdout.contains("deletions: marked by the feed"),
        "{ended}"
    );
    let deleted = feed.requests().into_iter();
    let deleted = deleted.filter(|request| request.path.ends_with("/Deleted"));
    assert_eq!(deleted.count(), 0);
}

#[test]
fn a_record_that_loses_the_mark_is_restored() {
    let feed = flagged_feed();
    let key = feed.listing_keys()[4];
    let mirror = mirror(&feed);
    mirror.sync();
    for reason in ["announced", "live"] {
        feed.advance(chrono::Duration::hours(1));
        match reason {
            "announced" => flag(&feed, key),
            _ => feed.bring_back(key).unwrap(),
        }
        feed.advance(chrono::Duration::hours(1));
        mirror.sync();
        assert_eq!(reasons(&mirror, "listings", key), [reason]);
    }
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn an_open_house_with_the_mark_is_deleted_as_announced() {
    let feed = flagged_feed();
    let mirror = mirror(&feed);
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    let open_house = &feed.truth("OpenHouse")[0];
    let key = key_text(&open_house["OpenHouseKey"]);
    feed.delete("OpenHouse", &key, true).unwrap();
    feed.advance(chrono::Duration::hours(1));
    mirror.sync();
    let deleted = "SELECT OpenHouseKey || ' ' || deleted_reason FROM open_houses
                   WHERE deleted_at IS NOT NULL";
    assert_eq!(texts(&mirror.open(), deleted), [format!("{key} announced")]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    mirror.run(&["verify"]).says(0, &[]);
}

#[test]
fn deletions_are_found_after_the_marked_records_have_left_the_feed() {
    let feed = flagged_feed();
    let mirror = mirror(&feed);
    mirror.sync();
    let key = feed.listing_keys()[3];
    flag(&feed, key);
    feed.advance(chrono::Duration::days(8));
    mirror.sync();
    assert_eq!(reasons(&mirror, "listings", key), ["missing"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn the_mark_works_with_a_filter_and_a_selection() {
    let feed = flagged_feed();
    let keys = feed.listing_keys();
    let mut mirror = mirror(&feed);
    mirror.configure(|settings| {
        settings.sync = "[sync.filter]\nProperty = \"ListPrice gt 0 or ListPrice eq 0\"\n\
                         [sync.select]\nProperty = [\"ListPrice\"]\n"
            .to_owned();
    });
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    flag(&feed, keys[3]);
    // This record also leaves the filter.
    let outside = fields(json!({ "ListPrice": -1.0 }));
    feed.edit("Property", &keys[5].to_string(), outside)
        .unwrap();
    flag(&feed, keys[5]);
    feed.advance(chrono::Duration::hours(1));
    mirror.sync_ends(0, &[]);
    assert_eq!(reasons(&mirror, "listings", keys[3]), ["announced"]);
    assert_eq!(reasons(&mirror, "listings", keys[5]), ["announced"]);
    mirror.run(&["verify"]).says(0, &[]);
}

#[test]
fn a_mark_can_be_a_text_and_can_be_switched_off() {
    let feed = feed(40);
    let key = feed.listing_keys()[2];
    let mut mirror = Mirror::with(&feed, |settings| {
        settings.set("deleted_when", "\"StandardStatus eq 'Canceled'\"");
    });
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    feed.edit(
        "Property",
        &key.to_string(),
        fields(json!({ "StandardStatus": "Canceled" })),
    )
    .unwrap();
    mirror.sync();
    assert_eq!(reasons(&mirror, "listings", key), ["announced"]);
    mirror.run(&["check"]).says(0, &[]);
    mirror.configure(|settings| settings.set("deleted_when", "\"\""));
    mirror.sync_ends(0, &["full"]);
    assert_eq!(reasons(&mirror, "listings", key), ["live"]);
}
