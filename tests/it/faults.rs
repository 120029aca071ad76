//! The mirror survives or reports every kind of bad answer, and never sends its token elsewhere.

use std::time::Duration;

use rusqlite::types::Value as Sql;
use simulator::{Fault, FaultRule, RetryAfter, Simulator};

use crate::support::*;

/// Faults that a retry may fix.
fn passing() -> Vec<Fault> {
    let mut faults: Vec<Fault> = [500, 502, 503, 504, 408].map(Fault::Status).into();
    let pauses = [
        RetryAfter::None,
        RetryAfter::Seconds(0),
        RetryAfter::Date(0),
        RetryAfter::XHeader(0),
    ];
    faults.extend(pauses.map(|retry_after| Fault::TooMany { retry_after }));
    faults.extend([
        Fault::HtmlOk,
        Fault::EmptyOk,
        Fault::HalfDocument,
        Fault::CutBody,
        Fault::Reset,
    ]);
    faults
}

#[test]
fn one_bad_answer_anywhere_is_requested_again() {
    let feed = feed_with(45, |options| options.photos = 1);
    for (at, fault) in passing().into_iter().enumerate() {
        let places = [
            ("$metadata", 0),
            ("/Property?", 0),
            ("$expand", 0),
            ("$expand", 1),
        ];
        let first = if runs_all() { 0 } else { at % 4 };
        for (place, skip) in sample(places.into_iter().skip(first), 4) {
            feed.clear_faults();
            feed.clear_requests();
            let asked = feed.request_count();
            let once = FaultRule::once(fault.clone());
            feed.fault(FaultRule {
                path_contains: Some(place.to_owned()),
                skip,
                ..once
            });
            let mirror = Mirror::of(&feed);
            let ended = mirror.run(&["sync"]);
            assert_eq!(ended.code, Some(0), "{fault:?} at {place} {skip}: {ended}");
            let db = mirror.open();
            assert_eq!(
                number(&db, "SELECT sum(retries) FROM sync_runs"),
                1,
                "{fault:?} at {place} {skip}"
            );
            let asked = feed.request_count() - asked;
            assert_eq!(
                number(&db, "SELECT sum(requests) FROM sync_runs"),
                asked as i64
            );
            assert_mirror_equals_feed(&db, &feed, &MAIN);
        }
    }
}

