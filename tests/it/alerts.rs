//! Alerts report each change once to their programs, and again if a report failed.

use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::{Value as Json, json};

use crate::support::*;
use crate::watch::{schedule_of, stop};
use simulator::Simulator;

/// The program of most alerts: it keeps what it receives.
const KEEP: &str = r#"command = ["sh", "-c", "cat >> reported.jsonl"]"#;

fn edit(feed: &Simulator, key: i64, change: Json) {
    feed.edit("Property", &key.to_string(), fields(change))
        .unwrap();
}

/// Returns a feed of active listings in Sandy with a price of 500,000.
fn sandy(listings: u64) -> Simulator {
    let feed = feed(listings);
    for key in feed.listing_keys() {
        let row = json!({ "StandardStatus": "Active", "City": "Sandy", "ListPrice": 500_000 });
        edit(&feed, key, row);
    }
    feed
}

/// Returns a mirror of the feed with an alert, after its first report.
fn watched(feed: &Simulator, alert: &str) -> Mirror {
    let mirror = Mirror::with(feed, |settings| settings.sync = alert.to_owned());
    mirror.sync_ends(0, &["monitor"]);
    feed.advance(chrono::Duration::hours(1));
    mirror
}

fn alert(name: &str, lines: &str) -> String {
    format!("\n[[alerts]]\nname = \"{name}\"\n{lines}\n{KEEP}\n")
}

/// Returns the lines that the program has received.
fn reported(mirror: &Mirror) -> Vec<Json> {
    let path = mirror.folder.path().join("reported.jsonl");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Returns the kind and the listing of each line.
fn kinds(lines: &[Json]) -> Vec<(String, String)> {
    let text = |line: &Json, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let kind = |line| (text(line, "event"), text(line, "listing_key"));
    lines.iter().map(kind).collect()
}

fn kind(event: &str, key: i64) -> (String, String) {
    (event.to_owned(), key.to_string())
}

fn change_database(mirror: &Mirror, sql: &str) {
    let db = Connection::open(mirror.database_path()).unwrap();
    db.execute_batch(sql).unwrap();
}

#[test]
fn each_kind_of_change_is_reported_once_with_address_values_and_photo() {
    let feed = sandy(20);
    let alerts = alert("all", r#"on = ["new", "price", "status", "deleted"]"#);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = alerts;
        settings.media = true;
    });
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    let keys = feed.listing_keys();
    edit(
        &feed,
        keys[0],
        json!({ "ListPrice": 450_000, "UnparsedAddress": "1 Main St" }),
    );
    edit(&feed, keys[1], json!({ "StandardStatus": "Pending" }));
    feed.delete("Property", &keys[2].to_string(), true).unwrap();
    let new = feed.insert_listing().unwrap();
    mirror.sync();
    mirror.sync_ends(0, &["monitor"]);
    mirror.sync_ends(0, &["monitor"]);

    let lines = reported(&mirror);
    let mut found = kinds(&lines);
    found.sort();
    let mut expected = [
        kind("price", keys[0]),
        kind("status", keys[1]),
        kind("deleted", keys[2]),
        kind("new", new),
    ];
    expected.sort();
    assert_eq!(found, expected);
    let price = lines.iter().find(|line| line["event"] == "price").unwrap();
    assert_eq!(price["alert"], "all");
    assert_eq!(
        (&price["old_value"], &price["new_value"]),
        (&json!(500_000), &json!(450_000))
    );
    assert_eq!(price["city"], "Sandy");
    assert_eq!(price["list_price"], 450_000.0);
    assert!(!price["address"].as_str().unwrap().is_empty(), "{price}");
    let first = "SELECT file_path FROM listing_photos WHERE ListingKey = ";
    let first = text(&mirror.open(), &format!("{first}'{}' LIMIT 1", keys[0]));
    let photo = std::path::Path::new(price["photo_file"].as_str().unwrap());
    assert!(photo.is_file(), "{price}");
    assert!(photo.ends_with(first), "{price}");
    let status = lines.iter().find(|line| line["event"] == "status").unwrap();
    assert_eq!(
        (&status["from"], &status["to"]),
        (&json!("Active"), &json!("Pending"))
    );
}

