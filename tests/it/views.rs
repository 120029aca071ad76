//! Compares the views for readers with the feed.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Duration, Offset, TimeZone, Utc};
use chrono_tz::America::Denver;
use rusqlite::Connection;
use serde_json::json;
use simulator::Simulator;

use crate::photo_files::with_photos;
use crate::support::*;

/// Returns a value of a row as text. NULL is "NULL".
fn value_text(row: &Row, column: &str) -> String {
    crate::photo_files::text_of(&row[column])
}

/// Returns the live listings of the feed by key.
fn listings(feed: &Simulator) -> BTreeMap<String, Record> {
    let all = feed.truth("Property").into_iter();
    all.map(|listing| (key_text(&listing["ListingKey"]), listing))
        .collect()
}

fn field(record: &Record, name: &str) -> String {
    record[name].as_str().unwrap_or_default().to_owned()
}

#[test]
fn active_listings_are_those_of_the_feed_the_newest_first() {
    let feed = feed_with(120, |options| options.photos = 4);
    let mirror = with_photos(&feed);
    mirror.sync();
    feed.advance(Duration::hours(1));
    feed.move_market(40);
    mirror.sync();
    let listings = listings(&feed);
    let mut active: Vec<(&String, &Record)> = (listings.iter())
        .filter(|(_, listing)| listing["StandardStatus"] == "Active")
        .collect();
    assert!(active.len() > 10);
    let entered = |listing: &Record| field(listing, "OriginalEntryTimestamp");
    active.sort_by(|(a, one), (b, other)| (entered(other), b).cmp(&(entered(one), a)));
    let rows = rows(&mirror.open(), "SELECT * FROM active_listings");
    let keys: Vec<String> = rows
        .iter()
        .map(|row| value_text(row, "ListingKey"))
        .collect();
    let expected: Vec<String> = active.iter().map(|(key, _)| (*key).clone()).collect();
    assert_eq!(keys, expected);
    let mut with_photo = 0;
    for (row, (key, listing)) in rows.iter().zip(active) {
        assert_eq!(value_text(row, "City"), field(listing, "City"), "{key}");
        let price: f64 = value_text(row, "ListPrice").parse().unwrap();
        assert_eq!(Some(price), listing["ListPrice"].as_f64(), "{key}");
        let agent = field(listing, "ListAgentFullName");
        assert_eq!(value_text(row, "ListAgentFullName"), agent, "{key}");
        let address = value_text(row, "address");
        assert!(
            address.starts_with(&field(listing, "StreetNumber")),
            "{key}: {address}"
        );
        let mut photos = feed.truth_children(key.parse().unwrap(), "Media");
        photos.sort_by_key(|photo| photo["Order"].as_i64());
        let first = photos.first().map_or("NULL".to_owned(), |photo| {
            format!("{key}/{}", key_text(&photo["MediaKey"]))
        });
        with_photo += usize::from(first != "NULL");
        assert_eq!(value_text(row, "photo_file"), first, "{key}");
    }
    assert!(with_photo > 5);
}

#[test]
fn an_address_is_in_the_form_that_fits() {
    let feed = feed(3);
    let keys = feed.listing_keys();
    let grid = json!({
        "StreetNumber": "2816", "StreetDirPrefix": "E", "StreetName": "4175",
        "StreetSuffix": null, "StreetDirSuffix": "S", "CrossStreet": "4180", "UnitNumber": "2",
    });
    let street = json!({
        "StreetNumber": "4122", "StreetDirPrefix": "W", "StreetName": "Zion",
        "StreetSuffix": "CV", "StreetDirSuffix": "N", "CrossStreet": "200", "UnitNumber": "382",
    });
    for (key, change) in keys.iter().zip([grid, street]) {
        let all = fields(json!({ "StandardStatus": "Active", "MlsStatus": "Active" }));
        feed.edit("Property", &key.to_string(), all).unwrap();
        feed.edit("Property", &key.to_string(), fields(change))
            .unwrap();
    }
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let address = |key: i64| {
        let sql = format!("SELECT address FROM active_listings WHERE ListingKey = '{key}'");
        text(&mirror.open(), &sql)
    };
    // In the vendor's spelling.
    assert_eq!(address(keys[0]), "2816 E 4180 S");
    assert_eq!(address(keys[1]), "4122 Zion CV 382");
}

