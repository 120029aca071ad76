//! A sync that was killed or stopped resumes at its checkpoint.

use rusqlite::types::Value as Sql;
use serde_json::json;
use simulator::{Fault, FaultRule, RetryAfter, Simulator};

use crate::moves::{assert_log_equals_the_difference, copy};
use crate::support::*;

/// Lets this number of listing pages pass. Later pages never end.
pub fn stall_after(feed: &Simulator, pages: u64) {
    feed.fault(FaultRule {
        path_contains: Some("$expand".to_owned()),
        skip: pages,
        ..FaultRule::always(Fault::Stall)
    });
}

/// Creates a mirror that reads one page at a time, so that the read pages are known.
pub fn one_by_one(feed: &Simulator) -> Mirror {
    Mirror::with(feed, |settings| settings.set("max_concurrent", 1))
}

/// Starts `sync` and sends it a signal once this number of listing pages is committed.
fn stop_sync_after(mirror: &Mirror, feed: &Simulator, pages: u64, signal: &str) -> Ended {
    stall_after(feed, pages);
    let running = mirror.start(&["sync"]);
    mirror.wait_for_pages("Property", pages as i64);
    running.signal(signal);
    running.wait()
}

/// Syncs without faults, and fails unless it reads only the rest of the listing pages.
/// A sync may request the empty last page twice.
fn sync_the_rest(mirror: &Mirror, feed: &Simulator, rest: std::ops::RangeInclusive<usize>) {
    feed.clear_faults();
    feed.clear_requests();
    mirror.sync();
    let pages = pages_of(feed, "Property").len();
    assert!(
        rest.contains(&pages),
        "read {pages} pages, expected {rest:?}"
    );
}

fn statuses(mirror: &Mirror) -> Vec<String> {
    texts(
        &mirror.open(),
        "SELECT status FROM sync_runs WHERE resource = 'Property' AND job = 'full' ORDER BY id",
    )
}

fn assert_resumed(mirror: &Mirror, feed: &Simulator) {
    let db = mirror.open();
    assert_mirror_equals_feed(&db, feed, &MAIN);
    assert_eq!(statuses(mirror), ["interrupted", "succeeded"]);
    assert_eq!(
        number(&db, "SELECT count(*) FROM listings"),
        feed.count("Property") as i64
    );
    assert_eq!(
        number(&db, "SELECT count(*) FROM media"),
        feed.count("Media") as i64
    );
    assert_eq!(number(&db, "SELECT count(*) FROM changes"), 0);
    let open = "SELECT count(*) FROM sync_runs WHERE checkpoint IS NOT NULL OR status = 'running'";
    assert_eq!(number(&db, open), 0);
}

#[test]
fn a_killed_sync_resumes_at_its_checkpoint() {
    let feed = feed(300);
    let mirror = one_by_one(&feed);
    let ended = stop_sync_after(&mirror, &feed, 11, "KILL");
    assert_eq!(ended.code, None, "{ended}");
    assert_eq!(live(&mirror.open(), "Property"), 220);

    sync_the_rest(&mirror, &feed, 4..=6);
    assert_resumed(&mirror, &feed);
}

#[test]
fn a_killed_sync_resumes_each_of_its_ranges() {
    let feed = feed(480);
    let mirror = Mirror::of(&feed);
    stop_sync_after(&mirror, &feed, 13, "KILL");

    sync_the_rest(&mirror, &feed, 11..=15);
    assert_resumed(&mirror, &feed);
}

#[test]
fn a_sync_killed_at_any_page_resumes_and_equals_the_feed() {
    for pages in 1..5 {
        let feed = feed(100);
        let mirror = one_by_one(&feed);
        stop_sync_after(&mirror, &feed, pages, "KILL");
        feed.clear_faults();
        mirror.sync();
        assert_resumed(&mirror, &feed);
    }
}

#[test]
fn a_signal_ends_a_sync_after_the_current_page() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let feed = feed(160);
        let mirror = one_by_one(&feed);
        let ended = stop_sync_after(&mirror, &feed, 3, signal);
        assert_eq!(ended.code, Some(code), "{ended}");
        let db = mirror.open();
        assert_eq!(statuses(&mirror), ["interrupted"]);
        assert_eq!(live(&db, "Property"), 60);
        assert!(mirror.lease("sync").is_none());

        sync_the_rest(&mirror, &feed, 5..=7);
        assert_resumed(&mirror, &feed);
    }
}

