//! Changes between two full syncs: rows, reasons, and the log.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use serde_json::json;

use crate::support::*;

/// Every row, live or deleted, by resource and key.
pub type Copy = BTreeMap<(String, String), Row>;

pub fn copy(db: &Connection, entity_sets: &[&str]) -> Copy {
    let mut copy = Copy::new();
    for set in entity_sets {
        let (table, key) = table(set);
        for mut row in rows(
            db,
            &format!("SELECT *, CAST({key} AS TEXT) AS the_key FROM {table}"),
        ) {
            let key = as_text(&row.remove("the_key").unwrap()).to_owned();
            copy.insert(((*set).to_owned(), key), row);
        }
    }
    copy
}

/// Returns the feed's fields of the live rows, without the one field that is not logged.
fn live_part(copy: &Copy) -> Copy {
    let live = copy
        .iter()
        .filter(|(_, row)| row["deleted_at"] == Sql::Null);
    live.map(|(key, row)| {
        let mut row = row.clone();
        row.retain(|name, _| name == "extra" || name.starts_with(char::is_uppercase));
        row.remove("ModificationTimestamp");
        // Another signature of the same URL is no change.
        if let Some(url) = row.get_mut("MediaURL") {
            *url = without_signature(url);
        }
        (key.clone(), row)
    })
    .collect()
}

/// Applies the log after `since` to `rows`. Takes new rows from `later`.
///
/// `is_one_step`: one sync made `later`, so that timestamps in the log equal those of
/// its rows.
fn replay(
    db: &Connection,
    since: i64,
    rows_before: &Copy,
    later: &Copy,
    is_one_step: bool,
) -> Copy {
    let mut held = rows_before.clone();
    // These records appeared and changed later. The first value of the field is unknown.
    let mut known = BTreeSet::new();
    for entry in rows(
        db,
        &format!("SELECT * FROM changes WHERE id > {since} ORDER BY id"),
    ) {
        let name = |column: &str| as_text(&entry[column]).to_owned();
        let key = (name("resource"), name("record_key"));
        let is_live = held
            .get(&key)
            .is_some_and(|row| row["deleted_at"] == Sql::Null);
        match &*name("change") {
            "insert" => {
                assert!(!held.contains_key(&key), "{key:?} was inserted twice");
                let mut row = later[&key].clone();
                row.insert("deleted_at".to_owned(), Sql::Null);
                held.insert(key.clone(), row);
            }
            "delete" => {
                assert!(is_live, "{key:?} was deleted and did not exist");
                held.get_mut(&key)
                    .unwrap()
                    .insert("deleted_at".to_owned(), entry["recorded_at"].clone());
            }
            "restore" => {
                assert!(!is_live, "{key:?} came back and was not deleted");
                held.get_mut(&key)
                    .unwrap()
                    .insert("deleted_at".to_owned(), Sql::Null);
            }
            "update" => {
                assert!(is_live, "{key:?} changed and did not exist");
                let field = name("field");
                assert_ne!(field, "ModificationTimestamp", "{key:?}");
                assert_ne!(entry["old_value"], entry["new_value"], "{key:?} {field}");
                let was = held
                    .get_mut(&key)
                    .unwrap()
                    .insert(field.clone(), entry["new_value"].clone());
                let is_known = is_one_step || rows_before.contains_key(&key);
                if !known.insert((key.clone(), field.clone())) || is_known {
                    assert_eq!(
                        was.as_ref(),
                        Some(&entry["old_value"]),
                        "{key:?} {field}: the old value"
                    );
                }
            }
            other => panic!("a change of kind {other}"),
        }
        if is_one_step && name("change") != "delete" && name("resource") == "Property" {
            assert_eq!(
                entry["source_timestamp"], later[&key]["ModificationTimestamp"],
                "{key:?}"
            );
        }
        if key.0 == "Property" {
            assert_eq!(entry["listing_key"], Sql::Text(key.1.clone()));
        } else if is_child(&key.0) {
            assert_eq!(entry["listing_key"], later[&key]["listing_key"], "{key:?}");
        }
    }
    held
}

/// Compares two states with one sync between them.
pub fn assert_log_equals_the_difference(db: &Connection, since: i64, before: &Copy, after: &Copy) {
    let logged = replay(db, since, before, after, true);
    assert_same_rows(&logged, after);
}

