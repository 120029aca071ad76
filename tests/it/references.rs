//! The foreign keys that tables declare for readers, and that the mirror does not enforce.

use rusqlite::Connection;

use crate::support::*;

/// Returns the foreign keys of a table.
fn references(db: &Connection, table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT \"from\" || ' ' || \"table\" || ' ' || \"to\" FROM pragma_foreign_key_list('{table}')"
    );
    texts(db, &sql)
}

const TO_LISTING: [&str; 1] = ["listing_key listings ListingKey"];

#[test]
fn children_and_the_log_refer_to_their_listings() {
    let feed = feed_with(20, |options| options.photos = 2);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let db = mirror.open();
    for table in ["media", "open_houses", "changes"] {
        assert_eq!(references(&db, table), TO_LISTING, "{table}");
        let broken = format!("SELECT count(*) FROM pragma_foreign_key_check('{table}')");
        assert_eq!(number(&db, &broken), 0, "{table}");
    }
    assert!(references(&db, "listings").is_empty());
    assert_eq!(texts(&db, "PRAGMA integrity_check"), ["ok"]);
}

#[test]
fn children_that_come_before_their_listings_refer_to_them_later() {
    let feed = feed_with(20, |options| options.photos = 2);
    let mut mirror = Mirror::with(&feed, |settings| settings.resources = vec!["Media"]);
    mirror.sync();
    assert!(references(&mirror.open(), "media").is_empty());
    mirror.configure(|settings| settings.resources = MAIN.to_vec());
    mirror.sync();
    assert_eq!(references(&mirror.open(), "media"), TO_LISTING);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn a_user_who_enforces_foreign_keys_can_read_and_add_tables() {
    let feed = feed_with(20, |options| options.photos = 2);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let own = Connection::open(mirror.database_path()).unwrap();
    own.execute_batch(
        "PRAGMA foreign_keys = ON;
         CREATE TABLE my_notes (listing TEXT REFERENCES listings (ListingKey), note TEXT);
         INSERT INTO my_notes SELECT ListingKey, 'mine' FROM listings;
         UPDATE media SET file_bytes = NULL;",
    )
    .unwrap();
    drop(own);
    feed.advance(chrono::Duration::days(2));
    let key = feed.listing_keys()[0];
    feed.delete("Property", &key.to_string(), true).unwrap();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let notes = "SELECT count(*) FROM my_notes";
    assert_eq!(number(&mirror.open(), notes), 20);
}
