//! Errors in arguments, configuration and files: the exit code, and a message that names
//! the fix.

use rusqlite::Connection;
use simulator::{Fault, FaultRule};

use crate::support::*;

#[test]
fn a_missing_token_is_reported_with_its_variable() {
    let feed = feed(10);
    let mut mirror = Mirror::of(&feed);
    mirror.token = None;
    let ended = mirror.run(&["sync"]);
    ended.says(
        2,
        &[
            "WFRMLS_BEARER_TOKEN is not set; put the feed's bearer token there",
            "`export WFRMLS_BEARER_TOKEN=…`",
            "feed.token_command",
        ],
    );
    assert_eq!(feed.request_count(), 0);
    assert!(!mirror.database_path().exists());
}

#[test]
fn a_wrong_token_is_reported_and_recorded() {
    let feed = feed_with(10, |options| options.token = "another".to_owned());
    let mirror = Mirror::of(&feed);
    mirror.sync_ends(5, &[]).says(
        5,
        &["the feed refused the credentials (401", "check the token"],
    );
    let db = mirror.open();
    assert_eq!(
        texts(&db, "SELECT DISTINCT status FROM sync_runs"),
        ["failed"]
    );
    let errors = "SELECT count(*) FROM sync_runs WHERE error LIKE '%refused the credentials%'";
    assert_eq!(number(&db, errors), 3);
    assert_eq!(
        feed.request_count(),
        1,
        "a refused token is not tried again"
    );
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let feed = feed(10);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = "overlapp = \"20m\"".to_owned()
    });
    let path = mirror.folder.path().join("mlsmirror.toml");
    let configuration = std::fs::read_to_string(path).unwrap();
    let line = configuration
        .lines()
        .position(|line| line.starts_with("overlapp"))
        .unwrap()
        + 1;
    mirror
        .sync_ends(2, &[])
        .says(2, &["`overlapp`", &format!("mlsmirror.toml:{line}:")]);
    assert!(!mirror.database_path().exists());
}

#[test]
fn a_missing_configuration_is_reported_with_the_command_to_create_one() {
    let feed = feed(10);
    let mirror = Mirror::of(&feed);
    mirror.run(&["--config", "nowhere.toml", "sync"]).says(
        2,
        &["nowhere.toml: no such file; `mlsmirror --config nowhere.toml init` writes one"],
    );
}

#[test]
fn a_host_that_does_not_answer_is_a_failure() {
    // Picks a port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/odata", listener.local_addr().unwrap());
    drop(listener);
    let mirror = Mirror::at(&url, |_| {});
    mirror.sync_ends(1, &[]).says(
        1,
        &[
            "cannot connect; check feed.base_url",
            "a demo's feed ends with the demo",
            "after 3 tries",
        ],
    );
}

#[test]
fn a_bad_filter_is_reported_as_a_configuration_error() {
    let feed = feed(30);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = "filter = { Property = \"NoSuchField eq 1\" }".to_owned();
    });
    mirror
        .sync_ends(2, &[])
        .says(2, &["Property: ", "400", "sync.filter"]);
}

#[test]
fn a_filter_that_the_first_page_accepted_is_not_blamed_for_a_later_refusal() {
    let feed = feed(60);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.resources = vec!["Office"];
        settings.sync = "filter = { Office = \"OfficeName ne 'none'\" }".to_owned();
        settings.set("page_size", 2);
    });
    let mut pages = 0;
    proxy.change(move |answer| {
        let is_page = answer.is_of("Office") && !answer.request.contains("$count=true");
        pages += u32::from(is_page);
        if is_page && pages > 3 {
            answer.status = 400;
        }
    });
    let ended = mirror.sync_ends(1, &[]);
    ended.says(1, &["Office: ", "400"]);
    assert!(!ended.stderr.contains("sync.filter"), "{ended}");
    assert!(live(&mirror.open(), "Office") > 0, "{ended}");
}

