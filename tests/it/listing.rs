//! A listing with all its records, now and at an earlier time.

use std::collections::BTreeMap;

use mlsmirror::mirror::{HeldRecord, WholeListing};
use mlsmirror::value::Value;
use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use serde_json::json;

use crate::moves::{Copy, copy, last_change};
use crate::photo_files::with_photos;
use crate::support::*;

/// Returns the feed's fields of a record as text, without the one field that is not logged.
type Fields = BTreeMap<String, String>;

fn of_feed(name: &str) -> bool {
    let is_fields = name == "extra" || name.starts_with(char::is_uppercase);
    is_fields && name != "ModificationTimestamp"
}

fn logged_fields(record: &HeldRecord) -> Fields {
    let values = record.values.iter().filter(|(name, _)| of_feed(name));
    let as_sql = |value: &Value| match value {
        Value::Null => Sql::Null,
        Value::Integer(number) => Sql::Integer(*number),
        Value::Real(number) => Sql::Real(*number),
        Value::Text(text) => Sql::Text(text.to_string()),
    };
    values
        .map(|(name, value)| (name.clone(), format!("{:?}", as_sql(value))))
        .collect()
}

fn copied(row: &Row) -> Fields {
    let values = row.iter().filter(|(name, _)| of_feed(name));
    values
        .filter(|(_, value)| **value != Sql::Null)
        .map(|(name, value)| (name.clone(), format!("{value:?}")))
        .collect()
}

fn children_told(whole: &WholeListing) -> BTreeMap<(String, String), Fields> {
    let children = whole.children.iter();
    children
        .map(|child| {
            let name = (child.resource.entity_set().to_owned(), child.key.clone());
            (name, logged_fields(child))
        })
        .collect()
}

fn children_copied(then: &Copy, listing: &str) -> BTreeMap<(String, String), Fields> {
    let of_listing = then.iter().filter(|((set, _), row)| {
        is_child(set)
            && row["listing_key"] == Sql::Text(listing.to_owned())
            && row["deleted_at"] == Sql::Null
    });
    of_listing
        .map(|(name, row)| (name.clone(), copied(row)))
        .collect()
}

/// Moves the log entries after this one, and their records, to a time.
fn date(mirror: &Mirror, behind: i64, moment: &str) {
    let db = Connection::open(mirror.database_path()).unwrap();
    db.execute(
        "UPDATE changes SET recorded_at = ?1 WHERE id > ?2",
        rusqlite::params![moment, behind],
    )
    .unwrap();
    let made = texts(
        &db,
        "SELECT name FROM pragma_table_list WHERE type = 'table'",
    );
    let tables = ALL.map(|set| table(set).0);
    for table in tables
        .iter()
        .filter(|table| made.iter().any(|made| made == *table))
    {
        let sql = format!("UPDATE {table} SET first_seen_at = ?1 WHERE first_seen_at > ?1");
        db.execute(&sql, [moment]).unwrap();
    }
}

fn library(mirror: &Mirror) -> mlsmirror::mirror::Mirror {
    mlsmirror::mirror::Mirror::open_to_read(mirror.database_path()).unwrap()
}

