//! `verify` names every difference, and invents no other.

use rusqlite::Connection;
use serde_json::{Value as Json, json};
use simulator::{Behaviour, Fault, FaultRule, Spoil};

use crate::support::*;

/// Opens the database for changes from outside the program.
fn by_another_hand(mirror: &Mirror) -> Connection {
    Connection::open(mirror.database_path()).unwrap()
}

/// Returns the differences of one resource in `verify --json`.
fn differences(document: &Json, entity_set: &str) -> Vec<Json> {
    let resources = document["resources"].as_array().unwrap();
    let found = resources
        .iter()
        .find(|found| found["resource"] == entity_set);
    found.unwrap()["differences"].as_array().unwrap().clone()
}

fn verify(mirror: &Mirror, code: i32, arguments: &[&str]) -> Ended {
    let before = dump(&mirror.open(), &["Property", "Media"]);
    let arguments: Vec<&str> = ["verify"].iter().chain(arguments).copied().collect();
    let ended = mirror.run(&arguments);
    ended.says(code, &[]);
    assert!(
        dump(&mirror.open(), &["Property", "Media"]) == before,
        "verify wrote a row"
    );
    ended
}

#[test]
fn a_mirror_that_equals_the_feed_has_no_difference() {
    for profile in ["\"wfrmls\"", "\"reso\""] {
        let feed = feed(90);
        let mirror = Mirror::with(&feed, |settings| {
            settings.set("profile", profile);
            settings.set("page_size", 20);
        });
        mirror.sync();
        let shown = verify(&mirror, 0, &[]);
        assert!(
            shown.stdout.ends_with("The mirror equals the feed.\n"),
            "{shown:?}"
        );
        let document = verify(&mirror, 0, &["--json", "--sample", "7"]).json();
        assert_eq!(document["equal"], true);
        for resource in document["resources"].as_array().unwrap() {
            let of = resource["resource"].as_str().unwrap();
            assert_eq!(resource["feed"], feed.count(of), "{of}");
            assert_eq!(resource["mirror"], feed.count(of), "{of}");
            assert_eq!(resource["sampled"], 7, "{of}");
        }
    }
}

#[test]
fn answers_that_are_empty_by_mistake_are_no_difference() {
    for (profile, listings, page_size) in [
        ("\"reso\"", 60, 8),
        ("\"reso\"", 300, 8),
        ("\"reso\"", 300, 20),
        ("\"wfrmls\"", 600, 8),
        ("\"wfrmls\"", 600, 20),
    ] {
        let feed = feed(listings);
        let mirror = Mirror::with(&feed, |settings| {
            settings.set("profile", profile);
            settings.set("page_size", page_size);
        });
        mirror.sync();
        for arguments in [&["--deep"][..], &[]] {
            feed.behave(&[Behaviour::EmptyAnswers]);
            verify(&mirror, 0, arguments);
        }
    }
}

#[test]
fn every_difference_is_named() {
    let feed = feed(60);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let keys = feed.listing_keys();
    let [gone, edited, altered, hidden] = [3, 5, 7, 9].map(|at| keys[at].to_string());
    let photos = feed.truth_children(keys[20], "Media");
    let photo = key_text(&photos[0]["MediaKey"]);
    feed.delete("Property", &gone, false).unwrap();
    feed.advance(chrono::Duration::minutes(5));
    feed.edit("Property", &edited, fields(json!({ "ListPrice": 123_456 })))
        .unwrap();
    let new = feed.insert_listing().unwrap().to_string();
    let db = by_another_hand(&mirror);
    db.execute(
        "UPDATE listings SET City = 'Elsewhere' WHERE ListingKey = ?1",
        [&altered],
    )
    .unwrap();
    db.pragma_update(None, "foreign_keys", false).unwrap();
    db.execute("DELETE FROM listings WHERE ListingKey = ?1", [&hidden])
        .unwrap();
    db.execute(
        "UPDATE media SET \"Order\" = 99 WHERE MediaKey = ?1",
        [&photo],
    )
    .unwrap();
    let price = text(
        &db,
        &format!("SELECT ListPrice FROM listings WHERE ListingKey = '{edited}'"),
    );
    drop(db);
    let document = verify(&mirror, 3, &["--json", "--sample", "100000"]).json();
    let found = differences(&document, "Property");
    let of =
        |key: &str| -> Vec<&Json> { found.iter().filter(|found| found["key"] == key).collect() };
    assert_eq!(*of(&gone)[0], json!({ "kind": "extra", "key": gone }));
    let missing =
        |key: &str, since: bool| json!({ "kind": "missing", "key": key, "since_last_sync": since });
    assert_eq!(*of(&new)[0], missing(&new, true));
    assert_eq!(*of(&hidden)[0], missing(&hidden, false));
    let city = json!("Elsewhere");
    assert_eq!(of(&altered).len(), 1);
    assert_eq!(of(&altered)[0]["field"], "City");
    assert_eq!(of(&altered)[0]["mirror"], city);
    assert_eq!(of(&edited)[0]["kind"], "timestamp");
    assert_eq!(of(&edited)[0]["since_last_sync"], true);
    let prices = of(&edited)
        .into_iter()
        .find(|found| found["field"] == "ListPrice");
    let prices = prices.expect("the price differs");
    assert_eq!(prices["feed"], 123_456);
    assert_eq!(key_text(&prices["mirror"]), price);
    let media = differences(&document, "Media");
    let order = media.iter().find(|found| found["key"] == photo).unwrap();
    assert_eq!(
        (&order["field"], &order["mirror"]),
        (&json!("Order"), &json!(99))
    );
    assert_eq!(
        differences(&document, "OpenHouse")
            .iter()
            .filter(|found| found["kind"] == "field")
            .count(),
        0
    );

    let shown = verify(&mirror, 3, &["--sample", "0"]);
    for line in [
        format!("listing {gone}: in the mirror, not in the feed"),
        format!("listing {hidden}: in the feed, not in the mirror\n"),
        format!("listing {new}: in the feed, not in the mirror, changed after the last sync"),
    ] {
        assert!(shown.stdout.contains(&line), "{line}: {shown:?}");
    }
    assert!(
        !shown.stdout.contains("Elsewhere"),
        "no whole record was asked for"
    );
    mirror.sync_full();
    verify(&mirror, 0, &["--sample", "100000"]);
}