#[test]
fn a_filter_mirrors_its_listings_and_their_children() {
    let feed = feed(150);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync =
            "filter = { Property = \"StandardStatus eq Odata.Models.StandardStatus'Active'\" }"
                .to_owned();
    });
    mirror.sync();
    let active: Vec<String> = truth(&feed, "Property")
        .into_iter()
        .filter(|(_, record)| record["StandardStatus"] == "Active")
        .map(|(key, _)| key)
        .collect();
    assert!(
        (1..150).contains(&active.len()),
        "{} of 150 are active",
        active.len()
    );
    let db = mirror.open();
    assert_mirror_equals_part(&db, &feed, &MAIN, |listing, _| {
        active.iter().any(|key| key == listing)
    });
}

#[test]
fn a_database_in_a_folder_that_cannot_be_created_is_named_with_the_setting() {
    let feed = feed(3);
    let mirror = Mirror::with(&feed, |settings| {
        settings.database = "/proc/x/m.db".to_owned()
    });
    mirror.sync_ends(1, &[]).says(
        1,
        &["mirror.database: the folder /proc/x cannot be created; name a file in another folder"],
    );
}

#[test]
fn a_selected_field_that_is_not_declared_is_named() {
    let feed = feed(30);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = "select = { Property = [\"ListPrise\"] }".to_owned();
    });
    mirror.sync_ends(2, &[]).says(
        2,
        &[
            "[sync.select] Property",
            "no field `ListPrise` (did you mean ListPrice?)",
        ],
    );
}