#[test]
fn listings_that_websites_may_not_show_are_not_displayable() {
    let feed = feed_with(12, |options| options.photos = 2);
    let keys = feed.listing_keys();
    let edit = |key: i64, change: serde_json::Value| {
        feed.edit("Property", &key.to_string(), fields(change))
            .unwrap();
    };
    edit(keys[0], json!({ "InternetEntireListingDisplayYN": false }));
    edit(
        keys[1],
        json!({ "InternetAddressDisplayYN": false, "Latitude": 40.5 }),
    );
    edit(
        keys[2],
        json!({ "InternetAddressDisplayYN": null, "InternetEntireListingDisplayYN": null }),
    );
    feed.delete("Property", &keys[3].to_string(), true).unwrap();
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let db = mirror.open();
    let shown = texts(
        &db,
        "SELECT CAST(ListingKey AS TEXT) FROM displayable_listings ORDER BY 1",
    );
    let mut expected: Vec<String> = keys.iter().map(i64::to_string).collect();
    expected.sort();
    expected.retain(|key| *key != keys[0].to_string() && *key != keys[3].to_string());
    assert_eq!(shown, expected);
    let places = "SELECT address IS NULL AND Latitude IS NULL AND Longitude IS NULL
                      AND VirtualTourURLUnbranded IS NULL AND City IS NOT NULL
                  FROM displayable_listings WHERE ListingKey = '{}'";
    let is_hidden = |key: i64| number(&db, &places.replace("{}", &key.to_string())) == 1;
    assert!(is_hidden(keys[1]));
    assert!(!is_hidden(keys[2]));

    // The overview shows them, with the same columns.
    let all = "SELECT count(*), count(address) FROM listing_overview";
    let row = &rows(&db, all)[0];
    assert_eq!(value_text(row, "count(*)"), "11");
    assert_eq!(value_text(row, "count(address)"), "11");
    let columns = |view: &str| {
        let sql = format!("SELECT name FROM pragma_table_info('{view}')");
        texts(&db, &sql)
    };
    assert_eq!(columns("listing_overview"), columns("displayable_listings"));
}