#[test]
fn a_listing_is_rebuilt_as_it_was_after_every_sync() {
    for seed in sample([5, 6], 2) {
        println!("seed {seed}");
        let feed = feed_with(60, |options| options.seed = seed);
        let mirror = Mirror::with(&feed, |settings| settings.resources = ALL.to_vec());
        mirror.sync();
        let moment = |day: usize| format!("2026-01-{:02} 00:00:00", day + 1);
        date(&mirror, 0, &moment(0));
        let mut copies = vec![copy(&mirror.open(), &ALL)];
        for day in 1..6 {
            let behind = last_change(&mirror.open());
            feed.advance(chrono::Duration::hours(26));
            feed.move_market(80);
            let keys = feed.listing_keys();
            match day {
                2 => {
                    feed.delete("Property", &keys[3].to_string(), true).unwrap();
                    feed.delete("Property", &keys[4].to_string(), true).unwrap();
                }
                4 => feed.bring_back(feed_gone(&copies[0], &keys)).unwrap(),
                _ => {}
            }
            mirror.sync();
            date(&mirror, behind, &moment(day));
            copies.push(copy(&mirror.open(), &ALL));
        }
        let mut held = library(&mirror);
        let (mut compared, mut changed, mut deleted, mut children) = (0, 0, 0, 0);
        for (day, then) in copies.iter().enumerate() {
            let at = moment(day).replace("00:00:00", "12:00:00");
            for (set, key) in copies.last().unwrap().keys() {
                if set != "Property" {
                    continue;
                }
                let found = held.listing(key, Some(&at));
                let Some(row) = then.get(&(set.clone(), key.clone())) else {
                    let error = found.unwrap_err().to_string();
                    assert!(error.contains("did not hold"), "{key} at {at}: {error}");
                    continue;
                };
                let found = found.unwrap_or_else(|error| panic!("{key} at {at}: {error:#}"));
                assert_eq!(logged_fields(&found.listing), copied(row), "{key} at {at}");
                let is_deleted = row["deleted_at"] != Sql::Null;
                assert_eq!(found.listing.is_deleted, is_deleted, "{key} at {at}");
                let then = children_copied(then, key);
                assert_eq!(children_told(&found), then, "of {key} at {at}");
                assert!(found.history.iter().all(|entry| entry.recorded_at <= at));
                compared += 1;
                deleted += usize::from(is_deleted);
                children += then.len();
                let now = held.listing(key, None).unwrap();
                changed +=
                    usize::from(logged_fields(&now.listing) != logged_fields(&found.listing));
            }
        }
        assert!(
            compared > 300 && changed > 50,
            "{compared}, {changed} since"
        );
        assert!(deleted > 3 && children > 300, "{deleted}, {children}");
    }
}

/// A listing that existed once and is deleted now.
fn feed_gone(first: &Copy, keys: &[i64]) -> i64 {
    let listings = first.keys().filter(|(set, _)| set == "Property");
    let mut gone = listings.map(|(_, key)| key.parse().unwrap());
    gone.find(|key| !keys.contains(key)).unwrap()
}

#[test]
fn a_photo_moved_to_another_listing_is_shown_with_its_earlier_listing_before() {
    let feed = feed_with(6, |options| options.photos = 4);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    date(&mirror, 0, "2026-01-01 00:00:00");
    let keys = feed.listing_keys();
    let with_photos = |key: &&i64| !feed.truth_children(**key, "Media").is_empty();
    let from = *keys.iter().find(with_photos).unwrap();
    let to = *keys.iter().find(|key| **key != from).unwrap();
    let photo = key_text(&feed.truth_children(from, "Media")[0]["MediaKey"]);
    feed.advance(chrono::Duration::hours(1));
    let parent = json!({ "ResourceRecordKey": to.to_string(), "ResourceRecordKeyNumeric": to });
    feed.edit("Media", &photo, fields(parent)).unwrap();
    mirror.sync();
    date(&mirror, 0, "2026-01-02 00:00:00");
    let mut held = library(&mirror);
    let mut has = |listing: i64, at: Option<&str>| {
        let whole = held.listing(&listing.to_string(), at).unwrap();
        whole.children.iter().any(|child| child.key == photo)
    };
    assert_eq!((has(from, None), has(to, None)), (false, true));
    let before = Some("2026-01-01 12:00:00");
    assert_eq!((has(from, before), has(to, before)), (true, false));
}

