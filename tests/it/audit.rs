//! An audit by counts: `verify` compares the counts of ranges of keys, and reads keys only where
//! they differ.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde_json::{Value as Json, json};
use simulator::{Behaviour, Fault, FaultRule, Simulator};

use crate::support::*;

/// Starts a feed with more listings than an audit reads one by one.
fn large_feed() -> Simulator {
    feed_with(800, |options| options.photos = 4)
}

fn requests_of(feed: &Simulator, run: impl FnOnce() -> Ended) -> (Ended, usize) {
    feed.clear_requests();
    let ended = run();
    (ended, feed.requests().len())
}

/// Runs `verify --json`. Returns the document and the number of requests.
fn verify(feed: &Simulator, mirror: &Mirror, code: i32, arguments: &[&str]) -> (Json, usize) {
    let arguments = [&["verify", "--json", "--sample", "0"], arguments].concat();
    let (ended, requests) = requests_of(feed, || mirror.run(&arguments));
    ended.says(code, &[]);
    (ended.json(), requests)
}

/// Returns the kinds and keys of the differences of a resource.
fn found(document: &Json, entity_set: &str) -> BTreeSet<(String, String)> {
    let resources = document["resources"].as_array().unwrap();
    let of = |one: &&Json| one["resource"] == entity_set;
    let resource = resources.iter().find(of).unwrap();
    let differences = resource["differences"].as_array().unwrap().iter();
    let pair = |one: &Json| (key_text(&one["kind"]), key_text(&one["key"]));
    differences.map(pair).collect()
}

fn is_by_counts(document: &Json, entity_set: &str) -> bool {
    let mut resources = document["resources"].as_array().unwrap().iter();
    resources.any(|one| one["resource"] == entity_set && one["by_counts"] == true)
}

#[test]
fn a_large_mirror_is_compared_by_counts() {
    for profile in ["wfrmls", "reso"] {
        let feed = large_feed();
        let mirror = Mirror::with(&feed, |settings| {
            settings.set("profile", format!("{profile:?}"));
        });
        mirror.sync();
        let (document, requests) = verify(&feed, &mirror, 0, &[]);
        assert!(is_by_counts(&document, "Property"), "{document:#}");
        assert!(is_by_counts(&document, "Media"), "{document:#}");
        for of in ["Property", "Media"] {
            let resources = document["resources"].as_array().unwrap();
            let resource = resources.iter().find(|one| one["resource"] == of).unwrap();
            assert_eq!(resource["feed"], feed.count(of), "{profile} {of}");
        }
        let open_houses = feed.count("OpenHouse").div_ceil(20) as usize;
        assert!(requests <= 12 + open_houses, "{profile}: {requests}");
    }
}

#[test]
fn differing_records_are_found_by_counts_and_few_requests() {
    let feed = large_feed();
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let keys = feed.listing_keys();
    let [gone, hidden, stale] = [102, 400, 700].map(|at| keys[at].to_string());
    let photo = |at: usize| {
        let all = feed.truth_children(keys[at], "Media");
        all.first().map(|photo| key_text(&photo["MediaKey"]))
    };
    let at = (200..).find(|at| photo(*at).is_some()).unwrap();
    let lost_photo = photo(at).unwrap();
    feed.delete("Property", &gone, false).unwrap();
    let gone_photos = feed.truth_children(keys[102], "Media").len();
    assert_eq!(
        gone_photos, 0,
        "the simulator deletes photos with their listing"
    );
    let db = Connection::open(mirror.database_path()).unwrap();
    // The photos of the lost listing stay.
    db.pragma_update(None, "foreign_keys", false).unwrap();
    let delete = "DELETE FROM listings WHERE ListingKey = ?1";
    db.execute(delete, [&hidden]).unwrap();
    // Older than all others: no newest timestamp shows it.
    let old =
        "UPDATE listings SET ModificationTimestamp = '2100-01-01 00:00:00' WHERE ListingKey = ?1";
    db.execute(old, [&stale]).unwrap();
    db.execute("DELETE FROM media WHERE MediaKey = ?1", [&lost_photo])
        .unwrap();
    let of_gone = "SELECT count(*) FROM media WHERE listing_key = ?1 AND deleted_at IS NULL";
    let of_gone: i64 = db.query_row(of_gone, [&gone], |row| row.get(0)).unwrap();
    drop(db);

    let (document, requests) = verify(&feed, &mirror, 3, &[]);
    let listings = found(&document, "Property");
    let expected = [
        ("extra", &gone),
        ("missing", &hidden),
        ("timestamp", &stale),
    ];
    let expected = expected.map(|(kind, key)| (kind.to_owned(), key.clone()));
    assert_eq!(listings, BTreeSet::from(expected));
    let photos = found(&document, "Media");
    assert!(
        photos.contains(&("missing".to_owned(), lost_photo)),
        "{photos:?}"
    );
    // The photos of the deleted listing and of the missing listing are not compared twice.
    let extra = photos.iter().filter(|(kind, _)| kind == "extra").count();
    assert_eq!(extra as i64, of_gone, "{photos:?}");
    let pages = (feed.count("Property") + feed.count("Media")) / 20;
    assert!(
        requests < pages as usize * 2 / 3,
        "{requests} requests for {pages} pages"
    );
}

