//! Fields that the feed declares, does not declare, or declares later.

use crate::support::*;

#[test]
fn a_field_that_is_not_declared_is_kept_in_extra() {
    let feed = feed(60);
    feed.undeclare_field("Property", "PublicRemarks").unwrap();
    feed.undeclare_field("Media", "MediaURL").unwrap();
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    for (table, field) in [("listings", "PublicRemarks"), ("media", "MediaURL")] {
        let kept = format!("SELECT count(*) FROM {table} WHERE extra ->> '{field}' IS NOT NULL");
        assert!(number(&db, &kept) > 0, "{field} is nowhere");
        let columns = texts(
            &db,
            &format!("SELECT name FROM pragma_table_info('{table}')"),
        );
        assert!(
            !columns.iter().any(|name| name == field),
            "{field} became a column"
        );
    }
}

#[test]
fn a_field_that_is_declared_later_becomes_a_column() {
    let feed = feed(60);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.declare_field("Property", "SolarPanels", "Edm.Int32")
        .unwrap();
    feed.declare_field("Property", "RoofStory", "Edm.String")
        .unwrap();
    mirror.sync();
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    let types = texts(
        &db,
        "SELECT type FROM pragma_table_info('listings') WHERE name IN ('SolarPanels', 'RoofStory') ORDER BY name",
    );
    assert_eq!(types, ["TEXT", "INTEGER"]);
    let valued =
        "SELECT count(*) FROM listings WHERE SolarPanels IS NOT NULL OR RoofStory IS NOT NULL";
    assert!(number(&db, valued) > 0, "no listing has the new fields");
}

#[test]
fn a_full_that_gets_no_listings_has_not_read_a_later_field_of_their_photos() {
    let feed = feed(40);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    feed.declare_field("Media", "Camera", "Edm.String").unwrap();
    proxy.change(|answer| {
        if answer.is_of("Property") && !answer.request.contains(" in (") {
            answer.records().clear();
            answer.body["@odata.count"] = 0.into();
        }
    });
    mirror.sync_ends(3, &["full"]);
    let db = mirror.open();
    let last = "SELECT status FROM sync_runs WHERE resource = 'Media' ORDER BY id DESC LIMIT 1";
    assert_eq!(text(&db, last), "partial");

    proxy.change(|_| {});
    mirror.sync();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    let named = "SELECT count(*) FROM media WHERE Camera IS NOT NULL";
    assert!(number(&db, named) > 0, "no photo has the new field");
    let logged = "SELECT count(*) FROM changes WHERE field = 'Camera'";
    assert_eq!(number(&db, logged), 0, "a declaration is no change");
}

#[test]
fn a_field_that_is_no_longer_declared_keeps_its_column() {
    let feed = feed(40);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.undeclare_field("Property", "PublicRemarks").unwrap();
    mirror.sync();
    let db = mirror.open();
    let columns = texts(&db, "SELECT name FROM pragma_table_info('listings')");
    assert!(columns.iter().any(|name| name == "PublicRemarks"));
    // For a day, the values that still come are in the column.
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    let kept = "SELECT count(*) FROM listings WHERE PublicRemarks IS NOT NULL";
    assert!(number(&db, kept) > 0);
}

#[test]
fn only_selected_fields_are_requested_and_stored() {
    let feed = feed(60);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = "select = { Property = [\"ListPrice\", \"City\"] }".to_owned();
    });
    mirror.sync();
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &["Media", "OpenHouse"]);
    for (key, record) in truth(&feed, "Property") {
        let row = &rows(
            &db,
            &format!("SELECT * FROM listings WHERE ListingKey = '{key}'"),
        )[0];
        assert_eq!(as_text(&row["City"]), record["City"].as_str().unwrap());
        assert_eq!(row["PublicRemarks"], rusqlite::types::Value::Null);
    }
}