/// Compares two states with any number of syncs between them.
pub fn assert_log_tells_all_steps(db: &Connection, since: i64, before: &Copy, after: &Copy) {
    let logged = replay(db, since, before, after, false);
    assert_same_rows(&logged, after);
}

fn assert_same_rows(logged: &Copy, found: &Copy) {
    let (logged, found) = (live_part(logged), live_part(found));
    let keys: BTreeSet<_> = logged.keys().chain(found.keys()).collect();
    for key in keys {
        assert_eq!(
            logged.get(key),
            found.get(key),
            "the log has another {key:?}"
        );
    }
}

pub fn last_change(db: &Connection) -> i64 {
    number(db, "SELECT coalesce(max(id), 0) FROM changes")
}

#[test]
fn after_changes_the_mirror_equals_the_feed_and_the_log_explains_it() {
    for seed in [3, 4] {
        println!("seed {seed}");
        let feed = feed_with(200, |options| options.seed = seed);
        let mirror = Mirror::with(&feed, |settings| settings.resources = ALL.to_vec());
        mirror.sync_full();
        let before = copy(&mirror.open(), &ALL);

        feed.advance(chrono::Duration::hours(26));
        let moved = feed.move_market(160);
        assert!(moved.total() > 100, "{moved:?}");
        let keys = feed.listing_keys();
        let (silent, announced) = (&keys[10..14], &keys[100..103]);
        for key in silent {
            feed.delete("Property", &key.to_string(), false).unwrap();
        }
        for key in announced {
            feed.delete("Property", &key.to_string(), true).unwrap();
        }
        mirror.sync_full();
        let db = mirror.open();
        assert_mirror_equals_feed(&db, &feed, &ALL);
        let between = copy(&db, &ALL);
        assert_log_equals_the_difference(&db, 0, &before, &between);
        let logged = number(&db, "SELECT sum(changes_logged) FROM sync_runs");
        assert_eq!(last_change(&db), logged);
        assert!(logged > 100, "{logged} changes for {moved:?}");

        for key in silent.iter().chain(announced) {
            feed.bring_back(*key).unwrap();
        }
        feed.move_market(60);
        let since = last_change(&db);
        mirror.sync_full();
        assert_mirror_equals_feed(&db, &feed, &ALL);
        assert_log_equals_the_difference(&db, since, &between, &copy(&db, &ALL));
        let restored =
            "SELECT count(*) FROM changes WHERE change = 'restore' AND resource = 'Property'";
        assert_eq!(number(&db, restored), 7);
    }
}

fn reasons(db: &Connection, table: &str, condition: &str) -> Vec<String> {
    texts(
        db,
        &format!(
            "SELECT DISTINCT deleted_reason FROM {table} WHERE deleted_at IS NOT NULL AND {condition}"
        ),
    )
}

#[test]
fn deleted_rows_have_a_reason() {
    let feed = feed_with(120, |options| options.photos = 5);
    let mirror = Mirror::of(&feed);
    mirror.sync_full();
    let with_photos = |listing: &&i64| feed.truth_children(**listing, "Media").len() > 1;
    let keys = feed.listing_keys();
    let mut with_photos = keys.iter().filter(with_photos);
    let (gone, stays) = (*with_photos.next().unwrap(), *with_photos.next().unwrap());
    let photo = feed.truth_children(stays, "Media")[0]["MediaKey"]
        .as_str()
        .unwrap()
        .to_owned();
    let photos = feed.truth_children(gone, "Media").len() as i64;
    feed.delete("Property", &gone.to_string(), false).unwrap();
    feed.remove_photo(&photo, false, true).unwrap();
    mirror.sync_full();

    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_eq!(reasons(&db, "listings", "true"), ["missing"]);
    assert_eq!(
        reasons(&db, "media", &format!("listing_key = '{gone}'")),
        ["parent"]
    );
    assert_eq!(
        reasons(&db, "media", &format!("listing_key <> '{gone}'")),
        ["replaced"]
    );
    let deleted = "SELECT count(*) FROM media WHERE deleted_at IS NOT NULL";
    assert_eq!(number(&db, deleted), photos + 1);
    let values =
        "SELECT count(*) FROM listings WHERE deleted_at IS NOT NULL AND ListPrice IS NOT NULL";
    assert_eq!(
        number(&db, values),
        1,
        "a soft-deleted row keeps its values"
    );

    feed.bring_back(gone).unwrap();
    mirror.sync_full();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    let row = format!(
        "SELECT deleted_at IS NULL AND deleted_reason IS NULL FROM listings WHERE ListingKey = '{gone}'"
    );
    assert_eq!(number(&db, &row), 1);
    assert_eq!(
        reasons(&db, "media", &format!("listing_key = '{gone}'")),
        [""; 0]
    );
}

