//! Copies of the database are complete and checked, or are not written.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::interruption::{one_by_one, stall_after};
use crate::photo_files::with_photos;
use crate::support::*;

/// Returns a path in the folder of the mirror.
fn beside(mirror: &Mirror, name: &str) -> PathBuf {
    mirror.database_path().with_file_name(name)
}

/// Returns the content of a database.
fn content(path: &Path) -> Vec<String> {
    let db = Connection::open(path).unwrap();
    let tables = texts(
        &db,
        "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
    );
    let mut content = texts(
        &db,
        "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name",
    );
    for table in tables {
        let all = rows(&db, &format!("SELECT * FROM \"{table}\""));
        content.extend(all.iter().map(|row| format!("{table} {row:?}")));
    }
    content
}

#[test]
fn a_backup_holds_every_row_and_replaces_the_previous_one() {
    let feed = feed(40);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let copies = beside(&mirror, "copies");
    fs::create_dir(&copies).unwrap();
    let copy = copies.join("mirror.db");
    // A new backup reuses the temporary file of a killed one.
    fs::write(copies.join("mirror.db.mlsmirror-partial"), "half of a page").unwrap();
    fs::write(
        copies.join("mirror.db.mlsmirror-partial-journal"),
        "a journal",
    )
    .unwrap();
    for step in 0..2 {
        let ended = mirror.run(&["--json", "backup", "copies/mirror.db"]);
        assert_eq!(ended.code, Some(0), "{ended}");
        let bytes = ended.json()["bytes"].as_u64();
        assert_eq!(bytes, Some(fs::metadata(&copy).unwrap().len()));
        assert_eq!(names_in(&copies), ["mirror.db"], "after backup {step}");
        assert_eq!(content(&copy), content(mirror.database_path()));
        let db = Connection::open(&copy).unwrap();
        assert_eq!(text(&db, "PRAGMA integrity_check"), "ok");
        assert_eq!(text(&db, "PRAGMA journal_mode"), "delete");
        feed.advance(chrono::Duration::hours(1));
        feed.move_market(30);
        mirror.sync();
        assert_ne!(content(&copy), content(mirror.database_path()));
    }
}