#[test]
fn the_log_views_show_the_changes_newest_first() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    for view in [
        "new_listings",
        "price_changes",
        "status_changes",
        "deletions",
    ] {
        let all = format!("SELECT count(*) FROM {view}");
        assert_eq!(number(&mirror.open(), &all), 0, "{view} of a first sync");
    }
    let keys = feed.listing_keys();
    let edit = |key: i64, change: serde_json::Value| {
        feed.edit("Property", &key.to_string(), fields(change))
            .unwrap();
    };
    edit(
        keys[1],
        json!({ "ListPrice": 400_000, "StandardStatus": "Active" }),
    );
    edit(keys[2], json!({ "ListPrice": 0 }));
    mirror.sync();
    feed.advance(Duration::hours(1));
    edit(
        keys[1],
        json!({ "ListPrice": 350_000, "StandardStatus": "Pending" }),
    );
    edit(keys[2], json!({ "ListPrice": 100 }));
    mirror.sync();
    feed.advance(Duration::hours(1));
    let new = feed.insert_listing().unwrap();
    feed.delete("Property", &keys[3].to_string(), true).unwrap();
    mirror.sync();

    let db = mirror.open();
    let price = rows(
        &db,
        "SELECT * FROM price_changes WHERE new_price IN (350000, 100)",
    );
    let of = |key: i64| {
        let found = price
            .iter()
            .find(|row| value_text(row, "ListingKey") == key.to_string());
        let row = found.unwrap();
        ["old_price", "new_price", "difference", "percent"].map(|column| value_text(row, column))
    };
    assert_eq!(of(keys[1]), ["400000", "350000", "-50000", "-12.5"]);
    assert_eq!(of(keys[2]), ["0", "100", "100", "NULL"]);
    let status = rows(&db, "SELECT * FROM status_changes");
    assert_eq!(value_text(&status[0], "ListingKey"), keys[1].to_string());
    assert_eq!(value_text(&status[0], "from_status"), "Active");
    assert_eq!(value_text(&status[0], "to_status"), "Pending");
    let stamp = format!(
        "SELECT ModificationTimestamp FROM listings WHERE ListingKey = '{}'",
        keys[1]
    );
    assert_eq!(value_text(&status[0], "changed_at"), text(&db, &stamp));
    assert_eq!(
        texts(&db, "SELECT ListingKey FROM new_listings"),
        [new.to_string()]
    );
    let gone = rows(&db, "SELECT * FROM deletions WHERE resource = 'Property'");
    assert_eq!(gone.len(), 1);
    assert_eq!(value_text(&gone[0], "record_key"), keys[3].to_string());
    assert_eq!(value_text(&gone[0], "deleted_reason"), "announced");
    let photos = number(
        &db,
        "SELECT count(*) FROM deletions WHERE resource = 'Media'",
    );
    assert_eq!(
        photos,
        number(
            &db,
            "SELECT count(*) FROM media WHERE deleted_at IS NOT NULL"
        )
    );
    let history = format!(
        "SELECT what FROM listing_history WHERE ListingKey = '{}' AND resource = 'Property' AND field IN ('ListPrice', 'StandardStatus')",
        keys[1]
    );
    let history = texts(&db, &history);
    let shown = [
        "ListPrice: 400000 → 350000",
        "StandardStatus: Active → Pending",
    ];
    for what in shown {
        assert!(history.iter().any(|line| line == what), "{history:?}");
    }
    let ids = "SELECT count(*) FROM listing_history";
    let logged = "SELECT count(*) FROM changes WHERE listing_key IS NOT NULL";
    assert_eq!(number(&db, ids), number(&db, logged));
}

/// Returns the next time after `now` at which clocks in Denver change.
fn clocks_are_set(now: DateTime<Utc>, forward: bool) -> DateTime<Utc> {
    let offset = |at: DateTime<Utc>| {
        let local = Denver.offset_from_utc_datetime(&at.naive_utc());
        local.fix().local_minus_utc()
    };
    let start = Utc
        .with_ymd_and_hms(now.year(), now.month(), now.day(), 0, 0, 0)
        .unwrap();
    let hours = (24..24 * 400).map(|hour| start + Duration::hours(hour));
    let mut set = hours.filter(|at| {
        let step = offset(*at) - offset(*at - Duration::hours(1));
        step != 0 && (step > 0) == forward
    });
    set.next().unwrap()
}