#[test]
fn photos_that_are_added_replaced_and_reordered_are_followed() {
    let feed = feed_with(60, |options| options.photos = 5);
    let mirror = Mirror::of(&feed);
    mirror.sync_full();
    let keys = feed.listing_keys();
    let several = |listing: &&i64| feed.truth_children(**listing, "Media").len() > 2;
    let listing = *keys.iter().find(several).unwrap();
    let first = feed.truth_children(listing, "Media")[0]["MediaKey"]
        .as_str()
        .unwrap()
        .to_owned();
    feed.advance(chrono::Duration::minutes(5));
    feed.add_photo(listing, true).unwrap();
    feed.replace_photo(&first, false).unwrap();
    feed.reorder_photos(listing, true).unwrap();
    feed.add_open_house(keys[3]).unwrap();
    mirror.sync_full();
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    let inserted = texts(
        &db,
        "SELECT resource FROM changes WHERE change = 'insert' ORDER BY resource",
    );
    assert_eq!(inserted, ["Media", "OpenHouse"]);
    let fields = texts(
        &db,
        "SELECT DISTINCT field FROM changes WHERE resource = 'Media' AND change = 'update'",
    );
    assert!(fields.contains(&"Order".to_owned()), "{fields:?}");
}

#[test]
fn a_photo_that_moves_to_another_listing_is_logged_as_a_change_of_its_fields() {
    let feed = feed_with(6, |options| options.photos = 4);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |settings| settings.media = true);
    mirror.sync();
    let before = copy(&mirror.open(), &MAIN);
    let mut with_photos = feed.listing_keys();
    with_photos.retain(|key| !feed.truth_children(*key, "Media").is_empty());
    let (from, to) = (with_photos[0], with_photos[1]);
    let key = key_text(&feed.truth_children(from, "Media")[0]["MediaKey"]);
    feed.advance(chrono::Duration::hours(1));
    let of_other = json!({ "ResourceRecordKey": to.to_string(), "ResourceRecordKeyNumeric": to });
    feed.edit("Media", &key, fields(of_other)).unwrap();
    let photos = |listing: i64| feed.truth_children(listing, "Media").len();
    for (listing, count) in [(from, photos(from) - 1), (to, photos(to) + 1)] {
        let count = fields(json!({ "PhotosCount": count }));
        feed.edit("Property", &listing.to_string(), count).unwrap();
    }
    let mut media = feed.truth("Media").into_iter();
    let photo = media.find(|photo| photo["MediaKey"] == *key).unwrap();
    proxy.change(move |answer| {
        if !answer.request.contains("$expand=") {
            return;
        }
        for listing in answer.records() {
            let of = key_text(&listing["ListingKey"]);
            if let Some(list) = listing["Media"].as_array_mut() {
                list.retain(|listed| listed["MediaKey"] != photo["MediaKey"]);
                if of == to.to_string() {
                    list.push(json!(photo));
                }
            }
        }
    });
    mirror.sync();

    let db = mirror.open();
    assert_log_equals_the_difference(&db, 0, &before, &copy(&db, &MAIN));
    let logged = texts(
        &db,
        "SELECT change || ' ' || coalesce(field, '') FROM changes WHERE resource = 'Media' ORDER BY 1",
    );
    let of_listing = [
        "update ResourceRecordKey",
        "update ResourceRecordKeyNumeric",
    ];
    assert_eq!(logged, of_listing);
    let uncounted = "SELECT count(*) - (SELECT sum(changes_logged) FROM sync_runs) FROM changes";
    assert_eq!(number(&db, uncounted), 0);
    let file = format!("SELECT file_path FROM media WHERE MediaKey = '{key}'");
    let file = mirror.folder.path().join("media").join(text(&db, &file));
    assert!(file.exists(), "{}", file.display());
}