#[test]
fn the_children_of_listings_that_one_side_lacks_are_not_read() {
    let feed = large_feed();
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let of_photos = || {
        let requests = feed.requests().into_iter();
        let is_of_photos = |one: &simulator::Request| {
            one.path.ends_with("/Media") || one.query.contains("$expand=Media")
        };
        requests.filter(is_of_photos).count()
    };
    verify(&feed, &mirror, 0, &[]);
    let before = of_photos();
    let keys = feed.listing_keys();
    let both = |kind: &str, places: [usize; 3]| {
        let listings = places.map(|at| (kind.to_owned(), keys[at].to_string()));
        BTreeSet::from(listings)
    };

    let extra = both("extra", [30, 310, 620]);
    for (_, listing) in &extra {
        feed.delete("Property", listing, false).unwrap();
    }
    let (document, _) = verify(&feed, &mirror, 3, &[]);
    assert_eq!(found(&document, "Property"), extra);
    let photos = found(&document, "Media");
    assert!(!photos.is_empty() && photos.iter().all(|(kind, _)| kind == "extra"));
    // One request counts the photos of those listings, and three ask for them by key.
    let requests = of_photos();
    assert!(requests <= before + 4, "{requests}, and {before} before");

    mirror.sync_ends(0, &["reconcile"]);
    let missing = both("missing", [90, 440, 700]);
    let db = Connection::open(mirror.database_path()).unwrap();
    for (_, listing) in &missing {
        for children in ["media", "open_houses"] {
            let sql = format!("DELETE FROM {children} WHERE listing_key = ?1");
            db.execute(&sql, [listing]).unwrap();
        }
        let delete = "DELETE FROM listings WHERE ListingKey = ?1";
        db.execute(delete, [listing]).unwrap();
    }
    drop(db);
    let (document, _) = verify(&feed, &mirror, 3, &[]);
    assert_eq!(found(&document, "Property"), missing);
    assert_eq!(found(&document, "Media"), BTreeSet::new());
    let requests = of_photos();
    assert!(requests <= before + 1, "{requests}, and {before} before");
}