#[test]
fn the_condition_is_about_the_listing_right_after_the_change() {
    let feed = sandy(6);
    let lines = "on = [\"price\"]\nwhere = \"City = 'Sandy' AND ListPrice < 600000 -- cheap\"";
    let mirror = watched(&feed, &alert("cheap", lines));
    let key = feed.listing_keys()[0];
    // One sync finds each of these changes, and no alert reports them yet.
    for price in [550_000, 700_000, 580_000, 900_000] {
        edit(&feed, key, json!({ "ListPrice": price }));
        feed.advance(chrono::Duration::minutes(5));
        mirror.sync();
    }
    edit(&feed, key, json!({ "City": "Provo" }));
    mirror.sync_ends(0, &["monitor"]);
    let found: Vec<Json> = reported(&mirror)
        .into_iter()
        .map(|line| json!([line["new_value"], line["list_price"], line["city"]]))
        .collect();
    let expected = [
        json!([550_000, 550_000.0, "Sandy"]),
        json!([580_000, 580_000.0, "Sandy"]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn only_the_listed_status_changes_are_reported() {
    let feed = sandy(6);
    let lines = "on = [\"status\", \"price\"]\ntransitions = [\"Active>Pending\"]";
    let mirror = watched(&feed, &alert("pending", lines));
    let keys = feed.listing_keys();
    edit(
        &feed,
        keys[0],
        json!({ "StandardStatus": "Pending", "ListPrice": 1 }),
    );
    edit(&feed, keys[1], json!({ "StandardStatus": "Closed" }));
    mirror.sync_ends(0, &["monitor"]);
    let mut found = kinds(&reported(&mirror));
    found.sort();
    assert_eq!(found, [kind("price", keys[0]), kind("status", keys[0])]);
}

#[test]
fn an_open_house_is_reported_with_its_listing() {
    let feed = sandy(60);
    let lines = "on = [\"open_house\"]\nwhere = \"City = 'Ogden'\"";
    let mirror = Mirror::with(&feed, |settings| settings.sync = alert("visits", lines));
    let house = |record: &Record| record["OpenHouseKey"].as_str().map(str::to_owned);
    let houses = truth(&feed, "OpenHouse");
    let (moved, other) = (&houses[0].1, &houses[houses.len() - 1].1);
    let listing = |record: &Record| key_text(&record["ListingKey"]).parse::<i64>().unwrap();
    assert_ne!(listing(moved), listing(other));
    edit(&feed, listing(moved), json!({ "City": "Ogden" }));
    mirror.sync_ends(0, &["monitor"]);
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    for record in [moved, other] {
        let key = house(record).unwrap_or_else(|| key_text(&record["OpenHouseKey"]));
        let times = json!({
            "OpenHouseStartTime": "2026-03-08T17:00:00Z", "OpenHouseEndTime": "2026-03-08T19:00:00Z",
        });
        feed.edit("OpenHouse", &key, fields(times)).unwrap();
    }
    mirror.sync();
    let ended = mirror.sync_ends(0, &["monitor"]);
    let lines = reported(&mirror);
    assert!(!lines.is_empty(), "{ended}");
    for line in &lines {
        assert_eq!(line["listing_key"], listing(moved).to_string(), "{line}");
        assert_eq!(
            (&line["resource"], &line["city"]),
            (&json!("OpenHouse"), &json!("Ogden"))
        );
        assert_eq!(line["starts_at"], "2026-03-08 17:00:00");
        assert_eq!(line["local_start"], "2026-03-08 11:00:00");
    }
    assert!(
        ended.stdout.contains("open house 2026-03-08 11:00"),
        "{ended}"
    );
}

#[test]
fn the_first_report_covers_the_hour_before() {
    let feed = sandy(6);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = alert("a", "on = [\"price\"]")
    });
    mirror.sync();
    let keys = feed.listing_keys();
    for (index, key) in keys[..2].iter().enumerate() {
        feed.advance(chrono::Duration::hours(1));
        edit(&feed, *key, json!({ "ListPrice": 1_000 + index }));
        // An incremental finds the changes.
        mirror.sync();
        if index == 0 {
            let earlier = "UPDATE changes SET recorded_at = datetime('now', '-61 minutes')";
            change_database(&mirror, earlier);
        }
    }
    mirror.sync_ends(0, &["monitor"]);
    assert_eq!(kinds(&reported(&mirror)), [kind("price", keys[1])]);
}

#[test]
fn an_alert_that_is_new_again_or_edited_reports_nothing_twice() {
    let feed = sandy(6);
    let mut mirror = watched(&feed, &alert("a", "on = [\"price\"]"));
    let keys = feed.listing_keys();
    edit(&feed, keys[0], json!({ "ListPrice": 1 }));
    mirror.sync_ends(0, &["monitor"]);
    // An edited condition holds for the changes that follow.
    let edited = alert("a", "on = [\"price\"]\nwhere = \"ListPrice > 5\"");
    mirror.configure(|settings| settings.sync = edited);
    edit(&feed, keys[1], json!({ "ListPrice": 2 }));
    edit(&feed, keys[2], json!({ "ListPrice": 20 }));
    mirror.sync_ends(0, &["monitor"]);
    let expected = [kind("price", keys[0]), kind("price", keys[2])];
    assert_eq!(kinds(&reported(&mirror)), expected);
    // An alert that was away for long is new: it reports only the last hour.
    mirror.configure(|settings| settings.sync = String::new());
    feed.advance(chrono::Duration::hours(1));
    edit(&feed, keys[3], json!({ "ListPrice": 30 }));
    mirror.sync_ends(0, &["monitor"]);
    let earlier = "UPDATE changes SET recorded_at = datetime('now', '-2 hours')";
    change_database(&mirror, earlier);
    mirror.configure(|settings| settings.sync = alert("a", "on = [\"price\"]"));
    mirror.sync_ends(0, &["monitor"]);
    assert_eq!(kinds(&reported(&mirror)), expected);
}

#[test]
fn a_crash_between_the_report_and_its_bookkeeping_repeats_the_report() {
    let feed = sandy(6);
    let crashes =
        r#"command = ["sh", "-c", "cat >> reported.jsonl; test -e lives || kill -9 $PPID"]"#;
    let lines = format!("\n[[alerts]]\nname = \"a\"\non = [\"price\"]\n{crashes}\n");
    let mirror = watched(&feed, &lines);
    let key = feed.listing_keys()[0];
    edit(&feed, key, json!({ "ListPrice": 1 }));
    let killed = mirror.run(&["sync", "monitor"]);
    assert_eq!(killed.code, None, "{killed}");
    assert_eq!(kinds(&reported(&mirror)), [kind("price", key)]);
    std::fs::write(mirror.folder.path().join("lives"), "").unwrap();
    mirror.sync_ends(0, &["monitor"]);
    mirror.sync_ends(0, &["monitor"]);
    assert_eq!(
        kinds(&reported(&mirror)),
        [kind("price", key), kind("price", key)]
    );
}

#[test]
fn a_program_that_hangs_is_killed_and_gets_fewer_lines() {
    let feed = sandy(12);
    let hangs = "cat > in; if [ $(wc -l < in) -gt 3 ]; then sleep 60; fi; cat in >> reported.jsonl";
    let lines = format!(
        "\n[[alerts]]\nname = \"slow\"\non = [\"price\"]\ntimeout = \"400ms\"\n\
         command = [\"sh\", \"-c\", \"{hangs}\"]\n"
    );
    let mirror = watched(&feed, &lines);
    for key in feed.listing_keys() {
        edit(&feed, key, json!({ "ListPrice": 1 }));
    }
    let ended = mirror.sync_ends(3, &["monitor"]);
    let shown = [
        "alert `slow`: 12 changes were not reported",
        "did not finish within 0.4 s",
    ];
    ended.says(3, &shown);
    let runs = (0..20).take_while(|_| mirror.run(&["sync", "monitor"]).code != Some(0));
    assert!(runs.count() < 20);
    let lines = reported(&mirror);
    let mut keys: Vec<i64> = lines
        .iter()
        .map(|line| line["change_id"].as_i64().unwrap())
        .collect();
    assert_eq!(keys.len(), 12, "each once");
    keys.dedup();
    assert_eq!(keys.len(), 12);
}

#[test]
fn thousands_of_changes_are_reported_in_parts_and_one_failing_alert_stops_no_other() {
    let feed = sandy(4);
    let failing = "\n[[alerts]]\nname = \"failing\"\non = [\"price\"]\ncommand = [\"false\"]\n";
    let counts = r#"command = ["sh", "-c", "wc -l >> counts; "]"#;
    let other = format!("\n[[alerts]]\nname = \"other\"\non = [\"price\"]\n{counts}\n");
    let mirror = watched(&feed, &format!("{failing}{other}"));
    let key = feed.listing_keys()[0];
    change_database(
        &mirror,
        &format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
             INSERT INTO changes (run_id, resource, record_key, listing_key, change, field,
                                  old_value, new_value, recorded_at)
             SELECT 1, 'Property', '{key}', '{key}', 'update', 'ListPrice', i, i + 1,
                    datetime('now') FROM n"
        ),
    );
    mirror.sync_ends(3, &["monitor"]).says(
        3,
        &[
            "alert `failing`: 500 changes were not reported",
            "`false` failed",
        ],
    );
    let counts = std::fs::read_to_string(mirror.folder.path().join("counts")).unwrap();
    let counts: Vec<&str> = counts.split_whitespace().collect();
    assert_eq!(counts, ["500", "500", "200"]);
    let json = mirror.run(&["sync", "monitor", "--json"]).json();
    assert_eq!(
        json["alerts"],
        json!([]),
        "the failing program accepts none, and the other has all"
    );
}

