//! Stops a sync at every request and at every commit, and starts it again. Rows and log
//! are the same as without a stop, and no change is logged twice.
//!
//! `MLSMIRROR_DIALECT=all cargo test --release --test it stopped` also runs in the dialects of
//! all vendors, and `MLSMIRROR_DIALECT=NAME` in one.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde_json::json;
use simulator::{Dialect, Fault, FaultRule, Simulator};

use crate::support::*;

/// The expected result of a sync, however often it was stopped. It leaves out times of
/// the local clock and the ids of runs.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    held: BTreeMap<&'static str, Vec<String>>,
    /// The watermarks of each resource and of its deletions.
    watermarks: BTreeMap<String, String>,
}

impl Outcome {
    pub fn of(db: &Connection) -> Outcome {
        let row_of = |table: &str| {
            let columns = texts(
                db,
                &format!(
                    "SELECT name FROM pragma_table_info('{table}')
                     WHERE name NOT IN ('first_seen_at', 'updated_at', 'deleted_at')"
                ),
            );
            let quoted = columns
                .iter()
                .map(|column| match column.as_str() {
                    // Some servers sign it in each answer.
                    "MediaURL" => {
                        "quote(substr(MediaURL, 1, instr(MediaURL || '?', '?')))".to_owned()
                    }
                    _ => format!("quote(\"{column}\")"),
                })
                .collect::<Vec<_>>();
            format!(
                "SELECT {} || (deleted_at IS NULL) FROM {table} ORDER BY 1",
                quoted.join(" || ',' || ")
            )
        };
        let mut found = BTreeMap::new();
        for set in MAIN {
            let (table, _) = table(set);
            found.insert(table, texts(db, &row_of(table)));
        }
        let log = "SELECT resource || ' ' || record_key || ' of ' || coalesce(listing_key, 'none')
                   || ': ' || change || ' ' || coalesce(field, '') || ' ' || quote(old_value)
                   || ' > ' || quote(new_value) || ' ' || quote(source_timestamp)
                   FROM changes ORDER BY 1";
        found.insert("changes", texts(db, log));
        let rejects = "SELECT resource || quote(record_key) || payload || (resolved_at IS NULL)
                       FROM rejects ORDER BY 1";
        found.insert("rejects", texts(db, rejects));
        // A resource without records has none.
        let watermarks = "SELECT resource || ' ' || (job = 'deletions') AS of,
                              coalesce(watermark_after, '') AS watermark_after
                          FROM sync_runs WHERE id IN (SELECT max(id) FROM sync_runs
                              GROUP BY resource, job = 'deletions')";
        let watermarks = rows(db, watermarks).into_iter();
        let watermarks = watermarks
            .map(|row| {
                let [of, watermark] = ["of", "watermark_after"].map(|name| as_text(&row[name]));
                (of.to_owned(), watermark.to_owned())
            })
            .collect();
        let left =
            "SELECT job || ' ' || resource || ' ' || status || quote(checkpoint) FROM sync_runs
                    WHERE status = 'running' OR checkpoint IS NOT NULL";
        found.insert("unfinished runs", texts(db, left));
        Outcome {
            held: found,
            watermarks,
        }
    }

    /// Fails unless the mirror holds the expected result. A resumed sweep also reads the
    /// changes since its interruption, and its watermark may be newer.
    fn assert_is(&self, expected: &Outcome, may_lead_further: bool, when: &str) {
        for (of, watermark) in &expected.watermarks {
            let found = &self.watermarks[of];
            assert!(
                found == watermark || (may_lead_further && found > watermark),
                "{when}: the watermark of {of} is {found}, not {watermark}"
            );
        }
        for (what, expected) in &expected.held {
            let found = &self.held[what];
            let lacks: Vec<&String> = expected.iter().filter(|row| !found.contains(row)).collect();
            let more: Vec<&String> = found.iter().filter(|row| !expected.contains(row)).collect();
            assert!(
                found == expected,
                "{when}: {what}: {} of {} rows\nlacks {lacks:#?}\nhas {more:#?}",
                found.len(),
                expected.len()
            );
        }
    }
}

/// A sync to stop in every way.
pub struct Stopped {
    feed: Simulator,
    dialect: Option<&'static Dialect>,
    pub job: &'static str,
    /// The database before the sync.
    before: Vec<u8>,
    expected: Outcome,
    /// The number of requests of the sync.
    requests: u64,
    /// The write-ahead log of the sync, one transaction after the other.
    log: Vec<u8>,
}

fn mirror_of(feed: &Simulator, dialect: Option<&Dialect>) -> Mirror {
    Mirror::with(feed, |settings| {
        settings.sync = "max_delete_percent = 100\n".to_owned();
        if let Some(dialect) = dialect {
            speak(settings, dialect);
        }
        settings.set("page_size", 7);
    })
}

