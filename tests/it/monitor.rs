//! The monitor reports each status change once, and again if a report failed.

use serde_json::{Value as Json, json};

use crate::support::*;
use simulator::Simulator;

fn set_status(feed: &Simulator, key: i64, status: &str) {
    let change = fields(json!({ "StandardStatus": status }));
    feed.edit("Property", &key.to_string(), change).unwrap();
}

/// Creates a mirror with all rows, and listings with a known status and address.
fn filled(feed: &Simulator, monitor: &str) -> Mirror {
    let keys = feed.listing_keys();
    for key in &keys {
        set_status(feed, *key, "Active");
    }
    let grid = json!({
        "StreetNumber": "1234", "StreetDirPrefix": "S", "StreetName": "500", "StreetSuffix": null,
        "CrossStreet": "500", "StreetDirSuffix": "E", "UnitNumber": null, "City": "Provo",
    });
    let street = json!({
        "StreetNumber": "12", "StreetDirPrefix": null, "StreetName": "Main", "StreetSuffix": "ST",
        "CrossStreet": "100", "StreetDirSuffix": null, "UnitNumber": "4B", "City": "Ogden",
    });
    feed.edit("Property", &keys[0].to_string(), fields(grid))
        .unwrap();
    feed.edit("Property", &keys[1].to_string(), fields(street))
        .unwrap();
    let mirror = Mirror::with(feed, |settings| {
        settings.sync = format!("\n[monitor]\n{monitor}\n");
    });
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    mirror
}

#[test]
fn each_wanted_status_change_is_reported_once_with_the_address() {
    let feed = feed(20);
    let mirror = filled(
        &feed,
        "transitions = [\"active>PENDING\", \"Pending>Closed\", \"Active > ActiveUnderContract\"]",
    );
    let keys = feed.listing_keys();
    set_status(&feed, keys[0], "Pending");
    set_status(&feed, keys[1], "Active Under Contract");
    set_status(&feed, keys[2], "Withdrawn");
    let ended = mirror.sync_ends(0, &["monitor"]);
    let reported = |part: String| assert!(ended.stdout.contains(&part), "no `{part}`: {ended}");
    reported(format!(
        "listing {}, 1234 S 500 E, Provo: Active → Pending\n",
        keys[0]
    ));
    reported(format!(
        "listing {}, 12 Main ST 4B, Ogden: Active → Active Under Contract\n",
        keys[1]
    ));
    assert!(!ended.stdout.contains("Withdrawn"), "{ended}");
    let again = mirror.sync_ends(0, &["monitor"]);
    assert!(!again.stdout.contains("→"), "{again}");

    feed.advance(chrono::Duration::hours(1));
    set_status(&feed, keys[0], "Closed");
    // The monitor also reports changes that another job found.
    mirror.sync();
    let json = mirror.sync_ends(0, &["monitor", "--json"]).json();
    let reported = json["transitions"].as_array().unwrap();
    assert_eq!(reported.len(), 1, "{reported:?}");
    let reported = (
        &reported[0]["from"],
        &reported[0]["to"],
        &reported[0]["address"],
        &reported[0]["listing_key"],
    );
    let key = Json::from(keys[0].to_string());
    let expected = (
        &json!("Pending"),
        &json!("Closed"),
        &json!("1234 S 500 E"),
        &key,
    );
    assert_eq!(reported, expected);
}