#[test]
fn a_database_that_is_no_mirror_is_not_changed() {
    let feed = feed(30);
    let other = |mirror: &Mirror| {
        let db = Connection::open(mirror.database_path()).unwrap();
        db.execute_batch("CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup')")
            .unwrap();
    };
    let note = |mirror: &Mirror| {
        std::fs::write(mirror.database_path(), "notes of mine\n".repeat(99)).unwrap()
    };
    let short = |mirror: &Mirror| std::fs::write(mirror.database_path(), "short").unwrap();
    type Make<'a> = &'a dyn Fn(&Mirror);
    let cases: [(Make<'_>, &str); 3] = [
        (&other, "is another program's database"),
        (&note, "is not an SQLite database"),
        (&short, "is not an SQLite database"),
    ];
    for (make, message) in cases {
        let mirror = Mirror::of(&feed);
        make(&mirror);
        let before = std::fs::read(mirror.database_path()).unwrap();
        mirror
            .sync_ends(2, &[])
            .says(2, &[message, "set mirror.database"]);
        assert!(
            std::fs::read(mirror.database_path()).unwrap() == before,
            "{message}: it was changed"
        );
        let files = std::fs::read_dir(mirror.folder.path()).unwrap().count();
        assert_eq!(files, 2, "{message}: a new file is next to it");
    }
    let mirror = Mirror::with(&feed, |settings| settings.database = ".".to_owned());
    mirror
        .sync_ends(2, &[])
        .says(2, &["is a folder, not a file"]);
    assert_eq!(feed.request_count(), 0);
}

#[test]
fn the_only_option_takes_configured_resources() {
    let feed = feed(10);
    let mirror = Mirror::of(&feed);
    mirror
        .sync_ends(2, &["--only", "Member"])
        .says(2, &["--only Member", "Property, Media, OpenHouse"]);
    mirror
        .sync_ends(2, &["--only", "Sauna"])
        .says(2, &["Sauna"]);
    assert_eq!(feed.request_count(), 0);
}

#[test]
fn a_second_process_names_the_running_sync_and_writes_nothing() {
    let feed = feed(60);
    let mirror = Mirror::with(&feed, |settings| settings.set("max_concurrent", 1));
    feed.fault(FaultRule {
        path_contains: Some("$expand".to_owned()),
        skip: 1,
        ..FaultRule::always(Fault::Stall)
    });
    let first = mirror.start(&["sync"]);
    mirror.wait_for_pages("Property", 1);
    let asked = feed.request_count();
    let id = first.id().to_string();
    let since = mirror.lease("sync").unwrap()["since"].clone();
    let began = in_denver(since.as_str().unwrap());
    mirror.sync_ends(4, &[]).says(
        4,
        &[
            &format!("process {id} "),
            &format!("is syncing this mirror; it began at {began};"),
        ],
    );
    let json = mirror.run(&["sync", "--json"]).json();
    let error = json["error"].as_str().unwrap();
    assert!(error.contains(&format!("it began at {} UTC;", since.as_str().unwrap())));
    assert!(
        feed.request_count() <= asked + 1,
        "the second process asked the feed"
    );
    assert_eq!(
        number(
            &mirror.open(),
            "SELECT count(*) FROM sync_runs WHERE status = 'running'"
        ),
        3
    );

    // A killed sync does not block the next one.
    first.signal("KILL");
    first.wait();
    feed.clear_faults();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let feed = feed(1);
    let mirror = Mirror::of(&feed);
    for arguments in [
        &["synk"][..],
        &["sync", "--allow-deletes", "some"],
        &["sync", "ful"],
        &["-q", "-v", "sync"],
        &["refresh", "1", " "],
        &["listing", " "],
        &["changes", "--listing", ""],
        &["report", "--where", " "],
    ] {
        assert_eq!(mirror.run(arguments).code, Some(2), "{arguments:?}");
    }
    let version = mirror.run(&["--version"]);
    assert_eq!(version.code, Some(0));
    assert_eq!(
        version.stdout.trim(),
        concat!("mlsmirror ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn readers_report_a_missing_or_incomplete_mirror() {
    let feed = feed(40);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let place = mirror.database_path();
    let whole = std::fs::read(place).unwrap();
    // A first sync that still runs holds the file.
    let id = number(&mirror.open(), "PRAGMA application_id");
    std::fs::remove_file(place).unwrap();
    let new = Connection::open(place).unwrap();
    new.pragma_update(None, "application_id", id).unwrap();
    new.execute_batch("CREATE TABLE x (a); DROP TABLE x")
        .unwrap();
    drop(new);
    mirror
        .run(&["report"])
        .says(2, &["there is no mirror yet", "`mlsmirror sync`"]);
    std::fs::remove_file(place).unwrap();
    std::fs::create_dir(place).unwrap();
    mirror.run(&["report"]).says(2, &["is a folder"]);
    std::fs::remove_dir(place).unwrap();

    let mut damaged = whole;
    let middle = damaged.len() / 3;
    damaged[middle..middle * 2].fill(0x5a);
    std::fs::write(place, damaged).unwrap();
    mirror
        .run(&["report"])
        .says(1, &["the database is damaged", "`mlsmirror backup`"]);
}

#[test]
fn a_sync_with_a_clock_that_was_ahead_needs_attention() {
    let feed = feed(5);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    mirror.run(&["status"]).says(0, &[]);
    let db = Connection::open(mirror.database_path()).unwrap();
    let ahead = chrono::Utc::now() + chrono::Duration::days(1);
    let ahead = ahead.format("%Y-%m-%d %H:%M:%S").to_string();
    db.execute("UPDATE sync_runs SET started_at = ?1", [&ahead])
        .unwrap();
    drop(db);
    let ended = mirror.run(&["status"]);
    assert_eq!(ended.code, Some(3), "{ended}");
    let shown = format!("up to date in the future, at {}", in_denver(&ahead));
    assert!(ended.stdout.contains(&shown), "{ended}");
    let shown = format!("up to date in the future, at {ahead} UTC");
    let json = mirror.run(&["status", "--json"]).json();
    let sentences = json["needs_attention"].as_array().expect("a list");
    assert!(
        sentences
            .iter()
            .any(|sentence| sentence.as_str().unwrap().contains(&shown)),
        "{json}"
    );
    mirror.sync();
    mirror.run(&["status"]).says(0, &[]);
}
