//! The rate budget, which all processes share over time, and the vendor's limit.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use simulator::Limit;

use crate::support::*;

#[test]
fn requests_of_one_process_count_for_the_next() {
    let feed = feed(30);
    let mirror = Mirror::with(&feed, |settings| settings.set("requests_per_hour", 40));
    mirror.sync();
    let spent = feed.request_count();
    assert!((5..40).contains(&spent), "{spent} requests");
    let left = mirror.run(&["status"]);
    let shown = format!("{} of 40 this hour", 40 - spent);
    assert!(left.stdout.contains(&shown), "{left}");
    // A process that only reads the mirror uses the same budget.
    assert_eq!(mirror.run(&["verify", "--sample", "1"]).code, Some(0));
    let spent = feed.request_count();
    let json = mirror.run(&["status", "--json"]).json();
    assert_eq!(json["budget"][0]["sent"], spent);
    assert!((20..40).contains(&spent), "{spent} requests");

    // Several full syncs need more than the rest of the budget, and wait for the next hour.
    while feed.request_count() + 10 < 40 {
        mirror.sync_full();
    }
    let running = mirror.start(&["sync", "full"]);
    wait_until("the budget is spent", || feed.request_count() == 40);
    let third = mirror.start(&["check"]);
    let until = Instant::now() + Duration::from_secs(1);
    wait_until("a second has passed", || Instant::now() > until);
    assert_eq!(feed.request_count(), 40);
    for running in [running, third] {
        running.signal("TERM");
        assert_eq!(running.wait().code, Some(143));
    }
    assert_eq!(feed.request_count(), 40);
}

#[test]
fn bytes_of_answers_count_for_all_processes() {
    let feed = feed(300);
    let mut mirror = Mirror::with(&feed, |settings| {
        settings.set("bytes_per_hour", "\"400KB\"");
    });
    let running = mirror.start(&["sync"]);
    wait_until("the run waits", || {
        feed.request_count() > 0 && sum_of_bytes(&mirror) >= 400_000
    });
    let spent = feed.request_count();
    let next = mirror.start(&["check"]);
    let until = Instant::now() + Duration::from_secs(1);
    wait_until("a second has passed", || Instant::now() > until);
    assert_eq!(feed.request_count(), spent);
    for running in [running, next] {
        running.signal("TERM");
        assert_eq!(running.wait().code, Some(143));
    }
    let bytes = sum_of_bytes(&mirror);
    assert!(spent < 300 / 20, "{spent} requests");
    let status = mirror.run(&["status"]);
    assert!(
        status
            .stdout
            .contains("bytes left: 0 bytes of 400.0 KB this hour until "),
        "{status}"
    );
    let budget = mirror.run(&["status", "--json"]).json()["budget"][0].clone();
    assert_eq!(
        (&budget["unit"], &budget["sent"]),
        (&json!("bytes"), &json!(bytes))
    );

    mirror.configure(|settings| settings.set("bytes_per_hour", "\"5MB\""));
    let plan = mirror.run(&["check"]);
    assert!(plan.stdout.contains("within 5.0 MB an hour"), "{plan}");
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert!(
        sum_of_bytes(&mirror) > bytes,
        "the next process adds its own"
    );
}

#[test]
fn a_mirror_with_the_limit_of_bytes_of_its_profile_never_exceeds_that_of_the_vendor() {
    let feed = feed_with(1_000, |options| options.bytes_per_listing = 6_000);
    // A thousandth of the limits of MLS Grid per hour.
    feed.set_server(|server| server.limits = vec![Limit::bytes(3_072_000, 3_600_000)]);
    let mirror = Mirror::with(&feed, |settings| {
        settings.set("page_size", 2);
        settings.set("bytes_per_hour", "\"3MB\"");
    });
    let running = mirror.start(&["sync"]);
    wait_until("the run waits", || {
        feed.request_count() > 0 && sum_of_bytes(&mirror) >= 3_000_000
    });
    let until = Instant::now() + Duration::from_secs(1);
    wait_until("a second has passed", || Instant::now() > until);
    running.signal("TERM");
    running.wait();
    assert_eq!(feed.answered_429(), 0);
    assert!((3_000_000..3_072_000).contains(&feed.bytes_sent()));
}

