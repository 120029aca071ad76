//! The database while others use it: a sync never blocks readers, waits for other writers,
//! and keeps the write-ahead log small.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::support::*;

#[test]
fn eight_readers_during_a_sync_are_never_blocked() {
    let feed = feed_with(1_500, |options| options.photos = 2);
    let mirror = Mirror::with(&feed, |settings| settings.set("page_size", 50));
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    feed.move_market(500);
    let (ends, read) = (AtomicBool::new(false), AtomicU64::new(0));
    let largest_log = AtomicU64::new(0);
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
                    let db = Connection::open_with_flags(mirror.database_path(), flags).unwrap();
                    db.busy_timeout(Duration::from_secs(5)).unwrap();
                    let sql = "SELECT count(*), avg(ListPrice) FROM listings WHERE City LIKE 'S%'";
                    db.query_row(sql, [], |row| row.get::<_, i64>(0))
                        .unwrap_or_else(|error| panic!("a reader: {error}"));
                    let log = mirror.database_path().with_extension("db-wal");
                    let bytes = std::fs::metadata(log).map_or(0, |log| log.len());
                    largest_log.fetch_max(bytes, Ordering::Relaxed);
                    read.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for job in [&["full"][..], &[], &["reconcile"]] {
            mirror.sync_ends(0, job);
        }
        wait_until("each has read", || read.load(Ordering::Relaxed) > 80);
        ends.store(true, Ordering::Relaxed);
    });
    let largest = largest_log.load(Ordering::Relaxed);
    assert!(largest < 64 << 20, "the log grew to {largest} bytes");
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn a_write_ahead_log_that_grew_during_a_read_is_truncated_after_it() {
    /// About 9,600 bytes each in the log.
    const LISTINGS: i64 = 36_000;
    let feed = feed_with(LISTINGS as u64, |options| {
        options.photos = 0;
        options.open_houses = false;
        options.units = false;
        options.bytes_per_listing = 9_600;
    });
    let mirror = Mirror::with(&feed, |settings| {
        settings.resources = vec!["Property"];
        settings.set("page_size", 200);
        settings.set("max_concurrent", 1);
    });
    // A first record to read.
    feed.set_server(|server| server.metadata_status = Some(401));
    mirror.sync_ends(5, &[]);
    feed.set_server(|server| server.metadata_status = None);
    let log = mirror.database_path().with_extension("db-wal");
    let bytes = || std::fs::metadata(&log).map_or(0, |log| log.len());
    let mut reader = mirror.open();
    let reading = reader.transaction().unwrap();
    number(&reading, "SELECT count(*) FROM sync_runs");
    let running = mirror.start(&["sync", "full"]);
    wait_until("the log has grown large", || bytes() > 260 << 20);
    drop(reading);
    wait_until("the log is cut", || bytes() <= 64 << 20);
    assert_eq!(running.wait().code, Some(0));
    assert_eq!(live(&mirror.open(), "Property"), LISTINGS);
}

#[test]
fn a_sync_waits_for_the_lock_of_another_program_and_names_it() {
    let feed = feed(20);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let hold = || {
        let db = Connection::open(mirror.database_path()).unwrap();
        db.execute_batch("BEGIN IMMEDIATE; UPDATE sync_runs SET pages = pages")
            .unwrap();
        db
    };
    let held = hold();
    let running = mirror.start(&["sync"]);
    let asked = std::time::Instant::now();
    wait_until("two seconds have passed", || {
        asked.elapsed() > Duration::from_secs(2)
    });
    held.execute_batch("COMMIT").unwrap();
    assert_eq!(running.wait().code, Some(0));

    let held = hold();
    let ended = mirror.run(&["sync"]);
    let who = format!("process {} (", std::process::id());
    ended.says(1, &["mirror.db is locked", &who, "write lock for 30 s"]);
    // A command that only reads does not wait.
    assert_eq!(mirror.run(&["status"]).code, Some(0));
    held.execute_batch("ROLLBACK").unwrap();
    mirror.sync();
}