#[test]
fn open_houses_are_shown_in_local_time_with_daylight_saving() {
    let feed = feed(12);
    let key = feed.listing_keys()[0];
    let mut expected = Vec::new();
    for forward in [true, false] {
        let set = clocks_are_set(Utc::now(), forward);
        for minutes in [-90, -30, 0, 30] {
            let start = set + Duration::minutes(minutes);
            let end = start + Duration::minutes(45);
            let house = feed.add_open_house(key).unwrap();
            let moment = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
            let change = json!({
                "OpenHouseStartTime": moment(start), "OpenHouseEndTime": moment(end),
                "OpenHouseStatus": "Active",
            });
            feed.edit("OpenHouse", &house.to_string(), fields(change))
                .unwrap();
            let local = |at: DateTime<Utc>| at.with_timezone(&Denver);
            let clock = |at| local(at).format("%H:%M").to_string();
            let date = local(start).format("%Y-%m-%d").to_string();
            expected.push((start, [house.to_string(), date, clock(start), clock(end)]));
        }
    }
    let over = feed.add_open_house(key).unwrap();
    let times = json!({
        "OpenHouseStartTime": "2020-01-01T17:00:00Z", "OpenHouseEndTime": "2020-01-01T19:00:00Z",
    });
    feed.edit("OpenHouse", &over.to_string(), fields(times))
        .unwrap();
    expected.sort();
    let expected: Vec<[String; 4]> = expected.into_iter().map(|(_, house)| house).collect();
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let db = mirror.open();
    let shown = rows(&db, "SELECT * FROM upcoming_open_houses");
    let shown: Vec<[String; 4]> = (shown.iter())
        .map(|row| {
            ["OpenHouseKey", "local_date", "local_start", "local_end"]
                .map(|name| value_text(row, name))
        })
        .collect();
    let over = over.to_string();
    assert!(shown.iter().all(|house| house[0] != over));
    let shown: Vec<&[String; 4]> = (shown.iter())
        .filter(|house| expected.iter().any(|known| known[0] == house[0]))
        .collect();
    assert_eq!(shown, expected.iter().collect::<Vec<_>>());
}

#[test]
fn the_views_of_runs_show_how_the_syncs_ended() {
    let feed = feed(12);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.set_server(|server| server.metadata_status = Some(401));
    mirror.sync_ends(5, &["full"]);
    feed.set_server(|server| server.metadata_status = None);
    feed.advance(Duration::hours(1));
    mirror.sync();
    // A running sync has not failed.
    let db = Connection::open(mirror.database_path()).unwrap();
    db.execute(
        "INSERT INTO sync_runs (job, resource, status, started_at)
         SELECT job, resource, 'running', started_at FROM sync_runs
         WHERE resource = 'Media' AND job = 'full'",
        [],
    )
    .unwrap();
    let media = "SELECT last_status || ' ' || succeeded_percent FROM sync_health
                 WHERE resource = 'Media' AND job = 'full'";
    assert_eq!(text(&db, media), "running 50.0");
    db.execute("DELETE FROM sync_runs WHERE status = 'running'", [])
        .unwrap();
    drop(db);
    let db = mirror.open();
    let health = rows(
        &db,
        "SELECT * FROM sync_health WHERE resource = 'Property' AND job = 'full'",
    );
    let of = |name: &str| value_text(&health[0], name);
    assert_eq!(
        (of("runs"), of("succeeded"), of("failed")),
        ("2".into(), "1".into(), "1".into())
    );
    assert_eq!(
        (of("succeeded_percent"), of("last_status")),
        ("50".into(), "failed".into())
    );
    assert!(of("last_error").contains("401"), "{}", of("last_error"));
    for resource in MAIN {
        let sql = format!("SELECT watermark FROM watermarks WHERE resource = '{resource}'");
        let run = format!(
            "SELECT watermark_after FROM sync_runs WHERE resource = '{resource}' AND job = 'incremental' ORDER BY id DESC LIMIT 1"
        );
        assert_eq!(text(&db, &sql), text(&db, &run), "{resource}");
        let sql = format!("SELECT up_to_date_at FROM watermarks WHERE resource = '{resource}'");
        let run = format!(
            "SELECT started_at FROM sync_runs WHERE resource = '{resource}' AND job = 'incremental' ORDER BY id DESC LIMIT 1"
        );
        assert_eq!(text(&db, &sql), text(&db, &run), "{resource}");
    }
    let sql = "SELECT deletions_watermark FROM watermarks WHERE resource = 'Property'";
    let run = "SELECT watermark_after FROM sync_runs WHERE resource = 'Property' AND job = 'deletions' ORDER BY id DESC LIMIT 1";
    assert_eq!(text(&db, sql), text(&db, run));
}