#[test]
fn a_request_scans_no_table_of_the_ledger() {
    let feed = feed(1);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let ledger = ledger(&mirror);
    for table in ["requests", "received"] {
        let sql = format!("EXPLAIN QUERY PLAN UPDATE {table} SET at_ms = 1 WHERE at_ms > 1");
        let plan: String = ledger.query_row(&sql, [], |row| row.get(3)).unwrap();
        assert!(plan.starts_with("SEARCH"), "{plan}");
    }
}

/// Returns the number of bytes that the processes of a mirror have received.
fn sum_of_bytes(mirror: &Mirror) -> i64 {
    number(
        &ledger(mirror),
        "SELECT coalesce(sum(bytes), 0) FROM received",
    )
}

#[test]
fn the_next_process_keeps_a_pause_that_the_feed_asked_for() {
    use simulator::{Fault, FaultRule, RetryAfter};
    let feed = feed(20);
    let mirror = Mirror::with(&feed, |settings| {
        settings.set("requests_per_hour", 1000);
        settings.set("max_retries", 1);
    });
    mirror.sync();
    feed.fault(FaultRule::once(Fault::TooMany {
        retry_after: RetryAfter::Seconds(600),
    }));
    let running = mirror.start(&["sync"]);
    wait_until("the program waits", || {
        let pauses = "SELECT count(*) FROM pauses WHERE until_ms > set_ms";
        number(&ledger(&mirror), pauses) > 0
    });
    running.signal("TERM");
    running.wait();
    let asked = feed.request_count();
    let running = mirror.start(&["sync"]);
    wait_until("it has begun", || mirror.lease("sync").is_some());
    let until = Instant::now() + Duration::from_secs(1);
    wait_until("a second has passed", || Instant::now() > until);
    assert_eq!(feed.request_count(), asked);
    running.signal("TERM");
    running.wait();
}

/// Lets the next request get 429 with this `Retry-After` in seconds.
fn ask_for_pause(feed: &simulator::Simulator, seconds: u64) {
    use simulator::{Fault, FaultRule, RetryAfter};
    feed.fault(FaultRule::once(Fault::TooMany {
        retry_after: RetryAfter::Seconds(seconds),
    }));
}

/// Checks that `status` shows a pause that ends after this number of seconds.
fn assert_paused_for(mirror: &Mirror, seconds: std::ops::Range<i64>) {
    let json = mirror.run(&["status", "--json"]).json();
    let until = json["paused_until"].as_str().expect("a pause").to_owned();
    let ends = instant(&format!("{}Z", until.replace(' ', "T")));
    let left = (ends - chrono::Utc::now()).num_seconds();
    assert!(seconds.contains(&left), "{left} s, until {until}");
    let shown = mirror.run(&["status"]).stdout;
    let local = ends.with_timezone(&chrono_tz::America::Denver);
    let until = local.format("no requests until %Y-%m-%d %H:%M:%S %Z");
    assert!(shown.contains(&until.to_string()), "{shown}");
}

#[test]
fn a_pause_longer_than_a_run_waits_ends_this_run_and_the_next_ones_without_a_request() {
    let feed = feed(20);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    ask_for_pause(&feed, 7_200);
    let before = feed.request_count();
    let ended = mirror.run(&["sync"]);
    assert_ne!(ended.code, Some(0), "{ended}");
    assert!(ended.stderr.contains("asked for a pause until"), "{ended}");
    assert_eq!(feed.request_count(), before + 1);
    assert_paused_for(&mirror, 7_100..7_201);
    for verb in ["sync", "check"] {
        let ended = mirror.run(&[verb]);
        assert_ne!(ended.code, Some(0), "{ended}");
        assert!(ended.stderr.contains("asked for a pause until"), "{ended}");
        assert_eq!(feed.request_count(), before + 1, "{verb}");
    }
}