#[test]
fn a_wrong_condition_or_status_is_refused_with_a_suggestion() {
    let feed = sandy(6);
    let mut mirror = Mirror::of(&feed);
    let where_of =
        |condition: &str| alert("a", &format!("on = [\"price\"]\nwhere = '''{condition}'''"));
    let price = "on = [\"status\"]\ntransitions =";
    let cases = [
        (
            where_of("Citty = 'Sandy'"),
            "`listings` has no column Citty; did you mean City?",
        ),
        (
            where_of("\"Citty\" = 'Sandy'"),
            "no column Citty; did you mean City?",
        ),
        (
            where_of("1); DELETE FROM listings; --"),
            "alert \"a\": `where`:",
        ),
        (
            where_of("1); ATTACH 'other.db' AS other; --"),
            "alert \"a\": `where`:",
        ),
        (where_of("load_extension('x')"), "alert \"a\": `where`:"),
        (where_of("City = "), "mlsmirror.toml: alert \"a\": `where`:"),
        (
            where_of("1) OR (1"),
            "alert \"a\": `where`: near \")\": syntax error",
        ),
        (
            where_of("City = 'Sandy"),
            "`where`: a quote is not closed: 'Sandy\n",
        ),
        (where_of("count(*) > 0"), "misuse of aggregate"),
        (
            alert("a", &format!("{price} [\"Activ>Pendin\"]")),
            "did you mean \"Active>Pending\"?",
        ),
        (
            alert("a", &format!("{price} [\"Active->Pending\"]")),
            "did you mean \"Active>Pending\"?",
        ),
        (
            "\n[monitor]\ntransitions = [\"Active>Pendin\"]\n".to_owned(),
            "[monitor]: `transitions`: \"Active>Pendin\": \"Pendin\" is no status of this feed; \
             did you mean \"Active>Pending\"?",
        ),
    ];
    // Before the first sync, the feed says which columns there are.
    for (alert, message) in &cases {
        mirror.configure(|settings| settings.sync = alert.clone());
        mirror.run(&["check"]).says(2, &[message]);
        assert!(!mirror.database_path().exists());
    }
    mirror.configure(|settings| settings.sync = String::new());
    mirror.sync();
    for (alert, message) in &cases {
        mirror.configure(|settings| settings.sync = alert.clone());
        for verb in [&["check"][..], &["sync", "monitor"], &["watch"]] {
            mirror.run(verb).says(2, &[message]);
        }
    }
    assert_eq!(number(&mirror.open(), "SELECT count(*) FROM listings"), 6);
    assert!(!mirror.folder.path().join("other.db").exists());
    mirror.configure(|settings| settings.sync = where_of("listings.City IN (SELECT 'Sandy')"));
    mirror.run(&["check"]).says(0, &[]);
}