#[test]
fn a_backup_made_during_a_sync_resumes_at_its_checkpoint() {
    let feed = feed(300);
    let mirror = one_by_one(&feed);
    stall_after(&feed, 3);
    let sync = mirror.start(&["sync"]);
    mirror.wait_for_pages("Property", 3);
    let ended = mirror.run(&["backup", "copy.db"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout.contains("to copy.db ("), "{ended}");
    sync.signal("KILL");
    sync.wait();
    feed.clear_faults();
    let copy = Connection::open(beside(&mirror, "copy.db")).unwrap();
    let copied = live(&copy, "Property");
    assert!((1..300).contains(&copied), "{copied}");
    drop(copy);
    for name in ["mirror.db", "mirror.db-wal", "mirror.db-shm"] {
        let _ = fs::remove_file(beside(&mirror, name));
    }
    fs::rename(beside(&mirror, "copy.db"), mirror.database_path()).unwrap();
    mirror.sync();
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    let running = "SELECT count(*) FROM sync_runs WHERE status = 'running'";
    assert_eq!(number(&db, running), 0);
}

#[test]
fn a_backup_replaces_no_file_that_is_not_a_backup() {
    let feed = feed_with(5, |options| options.photos = 2);
    let mirror = with_photos(&feed);
    mirror
        .run(&["backup", "copy.db"])
        .says(2, &["there is no mirror yet"]);
    mirror.sync();
    fs::write(beside(&mirror, "notes.txt"), "what to buy").unwrap();
    fs::write(beside(&mirror, "busy.db-wal"), "of another program").unwrap();
    fs::hard_link(mirror.database_path(), beside(&mirror, "linked.db")).unwrap();
    std::os::unix::fs::symlink("no-such", beside(&mirror, "link.db")).unwrap();
    // Another mirror, which a process may have open.
    mirror.run(&["backup", "theirs.db"]).says(0, &[]);
    let theirs = Connection::open(beside(&mirror, "theirs.db")).unwrap();
    theirs.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(theirs);
    let other = Connection::open(beside(&mirror, "other.db")).unwrap();
    other.execute_batch("CREATE TABLE mine (a)").unwrap();
    drop(other);
    let before = content(mirror.database_path());
    let cases = [
        ("notes.txt", "was not written by a backup"),
        ("other.db", "was not written by a backup"),
        ("theirs.db", "was not written by a backup"),
        ("mlsmirror.toml", "the configuration"),
        ("/dev/null", "is not a regular file"),
        ("-", "- is no file; for a file of that name, write ./-"),
        ("mirror.db", "the mirror itself"),
        ("./mirror.db", "the mirror itself"),
        ("linked.db", "the mirror itself"),
        ("mirror.db-wal", "the mirror itself"),
        ("mirror.db-requests", "the mirror itself"),
        ("media", "is a folder"),
        ("media/copy.db", "is in media_dir"),
        ("no-such/copy.db", "the folder no-such cannot be used"),
        ("busy.db", "busy.db-wal exists"),
        ("..", "is a folder"),
        ("link.db", "is a link to a missing file"),
    ];
    let kept = [
        "notes.txt",
        "other.db",
        "theirs.db",
        "busy.db-wal",
        "mlsmirror.toml",
    ];
    let contents = || kept.map(|name| fs::read(beside(&mirror, name)).unwrap());
    let kept_before = contents();
    for (file, why) in cases {
        mirror.run(&["backup", file]).says(2, &[why]);
        // The HTML page replaces only files that are no mirror.
        if !["notes.txt", "other.db", "theirs.db", "busy.db", "-"].contains(&file) {
            mirror.run(&["report", "--html", file]).says(2, &[why]);
        }
    }
    fs::remove_dir_all(beside(&mirror, "media")).unwrap();
    for arguments in [&["backup", "media"][..], &["report", "--html", "media"]] {
        mirror.run(arguments).says(2, &["is in media_dir"]);
    }
    assert!(contents() == kept_before, "a file was changed");
    assert_eq!(content(mirror.database_path()), before);
    let names = names_in(mirror.database_path().parent().unwrap());
    assert!(
        !names.iter().any(|name| name.contains("partial")),
        "{names:?}"
    );
}

#[test]
fn a_backup_does_not_use_the_temporary_file_of_another() {
    let feed = feed(5);
    let mut mirror = Mirror::of(&feed);
    mirror.sync();
    let partial = beside(&mirror, "copy.db.mlsmirror-partial");
    let refused = |mirror: &Mirror| {
        mirror
            .run(&["backup", "copy.db"])
            .says(1, &["is not an unfinished backup"]);
        assert!(!beside(mirror, "copy.db").exists());
    };
    fs::write(beside(&mirror, "precious"), "precious").unwrap();
    for target in ["precious", "no-such", "mirror.db"] {
        std::os::unix::fs::symlink(target, &partial).unwrap();
        refused(&mirror);
        fs::remove_file(&partial).unwrap();
    }
    assert_eq!(fs::read(beside(&mirror, "precious")).unwrap(), b"precious");
    assert!(!beside(&mirror, "no-such").exists());
    fs::create_dir(&partial).unwrap();
    refused(&mirror);
    fs::remove_dir(&partial).unwrap();
    fs::hard_link(mirror.database_path(), &partial).unwrap();
    refused(&mirror);
    fs::remove_file(&partial).unwrap();
    let before = content(mirror.database_path());
    fs::rename(mirror.database_path(), &partial).unwrap();
    mirror.configure(|settings| settings.database = "copy.db.mlsmirror-partial".to_owned());
    refused(&mirror);
    assert_eq!(content(&partial), before);
}

#[test]
fn a_backup_has_the_permissions_of_the_mirror() {
    use std::os::unix::fs::PermissionsExt;

    let feed = feed(5);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(mirror.database_path(), private).unwrap();
    // The temporary file of a killed backup had the permissions of another mirror.
    let partial = beside(&mirror, "copy.db.mlsmirror-partial");
    fs::write(&partial, "").unwrap();
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o644)).unwrap();
    mirror.run(&["backup", "copy.db"]).says(0, &[]);
    let copy = fs::metadata(beside(&mirror, "copy.db")).unwrap();
    assert_eq!(copy.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_failed_backup_keeps_the_previous_one() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    mirror.run(&["backup", "copy.db"]).says(0, &[]);
    let before = fs::read(beside(&mirror, "copy.db")).unwrap();
    let full = mirror.run_script("ulimit -f 300; \"$0\" backup copy.db");
    full.says(1, &["copy.db could not be written", "unchanged"]);
    // Another copy in progress.
    let partial = fs::File::create(beside(&mirror, "copy.db.mlsmirror-partial")).unwrap();
    partial.lock().unwrap();
    mirror
        .run(&["backup", "copy.db"])
        .says(1, &["another backup is writing"]);
    assert!(beside(&mirror, "copy.db.mlsmirror-partial").exists());
    drop(partial);
    assert_eq!(fs::read(beside(&mirror, "copy.db")).unwrap(), before);
    mirror.run(&["backup", "copy.db"]).says(0, &[]);
    assert!(!beside(&mirror, "copy.db.mlsmirror-partial").exists());
}
