//! Photo hosts that demand the token, URLs that work once, and photos in several sizes.

use std::time::Duration;

use serde_json::{Value as Json, json};
use simulator::{Behaviour, Fault, Simulator};

use crate::photo_files::*;
use crate::support::*;

/// Returns the photo host of a feed, with its port.
fn photo_host(feed: &Simulator) -> String {
    feed.asset_url().replace("http://", "")
}

/// Returns lines of `[media]` that send the token to a host.
fn sending(way: &str, host: &str) -> String {
    format!("send_token = \"{way}\"\ntoken_hosts = [\"{host}\"]")
}

fn files(mirror: &Mirror) -> i64 {
    number(
        &mirror.open(),
        "SELECT count(*) FROM media WHERE file_path IS NOT NULL",
    )
}

#[test]
fn a_photo_host_receives_the_token_as_the_configuration_says() {
    for (way, behaviour) in [
        ("user-agent", Behaviour::PhotosNeedUserAgent),
        ("bearer", Behaviour::PhotosNeedBearer),
    ] {
        let feed = feed(10);
        feed.behave(&[behaviour]);
        let mirror = with_photos_and(&feed, &sending(way, &photo_host(&feed)), |_| {});
        let ended = mirror.run(&["-vv", "sync"]);
        assert_eq!(ended.code, Some(0), "{way}: {ended}");
        assert_eq!(files(&mirror), photo_keys(&feed).len() as i64, "{way}");
        assert_eq!(feed.asset_saw_token(), way == "bearer");
        assert!(!ended.stderr.contains(TOKEN), "{way}");
    }
}

#[test]
fn no_other_host_receives_the_token() {
    let (feed, other) = (feed(10), feed(1));
    for way in ["bearer", "user-agent"] {
        // A name without the port is another host.
        let mirror = with_photos_and(&feed, &sending(way, "127.0.0.1"), |_| {});
        mirror.sync();
        // The configured host redirects to another one.
        feed.fault(asset_fault(
            Fault::RedirectTo(other.asset_url() + "/photos/a/b"),
            "photos",
        ));
        let mirror = with_photos_and(&feed, &sending(way, &photo_host(&feed)), |settings| {
            settings.set("max_retries", 0);
        });
        mirror.sync_ends(3, &[]);
        assert!(!asset_requests(&other).is_empty());
        feed.clear_faults();
    }
    let is_agent = |request: &simulator::Request| request.user_agent == TOKEN;
    assert!(!other.asset_saw_token());
    assert!(!asset_requests(&other).iter().any(is_agent));
}

/// Starts a feed whose signed photo URLs work once.
fn single_use_feed() -> Simulator {
    let feed = feed(10);
    feed.behave(&[Behaviour::MediaUrlSignedAnew, Behaviour::PhotoUrlsWorkOnce]);
    feed
}

#[test]
fn a_url_that_works_once_is_replaced_by_a_fresh_one() {
    let feed = single_use_feed();
    let mut cut = asset_fault(Fault::CutBody, "photos");
    cut.times = 3;
    feed.fault(cut);
    let mirror = with_photos(&feed);
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn an_old_url_is_not_requested() {
    let feed = single_use_feed();
    let mut mirror = with_photos_and(&feed, "", |settings| settings.media = false);
    mirror.sync();
    // Somebody else used the URLs.
    let urls = texts(&mirror.open(), "SELECT MediaURL FROM media");
    std::thread::sleep(Duration::from_millis(1_100));
    mirror.configure(|settings| {
        settings.media = true;
        settings.sync = "\n[media]\nurl_life = \"1s\"\n".to_owned();
    });
    mirror.sync_ends(0, &["media"]);
    assert_files_equal_feed(&mirror, &feed);
    for request in asset_requests(&feed) {
        assert_eq!(request.status, 200);
        let url = format!("{}{}?{}", feed.asset_url(), request.path, request.query);
        assert!(!urls.contains(&url), "{url}");
    }
}

#[test]
fn one_size_of_each_photo_is_mirrored() {
    let feed = feed(10);
    let keys = photo_keys(&feed);
    for (at, key) in keys.iter().enumerate() {
        let size = if at % 2 == 0 { "Largest" } else { "Thumbnail" };
        let size = fields(json!({ "ImageSizeDescription": size }));
        feed.edit_silently("Media", key, size).unwrap();
    }
    let mirror = with_photos_and(&feed, "size = \"Largest\"", |_| {});
    mirror.sync();
    let largest = keys.len().div_ceil(2);
    assert_eq!(live(&mirror.open(), "Media"), largest as i64);
    assert_eq!(files(&mirror), largest as i64);
    mirror.run(&["verify"]).says(0, &[]);

    // Rows without a size are mirrored.
    let plain = crate::support::feed(10);
    for key in photo_keys(&plain) {
        let size = fields(json!({ "ImageSizeDescription": Json::Null }));
        plain.edit_silently("Media", &key, size).unwrap();
    }
    let mirror = with_photos_and(&plain, "size = \"Largest\"", |_| {});
    mirror.sync();
    assert_files_equal_feed(&mirror, &plain);
}

#[test]
fn a_private_photo_without_url_is_no_failure() {
    let feed = feed(10);
    let key = photo_keys(&feed).remove(2);
    let private = fields(json!({ "MediaURL": Json::Null }));
    feed.edit_silently("Media", &key, private).unwrap();
    let mirror = with_photos(&feed);
    mirror.sync();
    assert_eq!(files(&mirror), photo_keys(&feed).len() as i64 - 1);
    mirror.sync();
}

#[test]
fn photos_count_in_the_limits_of_the_feed_where_the_vendor_counts_them() {
    for shares in [false, true] {
        let feed = feed(10);
        let mirror = with_photos_and(&feed, &format!("shares_limits = {shares}"), |settings| {
            settings.set("requests_per_hour", 10_000);
        });
        mirror.sync();
        let budget = mirror.run(&["status", "--json"]).json()["budget"].clone();
        let photos = asset_requests(&feed).len() as u64;
        let sent = feed.request_count() + if shares { photos } else { 0 };
        assert_eq!(budget[0]["sent"], sent, "shares_limits = {shares}");
    }
}