#[test]
fn changes_refuses_unknown_fields_and_statuses_with_a_suggestion() {
    let feed = sandy(6);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    for (arguments, message) in [
        (
            ["changes", "--field", "Listprice"],
            "did you mean ListPrice?",
        ),
        (
            ["changes", "--transition", "Activ>Pendin"],
            "did you mean \"Active>Pending\"?",
        ),
        (
            ["changes", "--transition", "Active->Pending"],
            "did you mean \"Active>Pending\"?",
        ),
        (
            ["changes", "--transition", ">Pendin"],
            "did you mean \">Pending\"?",
        ),
    ] {
        mirror.run(&arguments).says(2, &[message]);
    }
    for arguments in [
        ["changes", "--field", "ListPrice"],
        ["changes", "--field", "OpenHouseStartTime"],
        ["changes", "--transition", "active > activeundercontract"],
    ] {
        mirror.run(&arguments).says(0, &[]);
    }
}

#[test]
fn a_mirror_that_begins_or_ceases_to_need_attention_is_reported_once() {
    let feed = sandy(6);
    let mirror = watched(&feed, &alert("ops", "on = [\"attention\"]"));
    assert_eq!(reported(&mirror).len(), 0);
    feed.set_server(|server| server.token = Some("another-token".to_owned()));
    for _ in 0..2 {
        mirror.sync_ends(5, &["monitor"]);
    }
    let lines = reported(&mirror);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    assert_eq!(
        (&line["alert"], &line["event"]),
        (&json!("ops"), &json!("attention"))
    );
    assert_eq!(line["needs_attention"], true);
    let first = line["conditions"][0].as_str().unwrap();
    assert!(first.contains("the feed refuses the credentials"), "{line}");

    feed.set_server(|server| server.token = Some(TOKEN.to_owned()));
    for _ in 0..2 {
        mirror.sync_ends(0, &["monitor"]);
    }
    let lines = reported(&mirror);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[1]["needs_attention"], false);
    // No change of a listing was reported.
    let counted = "SELECT sum(updated) FROM sync_runs WHERE job = 'monitor'";
    assert_eq!(number(&mirror.open(), counted), 0);
}