#[test]
fn a_pause_of_two_hours_is_waited_for_within_a_day_and_said_once() {
    let feed = feed(20);
    let mirror = Mirror::with(&feed, |settings| settings.set("requests_per_day", 5_000));
    mirror.sync();
    ask_for_pause(&feed, 7_200);
    let before = feed.request_count();
    for verb in ["sync", "sync", "watch"] {
        let running = mirror.start(&[verb]);
        wait_until("it has begun", || {
            mirror.lease("sync").or(mirror.lease("watch")).is_some()
        });
        let until = Instant::now() + Duration::from_secs(1);
        wait_until("a second has passed", || Instant::now() > until);
        running.signal("TERM");
        let ended = running.wait();
        assert_eq!(feed.request_count(), before + 1, "{verb}");
        if verb == "sync" {
            let said = ended
                .stderr
                .matches("asked for a pause; waiting until")
                .count();
            assert_eq!(said, 1, "{ended}");
        }
    }
    assert_paused_for(&mirror, 7_100..7_201);
}

#[test]
fn a_fraction_of_a_second_counts_in_retry_after() {
    let feed = feed(20);
    let mut answered = 0;
    let proxy = Proxy::of(&feed, move |answer| {
        answered += 1;
        if answered == 1 {
            answer.status = 429;
            answer.headers.push(("retry-after", "1.5".to_owned()));
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    let waited = number(&mirror.open(), "SELECT sum(throttled_ms) FROM sync_runs");
    assert!((1_400..30_000).contains(&waited), "{waited} ms");
}

#[test]
fn a_reset_that_is_years_away_is_said_and_waited_for_only_as_long_as_the_longest_window() {
    for reset in ["4102444800", "4102444800000", "1e300"] {
        let feed = feed(20);
        let proxy = Proxy::of(&feed, move |answer| {
            answer
                .headers
                .push(("x-ratelimit-remaining", "0".to_owned()));
            answer.headers.push(("x-ratelimit-reset", reset.to_owned()));
        });
        let mirror = Mirror::at(&proxy.base_url, |settings| {
            settings.set("requests_per_hour", 1_000);
        });
        let running = mirror.start(&["sync"]);
        wait_until("it waits", || feed.request_count() >= 2);
        let until = Instant::now() + Duration::from_secs(1);
        wait_until("a second has passed", || Instant::now() > until);
        running.signal("TERM");
        let said = running.wait().stderr;
        assert!(said.contains("waiting at most 3600 s"), "{reset}: {said}");
        assert!(said.contains("waiting until"), "{reset}: {said}");
    }
}

/// Returns the file of the rate budget.
fn ledger_path(mirror: &Mirror) -> PathBuf {
    let folder = mirror.state.path().join("mlsmirror");
    let files = std::fs::read_dir(folder).unwrap();
    let paths: Vec<PathBuf> = (files.map(|file| file.unwrap().path()))
        // A running process has a journal next to it.
        .filter(|path| path.extension().is_some_and(|name| name == "db"))
        .collect();
    assert_eq!(paths.len(), 1, "{paths:?}");
    paths[0].clone()
}

/// Opens the file of the rate budget.
fn ledger(mirror: &Mirror) -> rusqlite::Connection {
    rusqlite::Connection::open(ledger_path(mirror)).unwrap()
}

/// Runs a command with this folder for the state of the user.
fn run_in(state: &Path, mirror: &Mirror, arguments: &[&str]) -> Ended {
    let running = mirror.start_with(arguments, |command| {
        command.env("XDG_STATE_HOME", state);
    });
    running.wait()
}

#[test]
fn mirrors_with_the_same_credentials_share_one_budget() {
    let feed = feed(20);
    let state = tempfile::tempdir().unwrap();
    let limited = |settings: &mut Settings| settings.set("requests_per_hour", 100);
    let (first, second) = (Mirror::with(&feed, limited), Mirror::with(&feed, limited));
    for mirror in [&first, &second] {
        run_in(state.path(), mirror, &["sync"]).says(0, &[]);
    }
    let sent = feed.request_count();
    assert!(!first.folder.path().join("mirror.db-requests").exists());
    // `status` needs neither the token nor the same environment.
    let mut first = first;
    first.token = None;
    for mirror in [&first, &second] {
        let json = mirror.run(&["status", "--json"]).json();
        assert_eq!(json["budget"][0]["sent"], sent);
    }
    let named = std::fs::read_dir(state.path().join("mlsmirror")).unwrap();
    let names: Vec<String> = named
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let content = std::fs::read(state.path().join("mlsmirror").join(&names[0])).unwrap();
    let content = String::from_utf8_lossy(&content);
    assert!(!names[0].contains(TOKEN) && !content.contains(TOKEN));

    // A mirror with another token has a budget of its own.
    feed.set_server(|server| server.token = Some("another-token".to_owned()));
    second.run(&["status"]).says(0, &[]);
    let mut third = Mirror::with(&feed, limited);
    third.token = Some("another-token".to_owned());
    run_in(state.path(), &third, &["sync"]).says(0, &[]);
    let json = third.run(&["status", "--json"]).json();
    assert_eq!(json["budget"][0]["sent"], feed.request_count() - sent);
}

#[test]
fn a_file_that_is_not_a_ledger_stays_as_it_is() {
    let feed = feed(20);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let path = ledger_path(&mirror);
    let own = mirror.folder.path().join("mirror.db-requests");
    for file in [&path, &own] {
        std::fs::write(file, "The notes of someone else.\n".repeat(100)).unwrap();
    }
    let ended = mirror.sync();
    assert!(
        ended.stderr.contains("the rate budget is not shared"),
        "{ended}"
    );
    for file in [&path, &own] {
        let kept = std::fs::read_to_string(file).unwrap();
        assert!(kept.starts_with("The notes of someone else."), "{file:?}");
    }
    // A file that a power failure left without content is replaced.
    std::fs::write(&path, [0; 4096]).unwrap();
    let ended = mirror.sync();
    assert!(!ended.stderr.contains("not shared"), "{ended}");
}

#[test]
fn without_a_folder_for_state_the_budget_is_next_to_the_database() {
    let feed = feed(20);
    let mirror = Mirror::with(&feed, |settings| settings.set("requests_per_hour", 100));
    let run = |arguments: &[&str]| {
        let running = mirror.start_with(arguments, |command| {
            command.env_remove("XDG_STATE_HOME").env_remove("HOME");
        });
        running.wait()
    };
    run(&["sync"]).says(0, &[]);
    assert!(mirror.folder.path().join("mirror.db-requests").is_file());
    let json = run(&["status", "--json"]).json();
    assert_eq!(json["budget"][0]["sent"], feed.request_count());
}

#[test]
fn what_a_clock_that_was_ahead_stored_does_not_stop_later_syncs() {
    let feed = feed(20);
    let mirror = Mirror::with(&feed, |settings| settings.set("requests_per_hour", 1_000));
    mirror.sync();
    ask_for_pause(&feed, 1);
    mirror.sync();
    let four_years = 4 * 365 * 86_400_000_i64;
    for (table, column) in [
        ("pauses", "until_ms"),
        ("pauses", "set_ms"),
        ("requests", "at_ms"),
    ] {
        let sql = format!("UPDATE {table} SET {column} = {column} + {four_years}");
        ledger(&mirror).execute_batch(&sql).unwrap();
    }
    let started = Instant::now();
    let ended = mirror.sync();
    assert!(started.elapsed() < Duration::from_secs(30));
    assert!(
        ended.stderr.contains("while the clock was ahead"),
        "{ended}"
    );
    let sent = mirror.run(&["status", "--json"]).json()["budget"][0]["sent"].clone();
    assert_eq!(sent, feed.request_count());
}

#[test]
fn a_pause_that_an_earlier_version_stored_lasts_at_most_an_hour() {
    let feed = feed(20);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let earlier = "DROP TABLE pauses;
         CREATE TABLE pauses (id INTEGER PRIMARY KEY, until_ms INTEGER NOT NULL);
         INSERT INTO pauses (id, until_ms) VALUES (1, 4102444800000);";
    ledger(&mirror).execute_batch(earlier).unwrap();
    assert_paused_for(&mirror, 3_500..3_601);
}

#[test]
fn a_pause_lasts_at_most_a_day_whatever_the_file_says() {
    let feed = feed(20);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let pause = "INSERT INTO pauses (id, until_ms) VALUES (1, 4102444800000);";
    ledger(&mirror).execute_batch(pause).unwrap();
    assert_paused_for(&mirror, 86_000..86_401);
}

#[test]
fn the_vendors_limit_is_saved_and_kept_with_little_more_time() {
    let feed = feed_with(1_400, |options| {
        options.photos = 0;
        options.open_houses = false;
        options.units = false;
        options.clock = simulator::Clock::Real;
    });
    feed.set_server(|server| {
        server.limits = vec![Limit::requests(60, 6_000)];
    });
    let mirror = Mirror::with(&feed, |settings| {
        settings.resources = vec!["Property"];
        settings.set("page_size", 10);
        settings.set("max_concurrent", 1);
    });
    let started = Instant::now();
    mirror.sync_full();
    let took = started.elapsed();
    let requests = feed.request_count();
    assert!(
        feed.answered_429() <= 1,
        "{} were answered 429",
        feed.answered_429()
    );
    let least = Duration::from_secs(6) * ((requests - 1) / 60) as u32;
    assert!(
        requests > 120 && took >= least,
        "{requests} requests in {took:?}"
    );
    // A busy machine makes the run longer, but not the waiting for the budget. With one
    // request at a time, no two waits overlap.
    let waited = number(&mirror.open(), "SELECT sum(throttled_ms) FROM sync_runs");
    let waited = Duration::from_millis(waited as u64);
    assert!(
        waited <= least.mul_f64(1.1),
        "{requests} requests after {waited:?} of waiting, at least {least:?}"
    );
}

#[test]
fn a_wait_for_the_limits_is_said_once_with_its_end_and_status_shows_it() {
    let feed = feed(20);
    let mirror = Mirror::with(&feed, |settings| settings.set("requests_per_minute", 8));
    let running = mirror.start(&["sync"]);
    wait_until("the budget is spent", || feed.request_count() == 8);
    let checking = mirror.start(&["check"]);
    let until = Instant::now() + Duration::from_secs(1);
    wait_until("a second has passed", || Instant::now() > until);
    let json = mirror.run(&["status", "--json"]).json();
    let opens = json["budget"][0]["opens_at"].as_str().expect("a time");
    let shown = mirror.run(&["status"]).stdout;
    let local = in_denver(opens);
    assert!(
        shown.contains(&format!("0 of 8 this minute until {local}")),
        "{shown}"
    );
    let opens = instant(&format!("{}Z", opens.replace(' ', "T")));
    let left = (opens - chrono::Utc::now()).num_seconds();
    assert!((1..61).contains(&left), "{left} s");
    for running in [running, checking] {
        running.signal("TERM");
        let said = running.wait().stderr;
        let waits = said.matches("the rate limits allow no request now; waiting until");
        assert_eq!(waits.count(), 1, "{said}");
    }
    assert_eq!(feed.request_count(), 8);
}

#[test]
fn waits_of_parallel_requests_count_once_and_an_even_pace_is_no_message() {
    let feed = feed_with(400, |options| options.photos = 0);
    let mirror = Mirror::with(&feed, |settings| {
        settings.resources = vec!["Property"];
        settings.set("page_size", 10);
        settings.set("requests_per_second", 20);
    });
    let started = Instant::now();
    let ended = mirror.sync_full();
    let took = started.elapsed().as_millis() as i64;
    assert!(!ended.stderr.contains("waiting until"), "{ended}");
    let waited = number(&mirror.open(), "SELECT sum(throttled_ms) FROM sync_runs");
    assert!((100..took).contains(&waited), "{waited} of {took} ms");
}
