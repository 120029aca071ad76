//! Deleted records, changes and runs are purged after their configured time.

use serde_json::json;
use simulator::Clock;

use crate::support::*;

/// Moves every deletion, change and run this far into the past.
fn age(mirror: &Mirror, days: i64) {
    let db = rusqlite::Connection::open(mirror.database_path()).unwrap();
    let earlier = |column: &str| format!("{column} = datetime({column}, '-{days} days')");
    for table in ["listings", "media", "open_houses"] {
        db.execute(&format!("UPDATE {table} SET {}", earlier("deleted_at")), [])
            .unwrap();
    }
    db.execute(
        &format!("UPDATE changes SET {}", earlier("recorded_at")),
        [],
    )
    .unwrap();
    let runs = format!("UPDATE sync_runs SET {}", earlier("started_at"));
    db.execute(&runs, []).unwrap();
}

#[test]
fn deleted_listings_are_purged_with_every_trace_of_their_content() {
    let feed = feed_of_today(40);
    let mut mirror = Mirror::of(&feed);
    mirror.sync();
    let keys = feed.listing_keys();
    let secret = "a view that nobody may remember";
    feed.advance(chrono::Duration::hours(1));
    let remark = |text: &str| fields(json!({ "PublicRemarks": text }));
    feed.edit("Property", &keys[3].to_string(), remark(secret))
        .unwrap();
    feed.edit("Property", &keys[4].to_string(), remark("another view"))
        .unwrap();
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    feed.edit("Property", &keys[3].to_string(), remark("a plain house"))
        .unwrap();
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    for at in [3, 5] {
        feed.delete("Property", &keys[at].to_string(), true)
            .unwrap();
    }
    mirror.sync();
    age(&mirror, 29);
    mirror.configure(|settings| settings.sync = "\n[retention]\ndeleted = \"30d\"\n".to_owned());
    mirror.sync();
    let deleted = "SELECT count(*) FROM listings WHERE deleted_at IS NOT NULL";
    assert_eq!(
        number(&mirror.open(), deleted),
        2,
        "their time has not come"
    );
    age(&mirror, 2);
    let ended = mirror.sync();
    assert!(ended.stdout.contains("permanently removed"), "{ended}");
    let db = mirror.open();
    assert_eq!(number(&db, deleted), 0);
    let left = format!(
        "SELECT group_concat(change) FROM changes WHERE listing_key = '{}' AND resource = 'Property'",
        keys[3]
    );
    assert_eq!(text(&db, &left), "delete", "its deletion is still logged");
    let others = "SELECT count(*) FROM changes WHERE field = 'PublicRemarks'";
    assert_eq!(number(&db, others), 1, "of others all stays");
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    drop(db);
    for file in ["mirror.db", "mirror.db-wal"] {
        let content = std::fs::read(mirror.folder.path().join(file)).unwrap_or_default();
        let found = content
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!found, "{file} still holds it");
    }
    // A listing that comes back counts as new.
    feed.advance(chrono::Duration::hours(1));
    feed.bring_back(keys[3]).unwrap();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn changes_and_runs_are_purged_as_configured_and_the_sync_state_stays() {
    let feed = feed_of_today(40);
    let mut mirror = Mirror::of(&feed);
    mirror.sync();
    for _ in 0..3 {
        feed.advance(chrono::Duration::hours(1));
        feed.move_market(20);
        mirror.sync();
    }
    let db = mirror.open();
    let counts = |db: &rusqlite::Connection| {
        ["changes", "sync_runs"].map(|table| number(db, &format!("SELECT count(*) FROM {table}")))
    };
    let [changes, runs] = counts(&db);
    assert!(changes > 20 && runs > 15, "{changes} changes, {runs} runs");
    drop(db);
    age(&mirror, 401);
    let before = mirror.open();
    let watermarks = "SELECT watermark_after FROM sync_runs WHERE id IN
        (SELECT max(id) FROM sync_runs GROUP BY resource, job = 'deletions') ORDER BY resource, job";
    let stood = texts(&before, watermarks);
    drop(before);
    // By default, runs stay for 400 days, and changes stay forever.
    feed.clear_requests();
    mirror.sync();
    let requests = feed.requests();
    let [all_changes, fewer_runs] = counts(&mirror.open());
    assert_eq!(all_changes, changes);
    assert!(fewer_runs < runs, "{fewer_runs} of {runs} runs");
    let newest = texts(&mirror.open(), watermarks);
    assert_eq!(newest, stood, "the watermarks are where they were");
    // A request for a count has one record.
    let is_bounded = |query: &str| {
        query.is_empty() || query.contains("$filter=") || query.starts_with("$top=1&$count=true&")
    };
    for request in requests {
        let query = &request.query;
        assert!(is_bounded(query), "nothing is read again: {query}");
    }
    mirror.configure(|settings| settings.sync = "\n[retention]\nchanges = \"1d\"\n".to_owned());
    mirror.sync();
    assert_eq!(counts(&mirror.open())[0], 0);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn nothing_is_removed_while_the_clock_disagrees_with_the_feeds() {
    for hours in [-366 * 24, -26, -22, 22, 26, 366 * 24] {
        // The test moves the feed's clock: it cannot move that of this machine.
        let wrong = chrono::Duration::hours(hours);
        let feed = feed_with(20, |options| options.clock = Clock::Ahead(wrong));
        let mirror = Mirror::with(&feed, |settings| {
            settings.sync = "\n[retention]\ndeleted = \"30d\"\nchanges = \"30d\"\n".to_owned();
        });
        mirror.sync();
        feed.advance(chrono::Duration::hours(1));
        feed.move_market(20);
        feed.delete("Property", &feed.listing_keys()[0].to_string(), true)
            .unwrap();
        mirror.sync();
        age(&mirror, 500);
        let held = || {
            let db = mirror.open();
            let count = |what: &str| number(&db, &format!("SELECT count(*) FROM {what}"));
            ["listings", "changes", "sync_runs"].map(count)
        };
        let [listings, changes, runs] = held();
        let ended = mirror.sync();
        let [listings_after, changes_after, runs_after] = held();
        // The feed moves on by an hour. More than a day is wrong.
        if (hours + 1).abs() < 24 {
            assert!(listings_after < listings, "{hours} hours: {ended}");
            assert_eq!(changes_after, 0, "{hours} hours: {ended}");
            continue;
        }
        assert_eq!(listings_after, listings, "{hours} hours: {ended}");
        assert_eq!(changes_after, changes);
        assert!(runs_after > runs);
        assert!(
            ended.stderr.contains("[retention] removes nothing"),
            "{ended}"
        );
    }
}