#[test]
fn records_outside_the_filter_are_no_difference() {
    let feed = feed(80);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = "[sync.filter]\nProperty = \"StandardStatus eq \
             Odata.Models.StandardStatus'Active'\"\n\
             [sync.select]\nProperty = [\"ListPrice\", \"StandardStatus\"]\n"
            .to_owned();
    });
    mirror.sync();
    verify(&mirror, 0, &["--sample", "100000"]);
}

#[test]
fn children_that_come_only_with_their_listings_are_compared_too() {
    let feed = feed(30);
    let mirror = Mirror::with(&feed, |settings| {
        settings.resources = vec!["Property", "Media", "OpenHouse", "Adu"];
    });
    mirror.sync();
    feed.fault(FaultRule {
        path_contains: Some("/Media".to_owned()),
        ..FaultRule::always(Fault::Status(403))
    });
    verify(&mirror, 0, &["--sample", "100000"]);
    let db = by_another_hand(&mirror);
    db.execute(
        "UPDATE media SET \"Order\" = 99 WHERE MediaKey = (SELECT min(MediaKey) FROM media)",
        [],
    )
    .unwrap();
    drop(db);
    let document = verify(&mirror, 3, &["--sample", "100000", "--json"]).json();
    let media = differences(&document, "Media");
    assert_eq!(media.len(), 1, "{media:?}");
    assert_eq!(media[0]["field"], "Order");
}

#[test]
fn unread_and_rejected_records_are_differences() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror
        .run(&["verify"])
        .says(2, &["there is no mirror yet", "mlsmirror sync"]);
    mirror.sync_ends(0, &["full", "--only", "Property,Media"]);
    let shown = verify(&mirror, 3, &[]);
    assert!(
        (shown.stdout).contains("OpenHouse: has never completed a full sync"),
        "{shown:?}"
    );
    let key = feed.listing_keys()[4].to_string();
    feed.advance(chrono::Duration::minutes(5));
    feed.spoil("Property", &key, Spoil::WrongType).unwrap();
    feed.edit("Property", &key, fields(json!({ "City": "Provo" })))
        .unwrap();
    mirror.sync_ends(3, &[]);
    let document = verify(&mirror, 3, &["--json"]).json();
    let found = differences(&document, "Property");
    let rejected = found.iter().find(|found| found["kind"] == "rejected");
    assert_eq!(rejected.unwrap()["key"], key.as_str());
}

#[test]
fn a_feed_that_does_not_answer_is_reported() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.fault(FaultRule {
        path_contains: Some("/Property".to_owned()),
        ..FaultRule::always(Fault::Status(500))
    });
    let document = verify(&mirror, 3, &["--json"]).json();
    let listings = differences(&document, "Property");
    assert_eq!(listings[0]["kind"], "unanswered");
    assert_eq!(differences(&document, "OpenHouse"), Vec::<Json>::new());
    feed.clear_faults();
    feed.fault(FaultRule::always(Fault::Status(401)));
    verify(&mirror, 5, &[]);
}
