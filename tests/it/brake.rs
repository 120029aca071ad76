//! A feed that is suddenly much smaller does not empty the mirror.

use rusqlite::types::Value as Sql;
use serde_json::json;

use crate::support::*;

fn delete(feed: &simulator::Simulator, count: usize) {
    for key in feed.listing_keys().into_iter().take(count) {
        feed.delete("Property", &key.to_string(), false).unwrap();
    }
}

#[test]
fn a_mass_deletion_waits_until_it_is_allowed() {
    let feed = feed(200);
    let mirror = Mirror::of(&feed);
    mirror.sync_full();
    let before = dump(&mirror.open(), &MAIN);
    delete(&feed, 60);

    let ended = mirror.sync_ends(3, &["full"]);
    ended.says(
        3,
        &[
            "60 of 200 listings",
            "nothing was deleted",
            "--allow-deletes 60",
        ],
    );
    let db = mirror.open();
    assert!(dump(&db, &MAIN) == before, "a row was written");
    let run = last_run(&db, "Property");
    assert_eq!(run["status"], Sql::Text("partial".to_owned()));
    assert_eq!(run["deleted"], Sql::Integer(0));

    mirror.sync_ends(3, &["full", "--allow-deletes", "59"]);
    assert!(dump(&mirror.open(), &MAIN) == before, "a row was written");
    mirror.sync_ends(0, &["full", "--allow-deletes", "60"]);
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_eq!(last_run(&db, "Property")["deleted"], Sql::Integer(60));
}

#[test]
fn the_advice_of_a_reconcile_names_the_listings_because_their_photos_follow() {
    let feed = feed(200);
    let mirror = Mirror::of(&feed);
    mirror.sync_full();
    delete(&feed, 60);
    let missing = live(&mirror.open(), "Media") - feed.count("Media") as i64;
    assert!(missing > 60, "{missing} photos");
    let ended = mirror.sync_ends(3, &["reconcile"]);
    ended.says(
        3,
        &[
            "--allow-deletes 60",
            &format!("the feed lacks {missing} of"),
        ],
    );
    let status = mirror.run(&["status"]);
    for shown in [&ended.stderr, &status.stdout] {
        let advice = shown.matches("--allow-deletes").count();
        assert_eq!(advice, 1, "{ended}{status}");
    }
    assert!(status.stdout.contains("--allow-deletes 60"), "{status}");
    mirror.sync_ends(0, &["reconcile", "--allow-deletes", "60"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn a_share_within_the_limit_is_deleted() {
    let feed = feed(300);
    let mirror = Mirror::of(&feed);
    mirror.sync_full();
    delete(&feed, 30);
    mirror.sync_full();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let feed_now = feed.count("Property");
    assert_eq!(feed_now, 270);
    delete(&feed, 28);
    mirror.sync_ends(3, &["full"]);
    assert_eq!(live(&mirror.open(), "Property"), 270);
}

#[test]
fn a_few_deletions_in_a_small_mirror_never_wait() {
    let feed = feed(25);
    let mirror = Mirror::of(&feed);
    mirror.sync_full();
    delete(&feed, 12);
    mirror.sync_full();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    delete(&feed, 7);
    mirror
        .sync_ends(3, &["full"])
        .says(3, &["7 of 13 listings"]);
    assert_eq!(live(&mirror.open(), "Property"), 13);
}

#[test]
fn with_a_limit_of_0_no_unannounced_deletion_passes() {
    let feed = feed(25);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = "max_delete_percent = 0".to_owned();
    });
    mirror.sync_full();
    delete(&feed, 1);
    mirror
        .sync_ends(3, &["full"])
        .says(3, &["1 of 25 listings"]);
    assert_eq!(live(&mirror.open(), "Property"), 25);
}

#[test]
fn a_suddenly_empty_feed_does_not_empty_the_mirror() {
    let feed = feed(80);
    let mirror = Mirror::of(&feed);
    mirror.sync_full();
    delete(&feed, 80);
    mirror
        .sync_ends(3, &["full"])
        .says(3, &["80 of 80 listings"]);
    assert_eq!(live(&mirror.open(), "Property"), 80);
}

#[test]
fn announced_deletions_do_not_wait_where_a_sync_reads_all_children_again() {
    let feed = feed(60);
    let set_status = |key: &i64, status: &str| {
        let status = fields(json!({"StandardStatus": status}));
        feed.edit("Property", &key.to_string(), status).unwrap();
    };
    let keys = feed.listing_keys();
    keys.iter().for_each(|key| set_status(key, "Closed"));
    keys[..20].iter().for_each(|key| set_status(key, "Active"));
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync =
            "[sync.filter]\nProperty = \"StandardStatus eq Odata.Models.StandardStatus'Active'\""
                .to_owned();
    });
    mirror.sync();
    assert!(live(&mirror.open(), "Media") > 10);

    // Most listings enter the filter without their children.
    feed.advance(chrono::Duration::hours(2));
    keys[20..].iter().for_each(|key| set_status(key, "Active"));
    for key in &keys[..15] {
        for photo in feed.truth_children(*key, "Media") {
            feed.remove_photo(&key_text(&photo["MediaKey"]), true, false)
                .unwrap();
        }
    }
    feed.advance(chrono::Duration::hours(1));
    mirror.sync_ends(0, &["--only", "Property"]);
    let ended = mirror.sync();
    ended.says(0, &["Media: it was not read with most listings"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}
