//! Messages of errors name what is wrong and the way out.

use simulator::{Fault, FaultRule};

use crate::photo_files::*;
use crate::support::*;

/// A mirror at an address, whose requests are tried once.
fn at(base_url: &str) -> Mirror {
    Mirror::at(base_url, |settings| {
        settings.resources = vec!["Property"];
        settings.set("max_retries", 0);
        settings.set("timeout", "\"5s\"");
    })
}

#[test]
fn a_folder_where_nobody_may_write_is_not_called_a_full_disk() {
    let feed = feed(10);
    let mirror = Mirror::of(&feed);
    // A link to a missing folder cannot be opened by anybody.
    std::os::unix::fs::symlink("missing/mirror.db", mirror.database_path()).unwrap();
    let ended = mirror.run(&["sync"]);
    ended.says(
        1,
        &["check that its folder exists, and that this user may write in it"],
    );
    assert!(!ended.stderr.contains("free space"), "{ended}");
    let problem = "unable to open database file";
    assert_eq!(ended.stderr.matches(problem).count(), 1, "{ended}");
}

#[test]
fn a_host_that_does_not_exist_is_asked_for_once() {
    // A label of more than 63 letters cannot exist, so that no name server is asked.
    let host = format!("{}.invalid", "a".repeat(70));
    let mirror = Mirror::at(&format!("http://{host}/odata"), |settings| {
        settings.set("retry_delay", "\"1ms\"");
    });
    for verb in ["check", "sync"] {
        let ended = mirror.run(&[verb]);
        ended.says(1, &["no usable answer after 1 try: cannot connect", &host]);
        assert!(!ended.stderr.contains("trying again"), "{ended}");
    }
}

#[test]
fn a_configuration_that_is_no_file_is_named_once_with_the_way_out() {
    let mirror = at("http://127.0.0.1:9/odata");
    let ended = mirror.run(&["--config", ".", "sync"]);
    ended.says(2, &[".: is a folder; name the file in it"]);
    assert_eq!(ended.stderr.matches("folder").count(), 1, "{ended}");
    mirror.run(&["--config", "other feed.toml", "sync"]).says(
        2,
        &["`mlsmirror --config 'other feed.toml' init` writes one"],
    );
    let ended = mirror
        .start_with(&["status"], |command| {
            command.env("MLSMIRROR_CONFIG", "");
        })
        .wait();
    ended.says(2, &["mirror.db", "`mlsmirror sync` creates it"]);
    let ended = mirror
        .start_with(&["status"], |command| {
            command.env("MLSMIRROR_CONFIG", "nowhere.toml");
        })
        .wait();
    ended.says(2, &["nowhere.toml: no such file"]);
}

#[test]
fn a_token_with_the_word_bearer_is_refused_with_that_reason() {
    let mut mirror = at("http://127.0.0.1:9/odata");
    mirror.token = Some("Bearer abc".to_owned());
    let ended = mirror.run(&["sync"]);
    ended.says(
        2,
        &["WFRMLS_BEARER_TOKEN begins with `Bearer`; leave that word out"],
    );
    assert!(!ended.stderr.contains("abc"), "{ended}");
}

#[test]
fn a_base_url_that_is_wrong_is_told_from_other_failures() {
    let feed = feed(10);
    let address = feed.base_url().replace("http://", "");
    let host = address.split('/').next().unwrap().to_owned();
    at(&format!("https://{address}")).run(&["check"]).says(
        1,
        &["does not speak TLS", "may have to begin with http:", &host],
    );
    for path in ["/Property", "/odata"] {
        at(&format!("{}{path}", feed.base_url()))
            .run(&["check"])
            .says(
                1,
                &["directly below feed.base_url, which may have a wrong path"],
            );
    }
    at("http://127.0.0.1:9/odata")
        .run(&["check"])
        .says(1, &["(127.0.0.1:9: Connection refused"]);
}

#[test]
fn a_refresh_that_asks_for_nothing_says_why() {
    let feed = feed_with(10, |options| options.token = "another".to_owned());
    let key = feed.listing_keys()[0].to_string();
    at(&feed.base_url())
        .run(&["refresh", &key])
        .says(5, &[&key, "the feed refused the credentials"]);
    at("http://127.0.0.1:9/odata")
        .run(&["refresh", &key])
        .says(1, &[&key, "Connection refused"]);
}

