//! The daemon runs each job when it is due, one at a time, and survives every error.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use simulator::{Fault, FaultRule, Simulator};

use crate::support::*;

/// Creates a mirror with these lines in `[schedule]`, and no other jobs.
fn scheduled(feed: &Simulator, schedule: &str) -> Mirror {
    Mirror::with(feed, |settings| settings.sync = schedule_of(schedule))
}

pub fn schedule_of(schedule: &str) -> String {
    let never = ["full", "incremental", "monitor", "deletions"];
    let mut lines = format!("\n[schedule]\n{schedule}\n");
    for job in never.iter().filter(|job| !schedule.contains(*job)) {
        lines += &format!("{job} = \"\"\n");
    }
    lines
}

/// Returns the number of runs of a job with this status.
fn runs(mirror: &Mirror, job: &str, status: &str) -> i64 {
    let Ok(db) = Connection::open_with_flags(
        mirror.database_path(),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    ) else {
        return 0;
    };
    let sql = "SELECT count(*) FROM sync_runs WHERE job = ?1 AND status = ?2";
    db.query_row(sql, [job, status], |row| row.get(0))
        .unwrap_or(0)
}

pub fn wait_for_runs(mirror: &Mirror, job: &str, status: &str, count: i64) {
    wait_until(&format!("{count} runs of {job} have {status}"), || {
        runs(mirror, job, status) >= count
    });
}

/// Stops the daemon, and fails unless it exits with code 0 within 10 seconds.
#[track_caller]
pub fn stop(running: Running, signal: &str) -> Ended {
    let asked = Instant::now();
    running.signal(signal);
    let ended = running.wait();
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(ended.code, Some(0), "{ended}");
    ended
}