#[test]
fn scattered_records_are_found_by_counts_that_come_with_pages() {
    let feed = feed_with(800, |options| options.photos = 0);
    let mirror = mirror_of_many_pages(&feed);
    mirror.sync();
    // Later changes are in the pages, and in no count.
    feed.advance(chrono::Duration::hours(2));
    let keys = feed.listing_keys();
    for key in keys.iter().step_by(100) {
        let price = fields(json!({ "ListPrice": 5 }));
        feed.edit("Property", &key.to_string(), price).unwrap();
    }
    feed.insert_listing().unwrap();
    let lost: Vec<String> = (0..10).map(|at| keys[at * 77 + 30].to_string()).collect();
    for is_deleted in [false, true] {
        if is_deleted {
            mirror.sync_ends(0, &["reconcile"]);
        }
        let db = Connection::open(mirror.database_path()).unwrap();
        for key in &lost {
            if is_deleted {
                feed.delete("Property", key, false).unwrap();
            } else {
                let delete = "DELETE FROM listings WHERE ListingKey = ?1";
                db.execute(delete, [key]).unwrap();
            }
        }
        drop(db);
        let (document, requests) = verify(&feed, &mirror, 3, &[]);
        assert!(is_by_counts(&document, "Property"));
        let mut found = found(&document, "Property");
        let kind = if is_deleted { "extra" } else { "missing" };
        for key in &lost {
            let difference = (kind.to_owned(), key.clone());
            assert!(found.remove(&difference), "{key} of {found:?}");
        }
        let changed_later = if is_deleted { 0 } else { 9 };
        assert_eq!(found.len(), changed_later, "{found:?}");
        assert!(requests <= 72, "{requests} requests, and 267 pages");
    }
}

#[test]
fn many_lost_records_in_a_row_are_found_with_the_pages_of_their_keys() {
    let feed = feed_with(800, |options| options.photos = 0);
    let mirror = mirror_of_many_pages(&feed);
    mirror.sync();
    let keys = feed.listing_keys();
    let db = Connection::open(mirror.database_path()).unwrap();
    for key in &keys[200..500] {
        let delete = "DELETE FROM listings WHERE ListingKey = ?1";
        db.execute(delete, [key.to_string()]).unwrap();
    }
    drop(db);
    let (document, requests) = verify(&feed, &mirror, 3, &[]);
    assert!(is_by_counts(&document, "Property"));
    assert_eq!(found(&document, "Property").len(), 300);
    assert!(
        requests < 140,
        "{requests} requests, and 100 of 267 pages differ"
    );
}

#[test]
fn changes_after_the_last_sync_do_not_make_ranges_differ() {
    let feed = large_feed();
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.advance(chrono::Duration::hours(2));
    for key in feed.listing_keys().iter().step_by(40) {
        let price = fields(json!({ "ListPrice": 5 }));
        feed.edit("Property", &key.to_string(), price).unwrap();
    }
    let new = feed.insert_listing().unwrap().to_string();
    let (document, requests) = verify(&feed, &mirror, 3, &[]);
    let listings = document["resources"][0]["differences"].as_array().unwrap();
    assert_eq!(listings.len(), 21);
    assert!(listings.iter().all(|one| one["since_last_sync"] == true));
    assert!(listings.iter().any(|one| one["key"] == new.as_str()));
    let open_houses = feed.count("OpenHouse").div_ceil(20) as usize;
    assert!(requests <= 20 + open_houses, "{requests}");
}

#[test]
fn counts_that_say_nothing_lead_to_all_keys() {
    // The server counts the records of the page, or ignores the range of a count.
    let counts: [fn(&mut Answer); 2] = [
        |answer| answer.body["@odata.count"] = json!(answer.records().len()),
        |answer| answer.body["@odata.count"] = json!(800),
    ];
    for count in counts {
        let feed = large_feed();
        let proxy = Proxy::of(&feed, move |answer| {
            if answer.is_of("Property") && answer.request.contains("$top=1&") {
                count(answer);
            }
        });
        let mirror = Mirror::at(&proxy.base_url, |settings| {
            settings.resources = vec!["Property"];
        });
        mirror.sync();
        let keys = feed.listing_keys();
        for key in &keys[7..9] {
            feed.delete("Property", &key.to_string(), false).unwrap();
        }
        let (document, _) = verify(&feed, &mirror, 3, &[]);
        let extra = found(&document, "Property");
        assert_eq!(extra.len(), 2, "{extra:?}");
    }
}