#[test]
fn a_change_of_one_field_is_one_entry_in_the_log() {
    let feed = feed(60);
    let mirror = Mirror::of(&feed);
    mirror.sync_full();
    feed.advance(chrono::Duration::minutes(5));
    let key = feed.listing_keys()[7].to_string();
    feed.edit(
        "Property",
        &key,
        fields(serde_json::json!({"ListPrice": 777_777.5})),
    )
    .unwrap();
    mirror.sync_full();
    let db = mirror.open();
    let entries = rows(
        &db,
        "SELECT resource, record_key, change, field, new_value FROM changes",
    );
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(as_text(&entries[0]["record_key"]), key);
    assert_eq!(as_text(&entries[0]["field"]), "ListPrice");
    assert_eq!(entries[0]["new_value"], Sql::Real(777_777.5));
    let updated =
        "SELECT updated FROM sync_runs WHERE resource = 'Property' ORDER BY id DESC LIMIT 1";
    assert_eq!(number(&db, updated), 1);
}

#[test]
fn an_ignored_field_is_mirrored_and_not_logged() {
    let feed = feed(40);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = "ignore_fields = [\"ListPrice\"]".to_owned();
    });
    mirror.sync_full();
    let key = feed.listing_keys()[7].to_string();
    feed.edit(
        "Property",
        &key,
        fields(serde_json::json!({"ListPrice": 5, "City": "Provo"})),
    )
    .unwrap();
    mirror.sync_full();
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert!(!texts(&db, "SELECT field FROM changes").contains(&"ListPrice".to_owned()));
}

#[test]
fn changes_are_mirrored_with_every_kind_of_server() {
    type Ask = fn(&mut simulator::ServerBehaviour);
    let ways: [(&str, &str, Ask); 5] = [
        ("children on their own", "wfrmls", |server| {
            server.expand_refused = Some(400)
        }),
        ("children only along", "wfrmls", |server| {
            server.media_status = Some(504)
        }),
        ("short pages and lists", "wfrmls", |server| {
            server.page_cap = Some(9);
            server.expand_cap = Some(1);
        }),
        ("next links", "reso", |server| server.refuse_orderby = true),
        ("next links, children on their own", "reso", |server| {
            server.refuse_orderby = true;
            server.expand_refused = Some(501)
        }),
    ];
    for (way, profile, ask) in ways {
        println!("{way}");
        let feed = feed(100);
        feed.set_server(ask);
        let mirror = Mirror::with(&feed, |settings| {
            settings.resources = ALL.iter().copied().filter(|set| *set != "Adu").collect();
            settings.set("profile", format!("{profile:?}"));
            settings.set("max_retries", 0);
        });
        let sets: Vec<&str> = ALL.into_iter().filter(|set| *set != "Adu").collect();
        mirror.sync_full();
        let db = mirror.open();
        let before = copy(&db, &sets);
        feed.advance(chrono::Duration::hours(3));
        feed.move_market(80);
        for key in &feed.listing_keys()[70..75] {
            feed.delete("Property", &key.to_string(), false).unwrap();
        }
        mirror.sync_full();
        assert_mirror_equals_feed(&db, &feed, &sets);
        assert_log_equals_the_difference(&db, 0, &before, &copy(&db, &sets));
    }
}

#[test]
fn listings_that_leave_the_filter_are_deleted_and_come_back() {
    let feed = feed(150);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync =
            "filter = { Property = \"StandardStatus eq Odata.Models.StandardStatus'Active'\" }"
                .to_owned();
    });
    let equals = |db: &Connection| {
        let active: BTreeSet<String> = truth(&feed, "Property")
            .into_iter()
            .filter(|(_, record)| record["StandardStatus"] == "Active")
            .map(|(key, _)| key)
            .collect();
        assert_mirror_equals_part(db, &feed, &MAIN, |listing, _| active.contains(listing));
        active
    };
    mirror.sync_full();
    let db = mirror.open();
    let active = equals(&db);
    let before = copy(&db, &MAIN);
    let status = |keys: &[&String], status: &str| {
        for key in keys {
            feed.edit(
                "Property",
                key,
                fields(serde_json::json!({"StandardStatus": status})),
            )
            .unwrap();
        }
    };
    let some: Vec<&String> = active.iter().take(4).collect();
    status(&some, "Pending");
    mirror.sync_full();
    equals(&db);
    status(&some[..2], "Active");
    mirror.sync_full();
    equals(&db);
    assert_log_equals_the_difference(&db, 0, &before, &copy(&db, &MAIN));
}
