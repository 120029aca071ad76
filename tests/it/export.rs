//! The exported Delta tables equal the mirror, whatever happened before and in between.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mlsmirror::export::{ExportSettings, ExportStep, Exported, RowsPerFile};
use mlsmirror::mirror;
use rusqlite::Connection;

use crate::status::needs;
use crate::support::*;

pub const TABLES: [(&str, &str); 5] = [
    ("listings", "ListingKey"),
    ("media", "MediaKey"),
    ("open_houses", "OpenHouseKey"),
    ("changes", "id"),
    ("sync_runs", "id"),
];

pub fn lake(mirror: &Mirror) -> PathBuf {
    mirror.folder.path().join("lake")
}

/// Fails unless all tables equal the database.
#[track_caller]
pub fn assert_equal(mirror: &Mirror) {
    assert_equal_but(mirror, &BTreeSet::new());
}

#[track_caller]
fn assert_equal_but(mirror: &Mirror, misfits: &BTreeSet<(String, String)>) {
    let db = mirror.open();
    for table in TABLES {
        assert_table_equals(&db, &lake(mirror), table, "mirror", misfits);
    }
}

/// Exports with small files and stops before a step.
fn export_until(
    mirror: &Mirror,
    keep: Option<Duration>,
    stops: &dyn Fn(ExportStep<'_>) -> bool,
) -> anyhow::Result<Exported> {
    let lake = lake(mirror);
    let settings = ExportSettings {
        dir: &lake,
        keep,
        rows_per_file: RowsPerFile {
            parents: 10,
            others: 25,
        },
    };
    let mut opened = mirror::Mirror::open_to_read(mirror.database_path())?;
    mlsmirror::export::export(&mut opened, &settings, &|step| {
        anyhow::ensure!(!stops(step), "stopped before {step:?}");
        Ok(())
    })
}

/// Exports with small files.
#[track_caller]
fn export(mirror: &Mirror) -> Exported {
    export_until(mirror, Some(Duration::from_secs(3_600)), &|_| false).unwrap()
}

/// Returns the names, sizes and times of all files below a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(format!(
                "{:?} {:?}",
                entry.path(),
                metadata.modified().unwrap()
            ));
        }
    }
    found
}

