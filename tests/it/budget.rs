//! The rate budget, which all processes share over time, and the vendor's limit.

use std::time::{Duration, Instant};

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
    let asked = feed.request_count();
    wait_until("the program waits", || feed.request_count() > asked);
    running.signal("TERM");
    running.wait();
    let asked = feed.request_count();
    let running = mirror.start(&["sync"]);
    wait_until("it has begun", || {
        number(&mirror.open(), "SELECT count(*) FROM _leases") == 1
    });
    let until = Instant::now() + Duration::from_secs(1);
    wait_until("a second has passed", || Instant::now() > until);
    assert_eq!(feed.request_count(), asked);
    running.signal("TERM");
    running.wait();
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
        server.limits.per_window = 60;
        server.limits.window_ms = 6_000;
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