#[test]
fn a_command_gets_one_json_line_per_change_and_failed_ones_again() {
    let feed = feed(20);
    let command = r#"command = ["sh", "-c", "cat >> reported.jsonl; test -e works"]"#;
    let mirror = filled(&feed, command);
    let reported = || -> Vec<Json> {
        let text = std::fs::read_to_string(mirror.folder.path().join("reported.jsonl")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let keys = feed.listing_keys();
    set_status(&feed, keys[0], "Pending");
    let ended = mirror.sync_ends(3, &["monitor"]);
    ended.says(
        3,
        &[
            "1 status change was not reported",
            "monitor.command `sh` failed",
            "the next run reports them again",
        ],
    );
    assert_eq!(reported().len(), 1);
    feed.advance(chrono::Duration::minutes(5));
    set_status(&feed, keys[3], "Expired");
    mirror.sync_ends(3, &["monitor"]);
    assert_eq!(reported().len(), 3, "both are reported");
    std::fs::write(mirror.folder.path().join("works"), "").unwrap();
    mirror.sync_ends(0, &["monitor"]);
    mirror.sync_ends(0, &["monitor"]);
    let reported = reported();
    assert_eq!(reported.len(), 5, "and then no more");
    let last: Vec<&Json> = reported[3..]
        .iter()
        .map(|line| &line["listing_key"])
        .collect();
    assert_eq!(
        last,
        [&json!(keys[0].to_string()), &json!(keys[3].to_string())]
    );
}

#[test]
fn changes_are_printed_once_although_the_program_is_missing_for_a_while() {
    let feed = feed(20);
    let mirror = filled(&feed, "command = [\"./absent\"]");
    set_status(&feed, feed.listing_keys()[0], "Pending");
    for _ in 0..2 {
        let ended = mirror.sync_ends(3, &["monitor"]);
        ended.says(3, &["monitor.command `./absent`"]);
        assert!(!ended.stdout.contains("→"), "{ended}");
        let ended = mirror.sync_ends(3, &["monitor", "--json"]);
        assert_eq!(ended.json()["transitions"], json!([]), "{ended}");
    }
    mirror.run_script("printf '#!/bin/sh\ncat > /dev/null\n' > absent; chmod +x absent");
    let ended = mirror.sync_ends(0, &["monitor", "--json"]);
    let lines = ended.json()["transitions"].clone();
    assert_eq!(lines.as_array().unwrap().len(), 1, "{ended}");
    let ended = mirror.sync_ends(0, &["monitor", "--json"]);
    assert_eq!(ended.json()["transitions"], json!([]), "{ended}");
}

#[test]
fn the_command_gets_changes_that_cannot_be_printed() {
    let feed = feed(20);
    let keys = feed.listing_keys();
    let full = "\"$0\" sync monitor > /dev/full";
    let mirror = filled(&feed, r#"command = ["sh", "-c", "cat >> reported.jsonl"]"#);
    set_status(&feed, keys[0], "Pending");
    mirror.run_script(full);
    let reported = std::fs::read_to_string(mirror.folder.path().join("reported.jsonl")).unwrap();
    assert_eq!(reported.lines().count(), 1, "{reported}");
    // Without one, the change is reported again.
    let mirror = filled(&feed, "");
    feed.advance(chrono::Duration::minutes(5));
    set_status(&feed, keys[3], "Expired");
    mirror.run_script(full);
    let ended = mirror.sync_ends(0, &["monitor"]);
    assert!(ended.stdout.contains("→ Expired"), "{ended}");
}

#[test]
fn the_monitor_requests_only_listings_and_skips_none() {
    let feed = feed_with(30, |options| options.photos = 5);
    let mirror = Mirror::with(&feed, |settings| settings.resources = ALL.to_vec());
    mirror.sync();
    for _ in 0..3 {
        feed.advance(chrono::Duration::hours(1));
        feed.move_market(40);
        feed.clear_requests();
        mirror.sync_ends(0, &["monitor"]);
        for request in feed.requests() {
            // A child that a listing no longer lists is asked for by its key, together with any
            // other child.
            let is_by_key = request.query.starts_with("$top=1&")
                || ["Key eq '", "Key in"]
                    .iter()
                    .any(|part| request.query.contains(part));
            let is_of_listings =
                request.path.ends_with("/Property") || request.path.ends_with("/$metadata");
            assert!(is_of_listings || is_by_key, "{request:?}");
        }
    }
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &ALL);
    let twice = "SELECT count(*) FROM (SELECT 1 FROM changes
                 GROUP BY run_id, resource, record_key, change, field HAVING count(*) > 1)";
    assert_eq!(number(&mirror.open(), twice), 0);
}

#[test]
fn the_monitor_fills_an_empty_mirror() {
    let feed = feed(20);
    let mirror = Mirror::of(&feed);
    mirror.sync_ends(0, &["monitor"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let mirror = Mirror::with(&feed, |settings| settings.resources = vec!["Member"]);
    mirror
        .sync_ends(2, &["monitor"])
        .says(2, &["add Property to sync.resources"]);
}
