//! `changes`: compares the printed log with its table.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use serde_json::{Value as Json, json};
use simulator::{Fault, FaultRule, Simulator};

use crate::support::*;

/// Creates a mirror without a token, whose log holds every kind of change.
fn moved_mirror(feed: &Simulator) -> Mirror {
    let mut mirror = Mirror::of(feed);
    mirror.sync();
    let gone = feed.listing_keys()[7];
    feed.delete("Property", &gone.to_string(), true).unwrap();
    feed.move_market(60);
    mirror.sync_ends(0, &["full"]);
    feed.bring_back(gone).unwrap();
    mirror.sync_ends(0, &["full"]);
    mirror.token = None;
    mirror
}

/// Creates a mirror that holds only this number of log entries, one per second.
fn long_log(feed: &Simulator, count: u32) -> Mirror {
    let mut mirror = Mirror::of(feed);
    mirror.sync();
    mirror.token = None;
    let db = Connection::open(mirror.database_path()).unwrap();
    db.pragma_update(None, "foreign_keys", false).unwrap();
    db.execute(
        "WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < ?1)
         INSERT INTO changes (run_id, resource, record_key, listing_key, change, field,
                              old_value, new_value, recorded_at)
         SELECT 1, 'Property', n % 1000, n % 1000, 'update', 'PublicRemarks',
                printf('%.*c', 250, 'x'), printf('%.*c', 250, 'y'),
                datetime('2026-03-01', '+' || n || ' seconds')
         FROM number",
        [count],
    )
    .unwrap();
    mirror
}

/// Returns the rows that `--json` and `--csv` both print for these arguments.
#[track_caller]
fn printed(mirror: &Mirror, arguments: &[&str]) -> Vec<Json> {
    let ended = mirror.run(&[&["changes", "--json"], arguments].concat());
    ended.says(0, &[]);
    let changes = ended.json()["changes"].as_array().unwrap().clone();
    let ended = mirror.run(&[&["changes", "--csv"], arguments].concat());
    ended.says(0, &[]);
    let mut csv = csv::Reader::from_reader(ended.stdout.as_bytes());
    let names = csv.headers().unwrap().clone();
    let lines: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    assert_eq!(lines.len(), changes.len(), "{arguments:?}");
    for (line, change) in lines.iter().zip(&changes) {
        let of_listing = ["address", "city"];
        for (name, value) in names.iter().zip(line) {
            if of_listing.contains(&name) {
                continue;
            }
            let expected = match &change[name] {
                Json::Null => String::new(),
                other => key_text(other),
            };
            assert_eq!(value, expected, "{arguments:?} {name}");
        }
    }
    changes
}

#[test]
fn csv_has_addresses_and_no_cell_that_a_spreadsheet_would_run() {
    let feed = feed(3);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let key = feed.listing_keys()[0].to_string();
    let edits = json!({
        "StreetNumber": "551", "StreetName": "Wasatch", "StreetSuffix": "CT", "UnitNumber": null,
        "City": "@Sandy", "PublicRemarks": "=HYPERLINK(\"http://bad.example\")",
        "ListAgentFullName": "-2+3", "ListOfficePhone": "+1 801 555 0100",
        "ListOfficeName": "-12.5", "Directions": "\tnorth", "ListPrice": 1,
    });
    feed.advance(chrono::Duration::hours(1));
    feed.edit("Property", &key, fields(edits)).unwrap();
    mirror.sync();

    let ended = mirror.run(&["changes", "--csv", "--listing", &key]);
    ended.says(0, &[]);
    let mut csv = csv::Reader::from_reader(ended.stdout.as_bytes());
    let names = csv.headers().unwrap().clone();
    assert_eq!(
        names.iter().skip(11).collect::<Vec<_>>(),
        ["address", "city"]
    );
    let mut new_values = BTreeMap::new();
    for line in csv.records().map(Result::unwrap) {
        assert_eq!((&line[11], &line[12]), ("551 Wasatch CT", "'@Sandy"));
        new_values.insert(line[6].to_owned(), line[8].to_owned());
    }
    for (field, cell) in [
        ("PublicRemarks", "'=HYPERLINK(\"http://bad.example\")"),
        ("ListAgentFullName", "'-2+3"),
        ("ListOfficePhone", "'+1 801 555 0100"),
        ("ListOfficeName", "-12.5"),
        ("Directions", "'\tnorth"),
        ("City", "'@Sandy"),
        ("ListPrice", "1"),
    ] {
        assert_eq!(new_values[field], cell, "{field}");
    }
}