#[test]
fn a_listing_is_shown_with_photos_open_houses_and_history() {
    let feed = feed_with(5, |options| options.photos = 3);
    let mirror = with_photos(&feed);
    let key = feed.listing_keys()[0];
    feed.edit(
        "Property",
        &key.to_string(),
        fields(json!({ "ListPrice": 500_000 })),
    )
    .unwrap();
    feed.add_photo(key, true).unwrap();
    feed.add_open_house(key).unwrap();
    mirror.sync();
    date(&mirror, 0, "2026-01-01 00:00:00");
    feed.advance(chrono::Duration::hours(1));
    feed.edit(
        "Property",
        &key.to_string(),
        fields(json!({ "ListPrice": 450_000 })),
    )
    .unwrap();
    mirror.sync();
    let key = key.to_string();
    let photos = feed.truth_children(key.parse().unwrap(), "Media");
    let shown = mirror.run(&["listing", &key]);
    shown.says(0, &[]);
    for part in [
        &format!("ListingKey {key}\n"),
        "ListPrice",
        "Price        $450,000",
        "$500,000 → $450,000",
        &format!("media/{key}/"),
        "1 open house (America/Denver)\n",
        "ListPrice: 500000 → 450000",
    ] {
        assert!(shown.stdout.contains(part), "{part}: {shown}");
    }
    let now = mirror.run(&["--json", "listing", &key]).json();
    assert_eq!(now["listing"]["ListPrice"], 450_000);
    assert_eq!(now["media"].as_array().unwrap().len(), photos.len());
    assert_eq!(now["open_houses"].as_array().unwrap().len(), 1);
    let file = now["media"][0]["file_path"].as_str().unwrap();
    assert!(file.starts_with(&format!("{key}/")), "{file}");
    assert_eq!(now["history"][0]["field"], "ListPrice");
    let past = mirror
        .run(&["--json", "listing", &key, "--at", "2026-01-01T05:00"])
        .json();
    assert_eq!(past["listing"]["ListPrice"], 500_000);
    assert_eq!(past["at"], "2026-01-01 12:00:00");
    assert_eq!(
        past["media"][0]["file_path"],
        json!(null),
        "the log has no files"
    );
    assert_eq!(past["history"], json!([]));
    assert_eq!(past["address"], now["address"]);
}

/// Starts a feed whose first listings have known addresses and MLS numbers.
fn feed_of_known_places() -> (simulator::Simulator, Vec<String>) {
    let feed = feed_with(6, |options| options.photos = 3);
    let keys: Vec<String> = feed.listing_keys().iter().map(i64::to_string).collect();
    let places = [
        ("A-77", "551", "Wasatch", "CT", "Sandy"),
        ("A-78", "5512", "Wasatch", "CT", "Sandy"),
        ("A-79", "551", "Wasatch", "LN", "Draper"),
    ];
    for (key, (id, number, street, suffix, city)) in keys.iter().zip(places) {
        let place = json!({
            "ListingId": id, "StreetNumber": number, "StreetName": street,
            "StreetSuffix": suffix, "UnitNumber": null, "UnparsedAddress": null, "City": city,
        });
        feed.edit("Property", key, fields(place)).unwrap();
    }
    (feed, keys)
}

#[test]
fn a_listing_is_found_by_its_key_its_mls_number_or_its_address() {
    let (feed, keys) = feed_of_known_places();
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let finds = |wanted: &str, key: &str| {
        let shown = mirror.run(&["--json", "listing", wanted]).json();
        assert_eq!(shown["listing_key"], key, "{wanted}");
    };
    finds(&keys[1], &keys[1]);
    finds("A-78", &keys[1]);
    finds("551 wasatch ct", &keys[0]);
    finds("551 Wasatch CT, Sandy", &keys[0]);
    finds("551 wasatch draper", &keys[2]);
    // The starts of words are enough if no address has the words.
    finds("5512 Was", &keys[1]);
    let past = mirror
        .run(&["--json", "listing", "A-77", "--at", "0s"])
        .json();
    assert_eq!(past["listing_key"], keys[0]);

    let several = mirror.run(&["listing", "551 Wasatch"]);
    several.says(1, &["2 listings match 551 Wasatch", "ListingKey"]);
    for part in [&keys[0], &keys[2], "551 Wasatch CT, Sandy", "A-79"] {
        assert!(several.stdout.contains(part), "{part}: {several}");
    }
    assert!(!several.stdout.contains(&keys[1]), "{several}");
    let several = mirror.run(&["--json", "listing", "551 Wasatch"]);
    assert_eq!(several.code, Some(1));
    let found: serde_json::Value = serde_json::from_str(&several.stdout).unwrap();
    assert_eq!(found["matches"].as_array().unwrap().len(), 2);
    assert_eq!(found["has_more"], false);
    assert_eq!(found["matches"][1]["listing_key"], keys[2]);
    assert_eq!(found["matches"][1]["city"], "Draper");
}