#[test]
fn a_report_of_attention_that_failed_is_told_again() {
    let feed = sandy(6);
    let ops = "\n[[alerts]]\nname = \"ops\"\non = [\"attention\"]\n\
               command = [\"sh\", \"-c\", \"test -e ready && cat >> reported.jsonl\"]\n";
    let mirror = watched(&feed, ops);
    let ready = mirror.folder.path().join("ready");
    for (token, needs) in [("another", true), (TOKEN, false)] {
        feed.set_server(|server| server.token = Some(token.to_owned()));
        let _ = std::fs::remove_file(&ready);
        let before = reported(&mirror).len();
        for _ in 0..2 {
            mirror.run(&["sync", "monitor"]);
            assert_eq!(reported(&mirror).len(), before);
        }
        std::fs::write(&ready, "").unwrap();
        for _ in 0..2 {
            mirror.run(&["sync", "monitor"]);
        }
        let lines = reported(&mirror);
        assert_eq!(lines.len(), before + 1, "{lines:?}");
        assert_eq!(lines[before]["needs_attention"], needs, "{lines:?}");
    }
}

/// Lets a mirror get its token from a program that prints this file.
fn token_from_file(mirror: &mut Mirror) -> PathBuf {
    let file = mirror.folder.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    mirror.token = None;
    mirror.configure(|settings| settings.set("token_command", "[\"cat\", \"token\"]"));
    file
}

#[test]
fn a_missing_token_is_reported_with_its_reason() {
    let feed = sandy(6);
    let mut mirror = watched(&feed, &alert("ops", "on = [\"attention\"]"));
    let file = token_from_file(&mut mirror);
    std::fs::remove_file(&file).unwrap();
    for arguments in [&["monitor"] as &[&str], &[], &["monitor", "--json"]] {
        mirror.sync_ends(2, arguments);
    }
    let lines = reported(&mirror);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["needs_attention"], true);
    let first = lines[0]["conditions"][0].as_str().unwrap();
    let reason = "no token could be obtained (feed.token_command `cat` failed (exit status: 1))";
    assert!(first.contains(reason), "{first}");
    let status = mirror.run(&["status"]);
    assert_eq!(status.code, Some(3), "{status}");
    assert!(status.stdout.contains(reason), "{status}");

    std::fs::write(&file, TOKEN).unwrap();
    mirror.sync_ends(0, &["monitor"]);
    let lines = reported(&mirror);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[1]["needs_attention"], false);
    mirror.run(&["status"]).says(0, &[]);
}

