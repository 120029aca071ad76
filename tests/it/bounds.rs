//! No answer of a server makes a sync take much memory, or ask without end.

use std::io::Write as _;

use axum::response::Response;
use serde_json::{Value as Json, json};
use simulator::Simulator;

use crate::support::*;

/// The most memory that a sync may take, in kilobytes.
const MEMORY_KB: u64 = 300_000;

const MB: usize = 1 << 20;

/// Returns a gzip body: `start`, `part` again and again up to a number of bytes, and `end`.
fn packed(start: &str, part: &str, bytes: usize, end: &str) -> Vec<u8> {
    let pack = |text: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    let parts = pack(&part.repeat(MB / part.len()));
    [pack(start), parts.repeat(bytes / MB), pack(end)].concat()
}

/// Runs the program and returns its result with the most memory that it took, in kilobytes.
fn run_measured(mirror: &Mirror, arguments: &[&str]) -> (Ended, u64) {
    let running = mirror.start(arguments);
    let status = format!("/proc/{}/status", running.id());
    let mut peak_kb = 0;
    wait_until("the program ends", || {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let words = line.and_then(|line| line.split_whitespace().next());
        match words.and_then(|kb| kb.parse().ok()) {
            Some(kb) => peak_kb = kb,
            // A process that has ended has no memory.
            None => return true,
        }
        false
    });
    (running.wait(), peak_kb)
}

/// Fails if a sync of an answer succeeds, or takes much memory.
#[track_caller]
fn assert_refused(mirror: &Mirror, arguments: &[&str], what: &str) {
    let (ended, peak_kb) = run_measured(mirror, arguments);
    assert_ne!(ended.code, None, "{what}: {ended}");
    assert_ne!(ended.code, Some(0), "{what}: {ended}");
    assert!(peak_kb < MEMORY_KB, "{what}: {peak_kb} kB: {ended}");
}

