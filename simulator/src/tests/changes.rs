//! Tests of changes to the market.

use serde_json::json;

use super::super::{Names, Spoil};
use super::*;

#[test]
fn the_same_seed_makes_the_same_changes() {
    let (one, same) = (feed(300), feed(300));
    let other = feed_with(|options| options.seed = 2);
    let truth = |feed: &Simulator| {
        let of = |set: &str| {
            let mut all = feed.truth(set);
            // Only the port of the asset host differs between runs.
            all.iter_mut()
                .for_each(|record| drop(record.shift_remove("MediaURL")));
            all
        };
        ["Property", "Media", "OpenHouse", "Member", "Deleted"].map(of)
    };
    assert_eq!(truth(&one), truth(&same));
    let moved = one.move_market(150);
    assert_eq!(moved, same.move_market(150));
    assert_eq!(moved.total() + moved.skipped, 150);
    assert!(moved.total() > 130, "{moved:?}");
    assert_eq!(truth(&one), truth(&same));
    assert_ne!(one.truth("Property"), other.truth("Property"));
    for (kind, count) in serde_json::to_value(one.move_market(600))
        .unwrap()
        .as_object()
        .unwrap()
    {
        assert!(kind == "skipped" || count.as_u64() > Some(0), "no {kind}");
    }
}

#[test]
fn an_edit_sets_fields_and_the_timestamp() {
    let feed = feed(10);
    let key = feed.listing_keys()[4].to_string();
    feed.advance(chrono::Duration::minutes(5));
    let listing = |feed: &Simulator| feed.truth("Property")[4].clone();
    let before = listing(&feed);
    feed.edit_silently("Property", &key, fields(json!({"ListPrice": 123456.5})))
        .unwrap();
    assert_eq!(
        listing(&feed)["ModificationTimestamp"],
        before["ModificationTimestamp"]
    );
    feed.edit(
        "Property",
        &key,
        fields(json!({"StandardStatus": "Active Under Contract", "Brand": {"new": 1}})),
    )
    .unwrap();
    let after = listing(&feed);
    assert_eq!(after["ListPrice"], 123_456.5);
    assert_eq!(after["ModificationTimestamp"], "2026-03-04T19:05:00Z");
    assert_eq!(after["Brand"], json!({"new": 1}));
    feed.set_server(|server| server.names = Names::Member);
    assert_eq!(listing(&feed)["StandardStatus"], "ActiveUnderContract");
    feed.edit_at(
        "Property",
        &key,
        fields(json!({})),
        "2031-01-01T00:00:00Z".parse().unwrap(),
    )
    .unwrap();
    assert_eq!(
        listing(&feed)["ModificationTimestamp"],
        "2031-01-01T00:00:00Z"
    );
    assert!(
        feed.edit("Property", &key, fields(json!({"ListingKey": "1"})))
            .is_err()
    );
    assert!(feed.edit("Property", "17", fields(json!({}))).is_err());
}

#[tokio::test]
async fn a_listing_is_deleted_and_restored_with_its_children() {
    let feed = feed(40);
    let photo = feed.truth("Media")[0].clone();
    let key = photo["ResourceRecordKeyNumeric"].as_i64().unwrap();
    let (listings, photos) = (feed.truth("Property").len(), feed.truth("Media").len());
    let own = feed.truth_children(key, "Media").len();
    feed.delete("Property", &key.to_string(), false).unwrap();
    assert_eq!(
        (feed.truth("Property").len(), feed.truth("Media").len()),
        (listings - 1, photos - own)
    );
    assert_eq!(walk(&feed, "Media").await, feed.truth("Media"));
    assert_eq!(ask(&feed, &format!("Property({key})")).await.0, 404);
    assert_eq!(
        walk(&feed, "Property?$skip=0").await,
        feed.truth("Property")
    );
    assert!(feed.truth("Deleted").is_empty());
    feed.bring_back(key).unwrap();
    assert_eq!(
        (feed.truth("Property").len(), feed.truth("Media").len()),
        (listings, photos)
    );
    assert!(feed.bring_back(key).is_err() && feed.bring_back(77).is_err());
}