fn write(mirror: &Mirror, sql: &str) {
    let db = Connection::open(mirror.database_path()).unwrap();
    // SQLite's default. The SQLite of the tests enforces them by default.
    db.pragma_update(None, "foreign_keys", false).unwrap();
    db.execute_batch(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Moves the market and syncs.
pub fn move_on(feed: &simulator::Simulator, mirror: &Mirror, moves: u32) {
    feed.advance(chrono::Duration::hours(1));
    feed.move_market(moves);
    mirror.sync();
}

#[test]
fn an_export_equals_the_mirror_and_an_idle_one_writes_nothing() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror
        .run(&["export"])
        .says(2, &["no mirror yet", "mlsmirror sync"]);
    mirror.sync();
    let planned = mirror.run(&["export", "--dry-run"]);
    planned.says(0, &[]);
    assert!(
        planned
            .stdout
            .contains("listings: would write 30 rows, the whole table"),
        "{planned}"
    );
    assert!(!lake(&mirror).exists());

    let ended = mirror.run(&["export"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_equal(&mirror);
    for table in ["misfits", "exports"] {
        assert_eq!(Delta::read(&lake(&mirror).join(table)).version, 0);
    }
    // The other files of the database belong to the programs that have it open.
    let files_now = || -> BTreeSet<String> {
        let all = files(mirror.folder.path()).into_iter();
        all.filter(|file| !file.contains("mirror.db-")).collect()
    };
    let before = files_now();
    let ended = mirror.run(&["export", "--json"]);
    assert_eq!(ended.json()["tables"], serde_json::json!([]), "{ended}");
    assert_eq!(ended.code, Some(0));
    let after = files_now();
    assert_eq!(
        before.symmetric_difference(&after).collect::<Vec<_>>(),
        [""; 0]
    );
}

#[test]
fn exports_over_market_rounds_rewrite_only_the_files_whose_rows_changed() {
    let feed = feed(60);
    let mut mirror = Mirror::of(&feed);
    mirror.sync();
    export(&mirror);
    let first = Delta::read(&lake(&mirror).join("listings"));
    assert!(first.files.len() >= 5, "{:?}", first.files.keys());
    for round in 0..12 {
        match round {
            4 => feed.declare_field("Property", "DeclaredLater", "Edm.Decimal").unwrap(),
            8 => mirror.configure(|settings| {
                settings.sync = "\n[retention]\nchanges = \"2d\"\nruns = \"2d\"\n".to_owned();
            }),
            9 => write(&mirror, "UPDATE changes SET recorded_at = '2020-01-01 00:00:00' WHERE id % 3 = 0;
                                 UPDATE sync_runs SET started_at = '2020-01-01 00:00:00' WHERE id % 2 = 0"),
            _ => {}
        }
        move_on(&feed, &mirror, 3);
        let before = Delta::read(&lake(&mirror).join("listings"));
        export(&mirror);
        assert_equal(&mirror);
        let after = Delta::read(&lake(&mirror).join("listings"));
        let kept = before
            .files
            .keys()
            .filter(|file| after.files.contains_key(*file));
        // A sync reads all listings again when a field is new.
        assert!(
            kept.count() > 0 || round == 4,
            "round {round} rewrote all files"
        );
    }
    let changes = Delta::read(&lake(&mirror).join("changes"));
    assert!(changes.version >= 12);
    let exports = lake(&mirror).join("exports");
    let recorded = Delta::read(&exports).rows(&exports);
    let newest = |table: &str| {
        let versions = recorded.iter().filter(|row| row["table_name"] == table);
        versions
            .map(|row| row["delta_version"].parse::<i64>().unwrap())
            .max()
    };
    assert_eq!(newest("changes"), Some(changes.version));
    // All tables of one export have its id.
    let runs: BTreeSet<&String> = recorded.iter().map(|row| &row["run_id"]).collect();
    assert_eq!(runs.len(), 13);
}

#[test]
fn users_and_their_conflict_clauses_cannot_hide_a_change() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    export(&mirror);
    let key = "(SELECT max(ListingKey) FROM listings)";
    let photo = "(SELECT max(MediaKey) FROM media)";
    for sql in [
        format!("UPDATE OR FAIL listings SET City = 'A' WHERE ListingKey = {key}"),
        format!(
            "UPDATE OR ABORT listings SET City = 'B' WHERE ListingKey = {key};
                 UPDATE OR ABORT listings SET City = 'C' WHERE ListingKey = {key}"
        ),
        format!("DELETE FROM media WHERE MediaKey = {photo}"),
        format!("UPDATE media SET listing_key = NULL WHERE MediaKey = {photo}"),
        format!("UPDATE media SET listing_key = 'ä' WHERE MediaKey = {photo}"),
        format!("INSERT OR REPLACE INTO listings SELECT * FROM listings WHERE ListingKey = {key}"),
        format!("UPDATE listings SET ListingKey = 'zz' || ListingKey WHERE ListingKey = {key}"),
        "ALTER TABLE listings ADD COLUMN note TEXT; UPDATE listings SET note = 'x'".to_owned(),
        "ALTER TABLE listings ADD COLUMN later TEXT".to_owned(),
        "DELETE FROM open_houses".to_owned(),
        "DROP TRIGGER _export_listings_update; UPDATE listings SET City = 'D'".to_owned(),
    ] {
        write(&mirror, &sql);
        export(&mirror);
        assert_equal(&mirror);
    }
}

#[test]
fn an_export_that_is_killed_before_any_step_leaves_whole_tables_and_the_next_one_is_complete() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let mut stopped_at = 0;
    loop {
        let key = stopped_at % 30;
        write(
            &mirror,
            &format!(
                "UPDATE listings SET City = City || 'x' WHERE ListingKey =
                 (SELECT ListingKey FROM listings ORDER BY ListingKey LIMIT 1 OFFSET {key})"
            ),
        );
        write(
            &mirror,
            "INSERT INTO changes (run_id, resource, record_key, change, recorded_at)
                        VALUES (1, 'Property', 'x', 'insert', '2026-01-01 00:00:00')",
        );
        let steps = Cell::new(0);
        let stops = |_: ExportStep<'_>| {
            steps.set(steps.get() + 1);
            steps.get() > stopped_at
        };
        let result = export_until(&mirror, None, &stops);
        for (table, _) in TABLES {
            let table = lake(&mirror).join(table);
            if !versions(&table).is_empty() {
                Delta::read(&table).rows(&table);
            }
        }
        if result.is_ok() {
            break;
        }
        stopped_at += 1;
        if stopped_at % 8 == 0 {
            export(&mirror);
            assert_equal(&mirror);
        }
    }
    assert!(stopped_at > 12, "{stopped_at}");
    export(&mirror);
    assert_equal(&mirror);
    // Nothing is left of the killed exports.
    for (table, _) in TABLES {
        let table = lake(&mirror).join(table);
        assert!(!names_in(&table).iter().any(|name| name.ends_with(".tmp")));
        assert!(
            !names_in(&table.join("_delta_log"))
                .iter()
                .any(|name| name.ends_with(".tmp"))
        );
    }
}

#[test]
fn a_restored_database_or_a_deleted_folder_is_exported_whole() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let copies = ["before.db", "after.db"];
    mirror.run(&["backup", copies[0]]).says(0, &[]);
    export(&mirror);
    mirror.run(&["backup", copies[1]]).says(0, &[]);
    move_on(&feed, &mirror, 5);
    export(&mirror);
    for copy in copies {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(mirror.folder.path().join(format!("mirror.db{suffix}")));
        }
        std::fs::copy(mirror.folder.path().join(copy), mirror.database_path()).unwrap();
        let exported = export(&mirror);
        assert!(
            exported
                .tables
                .iter()
                .all(|table| table.whole || table.table == "exports"),
            "{exported:?}"
        );
        assert_equal(&mirror);
        move_on(&feed, &mirror, 5);
        let exported = export(&mirror);
        assert!(
            exported.tables.iter().all(|table| !table.whole),
            "{exported:?}"
        );
        assert_equal(&mirror);
    }
    std::fs::remove_dir_all(lake(&mirror).join("media")).unwrap();
    let exported = export(&mirror);
    let tables: Vec<&str> = exported.tables.iter().map(|table| &*table.table).collect();
    assert_eq!(tables, ["media", "exports"]);
    assert_equal(&mirror);
    let listings = lake(&mirror).join("listings");
    for entry in std::fs::read_dir(&listings).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|name| name == "parquet") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let exported = export(&mirror);
    let whole = exported
        .tables
        .iter()
        .find(|table| table.table == "listings");
    assert!(whole.is_some_and(|table| table.whole), "{exported:?}");
    assert_equal(&mirror);
    std::fs::remove_dir_all(lake(&mirror)).unwrap();
    export(&mirror);
    assert_equal(&mirror);
}