#[test]
fn no_page_takes_much_memory_whatever_its_values_are() {
    let feed = feed(90);
    let proxy = Proxy::of(&feed, |_| {});
    let record = r#"{"value":[{"ListingKey":"1","ListingKeyNumeric":1,"#;
    let shapes = [
        (240, "numbers", r#"{"value":["#, "1,", "1]}"),
        (6, "empty objects", r#"{"value":["#, "{},", "{}]}"),
        (
            6,
            "records",
            r#"{"value":["#,
            r#"{"ListingKeyNumeric":1},"#,
            "{}]}",
        ),
        (
            12,
            "lists in an undeclared field",
            &format!(r#"{record}"X":["#),
            "[],",
            "[]]}]}",
        ),
        (
            6,
            "objects in an undeclared field",
            &format!(r#"{record}"X":["#),
            r#"{"a":{"":[]}},"#,
            "0]}]}",
        ),
        (6, "undeclared fields", record, r#""x":{},"#, r#""x":0}]}"#),
        (
            6,
            "photos",
            &format!(r#"{record}"Media":["#),
            r#"{"MediaKey":"1"},"#,
            "{}]}]}",
        ),
        (12, "members", "{", r#""a":0,"#, r#""value":[]}"#),
        (
            12,
            "lists in a bad page",
            r#"{"value":[1e999,"#,
            "[],",
            "0]}",
        ),
    ];
    for (bytes, what, start, part, end) in shapes {
        let body = packed(start, part, bytes * MB, end);
        proxy.change(move |answer| {
            let is_page = !["$count=true", " desc"]
                .iter()
                .any(|part| answer.request.contains(part));
            if is_page && answer.is_of("Property") {
                let body = body.clone();
                answer.write = Box::new(move |_| body);
                answer.headers = vec![("content-encoding", "gzip".to_owned())];
            }
        });
        let mirror = Mirror::at(&proxy.base_url, |settings| {
            settings.resources = vec!["Property", "Media"];
            settings.set("max_retries", 0);
            settings.set("page_size", 1);
        });
        assert_refused(&mirror, &["sync"], what);
    }
}

#[test]
fn no_answer_of_another_kind_takes_much_memory() {
    let feed = feed(20);
    let proxy = Proxy::of(&feed, |_| {});
    let body = packed("{\"value\":[", "1,", 240 * MB, "1]}");
    type Chosen = fn(&Answer) -> bool;
    let kinds: [(&str, u16, Chosen); 4] = [
        ("announcements", 200, |answer| answer.is_of("Deleted")),
        ("photos", 200, |answer| answer.is_of("Media")),
        ("an error", 400, |answer| answer.is_of("Property")),
        ("a counted page", 200, |answer| {
            answer.is_of("Property") && answer.request.contains("$count=true")
        }),
    ];
    for (what, status, is_chosen) in kinds {
        proxy.change(|_| {});
        let mirror = Mirror::at(&proxy.base_url, |settings| settings.set("max_retries", 0));
        mirror.sync();
        feed.advance(chrono::Duration::hours(1));
        feed.move_market(40);
        let body = body.clone();
        proxy.change(move |answer| {
            if is_chosen(answer) {
                let body = body.clone();
                answer.status = status;
                answer.write = Box::new(move |_| body);
                answer.headers = vec![("content-encoding", "gzip".to_owned())];
            }
        });
        assert_refused(&mirror, &["sync"], what);
    }
}

#[test]
fn no_metadata_takes_much_memory() {
    let open = "<Edmx><DataServices><Schema>";
    let close = "</Schema></DataServices></Edmx>";
    for (what, start, part, end) in [
        ("elements", open, "<a/>", close),
        (
            "attributes",
            "<Edmx><DataServices><Schema ",
            "a='' ",
            "/></DataServices></Edmx>",
        ),
        (
            "fields",
            "<Edmx><DataServices><Schema><EntityType Name='Property'>",
            "<Property Name='A' Type='Edm.String'/>",
            "</EntityType></Schema></DataServices></Edmx>",
        ),
    ] {
        for bytes in [12 * MB, 240 * MB] {
            let body = packed(start, part, bytes, end);
            let url = serve(move |_, _| {
                let response = Response::builder().header("content-encoding", "gzip");
                response.body(body.clone().into()).unwrap()
            });
            let mirror = Mirror::at(&url, |settings| settings.set("max_retries", 0));
            assert_refused(&mirror, &["sync"], what);
        }
    }
}

#[test]
fn a_page_that_is_too_large_is_asked_for_in_smaller_pages() {
    let feed = feed(45);
    // Twenty listings have 40 MB, also without photos, so that these never come faster separately.
    let proxy = Proxy::of(&feed, |answer| {
        if answer.request.contains("/Property?") {
            for record in answer.records() {
                record["Filler@mls.text"] = json!("x".repeat(2 * MB));
            }
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.set("max_concurrent", 1)
    });
    let ended = mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert!(ended.stderr.contains("smaller pages"), "{ended}");
    let pages = pages_of(&feed, "Property").into_iter();
    let pages = pages.filter(|page| page.query.contains("$expand")).count();
    // Two sweeps find out that 20 are too many, and the end is read once without a count.
    assert_eq!(pages, 2 + 45 / 5 + 1);
}

/// Syncs behind a proxy, and fails unless the sync ends with 3 after few requests.
#[track_caller]
fn assert_ends(feed: &Simulator, what: &str, change: impl FnMut(&mut Answer) + Send + 'static) {
    let proxy = Proxy::of(feed, change);
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.resources = vec!["Property", "Media"];
    });
    let ended = mirror.run(&["sync"]);
    let requests = proxy.seen().len();
    assert_eq!(ended.code, Some(3), "{what}, {requests} requests: {ended}");
    assert!(requests <= 150, "{what}: {requests} requests");
}

/// The answers of links without end: no records, the same records again and again, or
/// new records.
const ENDLESS: [&str; 4] = ["nothing", "alternating records", "new records", "one link"];

/// Makes an answer one of a chain without end. `pages` are two pages of the feed.
fn chain(answer: &mut Answer, what: &str, pages: &[Vec<Record>; 2], key: &str, number: usize) {
    let mut records = pages[number % 2].clone();
    for (at, record) in records.iter_mut().enumerate() {
        if what == "nothing" {
            record.clear();
        } else if what == "new records" {
            let new = 5_000_000 + 100 * number + at;
            record.insert(key.to_owned(), json!(new.to_string()));
            if key == "ListingKey" {
                record.insert("ListingKeyNumeric".to_owned(), json!(new));
            }
        }
    }
    records.retain(|record| !record.is_empty());
    let set = answer.request.split('?').next().unwrap().to_owned();
    let set = set.rsplit('/').next().unwrap();
    let token = if what == "one link" { 0 } else { number };
    answer.status = 200;
    answer.body = json!({ "value": records, "@odata.nextLink": format!("{set}?token={token}") });
}

fn two_pages(feed: &Simulator, entity_set: &str) -> [Vec<Record>; 2] {
    let records = feed.truth(entity_set);
    [records[..20].to_vec(), records[20..40].to_vec()]
}

#[test]
fn links_of_pages_without_end_are_followed_as_far_as_the_count_allows() {
    for what in ENDLESS {
        let feed = feed_with(90, |options| {
            options.server.page_cap = Some(20);
            options.server.refuse_orderby = true;
        });
        let (pages, mut number) = (two_pages(&feed, "Property"), 0);
        assert_ends(&feed, what, move |answer| {
            // The server refuses `$orderby`, with and without a count.
            let asked = &answer.request;
            let is_page = !asked.contains("$count=true") && !asked.contains("$orderby=");
            if answer.is_of("Property") && is_page {
                number += 1;
                chain(answer, what, &pages, "ListingKey", number);
            }
        });
    }
}

#[test]
fn links_of_children_without_end_are_followed_as_far_as_the_count_allows() {
    for what in ENDLESS {
        let feed = feed(90);
        let (pages, mut number) = (two_pages(&feed, "Media"), 0);
        assert_ends(&feed, what, move |answer| {
            if answer.is_of("Property") && answer.request.contains("$expand=") {
                for record in answer.records() {
                    record["Media@odata.nextLink"] = json!("Media?token=0");
                }
            } else if answer.request.contains("token=") {
                number += 1;
                chain(answer, what, &pages, "MediaKey", number);
            }
        });
    }
}

#[test]
fn announcements_without_end_are_read_as_far_as_they_are_new() {
    let feed = feed(90);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    let mut number = 0;
    proxy.change(move |answer| {
        if answer.is_of("Deleted") {
            number += 1;
            let entry = |key: usize| {
                let key = (key + 10 * (number % 2)).to_string();
                json!({ "resource": "Property", "primary_key": key, "ts": "2026-03-01T00:00:00Z" })
            };
            let entries: Vec<Json> = (1..8).map(entry).collect();
            answer.body = json!({ "value": entries, "@odata.count": 1_000 });
        }
    });
    let before = proxy.seen().len();
    mirror.sync_ends(3, &[]);
    let requests = proxy.seen().len() - before;
    assert!(requests < 30, "{requests} requests");
}