#[tokio::test]
async fn skip_ignores_deleted_listings() {
    let feed = feed(100);
    for key in feed.listing_keys().into_iter().step_by(3) {
        feed.delete("Property", &key.to_string(), false).unwrap();
    }
    for skip in [0, 1, 5, 30, 65, 66, 80] {
        let found = records(
            &feed,
            &format!("Property?$skip={skip}&$top=2&$select=ListingKeyNumeric"),
        )
        .await;
        assert_eq!(
            keys(&found),
            feed.listing_keys()
                .into_iter()
                .skip(skip)
                .take(2)
                .collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn photos_change_with_or_without_their_listings_timestamp() {
    let feed = feed(30);
    let key = feed.listing_keys()[9];
    let listing = |feed: &Simulator| feed.truth("Property")[9].clone();
    let before = listing(&feed);
    feed.advance(chrono::Duration::minutes(1));
    let photo = feed.add_photo(key, false).unwrap();
    let after = listing(&feed);
    assert_eq!(
        after["PhotosCount"].as_i64(),
        before["PhotosCount"].as_i64().map(|count| count + 1)
    );
    assert_eq!(
        after["ModificationTimestamp"],
        before["ModificationTimestamp"]
    );
    let url = format!("{}/photos/640x480/{photo}", feed.asset_url());
    let first = client()
        .get(&url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    feed.replace_photo(&photo, true).unwrap();
    let second = client()
        .get(&url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_ne!(first, second);
    assert_eq!(
        listing(&feed)["ModificationTimestamp"],
        "2026-03-04T19:01:00Z"
    );
    let order = |feed: &Simulator| {
        let mut photos = feed.truth_children(key, "Media");
        photos.sort_by_key(|photo| photo["Order"].as_i64());
        photos
            .into_iter()
            .map(|photo| photo["MediaKey"].clone())
            .collect::<Vec<_>>()
    };
    let mut turned = order(&feed);
    turned.reverse();
    feed.reorder_photos(key, false).unwrap();
    assert_eq!(order(&feed), turned);
    feed.remove_photo(&photo, true, false).unwrap();
    assert_eq!(listing(&feed)["PhotosCount"], before["PhotosCount"]);
    assert_eq!(feed.truth("Deleted")[0]["primary_key"], photo);
    assert_eq!(client().get(&url).send().await.unwrap().status(), 404);
}

#[test]
fn held_changes_keep_their_timestamps() {
    let feed = feed(10);
    let key = feed.listing_keys()[0];
    let before = feed.truth("Property");
    feed.hold();
    feed.edit(
        "Property",
        &key.to_string(),
        fields(json!({"ListPrice": 5})),
    )
    .unwrap();
    let new = feed.insert_listing().unwrap();
    let house = feed.add_open_house(key).unwrap();
    feed.advance(chrono::Duration::hours(1));
    assert_eq!(feed.truth("Property"), before);
    feed.release();
    let after = feed.truth("Property");
    assert_eq!(
        (after.len(), after[0]["ListPrice"].as_f64()),
        (11, Some(5.0))
    );
    assert_eq!(after[0]["ModificationTimestamp"], "2026-03-04T19:00:00Z");
    assert_eq!(after[10]["ListingKeyNumeric"], new);
    assert_eq!(after[10]["StandardStatus"], "Active");
    assert!(
        feed.truth_children(key, "OpenHouse")
            .iter()
            .any(|found| found["OpenHouseKey"] == house)
    );
}

#[tokio::test]
async fn a_spoiled_record_is_invalid_until_repaired() {
    let feed = feed(10);
    let key = feed.listing_keys()[3].to_string();
    let truth = feed.truth("Property");
    let url = "Property?$expand=Media";
    feed.spoil("Property", &key, Spoil::NoKey).unwrap();
    let record = records(&feed, url).await[3].clone();
    assert!(!record.contains_key("ListingKey") && !record.contains_key("ListingKeyNumeric"));
    feed.spoil("Property", &key, Spoil::WrongType).unwrap();
    assert!(records(&feed, url).await[3]["ListPrice"].is_string());
    feed.spoil("Property", &key, Spoil::NotAnObject).unwrap();
    assert!(ask(&feed, url).await.1["value"][3].is_string());
    assert_eq!(feed.truth("Property"), truth);
    feed.repair("Property", &key).unwrap();
    assert_eq!(records(&feed, "Property").await, truth);
}
