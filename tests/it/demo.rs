//! `demo` and `simulate`: a feed to try the program with.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rusqlite::{Connection, OpenFlags};
use simulator::Dialect;

use crate::support::*;

/// Creates a folder without a token, in which demos can run.
fn without_token() -> Mirror {
    let mut mirror = Mirror::at("http://127.0.0.1:9/odata", |_| {});
    mirror.token = None;
    mirror
}

#[test]
fn a_demo_lives_a_month_and_its_numbers_are_those_of_the_report() {
    let mirror = without_token();
    let arguments = ["--json", "demo", "--dir", "demo", "--listings", "400"];
    let demo = mirror.run(&arguments).json();
    let figures = &demo["figures"];
    let report = |more: &[&str]| {
        let report = ["--config", "demo/mlsmirror.toml", "report", "--json"];
        mirror.run(&[&report, more].concat()).json()["market"].clone()
    };
    let since = figures["first_day"].as_str().unwrap();
    let market = report(&["--since", since]);
    let current = &market["headline"]["current"];
    // A report of the next day has one day more.
    if current["last_day"] == figures["last_day"] {
        assert_eq!(current, figures);
    }
    for figure in ["new", "price_cuts", "sold", "active"] {
        assert!(figures[figure].as_u64().unwrap() > 0, "{figures}");
    }
    let before = &market["headline"]["previous"];
    assert!(before["months_of_supply"].is_number(), "{before}");

    let days = market["days"].as_array().unwrap();
    let moved = days
        .iter()
        .filter(|day| day["new"] != 0 || day["price_cuts"] != 0);
    assert!(moved.count() > 20, "{market}");
    let db = Connection::open(mirror.folder.path().join("demo/mirror.db")).unwrap();
    let syncs = "SELECT count(DISTINCT date(started_at)) FROM sync_runs WHERE job = 'incremental'";
    assert_eq!(demo["later_syncs"], number(&db, syncs));
    // The changes in the log, of all property types, added up by kind.
    let all = report(&["--since", since, "--type", "all"]);
    let logged = demo["changes"].as_array().unwrap().iter();
    let new = logged.filter(|one| one["resource"] == "Property" && one["change"] == "insert");
    let new: u64 = new.map(|one| one["count"].as_u64().unwrap()).sum();
    assert_eq!(all["headline"]["current"]["new"], new);

    assert_eq!(names_in(mirror.state.path()), [""; 0], "the user's state");
    assert!(
        names_in(&mirror.folder.path().join("demo")).contains(&"mirror.db-requests".to_owned())
    );
}

#[test]
fn a_served_demo_can_be_synced_with_its_own_configuration() {
    let mirror = without_token();
    let demo = mirror.start(&["demo", "--dir", "demo", "--listings", "20", "--serve"]);
    let verb = |verb: &str| mirror.run(&["--config", "demo/mlsmirror.toml", verb]);
    // The demo itself syncs first, once a day.
    let database = mirror.folder.path().join("demo/mirror.db");
    let days = || {
        let sql =
            "SELECT count(*) FROM sync_runs WHERE job = 'incremental' AND resource = 'Property'";
        let db = Connection::open_with_flags(&database, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        db.query_row(sql, [], |row| row.get::<_, i64>(0)).ok()
    };
    for day in [1, 8, 16, 24, 31] {
        wait_until(&format!("day {day} is synced"), || days() >= Some(day));
    }
    wait_until("a sync finds the feed", || verb("sync").code == Some(0));
    verb("verify").says(0, &[]);
    assert_eq!(names_in(mirror.state.path()), [""; 0], "the user's state");
    demo.signal("TERM");
    let ended = demo.wait();
    ended.says(0, &[]);
    for part in [
        "is still up",
        "mlsmirror.toml watch",
        "Ctrl-C stops the feed",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {ended}");
    }
}

#[test]
fn a_simulated_feed_moves_by_itself() {
    let mut feed = Command::new(env!("CARGO_BIN_EXE_mlsmirror"))
        .args([
            "simulate",
            "--port",
            "0",
            "--listings",
            "60",
            "--move-every",
            "100ms",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(feed.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let (_, base_url) = first.rsplit_once(' ').unwrap();
    let mut mirror = Mirror::at(base_url, |_| {});
    mirror.token = Some("simulated-token".to_owned());
    mirror.sync();
    wait_until("a sync finds changes of the market", || {
        mirror.run(&["sync"]);
        number(&mirror.open(), "SELECT count(*) FROM changes") > 20
    });
    feed.kill().unwrap();
    feed.wait().unwrap();

    mirror
        .run(&["simulate", "--move-every", "0"])
        .says(2, &["give a time above zero"]);
}

#[test]
fn a_simulated_feed_prints_the_configuration_that_mirrors_its_dialect() {
    for dialect in dialects(1, 0).into_iter().chain(Dialect::named("mlsgrid")) {
        let mut feed = Command::new(env!("CARGO_BIN_EXE_mlsmirror"))
            .args([
                "simulate",
                "--port",
                "0",
                "--listings",
                "2",
                "--photos",
                "1",
            ])
            .args(["--dialect", dialect.name])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(feed.stdout.take().unwrap()).lines();
        let mut printed = lines.map(Result::unwrap);
        let shown = printed
            .by_ref()
            .skip_while(|line| !line.ends_with("write this into mlsmirror.toml:"));
        let config = shown.skip(1).take_while(|line| *line != "and run:");
        let config: Vec<String> = config.collect();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mlsmirror.toml"), config.join("\n")).unwrap();
        let ended = Command::new(env!("CARGO_BIN_EXE_mlsmirror"))
            .arg("sync")
            .current_dir(dir.path())
            .env("SIMULATED_TOKEN", "simulated-token")
            .env("XDG_STATE_HOME", dir.path())
            .output()
            .unwrap();
        feed.kill().unwrap();
        feed.wait().unwrap();
        let text = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(
            ended.status.code(),
            Some(0),
            "{}: {text}",
            config.join("\n")
        );
    }
}