#[test]
fn refresh_and_changes_take_the_mls_number() {
    let (feed, keys) = feed_of_known_places();
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.edit(
        "Property",
        &keys[1],
        fields(json!({ "ListPrice": 123_456 })),
    )
    .unwrap();
    let refreshed = mirror.run(&["--json", "refresh", "A-78", &keys[1]]).json();
    assert_eq!(refreshed["succeeded"], json!([keys[1]]));
    let shown = mirror
        .run(&["--json", "changes", "--listing", "A-78"])
        .json();
    let changes = shown["changes"].as_array().unwrap();
    assert!(changes.iter().any(|change| change["field"] == "ListPrice"));
    assert!(
        changes
            .iter()
            .all(|change| change["listing_key"] == keys[1])
    );

    // The error names both listings with one number, and the command chooses neither.
    feed.edit("Property", &keys[2], fields(json!({ "ListingId": "A-78" })))
        .unwrap();
    mirror.sync();
    for command in [
        ["refresh", "A-78"].as_slice(),
        &["changes", "--listing", "A-78"],
    ] {
        let parts = [
            "2 listings match A-78",
            &keys[1],
            &keys[2],
            "551 Wasatch LN, Draper",
        ];
        mirror.run(command).says(2, &parts);
    }
}

#[test]
fn a_search_lists_the_first_fifty_matches() {
    let feed = feed_with(60, |options| options.photos = 0);
    for key in feed.listing_keys() {
        let place = json!({ "StreetName": "Main", "StreetSuffix": "ST", "City": "Sandy" });
        feed.edit("Property", &key.to_string(), fields(place))
            .unwrap();
    }
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let several = mirror.run(&["listing", "main st sandy"]);
    several.says(1, &["more than 50 listings match main st sandy"]);
    assert_eq!(several.stdout.lines().count(), 50);
}

#[test]
fn a_listing_begins_with_a_summary_and_continues_in_groups() {
    let (feed, keys) = feed_of_known_places();
    let key = &keys[0];
    let set = |values: serde_json::Value| feed.edit("Property", key, fields(values)).unwrap();
    set(json!({
        "ListPrice": 500_000, "OriginalListPrice": 520_000, "StandardStatus": "Active",
        "PropertyType": "Residential", "BedroomsTotal": 4, "BathroomsTotalInteger": 1,
        "LivingArea": 2_000, "LivingAreaUnits": "Square Feet", "YearBuilt": 1998,
        "DaysOnMarket": 12, "ListAgentFullName": "Ann Agent", "ListOfficeName": "Any Office",
        "StateOrProvince": "UT", "PostalCode": "84070", "PoolPrivateYN": true, "SpaYN": false,
        "Cooling": ["Central Air"], "TaxAnnualAmount": 3_210,
    }));
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    set(json!({ "ListPrice": 480_000, "StandardStatus": "Pending" }));
    mirror.sync();

    let shown = mirror.run(&["listing", "A-77"]);
    shown.says(0, &[]);
    let (summary, rest) = shown.stdout.split_once("\nHistory\n").unwrap();
    for part in [
        "551 Wasatch CT, Sandy, UT 84070\n",
        &format!("MLS number A-77, ListingKey {key}\n"),
        "Status       Pending since 2",
        "Price        $480,000, 7.7% below the original $520,000; $240 per square foot\n",
        "$500,000 → $480,000\n",
        "Beds, baths  4 beds, 1 bath\n",
        "Area         2,000 square feet, built 1998",
        "Days         12 on the market",
        "Agent        Ann Agent",
        "Office       Any Office",
        "Photos       ",
    ] {
        assert!(summary.contains(part), "{part}: {shown}");
    }
    let places = [
        "\nListing\n",
        "\nLocation\n",
        "\nStructure\n",
        "\nTax and association\n",
    ];
    let places = places.map(|group| {
        rest.find(group)
            .unwrap_or_else(|| panic!("{group}: {shown}"))
    });
    assert!(places.is_sorted(), "{shown}");
    for part in ["PoolPrivateYN  ", "yes", "Central Air", "$3,210"] {
        assert!(rest.contains(part), "{part}: {shown}");
    }
    assert!(!rest.contains("SpaYN"), "a No says little: {shown}");
    assert!(!rest.contains("first_seen_at"), "{shown}");

    let all = mirror.run(&["listing", "A-77", "--fields"]);
    all.says(0, &[]);
    let listing = mirror.run(&["--json", "listing", "A-77"]).json();
    for (name, value) in listing["listing"].as_object().unwrap() {
        let lines = all.stdout.lines().map(str::trim);
        let shown = lines.filter(|line| line.split(' ').next() == Some(name));
        assert_eq!(shown.count(), 1, "{name} = {value}: {all}");
    }
}

