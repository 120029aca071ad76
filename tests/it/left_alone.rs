//! A daemon that is left alone: its clock jumps, the feed does not answer, the disk is full,
//! the folder of photos is not mounted, and the token changes. `status` is right after every
//! hour, and the mirror is exact at the end.
//!
//! By default each trouble lasts some hours of one day.
//! `MLSMIRROR_ALL=1 cargo test --release --test it left_alone::` runs a week, with quiet hours
//! between them.

use std::cell::RefCell;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use simulator::{Fault, FaultRule, Simulator};

use crate::moves::{assert_log_tells_all_steps, copy, last_change};
use crate::photo_files::*;
use crate::support::*;
use crate::watch::stop;

/// The time between two states of the market.
const HOUR: TimeDelta = TimeDelta::hours(1);

const RESOURCES: [&str; 3] = MAIN;

/// Conditions of each resource.
const LATE: [&str; 3] = [
    "Property was last brought up to date",
    "Media was last brought up to date",
    "OpenHouse was last brought up to date",
];
const AHEAD: [&str; 3] = [
    "Property was last brought up to date in the future",
    "Media was last brought up to date in the future",
    "OpenHouse was last brought up to date in the future",
];
const BEHIND: [&str; 3] = [
    "Property has a watermark in the future",
    "Media has a watermark in the future",
    "OpenHouse has a watermark in the future",
];

const SECOND_TOKEN: &str = "the-second-token-of-the-week";
const THIRD_TOKEN: &str = "the-third-token-of-the-week";

/// A daemon with a clock that the test sets.
struct LeftAlone {
    feed: Simulator,
    mirror: Mirror,
    clock: ShiftedClock,
    daemon: Running,
    notifications: UnixDatagram,
    /// The time that the daemon waits for, as it last said.
    next: RefCell<Option<DateTime<Utc>>>,
    /// How wrong the daemon's clock is.
    error: TimeDelta,
    /// The hours that have passed.
    hours: u32,
}

impl LeftAlone {
    fn begin() -> LeftAlone {
        // A Thursday, so that the full of Sunday comes within the week.
        let feed = feed_with(40, |options| {
            options.clock = simulator::Clock::At(instant("2026-03-05T18:00:30Z"));
        });
        let mut mirror = with_photos_and(&feed, "", |settings| {
            settings.set("token_command", "[\"cat\", \"token\"]");
            settings.set("max_retries", 0);
            settings.sync += "[schedule]\ntimezone = \"UTC\"\nfull = \"0 2 * * SUN\"\n\
                incremental = \"0 * * * *\"\nmonitor = \"*/15 * * * *\"\n\
                deletions = \"0 16 * * *\"\n[retention]\nchanges = \"90d\"\nruns = \"90d\"\n";
        });
        mirror.token = None;
        let folder = mirror.folder.path();
        std::fs::write(folder.join("token"), TOKEN).unwrap();
        let socket = folder.join("notify");
        let notifications = UnixDatagram::bind(&socket).unwrap();
        let timeout = Some(Duration::from_millis(100));
        notifications.set_read_timeout(timeout).unwrap();
        let clock = ShiftedClock::at(feed.now());
        let daemon = mirror.start_with(&["watch"], |command| {
            clock.give(command);
            command.env("NOTIFY_SOCKET", &socket);
        });
        let alone = LeftAlone {
            feed,
            mirror,
            clock,
            daemon,
            notifications,
            next: RefCell::default(),
            error: TimeDelta::zero(),
            hours: 0,
        };
        alone.wait_for_jobs();
        alone
    }

    /// Waits until all jobs that are due have run: the daemon waits for a time that comes,
    /// and that comes soon.
    fn wait_for_jobs(&self) {
        let what = format!("the jobs of hour {} have run", self.hours);
        wait_until(&what, || {
            let mut buffer = [0; 4096];
            while let Ok(length) = self.notifications.recv(&mut buffer) {
                let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if message.starts_with("STATUS=") {
                    *self.next.borrow_mut() = waits_for(&message);
                }
            }
            let soon = self.clock.now() + HOUR + TimeDelta::minutes(1);
            let next = *self.next.borrow();
            next.is_some_and(|next| next > self.clock.now() && next < soon)
        });
    }

    /// Makes the daemon's clock wrong by this time from now on.
    fn set_clock_wrong(&mut self, error: TimeDelta) {
        self.error = error;
        self.clock.set(self.feed.now() + self.error);
        self.wait_for_jobs();
    }

    /// Lets an hour pass, in which the market moves, and fails unless `status` then shows
    /// exactly these conditions.
    #[track_caller]
    fn hour(&mut self, conditions: &[&str]) {
        self.let_pass();
        self.assert_status(conditions);
    }

    /// Lets an hour pass. The status may change within its last seconds.
    fn let_pass(&mut self) {
        self.hours += 1;
        self.feed.advance(HOUR);
        self.feed.move_market(3);
        self.clock.set(self.feed.now() + self.error);
        self.wait_for_jobs();
    }

    #[track_caller]
    fn hours(&mut self, count: u32, conditions: &[&str]) {
        for _ in 0..count {
            self.hour(conditions);
        }
    }

    /// Lets the remaining hours of a day pass, if the whole week runs.
    fn rest_of_day(&mut self) {
        while runs_all() && !self.hours.is_multiple_of(24) {
            self.hour(&[]);
        }
    }