/// Deletes a listing in the feed, and brings another one back that the mirror has deleted, with
/// its old timestamp. The number of listings stays the same. Returns both keys.
fn exchange(feed: &Simulator, mirror: &Mirror) -> [String; 2] {
    let keys = feed.listing_keys();
    let (gone, back) = (keys[50], keys[90]);
    let old = feed.now() - chrono::Duration::days(500);
    feed.delete("Property", &back.to_string(), true).unwrap();
    mirror.sync();
    feed.delete("Property", &gone.to_string(), false).unwrap();
    feed.bring_back(back).unwrap();
    let city = fields(json!({ "City": "Provo" }));
    feed.edit_at("Property", &back.to_string(), city, old)
        .unwrap();
    [gone.to_string(), back.to_string()]
}

/// Creates a mirror of listings whose pages are so small that no reconcile reads all keys.
fn mirror_of_many_pages(feed: &Simulator) -> Mirror {
    Mirror::with(feed, |settings| {
        settings.resources = vec!["Property"];
        settings.set("page_size", 3);
    })
}

#[test]
fn records_exchanged_under_constant_counts_are_found_only_key_by_key() {
    let feed = feed_with(800, |options| options.photos = 0);
    let mut mirror = mirror_of_many_pages(&feed);
    mirror.sync();
    let [gone, back] = exchange(&feed, &mirror);
    let (document, _) = verify(&feed, &mirror, 0, &[]);
    assert!(is_by_counts(&document, "Property"));
    mirror.sync_ends(0, &["reconcile"]);
    let (document, _) = verify(&feed, &mirror, 3, &["--deep"]);
    let exchanged = [("extra".to_owned(), gone), ("missing".to_owned(), back)];
    let exchanged = BTreeSet::from(exchanged);
    assert_eq!(found(&document, "Property"), exchanged);

    // A count that differs shows only the records near it.
    let far = feed.listing_keys()[700].to_string();
    feed.delete("Property", &far, false).unwrap();
    let (document, _) = verify(&feed, &mirror, 3, &[]);
    let alone = BTreeSet::from([("extra".to_owned(), far.clone())]);
    assert_eq!(found(&document, "Property"), alone);
    mirror.sync_ends(0, &["reconcile"]);
    let (document, _) = verify(&feed, &mirror, 3, &["--deep"]);
    assert_eq!(found(&document, "Property"), exchanged);

    // A reconcile reads all keys if they have few pages, and so finds what a deep verify does.
    mirror.configure(|settings| settings.set("page_size", 20));
    verify(&feed, &mirror, 0, &[]);
    mirror.sync_ends(0, &["reconcile"]);
    verify(&feed, &mirror, 0, &["--deep"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Property"]);
}

#[test]
fn records_exchanged_under_constant_counts_show_if_one_is_the_newest() {
    let feed = feed_with(800, |options| options.photos = 0);
    let mirror = mirror_of_many_pages(&feed);
    mirror.sync();
    let [gone, back] = exchange(&feed, &mirror);
    verify(&feed, &mirror, 0, &[]);
    let db = Connection::open(mirror.database_path()).unwrap();
    let newest = "UPDATE listings SET ModificationTimestamp = (
                      SELECT max(ModificationTimestamp) FROM listings) || '.5'
                  WHERE ListingKey = ?1";
    db.execute(newest, [&gone]).unwrap();
    drop(db);
    // The feed has no record with this timestamp. The parts of the range have other counts.
    let (document, _) = verify(&feed, &mirror, 3, &[]);
    assert!(is_by_counts(&document, "Property"));
    let exchanged = [("extra".to_owned(), gone), ("missing".to_owned(), back)];
    assert_eq!(found(&document, "Property"), BTreeSet::from(exchanged));
    mirror.sync_ends(0, &["reconcile"]);
    verify(&feed, &mirror, 0, &["--deep"]);
}

#[test]
fn a_reconcile_reads_the_keys_of_all_photos_with_few_pages_of_listings() {
    let feed = feed_with(800, |options| options.photos = 12);
    let mirror = Mirror::with(&feed, |settings| {
        settings.resources = vec!["Property", "Media"];
    });
    mirror.sync();
    let photos = feed.count("Media");
    assert!(photos > 200 * 20, "{photos} photos are on few pages");
    let keys = feed.listing_keys();
    let with_photos = keys.iter().map(|key| feed.truth_children(*key, "Media"));
    let mut with_photos = with_photos.filter(|photos| photos.len() > 2);
    let (gone, lost) = (with_photos.next().unwrap(), with_photos.last().unwrap());
    let gone = key_text(&gone[0]["MediaKey"]);
    feed.remove_photo(&gone, false, false).unwrap();
    let db = Connection::open(mirror.database_path()).unwrap();
    db.execute(
        "DELETE FROM media WHERE MediaKey = ?1",
        [key_text(&lost[0]["MediaKey"])],
    )
    .unwrap();
    drop(db);
    let (document, _) = verify(&feed, &mirror, 0, &[]);
    assert!(is_by_counts(&document, "Media"));

    let planned = mirror.run(&["check", "--json"]).json()["resources"][1]["reconcile"].clone();
    assert_eq!(planned["why"], "they come with few pages of listings");
    let (_, requests) = requests_of(&feed, || {
        mirror.sync_ends(0, &["reconcile", "--only", "Media"])
    });
    assert!(
        requests <= 60,
        "{requests} requests, and 40 pages of listings"
    );
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Media"]);
    let proof = &mirror.run(&["status", "--json"]).json()["resources"][1]["proven"];
    assert_eq!(proof["by_counts"], false);
}

#[test]
fn an_outdated_record_is_found_by_counts_if_it_is_the_newest_of_its_range() {
    let feed = feed_with(800, |options| options.photos = 0);
    let mirror = Mirror::with(&feed, |settings| settings.resources = vec!["Property"]);
    mirror.sync();
    let key = |order: &str| {
        let sql = format!(
            "SELECT ListingKey FROM listings ORDER BY ModificationTimestamp {order} LIMIT 1"
        );
        text(&mirror.open(), &sql)
    };
    let (newest, oldest) = (key("DESC"), key("ASC"));
    let db = Connection::open(mirror.database_path()).unwrap();
    for key in [&newest, &oldest] {
        let older = "UPDATE listings SET ModificationTimestamp = '2015-01-01 00:00:00' WHERE ListingKey = ?1";
        db.execute(older, [key]).unwrap();
    }
    drop(db);
    let (document, _) = verify(&feed, &mirror, 3, &[]);
    let listings = found(&document, "Property");
    assert!(listings.contains(&("timestamp".to_owned(), newest.clone())));
    assert!(!listings.contains(&("timestamp".to_owned(), oldest.clone())));
    let (document, _) = verify(&feed, &mirror, 3, &["--deep"]);
    let expected = [newest, oldest].map(|key| ("timestamp".to_owned(), key));
    assert_eq!(found(&document, "Property"), BTreeSet::from(expected));
}

#[test]
fn a_reconcile_by_counts_repairs_what_a_dry_run_lists() {
    let feed = feed_with(800, |options| options.photos = 0);
    let mirror = mirror_of_many_pages(&feed);
    mirror.sync();
    let keys = feed.listing_keys();
    for key in &keys[100..103] {
        feed.delete("Property", &key.to_string(), false).unwrap();
    }
    let db = Connection::open(mirror.database_path()).unwrap();
    let hide = "UPDATE listings SET deleted_at = '2026-01-01 00:00:00', deleted_reason = 'missing'
                WHERE ListingKey = ?1";
    let restored = keys[400].to_string();
    db.execute(hide, [&restored]).unwrap();
    let lost = keys[700].to_string();
    db.execute("DELETE FROM listings WHERE ListingKey = ?1", [&lost])
        .unwrap();
    drop(db);

    let before = dump(&mirror.open(), &["Property"]);
    let dry = ["sync", "reconcile", "--dry-run", "--only", "Property"];
    let shown = mirror.run(&dry);
    shown.says(0, &[]);
    assert!(
        dump(&mirror.open(), &["Property"]) == before,
        "a dry run wrote a row"
    );
    let plan = mirror.run(&[&["--json"], &dry[..]].concat()).json();
    let plan = &plan["resources"][0];
    let gone: Vec<String> = keys[100..103].iter().map(i64::to_string).collect();
    assert_eq!(plan["by_counts"], true);
    assert_eq!(plan["delete"], json!(gone));
    assert_eq!(plan["restore"], json!([restored]));
    assert_eq!(plan["refetch"], json!([lost]));
    for line in [
        format!("listing {}: would be deleted", gone[0]),
        format!("listing {restored}: would be restored"),
        format!("listing {lost}: would be read again"),
    ] {
        assert!(shown.stdout.contains(&line), "{line}: {shown:?}");
    }

    let (_, requests) = requests_of(&feed, || {
        mirror.sync_ends(0, &["reconcile", "--only", "Property"])
    });
    assert!(
        requests < 60,
        "{requests} requests, and 267 pages of listings"
    );
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Property"]);
    let sql = "SELECT deleted FROM sync_runs WHERE job = 'reconcile'";
    assert_eq!(number(&mirror.open(), sql), 3);
}

#[test]
fn a_sync_whose_counts_differ_finds_the_differences_by_counts() {
    let feed = large_feed();
    feed.behave(&[Behaviour::NoDeletionsAnnounced]);
    let mirror = Mirror::with(&feed, |settings| settings.set("profile", "\"reso\""));
    mirror.sync();
    let gone = feed.listing_keys()[300].to_string();
    feed.delete("Property", &gone, false).unwrap();
    let (_, requests) = requests_of(&feed, || mirror.sync_ends(0, &[]));
    let deleted = "SELECT deleted_reason FROM listings WHERE ListingKey = ?1";
    let reason: String = (mirror.open())
        .query_row(deleted, [&gone], |row| row.get(0))
        .unwrap();
    assert_eq!(reason, "missing");
    assert!(
        requests < 36,
        "{requests} requests, and 40 pages of listings"
    );
}

#[test]
fn records_that_change_during_an_audit_are_no_false_difference() {
    let feed = std::sync::Arc::new(large_feed());
    let (changed, mut ranges) = (feed.clone(), 0);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.resources = vec!["Property"];
    });
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    proxy.change(move |answer| {
        // After the changes were read, and before the counts of ranges.
        if ranges == 0 && answer.request.contains("ModificationTimestamp gt") {
            ranges += 1;
            for key in changed.listing_keys().into_iter().step_by(100) {
                let price = fields(json!({ "ListPrice": 7 }));
                changed.edit("Property", &key.to_string(), price).unwrap();
            }
        }
    });
    let (document, _) = verify(&feed, &mirror, 3, &[]);
    assert!(is_by_counts(&document, "Property"), "{document:#}");
    let listings = document["resources"][0]["differences"].as_array().unwrap();
    assert!(
        listings.iter().all(|one| one["since_last_sync"] == true),
        "{listings:?}"
    );
    mirror.sync_ends(0, &["reconcile"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Property"]);
}

#[test]
fn a_deep_verify_finds_every_key_with_no_more_requests_than_a_full_sync() {
    let feed = large_feed();
    let mirror = Mirror::of(&feed);
    let (_, full) = requests_of(&feed, || mirror.sync_full());
    let (document, deep) = verify(&feed, &mirror, 0, &["--deep"]);
    assert!(deep <= full, "{deep} requests; a full sync sends {full}");
    let resources = document["resources"].as_array().unwrap().iter();
    for resource in resources {
        let of = resource["resource"].as_str().unwrap();
        assert_eq!(resource["feed"], feed.count(of), "{of}");
    }
    let asked = feed.requests().into_iter();
    let nested = asked.filter(|request| request.query.contains("Media($select="));
    assert!(nested.count() > 30);

    let old = feed.now() - chrono::Duration::days(400);
    let photo = feed.truth("Media")[33]["MediaKey"].clone();
    let order = fields(json!({ "Order": 77 }));
    feed.edit_at("Media", photo.as_str().unwrap(), order, old)
        .unwrap();
    let other = key_text(&feed.truth("Media")[99]["MediaKey"]);
    feed.remove_photo(&other, false, false).unwrap();
    let (document, _) = verify(&feed, &mirror, 3, &["--deep"]);
    let expected = [("timestamp", key_text(&photo)), ("extra", other)];
    let expected = expected.map(|(kind, key)| (kind.to_owned(), key));
    assert_eq!(found(&document, "Media"), BTreeSet::from(expected));
}

#[test]
fn a_server_that_refuses_select_within_expand_sends_whole_children() {
    let feed = large_feed();
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.fault(FaultRule {
        path_contains: Some("($select".to_owned()),
        ..FaultRule::always(Fault::Status(400))
    });
    verify(&feed, &mirror, 0, &["--deep"]);
    let refused = "SELECT value FROM _capabilities WHERE capability = 'expand_select'";
    assert_eq!(text(&mirror.open(), refused), "refused");
    feed.clear_requests();
    verify(&feed, &mirror, 0, &["--deep"]);
    let mut asked = feed.requests().into_iter();
    assert!(!asked.any(|request| request.query.contains("($select")));
}

#[test]
fn status_and_report_say_when_a_resource_was_last_complete() {
    let feed = feed_with(800, |options| options.photos = 0);
    let mirror = mirror_of_many_pages(&feed);
    mirror.sync();
    let proof = |of: &Json| of["resources"][0]["proven"].clone();
    let status = mirror.run(&["status", "--json"]).json();
    assert_eq!(proof(&status)["records"], 800);
    assert_eq!(proof(&status)["by_counts"], false);
    feed.delete("Property", &feed.listing_keys()[3].to_string(), false)
        .unwrap();
    verify(&feed, &mirror, 3, &[]);
    assert_eq!(
        mirror.run(&["status", "--json"]).json()["resources"][0]["proven"],
        proof(&status)
    );
    mirror.sync_ends(0, &["reconcile"]);
    let status = mirror.run(&["status", "--json"]).json();
    assert_eq!(proof(&status)["records"], 799);
    assert_eq!(proof(&status)["by_counts"], true);
    let report = mirror.run(&["report"]);
    assert!(
        report.stdout.contains("Last proof of completeness"),
        "{report}"
    );
    let proven_at = proof(&status)["proven_at"].as_str().unwrap().to_owned();
    let local = &in_denver(&proven_at)[..19];
    assert!(report.stdout.contains(local), "{local}: {report}");
    assert!(!report.stdout.contains(&proven_at), "{proven_at}: {report}");
    assert!(mirror.run(&["status"]).stdout.contains("complete with"));
}

#[test]
fn check_says_what_an_audit_costs() {
    let feed = large_feed();
    let mirror = Mirror::of(&feed);
    let plan = mirror.run(&["check", "--json"]).json();
    let audit = |at: usize| plan["resources"][at]["audit"].clone();
    let by_counts = json!({ "by_counts": true, "requests": 3, "why": null });
    assert_eq!(audit(0), by_counts);
    assert_eq!(audit(1), by_counts);
    assert_eq!(audit(2)["why"], "they are few");
    assert_eq!(plan["resources"][0]["reconcile"]["why"], "they are few");
    mirror.sync();
    let planned = |of: &str| -> u64 {
        let resources = plan["resources"].as_array().unwrap().iter();
        resources
            .map(|one| one[of]["requests"].as_u64().unwrap())
            .sum()
    };
    let (_, requests) = verify(&feed, &mirror, 0, &[]);
    let (by_verify, by_reconcile) = (planned("audit"), planned("reconcile"));
    assert!(
        requests as u64 <= by_verify + 1,
        "{requests} requests, {by_verify} planned"
    );
    let (_, requests) = requests_of(&feed, || mirror.sync_ends(0, &["reconcile"]));
    assert!(
        (requests as u64).abs_diff(by_reconcile) <= by_reconcile / 10,
        "{requests} requests, {by_reconcile} planned"
    );
    let shown = mirror.run(&["check"]);
    let line =
        format!("an audit: {by_verify} requests by verify, {by_reconcile} requests by reconcile\n");
    assert!(shown.stdout.contains(&line), "{shown}");
}
