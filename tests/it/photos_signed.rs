//! Photos whose URLs have another signature in every answer, and photos without a
//! timestamp of their own.

use serde_json::{Value as Json, json};
use simulator::Behaviour;

use crate::photo_files::*;
use crate::support::*;

/// Changes every listing, so that a sync reads all photos again.
fn touch_all(feed: &simulator::Simulator) {
    feed.advance(chrono::Duration::hours(1));
    for key in feed.listing_keys() {
        let price = json!({"ListPrice": 123_456.0 + key as f64});
        feed.edit("Property", &key.to_string(), fields(price))
            .unwrap();
    }
}

const LOGGED_URLS: &str = "SELECT count(*) FROM changes WHERE field = 'MediaURL'";

#[test]
fn another_signature_is_no_change_of_a_photo() {
    let feed = feed(12);
    feed.behave(&[Behaviour::MediaUrlSignedAnew]);
    let mirror = with_photos(&feed);
    mirror.sync();
    let requests = asset_requests(&feed).len();
    assert_eq!(requests, photo_keys(&feed).len());
    let urls = || {
        let db = mirror.open();
        text(&db, "SELECT group_concat(MediaURL) FROM media")
    };
    for job in [&["sync"][..], &["sync", "full"], &["sync", "reconcile"]] {
        touch_all(&feed);
        let before = urls();
        let ended = mirror.run(job);
        assert_eq!(ended.code, Some(0), "{job:?}: {ended}");
        if job != ["sync", "reconcile"] {
            assert_ne!(urls(), before, "the rows have the new URLs");
        }
        assert_eq!(asset_requests(&feed).len(), requests, "{job:?}");
    }
    assert_eq!(number(&mirror.open(), LOGGED_URLS), 0);
    mirror.run(&["verify", "--sample", "1000"]).says(0, &[]);

    // A photo that did change is requested once, with its newest URL.
    let key = photo_keys(&feed).remove(4);
    feed.advance(chrono::Duration::hours(1));
    feed.replace_photo(&key, true).unwrap();
    mirror.sync();
    let asked = asset_requests(&feed);
    assert_eq!(asked.len(), requests + 1);
    assert!(asked.last().unwrap().path.contains(&key));
    mirror.sync();
    assert_eq!(asset_requests(&feed).len(), requests + 1);
}

#[test]
fn a_photo_that_has_no_file_yet_is_requested_with_its_newest_url() {
    let feed = feed(6);
    feed.behave(&[Behaviour::MediaUrlSignedAnew]);
    let mut mirror = with_photos_and(&feed, "", |settings| settings.media = false);
    mirror.sync();
    touch_all(&feed);
    mirror.sync();
    mirror.configure(|settings| settings.media = true);
    mirror.sync_ends(0, &["media"]);
    let asked = asset_requests(&feed);
    assert_eq!(asked.len(), photo_keys(&feed).len());
    for request in asked {
        let known = format!(
            "SELECT count(*) FROM media WHERE MediaURL LIKE '%{}?{}'",
            request.path, request.query
        );
        assert_eq!(number(&mirror.open(), &known), 1, "{request:?}");
    }
}

/// Puts a signature into the path of each photo's URL.
fn sign_path(answer: &mut Answer, sign: impl Fn(&str, u32) -> String, number: u32) {
    let mut sign_photo = |photo: &mut Json| {
        if let Some(key) = photo["MediaKey"].as_str().map(str::to_owned) {
            photo["MediaURL"] = sign(&key, number).into();
        }
    };
    let is_of_photos = answer.is_of("Media");
    let Some(records) = answer.body["value"].as_array_mut() else {
        return;
    };
    for record in records {
        if is_of_photos {
            sign_photo(record);
        } else if let Some(photos) = record["Media"].as_array_mut() {
            photos.iter_mut().for_each(&mut sign_photo);
        }
    }
}

#[test]
fn a_signature_in_the_path_is_no_change_either() {
    type Sign = fn(&str, u32) -> String;
    let mls_grid: Sign = |key, number| {
        format!("https://media.example.com/token={number}&expires={number}&id=9/images/{key}")
    };
    let trestle: Sign = |key, number| {
        format!("https://api.example.com/trestle/Media/Property/PHOTO-Jpeg/{key}/1/a{number}/b/c")
    };
    for sign in [mls_grid, trestle] {
        let feed = feed(12);
        let mut number_of_answer = 0;
        let proxy = Proxy::of(&feed, move |answer| {
            number_of_answer += 1;
            sign_path(answer, sign, number_of_answer);
        });
        let mirror = Mirror::at(&proxy.base_url, |_| {});
        mirror.sync();
        let url = "SELECT MediaURL FROM media ORDER BY MediaKey LIMIT 1";
        let before = text(&mirror.open(), url);
        touch_all(&feed);
        mirror.sync();
        let db = mirror.open();
        assert_ne!(text(&db, url), before);
        assert_eq!(number(&db, LOGGED_URLS), 0);
    }
}

#[test]
fn photos_without_a_timestamp_are_requested_again_when_their_listing_says_so() {
    for has_timestamp in [true, false] {
        let feed = feed(6);
        let proxy = Proxy::of(&feed, move |answer| {
            let without = |photo: &mut Json| {
                if !has_timestamp {
                    photo["MediaModificationTimestamp"] = Json::Null;
                }
            };
            let is_of_photos = answer.is_of("Media");
            for record in answer.body["value"].as_array_mut().into_iter().flatten() {
                if is_of_photos {
                    without(record);
                } else if let Some(photos) = record["Media"].as_array_mut() {
                    photos.iter_mut().for_each(without);
                }
            }
        });
        let mirror = Mirror::at(&proxy.base_url, |settings| settings.media = true);
        mirror.sync();
        let requests = asset_requests(&feed).len();
        let listing = feed.listing_keys()[2];
        let photos = feed.truth_children(listing, "Media").len();
        assert!(photos > 0);
        feed.advance(chrono::Duration::hours(1));
        let change = json!({"PhotosChangeTimestamp": "2026-03-04T19:40:00Z"});
        feed.edit("Property", &listing.to_string(), fields(change))
            .unwrap();
        let expected = if has_timestamp {
            requests
        } else {
            requests + photos
        };
        for sync in ["the first", "the second"] {
            mirror.sync();
            let asked = asset_requests(&feed).len();
            assert_eq!(
                asked, expected,
                "{sync} sync, own timestamps: {has_timestamp}"
            );
        }
    }
}