    #[track_caller]
    fn assert_status(&self, conditions: &[&str]) {
        let status = self.mirror.start_with(&["status", "--json"], |command| {
            self.clock.give(command);
        });
        let status = status.wait();
        let hour = self.hours;
        let json = status.json();
        let found: Vec<&str> = (json["needs_attention"].as_array().unwrap().iter())
            .map(|text| text.as_str().unwrap())
            .collect();
        let is_right = found.len() == conditions.len()
            && (conditions.iter()).all(|part| found.iter().any(|text| text.contains(part)));
        assert!(is_right, "hour {hour}: {found:#?}, not {conditions:?}");
        let code = if conditions.is_empty() { 0 } else { 3 };
        assert_eq!(status.code, Some(code), "hour {hour}: {status}");
    }

    /// Fails unless `status` shows how wrong the clock was in the last sync.
    #[track_caller]
    fn assert_clock(&self, days: i64, shown: &str) {
        let json = self.mirror.run(&["status", "--json"]).json();
        assert_eq!(json["clock_ahead_days"], days, "{json}");
        let ended = self.mirror.run(&["status"]);
        assert!(ended.stdout.contains(shown), "no `{shown}`: {ended}");
    }

    /// Returns the number of logged changes.
    fn changes(&self) -> i64 {
        number(&self.mirror.open(), "SELECT count(*) FROM changes")
    }

    fn media_dir(&self) -> PathBuf {
        media_dir(&self.mirror)
    }

    /// Limits the size of files that the daemon can write.
    fn limit_files(&self, bytes: &str) {
        let id = self.daemon.id().to_string();
        let limit = format!("--fsize={bytes}:unlimited");
        let limited = Command::new("prlimit")
            .args(["--pid", &id, &limit])
            .status();
        assert!(limited.unwrap().success(), "prlimit {limit}");
    }

    /// Changes the token that the feed accepts.
    fn change_token(&self, token: &str) {
        let token = Some(token.to_owned());
        self.feed.set_server(|server| server.token = token);
    }

    /// Changes the token that the program prints.
    fn renew_token(&self, token: &str) {
        std::fs::write(self.mirror.folder.path().join("token"), token).unwrap();
    }
}

/// Returns the time in `STATUS=waiting for JOB at TIME UTC`.
fn waits_for(message: &str) -> Option<DateTime<Utc>> {
    let (_, time) = message
        .strip_prefix("STATUS=waiting for ")?
        .split_once(" at ")?;
    let time = time.lines().next()?.strip_suffix(" UTC")?;
    let time = NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S").ok()?;
    Some(time.and_utc())
}

#[test]
fn a_daemon_left_alone_in_all_troubles_ends_exact_with_status_right_at_every_hour() {
    let mut alone = LeftAlone::begin();
    let db = alone.mirror.open();
    let (before, since) = (copy(&db, &RESOURCES), last_change(&db));
    drop(db);
    alone.hours(2, &[]);
    alone.rest_of_day();

    // The feed does not answer. After three intervals each resource is late, too.
    alone.feed.fault(FaultRule::always(Fault::Status(503)));
    alone.hours(2, &["incremental failed"]);
    alone.let_pass();
    alone.hours(2, &[&["incremental failed"], &LATE[..]].concat());
    alone.feed.clear_faults();
    alone.hour(&[]);
    alone.rest_of_day();

    // The clock is two years ahead. The daemon syncs, and nothing is removed.
    let changes = alone.changes();
    alone.set_clock_wrong(TimeDelta::days(730));
    alone.hours(2, &[]);
    assert!(alone.changes() > changes, "{changes}");
    alone.assert_clock(
        730,
        "the clock of this machine was 730 days ahead of the feed's",
    );
    alone.set_clock_wrong(TimeDelta::zero());
    alone.assert_status(&AHEAD);
    alone.hours(2, &[]);
    alone.rest_of_day();

    // The clock is three days behind.
    alone.set_clock_wrong(TimeDelta::days(-3));
    alone.hours(2, &BEHIND);
    alone.assert_clock(-3, "the clock of this machine was 3 days behind the feed's");
    alone.set_clock_wrong(TimeDelta::zero());
    alone.hour(&[]);
    alone.assert_clock(0, "");
    alone.rest_of_day();

    // The disk is full, so that nothing about it can be stored.
    alone.limit_files("0");
    alone.hours(2, &[]);
    alone.let_pass();
    alone.hours(1, &LATE);
    alone.limit_files("unlimited");
    alone.hour(&[]);
    alone.rest_of_day();

    // The folder of photos is not mounted.
    let (folder, away) = (alone.media_dir(), alone.mirror.folder.path().join("away"));
    std::fs::rename(&folder, &away).unwrap();
    std::fs::create_dir(&folder).unwrap();
    alone.hours(2, &["mount its disk"]);
    std::fs::remove_dir(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    alone.hour(&[]);
    alone.rest_of_day();

    // The token changes: first with the program that prints it, then without.
    alone.renew_token(SECOND_TOKEN);
    alone.change_token(SECOND_TOKEN);
    alone.hour(&[]);
    alone.change_token(THIRD_TOKEN);
    alone.hours(2, &["the feed refuses the credentials"]);
    alone.renew_token(THIRD_TOKEN);
    // There is one try an hour, and the last one was some seconds after the hour.
    alone.let_pass();
    alone.hour(&[]);
    alone.rest_of_day();

    let LeftAlone {
        daemon,
        mirror,
        feed,
        clock,
        ..
    } = alone;
    stop(daemon, "TERM");
    // The daemon looks for deletions once a day.
    let last = mirror.start_with(&["sync"], |command| clock.give(command));
    last.wait().says(0, &[]);
    let db = mirror.open();
    assert_eq!(text(&db, "PRAGMA integrity_check"), "ok");
    assert_mirror_equals_feed(&db, &feed, &RESOURCES);
    assert_files_equal_feed(&mirror, &feed);
    assert_log_tells_all_steps(&db, since, &before, &copy(&db, &RESOURCES));
}