#[test]
fn one_bad_answer_in_six_is_survived() {
    for (seed, fault) in sample(passing().into_iter().enumerate(), 3) {
        let feed = feed_with(120, |options| {
            options.photos = 1;
            options.seed = seed as u64 + 1;
        });
        feed.fault(FaultRule {
            one_in: 6,
            ..FaultRule::always(fault.clone())
        });
        let mirror = Mirror::with(&feed, |settings| settings.set("max_retries", 12));
        let ended = mirror.run(&["sync"]);
        assert_eq!(ended.code, Some(0), "{fault:?}: {ended}");
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn a_page_with_another_content_type_is_read() {
    let feed = feed(50);
    feed.fault(FaultRule::always(Fault::WrongContentType));
    let mirror = Mirror::of(&feed);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn the_pause_that_a_429_asks_for_is_kept_by_the_feeds_clock() {
    for retry_after in [
        RetryAfter::Seconds(1),
        RetryAfter::Date(1),
        RetryAfter::XHeader(1),
    ] {
        let feed = feed(30);
        let once = FaultRule::once(Fault::TooMany { retry_after });
        feed.fault(FaultRule {
            path_contains: Some("$expand".to_owned()),
            ..once
        });
        let mirror = Mirror::of(&feed);
        mirror.sync();
        let db = mirror.open();
        let throttled = number(
            &db,
            "SELECT throttled_ms FROM sync_runs WHERE resource = 'Property' AND job = 'full'",
        );
        assert!(
            (950..10_000).contains(&throttled),
            "{retry_after:?}: {throttled} ms"
        );
        assert_mirror_equals_feed(&db, &feed, &MAIN);
    }
}

#[test]
fn a_permanent_error_is_not_retried_and_the_next_run_completes() {
    for (status, code) in [(401, 5), (403, 5), (404, 1)] {
        let feed = feed(50);
        feed.fault(FaultRule {
            path_contains: Some("$orderby=ListingKeyNumeric".to_owned()),
            ..FaultRule::always(Fault::Status(status))
        });
        let mirror = Mirror::with(&feed, |settings| settings.resources = vec!["Property"]);
        let ended = mirror.sync_ends(code, &[]);
        ended.says(
            code,
            &[
                "Property: ",
                &status.to_string(),
                "This is a simulated fault",
            ],
        );
        assert_eq!(
            pages_of(&feed, "Property").len(),
            1,
            "{status} was asked for again"
        );
        let run = last_run(&mirror.open(), "Property");
        assert_eq!(run["status"], Sql::Text("failed".to_owned()));
        assert_eq!(run["watermark_after"], Sql::Null);

        feed.clear_faults();
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &["Property"]);
    }
}

#[test]
fn a_feed_that_stays_down_is_retried_as_often_as_configured() {
    let feed = feed(50);
    feed.fault(FaultRule {
        path_contains: Some("$orderby=ListingKeyNumeric".to_owned()),
        ..FaultRule::always(Fault::Status(503))
    });
    let mirror = Mirror::with(&feed, |settings| {
        settings.resources = vec!["Property"];
        settings.set("max_retries", 4);
    });
    mirror.sync_ends(1, &[]).says(1, &["after 5 tries", "503"]);
    assert_eq!(pages_of(&feed, "Property").len(), 5);
}

#[test]
fn an_answer_without_end_is_refused_and_the_next_run_completes() {
    let feed = feed(50);
    feed.fault(FaultRule {
        path_contains: Some("/Property?".to_owned()),
        ..FaultRule::always(Fault::Oversized(300 << 20))
    });
    let mirror = Mirror::of(&feed);
    mirror
        .sync_ends(1, &[])
        .says(1, &["the answer is too large", "32 MB"]);
    feed.clear_faults();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

/// Syncs with the fault on pages of listings. Fails if a request reaches `other`.
fn sync_past(other: &Simulator, feed: &Simulator, fault: Fault, profile: &str) -> (Mirror, Ended) {
    feed.fault(FaultRule {
        path_contains: Some("$expand".to_owned()),
        ..FaultRule::always(fault)
    });
    let mirror = Mirror::with(feed, |settings| {
        settings.set("profile", format!("{profile:?}"))
    });
    let ended = mirror.run(&["sync"]);
    assert_eq!(
        other.request_count(),
        0,
        "something was asked of the other host"
    );
    (mirror, ended)
}

#[test]
fn a_request_that_is_refused_in_every_form_is_not_retried() {
    let feed = feed(50);
    feed.fault(FaultRule {
        path_contains: Some("Property?".to_owned()),
        ..FaultRule::always(Fault::Status(400))
    });
    let mirror = Mirror::with(&feed, |settings| settings.resources = vec!["Property"]);
    let ended = mirror.sync_ends(1, &[]);
    ended.says(1, &["Property: ", "400", "This is a simulated fault"]);
    // With and without an order, and each with and without a count.
    assert_eq!(
        feed.requests()
            .iter()
            .filter(|request| request.path.ends_with("/Property"))
            .count(),
        4
    );
    feed.clear_faults();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Property"]);
}

#[test]
fn a_redirect_to_another_host_is_not_followed() {
    let other = feed(30);
    for profile in ["wfrmls", "reso"] {
        let feed = feed(30);
        let away = format!("{}/Property", other.base_url());
        let (mirror, ended) = sync_past(&other, &feed, Fault::RedirectTo(away), profile);
        ended.says(1, &["pointed to another host", "feed.base_url"]);
        feed.clear_faults();
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn a_next_link_to_another_host_is_not_followed() {
    let other = feed(30);
    let feed = feed_with(30, |options| options.server.refuse_orderby = true);
    let away = format!("{}/Property", other.base_url());
    let (mirror, ended) = sync_past(&other, &feed, Fault::ForeignNextLink(away), "reso");
    ended.says(1, &["pointed to another host"]);
    feed.clear_faults();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn keyset_paging_ignores_the_next_link() {
    let other = feed(30);
    let feed = feed(30);
    let away = format!("{}/Property", other.base_url());
    let (mirror, ended) = sync_past(&other, &feed, Fault::ForeignNextLink(away), "wfrmls");
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn incomplete_metadata_is_refused() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    feed.set_server(|server| server.metadata_cut = true);
    mirror.sync_ends(1, &[]).says(1, &["$metadata"]);
    feed.set_server(|server| server.metadata_cut = false);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn after_ten_syncs_with_one_bad_answer_in_six_the_mirror_equals_the_feed() {
    let date = |text: &str| Fault::DateHeader(text.parse().unwrap());
    let retries = [
        RetryAfter::None,
        RetryAfter::Seconds(1),
        RetryAfter::Date(1),
        RetryAfter::XHeader(1),
    ];
    let mut kinds = vec![
        Fault::HtmlOk,
        Fault::EmptyOk,
        Fault::HalfDocument,
        Fault::CutBody,
        Fault::Reset,
        Fault::Delay(Duration::from_millis(20)),
        Fault::Stall,
        Fault::RedirectTo("http://127.0.0.1:1/elsewhere".to_owned()),
        Fault::ForeignNextLink("http://127.0.0.1:1/elsewhere".to_owned()),
        Fault::Oversized(1 << 20),
        Fault::WrongContentType,
        date("2031-01-01T00:00:00Z"),
        date("2001-01-01T00:00:00Z"),
    ];
    kinds.extend([400, 401, 403, 404, 408, 500, 502, 503, 504].map(Fault::Status));
    kinds.extend(retries.map(|retry_after| Fault::TooMany { retry_after }));
    for profile in ["\"wfrmls\"", "\"reso\""] {
        let feed = feed(150);
        let mirror = Mirror::with(&feed, |settings| {
            settings.set("profile", profile);
            settings.set("timeout", "\"1s\"");
            settings.set("page_size", 7);
            settings.set("max_retries", 1);
            settings.sync = "max_delete_percent = 100\n".to_owned();
        });
        let mut codes = Vec::new();
        for kind in &kinds {
            feed.fault(FaultRule {
                one_in: 6 * kinds.len() as u64,
                ..FaultRule::always(kind.clone())
            });
        }
        for round in 0..10 {
            let jobs: [&[&str]; 2] = [&["--json", "sync"], &["--json", "sync", "full"]];
            let ended = mirror.run(jobs[round % 2]);
            let json = ended.json();
            let code = ended.code.unwrap();
            assert_eq!(json["exit_code"], code, "{profile}, sync {round}: {ended}");
            match code {
                0 => {
                    assert_eq!(json["status"], "succeeded");
                    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
                }
                1 | 5 => assert!(ended.stderr.contains("mlsmirror: "), "{ended}"),
                3 => {
                    assert_eq!(json["status"], "partial");
                    let runs = json["runs"].as_array().unwrap();
                    assert!(runs.iter().any(|run| !run["error"].is_null()), "{ended}");
                }
                code => panic!("{profile}, sync {round} ended with {code}: {ended}"),
            }
            codes.push(code);
            feed.advance(chrono::Duration::hours(1));
            feed.move_market(20);
        }
        let (hits, asked) = (feed.fault_hits(), feed.request_count());
        println!("{profile}: {codes:?}, {hits} of {asked} answers");
        assert!(hits * 12 > asked, "{hits} of {asked} answers were faulty");
        feed.clear_faults();
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}