#[test]
fn a_failed_sync_resumes_too() {
    let feed = feed(160);
    let mirror = one_by_one(&feed);
    feed.fault(FaultRule {
        path_contains: Some("$expand".to_owned()),
        skip: 5,
        ..FaultRule::always(Fault::TooMany {
            retry_after: RetryAfter::None,
        })
    });
    mirror.sync_ends(1, &[]);
    assert_eq!(statuses(&mirror), ["failed"]);
    sync_the_rest(&mirror, &feed, 3..=5);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn changes_during_an_interrupted_sweep_are_read_when_it_resumes() {
    for job in [&["sync"][..], &["sync", "full"], &["sync", "reconcile"]] {
        let feed = feed(200);
        let mirror = one_by_one(&feed);
        let is_reconcile = job.ends_with(&["reconcile"]);
        if is_reconcile {
            mirror.sync();
        }
        feed.fault(FaultRule {
            path_contains: Some("Property?".to_owned()),
            skip: 6,
            ..FaultRule::always(Fault::Status(503))
        });
        mirror.run(job).says(if is_reconcile { 3 } else { 1 }, &[]);
        // A reconcile has all changes, because the sweep has passed them.
        let keys = feed.listing_keys();
        feed.advance(chrono::Duration::hours(3));
        let price = fields(json!({ "ListPrice": 1_000 }));
        feed.edit("Property", &keys[3].to_string(), price).unwrap();
        feed.delete("Property", &keys[4].to_string(), true).unwrap();
        feed.add_photo(keys[5], true).unwrap();
        feed.clear_faults();
        mirror.run(job).says(0, &[]);
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn a_field_declared_during_an_interrupted_sweep_is_read_for_all_records() {
    let feed = feed(200);
    let mirror = one_by_one(&feed);
    feed.fault(FaultRule {
        path_contains: Some("Property?".to_owned()),
        skip: 6,
        ..FaultRule::always(Fault::Status(503))
    });
    mirror.sync_ends(1, &["full"]);
    feed.clear_faults();
    feed.declare_field("Property", "Declared1", "Edm.String")
        .unwrap();
    feed.declare_field("Media", "Declared2", "Edm.Int32")
        .unwrap();
    mirror.sync_full();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn silent_changes_during_an_interrupted_sync_are_read_by_the_next_ones() {
    let feed = feed(200);
    let mirror = one_by_one(&feed);
    mirror.sync();
    let before = copy(&mirror.open(), &MAIN);
    let keys = feed.listing_keys();
    feed.delete("Property", &keys[5].to_string(), false)
        .unwrap();
    feed.move_market(40);
    stall_after(&feed, 4);
    let running = mirror.start(&["sync", "full"]);
    wait_until("the second run has read 4 pages", || {
        let run = last_run(&mirror.open(), "Property");
        run["status"] == Sql::Text("running".to_owned()) && run["pages"] == Sql::Integer(4)
    });
    running.signal("KILL");
    running.wait();
    // One record before the checkpoint and one after it.
    feed.delete("Property", &keys[10].to_string(), false)
        .unwrap();
    feed.delete("Property", &keys[190].to_string(), false)
        .unwrap();
    feed.move_market(40);
    feed.clear_faults();
    mirror.sync_full();
    mirror.sync_full();
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_log_equals_the_difference(&db, 0, &before, &copy(&db, &MAIN));
    let gone = [5, 10, 190].map(|at| keys[at].to_string()).join("','");
    let logged = format!(
        "SELECT count(*) FROM changes WHERE change = 'delete' AND record_key IN ('{gone}')"
    );
    assert_eq!(number(&db, &logged), 3);
}

#[test]
fn a_killed_sync_resumes_with_next_links_too() {
    let feed = feed(160);
    let mirror = Mirror::with(&feed, |settings| {
        settings.set("profile", "\"reso\"");
        settings.set("max_concurrent", 1);
    });
    feed.set_server(|server| {
        server.page_cap = Some(20);
        server.refuse_orderby = true;
    });
    // One request is refused because of its order.
    stall_after(&feed, 5 + 1);
    let running = mirror.start(&["sync"]);
    mirror.wait_for_pages("Property", 5);
    running.signal("KILL");
    running.wait();
    sync_the_rest(&mirror, &feed, 3..=5);
    assert_resumed(&mirror, &feed);
}