impl Stopped {
    /// Syncs `feed`, changes it, and syncs it once without a stop.
    pub fn at(
        feed: Simulator,
        first: impl FnOnce(&Simulator, &Mirror),
        change: impl FnOnce(&Simulator),
        job: &'static str,
    ) -> Stopped {
        Stopped::in_dialect(None, feed, first, change, job)
    }

    /// Does the same as the profile of a dialect.
    fn in_dialect(
        dialect: Option<&'static Dialect>,
        feed: Simulator,
        first: impl FnOnce(&Simulator, &Mirror),
        change: impl FnOnce(&Simulator),
        job: &'static str,
    ) -> Stopped {
        let mirror = mirror_of(&feed, dialect);
        first(&feed, &mirror);
        let path = mirror.database_path();
        let before = std::fs::read(path).unwrap();
        let log_path = path.with_extension("db-wal");
        assert!(!log_path.exists(), "the write-ahead log is empty");
        change(&feed);
        // An open read transaction prevents the checkpoint, so that the log keeps all writes.
        let mut reader = mirror.open();
        let reading = reader.transaction().unwrap();
        number(&reading, "SELECT count(*) FROM sync_runs");
        let requests = feed.request_count();
        mirror.sync_ends(0, &[job]);
        let requests = feed.request_count() - requests;
        let log = std::fs::read(&log_path).unwrap();
        assert!(
            std::fs::read(path).unwrap() == before,
            "the log holds all writes"
        );
        drop(reading);
        let expected = Outcome::of(&mirror.open());
        assert!(expected.held["unfinished runs"].is_empty());
        Stopped {
            feed,
            dialect,
            job,
            before,
            expected,
            requests,
            log,
        }
    }

    /// Returns the size of the write-ahead log.
    pub fn log_bytes(&self) -> usize {
        self.log.len()
    }

    /// Creates a mirror as before the sync, with this part of the write-ahead log.
    pub fn mirror(&self, log_bytes: usize) -> Mirror {
        let mirror = mirror_of(&self.feed, self.dialect);
        let path = mirror.database_path();
        std::fs::write(path, &self.before).unwrap();
        std::fs::write(path.with_extension("db-wal"), &self.log[..log_bytes]).unwrap();
        mirror
    }

    pub fn assert_goes_on(&self, mirror: &Mirror, when: &str) {
        mirror.sync_ends(0, &[self.job]);
        let is_sweep = matches!(self.job, "full" | "reconcile");
        let when = format!("{} {when}", self.job);
        Outcome::of(&mirror.open()).assert_is(&self.expected, is_sweep, &when);
    }

    /// Kills the process while it waits for the answer to each of its requests.
    fn at_every_request(&self) {
        for skip in 0..self.requests {
            let mirror = self.mirror(0);
            let asked = self.feed.request_count();
            self.feed.fault(FaultRule {
                skip,
                ..FaultRule::always(Fault::Stall)
            });
            let running = mirror.start(&["sync", self.job]);
            wait_until("the request is made", || {
                self.feed.request_count() > asked + skip
            });
            running.signal("KILL");
            running.wait();
            self.feed.clear_faults();
            self.assert_goes_on(&mirror, &format!("killed at request {}", skip + 1));
        }
    }

    /// Cuts the write-ahead log at each commit, and in the middle of each transaction.
    fn at_every_commit(&self) {
        let places = places(&self.log);
        assert!(places.len() > 4, "{places:?}");
        for (bytes, what) in places {
            self.assert_goes_on(&self.mirror(bytes), &what);
        }
    }
}

/// Returns the ends of the transactions in a write-ahead log, and a place within each
/// (https://www.sqlite.org/fileformat2.html#walformat).
pub fn places(log: &[u8]) -> Vec<(usize, String)> {
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap()) as usize;
    let (header, frame_header, page_size) = (32, 24, number(8));
    let frame = frame_header + page_size;
    let mut places = Vec::new();
    let (mut begun, mut commits) = (header, 0);
    let mut end = header;
    while end + frame <= log.len() {
        let is_commit = number(end + 4) > 0;
        end += frame;
        if is_commit {
            let within = begun + (end - begun) / 2;
            places.push((within, format!("killed within commit {}", commits + 1)));
            commits += 1;
            places.push((end, format!("killed after commit {commits}")));
            begun = end;
        }
    }
    places
}