#[test]
fn a_table_with_a_damaged_log_is_exported_whole_and_the_others_are_not() {
    let feed = feed(12);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let listings = lake(&mirror).join("listings");
    let log = listings.join("_delta_log");
    let path = |version: i64, ending: &str| log.join(format!("{version:020}{ending}"));
    let truncate = |path: &Path, rest: usize| {
        let content = std::fs::read(path).unwrap();
        std::fs::write(path, &content[..content.len().min(rest)]).unwrap();
    };
    type Damage<'d> = (&'d str, &'d dyn Fn());
    let damages: [Damage<'_>; 6] = [
        ("the newest commit ends too early", &|| {
            truncate(&path(2, ".json"), 70)
        }),
        ("an earlier commit is empty", &|| {
            truncate(&path(1, ".json"), 0)
        }),
        ("the first commit is empty", &|| {
            truncate(&path(0, ".json"), 0)
        }),
        ("a commit is no text", &|| {
            std::fs::write(path(1, ".json"), [0xff, 0]).unwrap();
        }),
        ("a commit is missing", &|| {
            std::fs::remove_file(path(1, ".json")).unwrap();
        }),
        ("the checkpoint is no Parquet", &|| {
            std::fs::write(path(2, ".checkpoint.parquet"), "PAR1").unwrap();
            std::fs::write(log.join("_last_checkpoint"), r#"{"version":2}"#).unwrap();
        }),
    ];
    for (what, damage) in damages {
        println!("{what}");
        let _ = std::fs::remove_dir_all(lake(&mirror));
        for _ in 0..3 {
            export(&mirror);
            write(&mirror, "UPDATE listings SET City = City || 'x'");
        }
        damage();
        std::fs::write(log.join("mine.json"), "mine").unwrap();
        let before = files(&lake(&mirror));
        let plan = mirror.run(&["export", "--dry-run"]);
        let planned = "listings: would write 12 rows, the whole table";
        assert!(plan.stdout.contains(planned), "{plan}");
        assert_eq!(files(&lake(&mirror)), before);

        let exported = export(&mirror);
        let tables: Vec<_> = exported.tables.iter().map(|table| &*table.table).collect();
        assert_eq!(tables, ["listings", "exports"]);
        assert!(exported.tables[0].whole, "{exported:?}");
        assert_equal(&mirror);
        assert_eq!(versions(&listings), [0]);
        assert!(log.join("mine.json").exists());
        assert_eq!(names_in(&log).len(), 2, "{:?}", names_in(&log));
        write(&mirror, "UPDATE listings SET City = City || 'x'");
        assert!(!export(&mirror).tables[0].whole);
        assert_equal(&mirror);
    }
}

#[test]
fn a_folder_with_other_files_or_of_another_mirror_is_refused_and_left_unchanged() {
    let feed = feed(5);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let folder = mirror.folder.path().join("other");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    mirror
        .run(&["export", "--dir", "other"])
        .says(2, &["is not empty", "name another folder"]);
    assert_eq!(names_in(&folder), ["notes.txt"]);
    let ended = mirror.run(&["export", "--dir", "other/notes.txt"]);
    ended.says(2, &["other/notes.txt is not a folder; name another one"]);

    let other = Mirror::with(&feed, |settings| {
        settings.database = "elsewhere.db".to_owned()
    });
    other.sync();
    other.run(&["export"]).says(0, &[]);
    let before = files(&lake(&other));
    let dir = lake(&other);
    let refused = mirror.run(&["export", "--dir", dir.to_str().unwrap()]);
    refused.says(2, &["the mirror elsewhere of http", "name another folder"]);
    assert_eq!(files(&lake(&other)), before);
    // An empty folder is filled.
    std::fs::create_dir(mirror.folder.path().join("empty")).unwrap();
    mirror.run(&["export", "--dir", "empty"]).says(0, &[]);
}

#[test]
fn a_folder_that_shares_one_with_the_photos_is_refused_before_either_exists() {
    let feed = feed(5);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let folder = mirror.folder.path();
    let media = folder.join("media");
    let _ = std::fs::remove_dir_all(&media);
    let whole = media.to_str().unwrap();
    for dir in ["media", "./x/../media", "media/lake", ".", whole] {
        let ended = mirror.run(&["export", "--dir", dir]);
        ended.says(2, &["media_dir share a folder; name another folder"]);
    }
    assert!(!media.exists());
    std::fs::create_dir(&media).unwrap();
    std::os::unix::fs::symlink("media", folder.join("link")).unwrap();
    for dir in ["media", "link", "link/lake"] {
        let ended = mirror.run(&["export", "--dir", dir]);
        ended.says(2, &["media_dir share a folder; name another folder"]);
    }
    assert!(names_in(&media).is_empty());
}

#[test]
fn values_that_do_not_fit_are_listed_until_they_fit() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    mirror.run(&["export"]).says(0, &[]);
    let keys = feed.listing_keys();
    let key = keys[7].to_string();
    write(
        &mirror,
        &format!(
            "UPDATE listings SET ListPrice = 'a lot', ModificationTimestamp = 'today' WHERE ListingKey = '{key}'"
        ),
    );
    let ended = mirror.run(&["export", "--json"]);
    assert_eq!(ended.json()["misfits"], 2);
    ended.says(3, &["2 values do not fit", "misfits"]);
    needs(&mirror, &["2 exported values do not fit their columns"]);
    let fields = ["ListPrice", "ModificationTimestamp"];
    let misfits = fields.map(|field| (key.clone(), field.to_owned()));
    assert_equal_but(&mirror, &BTreeSet::from(misfits));
    let table = lake(&mirror).join("misfits");
    let mut listed: Vec<_> = (Delta::read(&table).rows(&table).iter())
        .map(|row| ["table_name", "record_key", "field", "text"].map(|name| row[name].clone()))
        .collect();
    listed.sort();
    assert_eq!(listed[0], ["listings", &key, "ListPrice", "a lot"]);
    assert_eq!(
        listed[1],
        ["listings", &key, "ModificationTimestamp", "today"]
    );
    assert_eq!(listed.len(), 2);
    // While they are there, the exit code says so.
    mirror.run(&["export"]).says(3, &["2 values do not fit"]);
    write(
        &mirror,
        &format!(
            "UPDATE listings SET ListPrice = 1.5, ModificationTimestamp = '2026-01-01 00:00:00' WHERE ListingKey = '{key}'"
        ),
    );
    mirror.run(&["export"]).says(0, &[]);
    needs(&mirror, &[]);
    assert_equal(&mirror);
    assert_eq!(Delta::read(&table).rows(&table).len(), 0);
}