#[test]
fn verbs_that_need_a_folder_or_a_port_say_how_to_name_another() {
    let feed = feed(10);
    let mirror = at(&feed.base_url());
    mirror
        .run(&["--config", "no/where.toml", "init"])
        .says(2, &["the folder no cannot be used", "create it"]);
    std::fs::write(mirror.folder.path().join("file"), "").unwrap();
    mirror
        .run(&["demo", "--dir", "file"])
        .says(2, &["the folder file cannot be created", "with --dir"]);
    let port = url::Url::parse(&feed.base_url()).unwrap().port().unwrap();
    mirror
        .run(&["simulate", "--port", &port.to_string()])
        .says(2, &["choose another port with --port"]);
}

#[test]
fn the_demo_quotes_its_paths_and_asks_for_no_real_token() {
    let mut mirror = at("http://127.0.0.1:9/odata");
    let ended = mirror.run(&["demo", "--dir", "with space", "--listings", "20"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(
        ended
            .stdout
            .contains("sqlite3 -box 'with space/mirror.db' "),
        "{ended}"
    );
    assert!(
        ended
            .stdout
            .contains("--config 'with space/mlsmirror.toml' "),
        "{ended}"
    );
    // The configuration has the token of the simulated feed.
    mirror.token = Some("a-real-token".to_owned());
    let ended = mirror.run(&["--config", "with space/mlsmirror.toml", "sync"]);
    ended.says(1, &["cannot connect"]);
    let config = mirror.folder.path().join("with space/mlsmirror.toml");
    let config = std::fs::read_to_string(config).unwrap();
    assert!(
        config.starts_with("# The demo's feed answers only while `mlsmirror demo --serve` runs")
    );
    mirror.token = None;
    mirror
        .run(&["check"])
        .says(2, &["a demo's feed answers only while", "demo --serve"]);
}

#[test]
fn photos_that_were_not_requested_are_not_called_tried() {
    let feed = feed(20);
    let mirror = with_photos_and(&feed, "max_bytes = \"1GB\"", |settings| {
        settings.set("max_retries", 0);
    });
    feed.fault(FaultRule {
        on: simulator::Host::Assets,
        ..FaultRule::always(Fault::Status(503))
    });
    let ended = mirror.sync_ends(3, &[]);
    let line = ended.stdout.lines().find(|line| line.starts_with("media"));
    let line = line.unwrap_or_else(|| panic!("{ended}"));
    let numbers: Vec<u64> = line
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    assert!(numbers[0] >= numbers[1], "{line}");
}

#[test]
fn people_read_local_times_and_programs_read_utc() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    feed.move_market(20);
    mirror.sync();
    let db = mirror.open();
    let newest = text(&db, "SELECT max(recorded_at) FROM changes");
    let local = in_denver(&newest);
    let local = &local[..19];
    let shown = mirror.run(&["changes", "--limit", "1"]).stdout;
    assert!(shown.starts_with("TIME (local)"), "{shown}");
    assert!(shown.contains(local), "{local}: {shown}");
    let json = mirror.run(&["changes", "--limit", "1", "--json"]).stdout;
    assert!(json.contains(&newest), "{newest}: {json}");
    let csv = mirror.run(&["changes", "--limit", "1", "--csv"]).stdout;
    assert!(csv.contains(&newest), "{newest}: {csv}");

    let watermark = text(
        &db,
        "SELECT watermark FROM watermarks WHERE resource = 'Property'",
    );
    let shown = mirror.run(&["status"]).stdout;
    assert!(shown.contains("feed time (local)"), "{shown}");
    assert!(!shown.contains(&watermark[..19]), "{watermark}: {shown}");
    let json = mirror.run(&["status", "--json"]).stdout;
    assert!(json.contains(&watermark), "{watermark}: {json}");
    let shown = mirror.run(&["check"]).stdout;
    let line = shown.lines().find(|line| line.contains("; newest "));
    let line = line.unwrap_or_else(|| panic!("{shown}"));
    assert!(line.ends_with(" MST"), "{line}");
    for since in ["today", "1w", "1y"] {
        let rows = mirror.run(&["changes", "--since", since, "--json"]).json();
        assert!(!rows["changes"].as_array().unwrap().is_empty(), "{since}");
    }
    mirror
        .run(&["changes", "--since", "yesterday"])
        .says(0, &[]);
}