#[test]
fn a_listing_that_cannot_be_shown_says_why() {
    let feed = feed_of_today(8);
    let mut mirror = Mirror::of(&feed);
    let key = feed.listing_keys()[0].to_string();
    mirror
        .run(&["listing", &key])
        .says(2, &["there is no mirror yet"]);
    feed.edit("Property", &key, fields(json!({ "ListingId": "A-77" })))
        .unwrap();
    mirror.sync();
    let shows = |arguments: &[&str], parts: &[&str]| {
        let arguments = [&["listing"], arguments].concat();
        mirror.run(&arguments).says(1, parts);
    };
    shows(
        &["no-such"],
        &[
            "holds no listing with the ListingKey, ListingId or address no-such",
            "`mlsmirror refresh no-such`",
        ],
    );
    shows(
        &[&key, "--at", "2020-01-01"],
        &[
            "did not hold",
            "at 2020-01-01 00:00:00 MST; it has held it since 20",
            "ask for a later time",
        ],
    );
    mirror
        .run(&["listing", &key, "--at", "soon"])
        .says(2, &["--at", "soon"]);
    mirror.run(&["listing", ""]).says(2, &["<KEY>"]);

    // Deleted for good, and with a purged log.
    feed.advance(chrono::Duration::hours(1));
    feed.edit("Property", &key, fields(json!({ "ListPrice": 1 })))
        .unwrap();
    let other = feed.listing_keys()[1].to_string();
    feed.delete("Property", &other, true).unwrap();
    mirror.sync();
    date(&mirror, 0, "2026-01-02 00:00:00");
    let db = Connection::open(mirror.database_path()).unwrap();
    db.execute_batch(
        "UPDATE listings SET deleted_at = '2026-01-02 00:00:00' WHERE deleted_at IS NOT NULL",
    )
    .unwrap();
    drop(db);
    mirror.configure(|settings| settings.sync = "\n[retention]\ndeleted = \"1d\"\n".to_owned());
    mirror.sync();
    mirror
        .run(&["listing", &other])
        .says(1, &["removed for good", "mlsmirror changes --listing"]);
    mirror.configure(|settings| settings.sync = "\n[retention]\nchanges = \"1d\"\n".to_owned());
    mirror.sync();
    mirror.run(&["listing", &key, "--at", "2026-01-03"]).says(
        1,
        &[
            "2026-01-03 00:00:00 MST cannot be reconstructed",
            "[retention] changes",
        ],
    );
    mirror.run(&["listing", &key, "--at", "0"]).says(0, &[]);
}

#[test]
fn a_deleted_listing_is_shown_as_deleted_after_its_log_was_purged() {
    let feed = feed_of_today(8);
    let mut mirror = Mirror::of(&feed);
    mirror.sync();
    date(&mirror, 0, "2026-01-01 00:00:00");
    let key = feed.listing_keys()[0];
    feed.advance(chrono::Duration::hours(1));
    feed.delete("Property", &key.to_string(), true).unwrap();
    mirror.sync();
    date(&mirror, 0, "2026-01-02 00:00:00");
    let deleted_at = last_change(&mirror.open());
    feed.advance(chrono::Duration::hours(1));
    feed.bring_back(key).unwrap();
    mirror.sync();
    let now = Connection::open(mirror.database_path()).unwrap();
    let restored_at = text(&now, "SELECT max(recorded_at) FROM changes");
    drop(now);
    assert!(last_change(&mirror.open()) > deleted_at);
    mirror.configure(|settings| settings.sync = "\n[retention]\nchanges = \"30d\"\n".to_owned());
    mirror.sync();
    let key = key.to_string();
    // A day before it came back, by the mirror's clock.
    let before = format!("{restored_at}Z").replace(' ', "T");
    let before: chrono::DateTime<chrono::Utc> = before.parse().unwrap();
    let before = (before - chrono::Duration::days(1)).format("%Y-%m-%dT%H:%M:%SZ");
    let arguments = ["listing", &key, "--at", &before.to_string()];
    let shown = mirror.run(&[&["--json"], &arguments[..]].concat()).json();
    assert_eq!(shown["is_deleted"], true);
    assert_eq!(shown["deleted_at"], json!(null));
    mirror.run(&arguments).says(0, &[]);
    let shown = mirror.run(&arguments);
    assert!(
        shown
            .stdout
            .contains("deleted; the time is no longer in the log"),
        "{shown}"
    );
}