#[test]
fn the_status_shows_an_export_that_failed_until_one_succeeds() {
    let feed = feed(5);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let job = || {
        let status = mirror.run(&["status", "--json"]).json();
        let mut jobs = status["jobs"].as_array().unwrap().iter();
        jobs.find(|job| job["job"] == "export").cloned()
    };
    std::fs::write(mirror.folder.path().join("other"), "").unwrap();
    mirror.run(&["export", "--dir", "other"]).says(2, &[]);
    assert_eq!(job(), None);
    needs(&mirror, &[]);

    std::fs::write(lake(&mirror), "").unwrap();
    let failed = "export failed: lake is not a folder";
    for _ in 0..2 {
        mirror.run(&["export"]).says(2, &["lake is not a folder"]);
        needs(&mirror, &[failed, "`mlsmirror export` tries again"]);
        let job = job().unwrap();
        assert_eq!(job["status"], "failed");
        assert_eq!(job["error"], "lake is not a folder; name another one");
    }
    std::fs::remove_file(lake(&mirror)).unwrap();
    mirror.run(&["export"]).says(0, &[]);
    needs(&mirror, &[]);
    let succeeded = job().unwrap();
    assert_eq!(succeeded["status"], "succeeded");
    assert!(succeeded["duration_ms"].is_u64(), "{succeeded}");
    // An export with nothing new is the same export.
    mirror.run(&["export"]).says(0, &[]);
    assert_eq!(job(), Some(succeeded));
}