#[test]
fn a_daemon_without_a_token_reports_that() {
    let feed = sandy(6);
    let schedule = schedule_of("monitor = \"every 1s\"");
    let mut mirror = watched(&feed, &(schedule + &alert("ops", "on = [\"attention\"]")));
    mirror.sync();
    let file = token_from_file(&mut mirror);
    let running = mirror.start(&["watch"]);
    wait_until("it watches", || mirror.lease("watch").is_some());
    std::fs::remove_file(&file).unwrap();
    running.signal("HUP");
    wait_until("the missing token is reported", || {
        reported(&mirror).len() == 1
    });
    assert_eq!(reported(&mirror)[0]["needs_attention"], true);
    std::fs::write(&file, TOKEN).unwrap();
    wait_until("the end is reported", || reported(&mirror).len() == 2);
    stop(running, "TERM");
    assert_eq!(reported(&mirror)[1]["needs_attention"], false);

    std::fs::remove_file(&file).unwrap();
    mirror.run(&["watch"]).says(2, &["feed.token_command"]);
    assert_eq!(reported(&mirror).len(), 3);
}

/// Returns the alerts of the documents, by their names.
fn documented() -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("```toml\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .filter(|block| block.contains("[[alerts]]"))
        .collect()
}

#[test]
fn the_documented_commands_send_e_mail_and_post_to_a_webhook() {
    use std::os::unix::fs::PermissionsExt;

    let feed = sandy(6);
    let alerts = documented();
    assert_eq!(alerts.len(), 2);
    let (sender, posts) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let hook = serve_forms(move |body, request| {
        let kind = request.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        sender
            .lock()
            .unwrap()
            .send((kind, body.to_owned()))
            .unwrap();
        let status = if body.contains("\"new_value\":2,") {
            500
        } else {
            200
        };
        axum::http::Response::builder()
            .status(status)
            .body(axum::body::Body::empty())
            .unwrap()
    });
    let alerts = alerts
        .join("\n")
        .replace("https://hooks.example.com/mls", &hook);
    let mirror = watched(&feed, &alerts);
    let mailer = mirror.folder.path().join("sendmail");
    std::fs::write(&mailer, "#!/bin/sh\necho \"$@\" >> mail\ncat >> mail\n").unwrap();
    std::fs::set_permissions(&mailer, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        mirror.folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    let run = || {
        let change = |command: &mut std::process::Command| {
            command.env("PATH", &path);
        };
        mirror.start_with(&["sync", "monitor"], change).wait()
    };
    let keys = feed.listing_keys();
    edit(&feed, keys[0], json!({ "ListPrice": 1 }));
    let ended = run();
    assert_eq!(ended.code, Some(0), "{ended}");
    let mail = std::fs::read_to_string(mirror.folder.path().join("mail")).unwrap();
    let parts = [
        "-t\nTo: you@example.com\nSubject: MLS alerts\n",
        "\n\nprice-cuts-by-mail: ",
    ];
    for part in parts.into_iter().chain([": price 500,000 → 1\n"]) {
        assert!(mail.contains(part), "no {part:?}: {mail}");
    }
    let (kind, body) = posts.try_recv().unwrap();
    let body: Json = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (kind.as_str(), &body["alert"]),
        ("application/json", &json!("webhook"))
    );
    assert_eq!(body["new_value"], 1);

    // The webhook fails, and the lines are posted again.
    edit(&feed, keys[1], json!({ "ListPrice": 2 }));
    let ended = run();
    assert_eq!(ended.code, Some(3), "{ended}");
    ended.says(3, &["alert `webhook`: 1 change was not reported"]);
    assert_eq!(run().code, Some(3));
    assert_eq!(posts.try_iter().count(), 2);
}