#[test]
fn watch_fills_an_empty_mirror_at_once_and_then_follows_the_feed() {
    let feed = feed(40);
    let mirror = scheduled(
        &feed,
        "incremental = \"every 1s\"\ndeletions = \"every 1s\"",
    );
    let running = mirror.start(&["watch"]);
    wait_for_runs(&mirror, "full", "succeeded", 3);
    feed.advance(chrono::Duration::hours(1));
    feed.move_market(30);
    let key = feed.listing_keys()[5].to_string();
    feed.delete("Property", &key, true).unwrap();
    // A run that began before the changes may have read only some of them.
    for job in ["incremental", "deletions"] {
        let so_far = runs(&mirror, job, "succeeded");
        wait_for_runs(&mirror, job, "succeeded", so_far + 6);
    }
    let ended = stop(running, "TERM");
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let lines = |what: &str| {
        ended
            .stderr
            .lines()
            .filter(|line| line.contains(what))
            .count()
    };
    assert_eq!(lines("INFO watching"), 1, "{ended}");
    assert!(lines("INFO incremental succeeded in") >= 2, "{ended}");
    assert!(lines("; next at ") >= 4, "{ended}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn log_lines_are_json_where_that_is_asked_for() {
    let feed = feed(20);
    let mirror = scheduled(&feed, "incremental = \"every 1s\"");
    let running = mirror.start(&["watch", "--log-format", "json"]);
    wait_for_runs(&mirror, "incremental", "succeeded", 3);
    let ended = stop(running, "INT");
    let lines: Vec<serde_json::Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let jobs: Vec<_> = lines
        .iter()
        .filter(|line| line["job"] == "incremental")
        .collect();
    assert!(jobs.len() >= 2, "{ended}");
    assert_eq!(jobs[0]["status"], "succeeded");
    let rows: i64 = MAIN.iter().map(|set| live(&mirror.open(), set)).sum();
    assert_eq!(jobs[0]["inserted"], rows);
    assert_eq!(jobs[1]["inserted"], 0);
    assert!(jobs[1]["next_at"].is_string());
}

#[test]
fn a_failed_job_is_retried_and_does_not_end_the_daemon() {
    let feed = feed(20);
    feed.fault(FaultRule::always(Fault::Status(503)));
    let mirror = scheduled(&feed, "incremental = \"every 1s\"");
    let running = mirror.start(&["watch"]);
    wait_for_runs(&mirror, "incremental", "failed", 6);
    feed.clear_faults();
    wait_for_runs(&mirror, "full", "succeeded", 3);
    let ended = stop(running, "TERM");
    assert!(
        ended.stderr.contains("ERROR incremental failed in"),
        "{ended}"
    );
    assert!(ended.stderr.contains("503"), "{ended}");
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn refused_credentials_slow_it_down_to_one_try_an_hour() {
    let feed = feed_with(20, |options| options.token = "another".to_owned());
    let mirror = scheduled(&feed, "incremental = \"every 1s\"\nmonitor = \"every 1s\"");
    let running = mirror.start(&["watch"]);
    wait_for_runs(&mirror, "incremental", "failed", 3);
    let asked = feed.request_count();
    // Waits for three intervals of the job.
    let until = Instant::now() + Duration::from_secs(3);
    wait_until("three seconds have passed", || Instant::now() > until);
    assert_eq!(feed.request_count(), asked);
    let ended = stop(running, "TERM");
    for part in ["refused the credentials", "tries once an hour"] {
        assert!(ended.stderr.contains(part), "{part}: {ended}");
    }
    let status = mirror.run(&["status"]);
    assert_eq!(status.code, Some(3), "{status}");
    assert!(
        status.stdout.contains("the feed refuses the credentials"),
        "{status}"
    );
}

#[test]
fn asked_to_stop_it_ends_the_page_in_hand_and_exits_0_within_10_seconds() {
    for signal in ["TERM", "INT"] {
        let feed = feed(60);
        let mirror = Mirror::with(&feed, |settings| {
            settings.set("max_concurrent", 1);
            settings.sync = schedule_of("incremental = \"every 1h\"");
        });
        feed.fault(FaultRule {
            path_contains: Some("$expand".to_owned()),
            skip: 2,
            ..FaultRule::always(Fault::Stall)
        });
        let running = mirror.start(&["watch"]);
        mirror.wait_for_pages("Property", 2);
        stop(running, signal);
        let db = mirror.open();
        let last = "SELECT status FROM sync_runs WHERE resource = 'Property'";
        assert_eq!(text(&db, last), "interrupted");
        assert!(mirror.lease("sync").or(mirror.lease("watch")).is_none());
        feed.clear_faults();
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn hangup_reads_the_configuration_again_and_a_wrong_one_changes_nothing() {
    let feed = feed(20);
    let mut mirror = scheduled(&feed, "incremental = \"every 1h\"");
    let running = mirror.start(&["watch"]);
    wait_for_runs(&mirror, "full", "succeeded", 3);
    mirror
        .configure(|settings| settings.sync = "\n[schedule]\nincremental = \"soon\"\n".to_owned());
    running.signal("HUP");
    mirror.configure(|settings| settings.sync = schedule_of("incremental = \"every 1h\""));
    assert_eq!(runs(&mirror, "monitor", "succeeded"), 0);
    mirror.configure(|settings| {
        settings.sync = schedule_of("incremental = \"every 1h\"\nmonitor = \"every 1s\"");
    });
    running.signal("HUP");
    wait_for_runs(&mirror, "monitor", "succeeded", 2);
    let ended = stop(running, "TERM");
    assert!(
        ended.stderr.contains("read the configuration again"),
        "{ended}"
    );
}

#[test]
fn the_monitor_line_has_the_number_of_reported_status_changes() {
    let feed = feed(20);
    let key = feed.listing_keys()[0].to_string();
    let status = |status: &str| fields(serde_json::json!({ "StandardStatus": status }));
    feed.edit("Property", &key, status("Active")).unwrap();
    let mirror = Mirror::with(&feed, |settings| {
        let schedule = schedule_of("monitor = \"every 1s\"");
        settings.sync = format!("{schedule}[monitor]\ntransitions = [\"Active>Pending\"]\n");
    });
    mirror.sync();
    mirror.sync_ends(0, &["monitor"]);
    let before = runs(&mirror, "monitor", "succeeded");
    feed.advance(chrono::Duration::hours(1));
    feed.edit("Property", &key, status("Pending")).unwrap();
    let running = mirror.start(&["watch"]);
    wait_for_runs(&mirror, "monitor", "succeeded", before + 2);
    let ended = stop(running, "TERM");
    assert!(ended.stdout.contains("Active → Pending"), "{ended}");
    let shown = ended.stderr.matches("1 status change reported").count();
    assert_eq!(shown, 1, "{ended}");

    let mut mirror = mirror;
    mirror.configure(|settings| settings.sync += "command = [\"no-such\\u001b[2J\"]\n");
    feed.advance(chrono::Duration::hours(1));
    feed.edit("Property", &key, status("Active")).unwrap();
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    feed.edit("Property", &key, status("Pending")).unwrap();
    let partial = runs(&mirror, "monitor", "partial");
    let running = mirror.start(&["watch"]);
    wait_for_runs(&mirror, "monitor", "partial", partial + 1);
    let ended = stop(running, "TERM");
    assert!(ended.stderr.contains("was not reported"), "{ended}");
    assert!(!ended.stderr.contains("status change reported"), "{ended}");
    // An error text must not control the terminal that shows the log.
    assert!(ended.stderr.contains("no-such"), "{ended}");
    assert!(!ended.stderr.contains('\u{1b}'), "{ended}");
}

#[test]
fn one_daemon_runs_per_mirror_and_a_manual_sync_runs_between_its_jobs() {
    let feed = feed(20);
    let mirror = scheduled(&feed, "incremental = \"every 1h\"");
    let running = mirror.start(&["watch"]);
    wait_for_runs(&mirror, "full", "succeeded", 3);
    let id = running.id().to_string();
    let second = mirror.run(&["watch"]);
    second.says(4, &[&format!("process {id} "), "is watching this mirror"]);
    wait_until("no job runs", || mirror.lease("sync").is_none());
    mirror.sync();
    let status = mirror.run(&["status"]);
    assert!(
        status.stdout.contains(&format!("watched by process {id} ")),
        "{status}"
    );
    stop(running, "TERM");

    // A killed daemon does not block the next one.
    let running = mirror.start(&["watch"]);
    wait_until("it watches", || mirror.lease("watch").is_some());
    running.signal("KILL");
    running.wait();
    let status = mirror.run(&["status"]);
    assert!(status.stdout.contains("not watched"), "{status}");
    let running = mirror.start(&["watch"]);
    wait_until("another one watches", || {
        let holder = mirror.lease("watch");
        holder.is_some_and(|holder| holder["pid"] == running.id())
    });
    stop(running, "TERM");
}

#[test]
fn systemd_is_notified_of_start_life_and_stop() {
    let feed = feed(20);
    let mirror = scheduled(&feed, "incremental = \"every 1h\"");
    let path = mirror.folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let running = mirror.start_with(&["watch"], |command| {
        command
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "200000");
    });
    // Keep-alive messages arrive at any time between the others. Their order is not
    // fixed, and a received message is not repeated.
    let wait_for = |wanted: &[&str]| {
        let begun = Instant::now();
        let mut shown: Vec<String> = Vec::new();
        let mut buffer = [0; 4096];
        let has = |shown: &[String], one: &str| shown.iter().any(|message| message.contains(one));
        while !wanted.iter().all(|one| has(&shown, one)) {
            let received = socket.recv(&mut buffer);
            let is_late = begun.elapsed() > Duration::from_secs(60);
            match received {
                Ok(length) if !is_late => {
                    shown.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
                }
                _ => panic!("expected {wanted:?}, received only {shown:?}"),
            }
        }
        shown
    };
    let alive = "WATCHDOG=1";
    wait_for(&["READY=1", alive, "STATUS=waiting for incremental at "]);
    wait_for(&[alive]);
    running.signal("HUP");
    let shown = wait_for(&["RELOADING=1", "READY=1"]);
    let reloading = shown.iter().find(|message| message.contains("RELOADING=1"));
    assert!(reloading.unwrap().contains("MONOTONIC_USEC="), "{shown:?}");
    running.signal("TERM");
    wait_for(&["STOPPING=1"]);
    assert_eq!(running.wait().code, Some(0));
}

#[test]
fn photos_are_downloaded_after_each_sync_or_on_their_own_schedule() {
    let feed = feed(20);
    let with_media = |schedule: &str| {
        Mirror::with(&feed, |settings| {
            settings.media = true;
            settings.sync = schedule_of(schedule);
        })
    };
    let files = "SELECT count(*) FROM media WHERE file_path IS NOT NULL";
    let mirror = with_media("incremental = \"every 1h\"");
    let running = mirror.start(&["watch"]);
    wait_for_runs(&mirror, "media", "succeeded", 1);
    stop(running, "TERM");
    assert_eq!(number(&mirror.open(), files), live(&mirror.open(), "Media"));

    let mirror = with_media("incremental = \"every 1h\"\nmedia = \"0 0 1 1 *\"");
    let running = mirror.start(&["watch"]);
    wait_for_runs(&mirror, "full", "succeeded", 3);
    stop(running, "TERM");
    assert_eq!(runs(&mirror, "media", "succeeded"), 0);
}