#[test]
fn a_mirror_of_any_server_has_the_views_that_its_tables_allow() {
    let feed = feed(12);
    for (resources, expected) in [
        (vec!["Property"], 10),
        (vec!["Property", "Media"], 11),
        (vec!["Property", "Media", "OpenHouse"], 12),
        (vec!["Office"], 2),
    ] {
        for profile in ["\"wfrmls\"", "\"reso\""] {
            let mirror = Mirror::with(&feed, |settings| {
                settings.set("profile", profile);
                settings.resources = resources.clone();
            });
            mirror.sync();
            let db = mirror.open();
            let views = texts(&db, "SELECT name FROM sqlite_schema WHERE type = 'view'");
            assert_eq!(views.len(), expected, "{resources:?} {profile}: {views:?}");
            for view in views {
                rows(&db, &format!("SELECT * FROM {view}"));
            }
        }
    }
}

/// DuckDB parses every view when it attaches the file, and has SQLite run its own version
/// of the SQL. One view that it cannot rewrite makes all tables unreadable (tested with
/// DuckDB 1.5.5 and its extension `sqlite`).
#[test]
fn no_view_holds_what_duckdb_cannot_read() {
    let feed = feed_with(20, |options| options.photos = 1);
    let mirror = with_photos(&feed);
    mirror.sync();
    let views = rows(
        &mirror.open(),
        "SELECT name, sql FROM sqlite_schema WHERE type = 'view'",
    );
    assert_eq!(views.len(), 12);
    for view in views {
        let sql = value_text(&view, "sql");
        // These are: an operator that only SQLite has; a function that DuckDB puts into another
        // schema; and a function that DuckDB turns into a cast, which SQLite reads as a year.
        for word in [
            " GLOB ", " trim(", "(trim(", " date(", "(date(", " ISNULL", "==", "->",
        ] {
            assert!(
                !sql.contains(word),
                "{} holds {word}",
                value_text(&view, "name")
            );
        }
    }
}

#[test]
fn a_trigger_that_drops_a_write_fails_the_sync_with_its_name() {
    type Change<'c> = &'c dyn Fn() -> anyhow::Result<()>;
    let feed = feed(20);
    let mirror = Mirror::with(&feed, |settings| settings.media = true);
    mirror.sync();
    let keys = feed.listing_keys();
    let edit = || {
        let price = fields(serde_json::json!({"ListPrice": feed.now().timestamp()}));
        feed.edit("Property", &keys[2].to_string(), price)
    };
    let insert = || feed.insert_listing().map(|_| ());
    let delete = || feed.delete("Property", &keys[3].to_string(), true);
    let photo = key_text(&feed.truth("Media").last().unwrap()["MediaKey"]);
    let remove = || feed.remove_photo(&photo, true, true);
    let add = || feed.add_photo(keys[4], true).map(|_| ());
    let cases: [(&str, &str, Change<'_>); 6] = [
        ("BEFORE UPDATE", "listings", &edit),
        ("BEFORE INSERT", "listings", &insert),
        ("BEFORE UPDATE", "listings", &delete),
        ("BEFORE UPDATE", "media", &remove),
        ("BEFORE UPDATE OF file_path", "media", &add),
        ("BEFORE INSERT", "changes", &edit),
    ];
    let db = rusqlite::Connection::open(mirror.database_path()).unwrap();
    for (event, table, change) in cases {
        db.execute_batch(&format!(
            "CREATE TRIGGER keep_all {event} ON {table} BEGIN SELECT RAISE(IGNORE); END"
        ))
        .unwrap();
        feed.advance(chrono::Duration::hours(1));
        change().unwrap();
        mirror.sync_ends(1, &[]).says(1, &["keep_all", table]);
        db.execute_batch("DROP TRIGGER keep_all").unwrap();
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}