#[test]
fn the_daemon_stores_an_export_that_failed() {
    let feed = feed(5);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = "\n[schedule]\nexport = \"after sync\"\n".to_owned();
    });
    std::fs::write(lake(&mirror), "").unwrap();
    let running = mirror.start(&["watch"]);
    wait_until("an export has failed", || {
        let status = mirror.run(&["status"]);
        status
            .stdout
            .contains("export failed: lake is not a folder")
    });
    running.signal("TERM");
    running.wait().says(0, &[]);
}

#[test]
fn past_versions_stay_readable_for_their_time_and_checkpoints_hold_the_newest() {
    let feed = feed(12);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let export_kept = |keep| export_until(&mirror, keep, &|_| false).unwrap();
    export_kept(None);
    let table = lake(&mirror).join("listings");
    let change = || {
        write(
            &mirror,
            "UPDATE listings SET City = City || 'x' WHERE rowid % 5 = 0",
        )
    };
    for _ in 0..52 {
        change();
        export_kept(None);
    }
    assert_eq!(Delta::at(&table, 3).rows(&table).len(), 12);
    assert_eq!(Delta::read(&table).version, 52);
    let log = table.join("_delta_log");
    let checkpoint = format!("{:020}.checkpoint.parquet", 50);
    assert!(log.join(&checkpoint).exists(), "{:?}", names_in(&log));
    let last: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(log.join("_last_checkpoint")).unwrap())
            .unwrap();
    assert_eq!(last["version"], 50);
    assert_equal(&mirror);
    // The log is read from the checkpoint once earlier commits are removed.
    let past = Delta::at(&table, 3);
    change();
    export_kept(Some(Duration::from_millis(1)));
    assert_eq!(versions(&table), [50, 51, 52, 53]);
    assert!(!table.join(past.files.keys().next().unwrap()).exists());
    // An idle export removes files whose time has passed, and writes nothing.
    export_kept(Some(Duration::from_millis(1)));
    let before = files(&lake(&mirror));
    export_kept(Some(Duration::from_millis(1)));
    assert_eq!(files(&lake(&mirror)), before);
    std::fs::write(table.join("part-mine.parquet"), "x").unwrap();
    change();
    let exported = export_kept(Some(Duration::from_millis(1)));
    let listings = exported
        .tables
        .iter()
        .find(|exported| exported.table == "listings")
        .unwrap();
    assert!(!listings.whole);
    assert_eq!(listings.rows, Some(12));
    assert!(table.join("part-mine.parquet").exists());
}

