//! The first full sync, and a second one of an unchanged feed.

use rusqlite::types::Value as Sql;

use crate::support::*;

#[test]
fn a_full_sync_equals_the_feed_field_by_field_in_all_eight_resources() {
    let feed = feed_with(180, |options| {
        options.photos = 6;
        options.bytes_per_listing = 6_500;
    });
    let mirror = Mirror::with(&feed, |settings| settings.resources = ALL.to_vec());
    mirror.sync();

    let db = mirror.open();
    for set in ALL {
        assert!(feed.count(set) > 0, "the feed has no {set} to compare");
    }
    assert_mirror_equals_feed(&db, &feed, &ALL);
    assert_eq!(number(&db, "SELECT count(*) FROM changes"), 0);
    assert_eq!(number(&db, "SELECT count(*) FROM rejects"), 0);
    for left in ["_sweep_seen", "_sweep_missing"] {
        assert_eq!(
            number(&db, &format!("SELECT count(*) FROM {left}")),
            0,
            "{left}"
        );
    }
}

#[test]
fn a_full_sync_records_its_runs() {
    let feed = feed(100);
    let mirror = Mirror::with(&feed, |settings| settings.resources = ALL.to_vec());
    mirror.sync_full();

    let db = mirror.open();
    assert_eq!(
        number(&db, "SELECT count(*) FROM sync_runs"),
        ALL.len() as i64
    );
    for set in ALL {
        let run = last_run(&db, set);
        let count = Sql::Integer(feed.count(set) as i64);
        assert_eq!(run["job"], Sql::Text("full".to_owned()));
        assert_eq!(run["status"], Sql::Text("succeeded".to_owned()), "{set}");
        for column in ["checkpoint", "error", "watermark_before"] {
            assert_eq!(run[column], Sql::Null, "{set} {column}");
        }
        for column in ["records_seen", "inserted"] {
            assert_eq!(run[column], count, "{set} {column}");
        }
        let none = [
            "updated",
            "unchanged",
            "deleted",
            "restored",
            "rejected",
            "changes_logged",
            "retries",
        ];
        for column in none {
            assert_eq!(run[column], Sql::Integer(0), "{set} {column}");
        }
        assert!(
            as_text(&run["finished_at"]) >= as_text(&run["started_at"]),
            "{set}"
        );
    }
    let sum = |column| number(&db, &format!("SELECT sum({column}) FROM sync_runs"));
    assert_eq!(sum("requests"), feed.request_count() as i64);
    assert_eq!(sum("bytes_received"), feed.bytes_sent() as i64);
}

#[test]
fn a_full_sync_costs_one_request_per_page_and_few_more() {
    let feed = feed_with(1_000, |options| options.photos = 2);
    let mirror = Mirror::with(&feed, |settings| settings.set("page_size", 50));
    mirror.sync();

    let full_pages = 20;
    let asked = feed.request_count();
    assert!(
        asked <= full_pages + 12,
        "{asked} requests for {full_pages} full pages"
    );
    for request in feed.requests() {
        let url = format!("{}?{}", request.path, request.query);
        let is_of_one = url.contains('(') && !url.contains("$expand")
            || url.contains("KeyNumeric eq ")
            || url.contains("Key eq ");
        assert!(!is_of_one, "a request for a single listing: {url}");
    }
    assert_eq!(live(&mirror.open(), "Property"), 1_000);
}

#[test]
fn a_second_full_sync_of_an_unchanged_feed_writes_nothing_but_its_runs() {
    let feed = feed(120);
    let mirror = Mirror::with(&feed, |settings| settings.resources = ALL.to_vec());
    mirror.sync();
    let before = dump(&mirror.open(), &ALL);
    mirror.sync_ends(0, &["full"]);

    let db = mirror.open();
    assert!(dump(&db, &ALL) == before, "a row was written");
    for set in ALL {
        let run = last_run(&db, set);
        let count = Sql::Integer(feed.count(set) as i64);
        assert_eq!(run["unchanged"], count, "{set}");
        assert_eq!(run["records_seen"], count, "{set}");
        for column in [
            "inserted",
            "updated",
            "deleted",
            "restored",
            "changes_logged",
        ] {
            assert_eq!(run[column], Sql::Integer(0), "{set} {column}");
        }
    }
}

#[test]
fn equal_values_with_another_spelling_are_no_change() {
    let feed = feed(60);
    let mirror = Mirror::with(&feed, |settings| settings.resources = ALL.to_vec());
    mirror.sync();
    let before = dump(&mirror.open(), &ALL);
    for every_field in [true, false] {
        feed.set_server(|server| {
            server.every_field = every_field;
            server.no_nulls = !every_field;
        });
        mirror.sync_ends(0, &["full"]);
        assert!(
            dump(&mirror.open(), &ALL) == before,
            "absent and null differ"
        );
    }
}

#[test]
#[should_panic(expected = "3 differences between mirror and feed")]
fn the_comparison_finds_a_changed_value_a_missing_row_and_an_extra_row() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let [a, b, c] = [3, 4, 5].map(|at| feed.listing_keys()[at].to_string());
    let db = rusqlite::Connection::open(mirror.database_path()).unwrap();
    let change = |sql: &str, key: &str| assert_eq!(db.execute(sql, [key]).unwrap(), 1);
    change(
        "UPDATE listings SET ListPrice = ListPrice + 0.01 WHERE ListingKey = ?1",
        &a,
    );
    change(
        "UPDATE listings SET deleted_at = updated_at WHERE ListingKey = ?1",
        &b,
    );
    feed.delete("Property", &c, false).unwrap();
    assert_mirror_equals_feed(&db, &feed, &["Property"]);
}

#[test]
fn an_empty_feed_makes_an_empty_mirror() {
    let feed = feed(0);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert_eq!(live(&mirror.open(), "Property"), 0);
}

#[test]
fn a_survey_that_lacks_the_records_that_it_counts_is_asked_for_again() {
    let feed = feed(40);
    let mut empty = 2;
    let proxy = Proxy::of(&feed, move |answer| {
        let is_survey = answer.is_of("Property") && answer.request.contains(" desc&$top=10");
        if is_survey && empty > 0 {
            empty -= 1;
            answer.records().clear();
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    // A full sync that knows no timestamp leaves no watermark, and another one follows.
    let ended = mirror.sync();
    assert!(ended.stdout.contains("incremental Property"), "{ended}");
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn only_the_named_resources_are_read() {
    let feed = feed(60);
    let mirror = Mirror::with(&feed, |settings| settings.resources = ALL.to_vec());
    mirror.sync_ends(0, &["full", "--only", "Office,OpenHouse"]);
    let db = mirror.open();
    assert_eq!(
        texts(&db, "SELECT DISTINCT resource FROM sync_runs ORDER BY 1"),
        ["Office", "OpenHouse"]
    );
    assert_mirror_equals_feed(&db, &feed, &["Office", "OpenHouse"]);
}
