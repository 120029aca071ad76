//! Mirrors of every earlier schema are migrated, and lose nothing.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use crate::photo_files::{assert_files_equal_feed, create_media_dir, media_dir};
use crate::support::*;

/// Returns the files in `fixtures/schema`. Each is a mirror of one version.
fn earlier_mirrors() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/schema");
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    files
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(file.path()).unwrap())
        })
        .collect()
}

const VERSION: &str = "SELECT max(version) FROM refinery_schema_history";

/// Returns the definitions of the mirror's own tables and of all indexes.
fn schema(db: &Connection) -> Vec<String> {
    texts(
        db,
        "SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_schema
         WHERE tbl_name NOT IN ('listings', 'media', 'open_houses', 'my_prices') ORDER BY 1",
    )
}

/// Returns the declared types of the columns for numbers, and the foreign keys.
fn declared(db: &Connection) -> Vec<String> {
    let of = |table: &str| {
        texts(
            db,
            &format!(
                "SELECT name || ' ' || type FROM pragma_table_info('{table}')
                 WHERE type LIKE 'NUM%' OR type LIKE 'DEC%'
                 UNION ALL
                 SELECT \"from\" || ' ' || \"table\" || ' ' || \"to\"
                 FROM pragma_foreign_key_list('{table}') ORDER BY 1"
            ),
        )
    };
    let declared = ["listings", "media", "open_houses", "changes"]
        .map(of)
        .concat();
    assert!(
        declared
            .iter()
            .any(|line| line == "ListPrice NUMERIC(14,2)")
    );
    declared
}

#[test]
fn a_mirror_of_an_earlier_version_is_migrated_and_loses_nothing() {
    let earlier = earlier_mirrors();
    assert!(!earlier.is_empty());
    let feed = feed(8);
    let fresh = Mirror::of(&feed);
    fresh.sync();
    let newest_version = number(&fresh.open(), VERSION);
    for (name, script) in earlier {
        let mirror = Mirror::of(&feed);
        let db = Connection::open(mirror.database_path()).unwrap();
        db.execute_batch(&script).unwrap();
        let log = "SELECT id || resource || record_key || change || coalesce(field, '')
                   || coalesce(old_value, '') || coalesce(new_value, '') FROM changes
                   WHERE id <= ?1 ORDER BY id";
        let newest = number(&db, "SELECT max(id) FROM changes");
        let log = log.replace("?1", &newest.to_string());
        let (logged, runs) = (
            texts(&db, &log),
            number(&db, "SELECT count(*) FROM sync_runs"),
        );
        assert!(!logged.is_empty(), "{name} has no log");
        let reported = match texts(&db, "SELECT name FROM sqlite_schema WHERE name = '_state'") {
            state if state.is_empty() => Vec::new(),
            _ => texts(
                &db,
                "SELECT value FROM _state WHERE name = 'reported_up_to_change'",
            ),
        };
        let version = number(&db, VERSION);
        db.execute_batch("CREATE TABLE my_prices (\"price\" DECIMAL(9,2))")
            .unwrap();
        drop(db);
        if version < newest_version {
            let shown = ["earlier version", "mlsmirror sync"];
            mirror.run(&["changes"]).says(2, &shown);
        }
        // The photo files are elsewhere, so the test must not look like an unmounted disk.
        create_media_dir(&mirror);
        let other = media_dir(&mirror).join("1/2.jpg");
        std::fs::create_dir(other.parent().unwrap()).unwrap();
        std::fs::write(&other, "").unwrap();
        // The simulated feed has another address than that of the earlier version, and may
        // differ from it.
        mirror.sync_ends(0, &["full", "--allow-deletes", "100", "--feed-moved"]);
        let db = mirror.open();
        assert_eq!(schema(&db), schema(&fresh.open()), "{name}");
        assert_eq!(declared(&db), declared(&fresh.open()), "{name}");
        assert_eq!(texts(&db, "PRAGMA integrity_check"), ["ok"], "{name}");
        let own = "SELECT type FROM pragma_table_info('my_prices')";
        assert_eq!(texts(&db, own), ["DECIMAL(9,2)"], "{name}");
        assert_eq!(texts(&db, &log), logged, "{name}");
        if !reported.is_empty() {
            let alert = "SELECT CAST(reported_up_to AS TEXT) FROM _alerts WHERE name = 'monitor'";
            assert_eq!(texts(&db, alert), reported, "{name}");
        }
        assert!(
            number(&db, "SELECT count(*) FROM sync_runs") > runs,
            "{name}"
        );
        assert_mirror_equals_feed(&db, &feed, &MAIN);
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        std::fs::remove_dir_all(other.parent().unwrap()).unwrap();
        mirror.sync_ends(0, &["media"]);
        assert_files_equal_feed(&mirror, &feed);
    }
}