/// Makes the changes of a day, of every kind that a sync can detect.
pub fn a_day(feed: &Simulator) {
    feed.advance(chrono::Duration::hours(3));
    let keys = feed.listing_keys();
    for key in &keys[..9] {
        let change = fields(json!({ "ListPrice": 111_111, "City": "Moab" }));
        feed.edit("Property", &key.to_string(), change).unwrap();
    }
    feed.insert_listing().unwrap();
    for (at, announced) in [(10, true), (11, true), (12, false)] {
        feed.delete("Property", &keys[at].to_string(), announced)
            .unwrap();
    }
    for key in &keys[13..18] {
        feed.add_photo(*key, true).unwrap();
        let photos = feed.truth_children(*key, "Media");
        let photo = key_text(&photos[0]["MediaKey"]);
        feed.replace_photo(&photo, false).unwrap();
    }
    let photos = feed.truth_children(keys[19], "Media");
    for photo in photos.iter().take(1) {
        feed.remove_photo(&key_text(&photo["MediaKey"]), true, true)
            .unwrap();
    }
    feed.add_open_house(keys[20]).unwrap();
    feed.bring_back(1_000_002).unwrap();
}

/// Creates a full mirror, and deletes one listing.
pub fn followed(feed: &Simulator, mirror: &Mirror) {
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    feed.delete("Property", "1000002", true).unwrap();
    mirror.sync();
}

/// Creates a mirror without rows.
pub fn empty(feed: &Simulator, mirror: &Mirror) {
    feed.set_server(|server| server.metadata_status = Some(401));
    mirror.sync_ends(5, &[]);
    feed.set_server(|server| server.metadata_status = None);
}

#[test]
fn a_first_full_sync_stopped_anywhere_ends_the_same() {
    let stopped = Stopped::at(feed(24), empty, |_| {}, "full");
    assert_eq!(stopped.expected.held["changes"].len(), 0);
    stopped.at_every_request();
    stopped.at_every_commit();
}

#[test]
fn a_full_sync_stopped_anywhere_ends_the_same() {
    let stopped = Stopped::at(feed(24), followed, a_day, "full");
    assert!(stopped.expected.held["changes"].len() > 30);
    stopped.at_every_request();
    stopped.at_every_commit();
}

#[test]
fn an_incremental_sync_stopped_anywhere_ends_the_same() {
    let stopped = Stopped::at(feed(24), followed, a_day, "incremental");
    assert!(stopped.expected.held["changes"].len() > 30);
    stopped.at_every_request();
    stopped.at_every_commit();
}

#[test]
fn deletions_stopped_anywhere_end_the_same() {
    let stopped = Stopped::at(feed(24), followed, a_day, "deletions");
    let changes = &stopped.expected.held["changes"];
    assert!(changes.iter().any(|change| change.contains(": delete")));
    stopped.at_every_request();
    stopped.at_every_commit();
}

#[test]
fn a_reconcile_stopped_anywhere_ends_the_same() {
    let stopped = Stopped::at(feed(24), followed, a_day, "reconcile");
    assert!(stopped.expected.held["changes"].len() > 30);
    stopped.at_every_request();
    stopped.at_every_commit();
}

#[test]
fn syncs_in_the_dialects_of_vendors_stopped_anywhere_end_the_same() {
    let seed = std::env::var("MLSMIRROR_SEED").map_or(1, |seed| seed.parse().unwrap());
    const JOBS: [&str; 3] = ["full", "incremental", "reconcile"];
    let is_asked = std::env::var_os("MLSMIRROR_DIALECT").is_some();
    for dialect in dialects(1, seed) {
        // The sample stops one job, at commits only.
        let jobs = if is_asked {
            &JOBS[..]
        } else {
            &JOBS[seed as usize % JOBS.len()..][..1]
        };
        for job in jobs {
            println!("{} {job}", dialect.name);
            let feed = feed(24);
            feed.speak(dialect);
            let stopped = Stopped::in_dialect(Some(dialect), feed, followed, a_day, job);
            if is_asked {
                stopped.at_every_request();
            }
            stopped.at_every_commit();
        }
    }
}

/// Makes the changes of some hours, all of them announced.
fn some_hours(feed: &Simulator, first: usize) {
    feed.advance(chrono::Duration::hours(3));
    let keys = feed.listing_keys();
    for key in &keys[first..first + 8] {
        let change = fields(json!({ "ListPrice": 111_111 + first, "City": "Moab" }));
        feed.edit("Property", &key.to_string(), change).unwrap();
        feed.add_photo(*key, true).unwrap();
    }
    let gone = keys[first + 8].to_string();
    feed.delete("Property", &gone, true).unwrap();
    feed.insert_listing().unwrap();
}

#[test]
fn changes_while_a_sync_was_stopped_are_read_by_the_next_one() {
    for job in ["incremental", "full", "reconcile", "deletions"] {
        let change = |feed: &Simulator| some_hours(feed, 0);
        let stopped = Stopped::at(feed(24), followed, change, job);
        some_hours(&stopped.feed, 4);
        for (bytes, when) in places(&stopped.log) {
            let mirror = stopped.mirror(bytes);
            mirror.sync();
            println!("{job} {when}");
            assert_mirror_equals_feed(&mirror.open(), &stopped.feed, &MAIN);
        }
    }
}