#[test]
fn two_exports_at_once_are_refused_and_a_long_log_gets_large_files() {
    let feed = feed(5);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let refused = Cell::new(false);
    let stops = |step: ExportStep<'_>| {
        if step == ExportStep::Plan && !refused.replace(true) {
            mirror
                .run(&["export"])
                .says(4, &["is exporting this mirror"]);
        }
        false
    };
    export_until(&mirror, None, &stops).unwrap();
    assert!(refused.get());
    let log = lake(&mirror).join("changes");
    for round in 0..40 {
        write(
            &mirror,
            "INSERT INTO changes (run_id, resource, record_key, change, recorded_at)
                        VALUES (1, 'Property', 'x', 'insert', '2026-01-01 00:00:00')",
        );
        export(&mirror);
        let files = Delta::read(&log).files.len();
        assert!(files <= 34, "{files} files after {round} rounds");
    }
    assert_equal(&mirror);
}

#[test]
fn the_daemon_exports_after_each_sync() {
    let feed = feed(8);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync =
            "\n[schedule]\nincremental = \"every 1s\"\nmonitor = \"\"\nexport = \"after sync\"\n"
                .to_owned();
    });
    let running = mirror.start(&["watch"]);
    let table = lake(&mirror).join("sync_runs");
    wait_until("two syncs are exported", || versions(&table).len() >= 2);
    running.signal("TERM");
    let ended = running.wait();
    ended.says(0, &["export succeeded", "tables with", "rows written"]);
    assert!(mirror.run(&["status"]).stdout.contains("export"));
    export(&mirror);
    assert_equal(&mirror);
}