/// Returns the log rows of a condition as JSON.
fn logged(db: &Connection, condition: &str) -> Vec<Json> {
    let sql = format!("SELECT * FROM changes WHERE {condition} ORDER BY id");
    let as_json = |value| match value {
        Sql::Null => Json::Null,
        Sql::Integer(number) => number.into(),
        Sql::Real(number) => number.into(),
        Sql::Text(text) => text.into(),
        Sql::Blob(_) => panic!("a blob in the log"),
    };
    let row = |row: Row| {
        row.into_iter()
            .map(|(name, value)| (name, as_json(value)))
            .collect()
    };
    rows(db, &sql).into_iter().map(row).collect()
}

#[test]
fn each_condition_prints_the_rows_that_it_names() {
    let feed = feed(60);
    let mirror = moved_mirror(&feed);
    let db = mirror.open();
    let busiest = "SELECT listing_key FROM changes GROUP BY 1 HAVING count(DISTINCT resource) > 1
                   ORDER BY count(*) DESC LIMIT 1";
    let listing = text(&db, busiest);
    let of_listing = format!("listing_key = '{listing}'");
    let status = "field = 'StandardStatus'";
    let cases: &[(&[&str], &str)] = &[
        (&[], "1"),
        (&["--listing", &listing], &of_listing),
        (&["--resource", "Media"], "resource = 'Media'"),
        (&["--field", "ListPrice"], "field = 'ListPrice'"),
        (&["--kind", "new"], "change = 'insert'"),
        (&["--kind", "updated"], "change = 'update'"),
        (&["--kind", "status"], status),
        (&["--kind", "price"], "field = 'ListPrice'"),
        (&["--kind", "deleted"], "change = 'delete'"),
        (&["--kind", "restored"], "change = 'restore'"),
        (
            &["--kind", "new,deleted", "--kind", "price"],
            "change IN ('insert', 'delete') OR field = 'ListPrice'",
        ),
        (
            &["--transition", "Active>Active Under Contract"],
            "field = 'StandardStatus' AND old_value = 'Active' AND new_value = 'Active Under Contract'",
        ),
        (
            &["--transition", " ACTIVE > activeunderContract"],
            "field = 'StandardStatus' AND old_value = 'Active' AND new_value = 'Active Under Contract'",
        ),
        (
            &["--transition", ">Closed"],
            "field = 'StandardStatus' AND new_value = 'Closed'",
        ),
        (
            &["--transition", "Active>"],
            "field = 'StandardStatus' AND old_value = 'Active'",
        ),
        (
            &[
                "--resource",
                "Property",
                "--kind",
                "new,restored",
                "--since",
                "7d",
            ],
            "resource = 'Property' AND change IN ('insert', 'restore')",
        ),
        (
            &["--limit", "5"],
            "id IN (SELECT id FROM changes ORDER BY id DESC LIMIT 5)",
        ),
        (
            &["--kind", "price", "--limit", "3"],
            "id IN (SELECT id FROM changes WHERE field = 'ListPrice' ORDER BY id DESC LIMIT 3)",
        ),
        (
            &["--listing", &listing, "--limit", "999999999999"],
            &of_listing,
        ),
        (&["--kind", "status", "--limit", "0"], status),
    ];
    for (arguments, condition) in cases {
        let expected = logged(&db, condition);
        assert!(!expected.is_empty(), "nothing to compare where {condition}");
        assert_eq!(printed(&mirror, arguments), expected, "{arguments:?}");
    }
    for arguments in [
        &["--kind", "new", "--field", "ListPrice"][..],
        &["--kind", "price", "--transition", "Active>Pending"],
        &["--since", "2999-01-01", "--limit", "4"],
    ] {
        assert_eq!(printed(&mirror, arguments), [] as [Json; 0]);
        let ended = mirror.run(&[&["changes"], arguments].concat());
        ended.says(0, &["no matching changes"]);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn a_listing_that_the_mirror_never_held_is_not_one_without_changes() {
    let feed = feed(20);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let known = feed.listing_keys()[3].to_string();
    let ended = mirror.run(&["changes", "--listing", &known]);
    ended.says(0, &["no matching changes"]);
    let ended = mirror.run(&["changes", "--listing", "no-such"]);
    ended.says(
        1,
        &[
            "the mirror holds no listing with the ListingKey or ListingId no-such",
            "`mlsmirror refresh no-such`",
        ],
    );
    assert_eq!(ended.stdout, "");
}

#[test]
fn changes_of_the_feed_are_the_printed_changes() {
    let feed = feed(20);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    mirror
        .run(&["changes"])
        .says(0, &["no changes yet; the first full sync does not log any"]);
    let listing = feed.listing_keys()[3].to_string();
    let mut records = feed.truth("Property").into_iter();
    let was = records
        .find(|record| key_text(&record["ListingKey"]) == listing)
        .unwrap();
    let edit = |what: Json| feed.edit("Property", &listing, fields(what)).unwrap();
    edit(json!({"ListPrice": 123456.5, "City": "Two\nlines\u{1b}[2J, \"quoted\""}));
    let photo = feed.add_photo(listing.parse().unwrap(), true).unwrap();
    mirror.sync_ends(0, &["full"]);

    let json = printed(&mirror, &["--listing", &listing, "--field", "ListPrice"]);
    assert_eq!(json.len(), 1);
    let [old, new] = ["old_value", "new_value"].map(|name| json[0][name].as_f64());
    assert_eq!((old, new), (was["ListPrice"].as_f64(), Some(123456.5)));
    assert_eq!(
        json[0]["source_timestamp"],
        feed.now().format("%Y-%m-%d %H:%M:%S").to_string()
    );
    let json = printed(&mirror, &["--kind", "new"]);
    assert_eq!(json.len(), 1);
    assert_eq!(json[0]["record_key"], photo);
    assert_eq!(json[0]["listing_key"], listing);
    let json = printed(&mirror, &["--field", "City"]);
    assert_eq!(json[0]["new_value"], "Two\nlines\u{1b}[2J, \"quoted\"");

    let table = mirror.run(&["changes", "--listing", &listing]).stdout;
    let lines: Vec<&str> = table.lines().collect();
    let db = mirror.open();
    assert_eq!(
        lines.len() as i64,
        1 + number(&db, "SELECT count(*) FROM changes")
    );
    assert!(lines[0].starts_with("TIME (local) "), "{table}");
    for part in [
        format!(
            "ListPrice: {} → 123456.5",
            key_text(&was["ListPrice"]).trim_end_matches(".0")
        ),
        "Two lines [2J, \"quoted\"".to_owned(),
        format!("PhotosCount: {} → ", was["PhotosCount"]),
        "  new".to_owned(),
    ] {
        assert!(table.contains(&part), "no `{part}`: {table}");
    }
    for line in lines {
        assert!(line.chars().count() <= 120, "{line}");
    }
}

#[test]
fn since_takes_dates_timestamps_and_durations() {
    let feed = feed(1);
    let mirror = long_log(&feed, 100);
    let db = Connection::open(mirror.database_path()).unwrap();
    // The clock was set back once, and the last change is from this hour.
    db.execute_batch(
        "UPDATE changes SET recorded_at = '2026-03-01 00:01:10' WHERE id = 3;
         UPDATE changes SET recorded_at = datetime('now', '-10 minutes') WHERE id = 100",
    )
    .unwrap();
    let every = "recorded_at >= '2026-03-01 00:01:00'";
    for (since, condition) in [
        ("2026-03-01", "recorded_at >= '2026-03-01 07:00:00'"),
        ("2026-03-01T00:01:00Z", every),
        // Without a zone, times are those of the feed, in Denver.
        ("2026-02-28 17:01:00", every),
        ("2026-02-28 17:01", every),
        ("2026-02-28", "1"),
        ("2026-02-28T17:01:00-07:00", every),
        ("1h", "id = 100"),
        ("9m", "0"),
        ("99999d", "1"),
    ] {
        let expected = logged(&db, condition);
        assert_eq!(printed(&mirror, &["--since", since]), expected, "{since}");
    }
    let found = printed(&mirror, &["--since", "2026-02-28 17:01", "--listing", "2"]);
    assert_eq!(found, logged(&db, "id = 3"));
    let found = printed(&mirror, &["--since", "2026-02-28 17:01", "--limit", "40"]);
    assert_eq!(found, logged(&db, "id > 60"));
}

#[test]
fn wrong_arguments_are_reported_and_print_no_change() {
    let feed = feed(5);
    let mut mirror = Mirror::of(&feed);
    mirror.token = None;
    mirror.run(&["changes"]).says(
        2,
        &["there is no mirror yet", "`mlsmirror sync` creates it"],
    );
    assert!(!mirror.database_path().exists());
    for (arguments, part) in [
        (&["--since", "last week"][..], "24h"),
        (&["--kind", "sold"], "restored"),
        (&["--resource", "Sauna"], "OpenHouse"),
        (&["--transition", "Active"], "'Active>Pending'"),
        (&["--transition", ">"], "'Active>Pending'"),
        (&["--transition", "A>B>C"], "'Active>Pending'"),
        (&["--limit", "some"], "--limit"),
        (&["--csv", "--json"], "--csv and --json"),
    ] {
        let ended = mirror.run(&[&["changes"], arguments].concat());
        ended.says(2, &[part]);
    }
    let ended = mirror.run(&["--json", "changes", "--csv"]);
    assert_eq!(ended.json()["exit_code"], 2);
    assert_eq!(feed.request_count(), 0);
}

#[test]
fn reading_changes_writes_nothing_and_works_during_a_sync() {
    let feed = feed(60);
    let mut mirror = moved_mirror(&feed);
    let state = || {
        let mut names: Vec<_> = std::fs::read_dir(mirror.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        (names, std::fs::read(mirror.database_path()).unwrap())
    };
    let before = state();
    let asked = feed.request_count();
    let log = printed(&mirror, &[]);
    assert!(state() == before, "reading changed a file");
    assert_eq!(feed.request_count(), asked);

    // Another program with an open write transaction.
    let db = Connection::open(mirror.database_path()).unwrap();
    db.execute_batch("BEGIN IMMEDIATE; DELETE FROM changes")
        .unwrap();
    assert_eq!(printed(&mirror, &[]), log);
    db.execute_batch("ROLLBACK").unwrap();

    // A sync that holds the lease.
    feed.fault(FaultRule {
        path_contains: Some("$expand".to_owned()),
        skip: 1,
        ..FaultRule::always(Fault::Stall)
    });
    mirror.token = Some(TOKEN.to_owned());
    let running = mirror.start(&["sync", "full"]);
    mirror.wait_for_pages("Property", 1);
    assert!(mirror.lease("sync").is_some());
    assert_eq!(printed(&mirror, &[]), log);
    running.signal("KILL");
    running.wait();
}

/// Starts `changes` with a stdout that the test reads slowly.
fn start_reading(mirror: &Mirror, arguments: &[&str]) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_mlsmirror"))
        .arg("changes")
        .args(arguments)
        .current_dir(mirror.folder.path())
        .env_remove("MLSMIRROR_CONFIG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_error() {
    let feed = feed(1);
    let mirror = long_log(&feed, 20_000);
    for arguments in [&[][..], &["--json"], &["--csv"]] {
        let mut child = start_reading(&mirror, arguments);
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 100]).unwrap();
        drop(stdout);
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{arguments:?}");
    }
}

#[test]
fn a_slow_reader_holds_no_lock_on_the_database() {
    let feed = feed(1);
    let mirror = long_log(&feed, 20_000);
    let mut child = start_reading(&mirror, &["--csv"]);
    let mut stdout = child.stdout.take().unwrap();
    let mut start = [0; 100];
    stdout.read_exact(&mut start).unwrap();
    // The pipe is full, and the program waits. Later writes can be checkpointed
    // meanwhile, and are not printed.
    let db = Connection::open(mirror.database_path()).unwrap();
    db.execute_batch(
        "INSERT INTO changes (run_id, resource, record_key, change, recorded_at)
         VALUES (1, 'Property', 'late', 'insert', '2026-03-02 00:00:00')",
    )
    .unwrap();
    wait_until("the write-ahead log is emptied", || {
        number(&db, "PRAGMA wal_checkpoint(TRUNCATE)") == 0
    });
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!rest.contains("late"));
    let text = String::from_utf8(start.to_vec()).unwrap() + &rest;
    let csv = csv::Reader::from_reader(text.as_bytes()).into_records();
    assert_eq!(csv.map(Result::unwrap).count(), 20_000);
}

#[test]
fn a_long_log_is_never_held_in_memory_as_a_whole() {
    let feed = feed(1);
    let mirror = long_log(&feed, 100_000);
    for arguments in [&[][..], &["--json"], &["--csv"]] {
        let mut child = start_reading(&mirror, arguments);
        let status = format!("/proc/{}/status", child.id());
        let mut stdout = child.stdout.take().unwrap();
        let mut chunk = vec![0; 1 << 20];
        let (mut bytes, mut peak_kb) = (0, 0);
        loop {
            let read = stdout.read(&mut chunk).unwrap();
            if read == 0 {
                break;
            }
            bytes += read;
            // Without /proc the descriptors are unknown. An ended process has none.
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let number = peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok());
            peak_kb = peak_kb.max(number.unwrap_or(0));
        }
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(bytes > 100_000 * 100, "{arguments:?}: {bytes} bytes");
        assert!(peak_kb < 40_000, "{arguments:?}: {peak_kb} KB");
    }
}
