//! No answer of a server makes a sync take much memory, or ask without end.

use std::io::Write as _;

use axum::response::Response;
use serde_json::json;

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
    // Twenty listings have 40 MB.
    let proxy = Proxy::of(&feed, |answer| {
        if answer.request.contains("$expand=") {
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
    let pages = pages_of(&feed, "Property").len();
    // Two sweeps find out that 20 are too many, and the end is read twice.
    assert_eq!(pages, 2 + 45 / 5 + 2);
}
