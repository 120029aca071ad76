//! Photo files: the download of each one, their order, and the photos that are left out.

use std::collections::BTreeSet;

use chrono::Duration;
use serde_json::json;
use simulator::{Fault, Simulator};

use crate::photo_files::*;
use crate::support::*;

/// Makes the changes of a day to photos, of every kind.
fn a_day(feed: &Simulator) {
    feed.advance(Duration::hours(3));
    let keys = feed.listing_keys();
    let photo_of = |listing: i64| {
        let photos = feed.truth_children(listing, "Media");
        photos.first().map(|photo| key_text(&photo["MediaKey"]))
    };
    for key in &keys[..4] {
        feed.add_photo(*key, true).unwrap();
    }
    for (at, touches) in [(4, true), (5, false), (6, true), (7, false)] {
        if let Some(photo) = photo_of(keys[at]) {
            feed.replace_photo(&photo, touches).unwrap();
        }
    }
    for at in [8, 9, 10] {
        if let Some(photo) = photo_of(keys[at]) {
            feed.remove_photo(&photo, at != 9, true).unwrap();
        }
    }
    for key in &keys[11..14] {
        feed.reorder_photos(*key, true).unwrap();
    }
    feed.delete("Property", &keys[14].to_string(), true)
        .unwrap();
    feed.insert_listing().unwrap();
}

#[test]
fn every_live_photo_has_an_exact_file_after_any_change() {
    let feed = feed_with(40, |options| options.photos = 6);
    let mirror = with_photos(&feed);
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
    let photos = photo_keys(&feed).len() as u64;
    assert!(photos > 60, "{photos} photos");
    assert_eq!(feed.asset_requests(), photos, "one request a photo");

    for day in 0..3 {
        let before: BTreeSet<String> = photo_keys(&feed).into_iter().collect();
        let asked = feed.asset_requests();
        a_day(&feed);
        let ended = mirror.sync_ends(0, &["--json"]);
        assert_files_equal_feed(&mirror, &feed);
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        let after: BTreeSet<String> = photo_keys(&feed).into_iter().collect();
        let new = after.difference(&before).count() as u64;
        let went = before.difference(&after).count() as u64;
        let [fetched, unchanged, removed, failed] = file_counts(&ended);
        assert_eq!((unchanged, failed, removed), (0, 0, went), "day {day}");
        assert!(
            (new + 1..=new + 4).contains(&fetched),
            "day {day}: {new} new, {fetched} fetched"
        );
        assert_eq!(feed.asset_requests() - asked, fetched, "day {day}");
    }
}

#[test]
fn an_idle_sync_requests_no_photo() {
    let feed = feed(40);
    let mirror = with_photos(&feed);
    mirror.sync();
    let (asked, before) = (feed.asset_requests(), below(&media_dir(&mirror)));
    for arguments in [&[][..], &["media"], &["full"], &["reconcile"]] {
        mirror.sync_ends(0, arguments);
        assert_eq!(feed.asset_requests(), asked, "{arguments:?}");
    }
    assert!(below(&media_dir(&mirror)) == before);
}

#[test]
fn a_new_timestamp_without_other_changes_costs_one_request_and_no_download() {
    let feed = feed(20);
    let mirror = with_photos(&feed);
    mirror.sync();
    feed.advance(Duration::hours(1));
    let key = photo_keys(&feed).remove(0);
    let file = below(&media_dir(&mirror));
    // The host's date is the version of the file, and its ETag takes precedence.
    let stamp = fields(json!({ "MediaModificationTimestamp": "2026-03-04T19:30:00Z" }));
    feed.edit("Media", &key, stamp).unwrap();
    feed.clear_requests();
    let ended = mirror.sync_ends(0, &["--json"]);
    assert_eq!(file_counts(&ended), [0, 1, 0, 0]);
    let requests = asset_requests(&feed);
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(requests[0].status, 304);
    assert!(below(&media_dir(&mirror)) == file);
    mirror.sync();
    assert_eq!(asset_requests(&feed).len(), 1, "it is not asked for again");
}

#[test]
fn media_are_photos_by_category_or_type() {
    let feed = feed(20);
    let keys = photo_keys(&feed);
    let kinds = [
        (json!("Photo"), json!("Jpeg"), true),
        (json!("Photo"), json!(null), true),
        (json!("photo"), json!("Pdf"), true),
        (json!("Floor Plan"), json!("image/png"), true),
        (json!("Floor Plan"), json!("Jpeg"), true),
        (json!(null), json!("jpeg"), true),
        (json!("Document"), json!("Pdf"), false),
        (json!("Office Photo"), json!("Pdf"), false),
        (json!("Video"), json!("video/mp4"), false),
        (json!(null), json!(null), false),
    ];
    for (key, (category, kind, _)) in keys.iter().zip(&kinds) {
        let fields = fields(json!({ "MediaCategory": category, "MediaType": kind }));
        feed.edit_silently("Media", key, fields).unwrap();
    }
    let mirror = with_photos(&feed);
    mirror.sync();
    let db = mirror.open();
    for (key, (category, kind, is_photo)) in keys.iter().zip(&kinds) {
        let file = number(
            &db,
            &format!("SELECT file_path IS NOT NULL FROM media WHERE \"MediaKey\" = '{key}'"),
        );
        assert_eq!(file == 1, *is_photo, "{category} {kind}");
        let shown = format!("SELECT count(*) FROM listing_photos WHERE \"MediaKey\" = '{key}'");
        assert_eq!(number(&db, &shown) == 1, *is_photo, "{category} {kind}");
    }
}

#[test]
fn every_row_with_a_url_is_a_photo_where_no_field_shows_the_kind() {
    let feed = feed(20);
    let keys = photo_keys(&feed);
    let no_url = fields(json!({ "MediaURL": null }));
    feed.edit_silently("Media", &keys[0], no_url).unwrap();
    let proxy = Proxy::of(&feed, |_| {});
    // Fields with other names are not declared and not asked for.
    proxy.declare(|metadata| {
        let metadata = metadata.replace("\"MediaCategory\"", "\"CategoryOther\"");
        metadata.replace("\"MediaType\"", "\"TypeOther\"")
    });
    let mirror = Mirror::at(&proxy.base_url, |settings| settings.media = true);
    mirror.sync();
    let db = mirror.open();
    let files = "SELECT count(*) FROM media WHERE file_path IS NOT NULL";
    assert_eq!(number(&db, files), keys.len() as i64 - 1);
    let shown = "SELECT count(*) FROM listing_photos WHERE file_path IS NOT NULL";
    assert_eq!(number(&db, shown), keys.len() as i64 - 1);
}

#[test]
fn the_first_photo_of_each_listing_comes_first_and_newer_listings_before_older() {
    let feed = feed_with(30, |options| options.photos = 5);
    feed.advance(Duration::days(1));
    let newest = feed.insert_listing().unwrap();
    let mirror = with_photos_and(&feed, "max_concurrent_downloads = 1", |_| {});
    mirror.sync();
    let db = mirror.open();
    let wanted = texts(
        &db,
        "SELECT \"MediaKey\" FROM media JOIN listings ON \"ListingKey\" = listing_key
         ORDER BY \"Order\" > 0, listings.\"OriginalEntryTimestamp\" DESC, listing_key DESC, \"Order\"",
    );
    let requests = asset_requests(&feed);
    let asked: Vec<&str> = requests
        .iter()
        .map(|request| request.path.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(asked, wanted);
    assert!(asked[0].starts_with(&format!("{newest}_")), "{}", asked[0]);
    assert_eq!(feed.max_concurrent_assets_seen(), 1);
}

#[test]
fn no_more_photos_than_configured_are_downloaded_at_a_time() {
    let feed = feed_with(30, |options| options.photos = 5);
    let mirror = with_photos_and(&feed, "max_concurrent_downloads = 3", |_| {});
    feed.fault(asset_fault(
        Fault::Delay(std::time::Duration::from_millis(20)),
        "photos",
    ));
    mirror.sync();
    assert_eq!(feed.max_concurrent_assets_seen(), 3);
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn a_host_gets_no_more_requests_than_configured() {
    let feed = feed(6);
    let photos = photo_keys(&feed).len();
    assert!(photos > 3);
    let allowed = format!("requests_per_minute = {}", photos - 2);
    let mirror = with_photos_and(&feed, &allowed, |_| {});
    // The photos beyond the limit would take another minute.
    let running = mirror.start(&["sync"]);
    wait_until("the budget is spent", || {
        feed.asset_requests() == photos as u64 - 2
    });
    running.signal("TERM");
    assert_eq!(running.wait().code, Some(143));
    assert_eq!(feed.asset_requests(), photos as u64 - 2);
}

#[test]
fn a_missing_or_truncated_file_is_downloaded_again() {
    let feed = feed(20);
    let mirror = with_photos(&feed);
    mirror.sync();
    for arguments in [&["media"][..], &[]] {
        let paths = texts(
            &mirror.open(),
            "SELECT file_path FROM media ORDER BY file_path",
        );
        std::fs::remove_file(media_dir(&mirror).join(&paths[0])).unwrap();
        std::fs::write(media_dir(&mirror).join(&paths[1]), "short").unwrap();
        let ended = mirror.sync_ends(0, &[arguments, &["--json"]].concat());
        assert_eq!(file_counts(&ended), [2, 0, 0, 0], "{arguments:?}");
        assert_files_equal_feed(&mirror, &feed);
    }
    std::fs::remove_dir_all(media_dir(&mirror)).unwrap();
    let ended = mirror.sync_ends(0, &["media"]);
    assert!(ended.stderr.contains("files are missing"), "{ended}");
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn refresh_downloads_only_the_photos_of_its_listings() {
    let feed = feed_with(20, |options| options.photos = 5);
    let mut mirror = Mirror::of(&feed);
    mirror.sync();
    assert_eq!(feed.asset_requests(), 0, "download_media is false");
    assert!(!media_dir(&mirror).exists());
    mirror.configure(|settings| settings.media = true);
    let listing = feed.listing_keys()[3].to_string();
    let photos = feed.truth_children(feed.listing_keys()[3], "Media").len() as i64;
    assert!(photos > 0);
    let ended = mirror.run(&["refresh", &listing]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let files = "SELECT count(*) FROM media WHERE file_path IS NOT NULL";
    assert_eq!(number(&mirror.open(), files), photos);
    let of_it = format!("{files} AND listing_key = '{listing}'");
    assert_eq!(number(&mirror.open(), &of_it), photos);

    // The hash finds a file that another program changed.
    let path = text(
        &mirror.open(),
        &format!("SELECT min(file_path) FROM media WHERE listing_key = '{listing}'"),
    );
    let path = media_dir(&mirror).join(path);
    let mut content = std::fs::read(&path).unwrap();
    let good = content.clone();
    *content.last_mut().unwrap() ^= 1;
    std::fs::write(&path, content).unwrap();
    let ended = mirror.run(&["refresh", &listing]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(std::fs::read(&path).unwrap() == good);
}

#[test]
fn sync_media_downloads_even_if_other_syncs_do_not() {
    let feed = feed(20);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let ended = mirror.sync_ends(0, &["media"]);
    assert!(ended.stderr.contains("photos to fetch"), "{ended}");
    assert_files_equal_feed(&mirror, &feed);
    let db = mirror.open();
    let run = rows(&db, "SELECT * FROM sync_runs WHERE job = 'media'")
        .pop()
        .unwrap();
    let photos = photo_keys(&feed).len().to_string();
    let counts = [
        "status",
        "requests",
        "records_seen",
        "inserted",
        "updated",
        "rejected",
    ];
    let counts = counts.map(|name| text_of(&run[name]));
    assert_eq!(
        counts,
        ["succeeded", &*photos, &*photos, &*photos, "0", "0"]
    );
    let bytes: usize = photo_keys(&feed)
        .iter()
        .map(|key| feed.photo_file(key).unwrap().len())
        .sum();
    assert_eq!(text_of(&run["bytes_received"]), bytes.to_string());
}

#[test]
fn a_dry_run_of_sync_media_shows_its_work_without_doing_it() {
    let feed = feed(20);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let photos = photo_keys(&feed).len();
    let ended = mirror.sync_ends(0, &["media", "--dry-run"]);
    assert!(
        ended.stdout.contains(&format!("{photos} photos to fetch")),
        "{ended}"
    );
    assert_eq!(feed.asset_requests(), 0);
    assert!(!media_dir(&mirror).exists());
    let json = mirror
        .sync_ends(0, &["media", "--dry-run", "--json"])
        .json();
    assert_eq!(json["to_fetch"]["photos"], photos);
    assert_eq!(json["to_remove"], 0);
}

#[test]
fn listing_photos_shows_each_live_listings_photos_in_order() {
    let feed = feed_with(20, |options| options.photos = 5);
    let mirror = with_photos(&feed);
    mirror.sync();
    feed.advance(Duration::hours(1));
    let keys = feed.listing_keys();
    feed.reorder_photos(keys[2], true).unwrap();
    feed.delete("Property", &keys[3].to_string(), true).unwrap();
    mirror.sync();
    let db = mirror.open();
    let mut expected = Vec::new();
    let mut listings = feed.listing_keys();
    listings.sort();
    for listing in listings {
        let mut photos = feed.truth_children(listing, "Media");
        photos.sort_by_key(|photo| photo["Order"].as_i64());
        let path = |photo: &Record| format!("{listing} {listing}/{}", key_text(&photo["MediaKey"]));
        expected.extend(photos.iter().map(path));
    }
    let shown = texts(
        &db,
        "SELECT \"ListingKey\" || ' ' || file_path FROM listing_photos",
    );
    assert_eq!(shown, expected);
}

#[test]
fn verify_compares_files_with_their_hashes() {
    let feed = feed(20);
    let mirror = with_photos(&feed);
    mirror.sync();
    let photos = photo_keys(&feed).len();
    let ended = mirror.run(&["verify"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let checked = format!("{photos} files compared with their hashes");
    assert!(ended.stdout.contains(&checked), "{ended}");

    let paths = texts(
        &mirror.open(),
        "SELECT file_path FROM media ORDER BY file_path",
    );
    let at = |place: usize| media_dir(&mirror).join(&paths[place]);
    std::fs::remove_file(at(0)).unwrap();
    let mut content = std::fs::read(at(1)).unwrap();
    content[100] ^= 1;
    std::fs::write(at(1), content).unwrap();
    std::fs::remove_file(at(2)).unwrap();
    std::os::unix::fs::symlink(at(3), at(2)).unwrap();
    let before = below(&media_dir(&mirror));
    let ended = mirror.run(&["verify"]);
    assert_eq!(ended.code, Some(3), "{ended}");
    for (place, what) in [
        (0, "is missing"),
        (1, "does not match its hash"),
        (2, "is missing"),
    ] {
        assert!(
            ended.stdout.contains(&format!("{} {what}", paths[place])),
            "{what}: {ended}"
        );
    }
    assert!(
        ended
            .stdout
            .contains("3 differences; `mlsmirror sync media`"),
        "{ended}"
    );
    assert!(below(&media_dir(&mirror)) == before, "it changes nothing");
    let json = mirror.run(&["--json", "verify"]).json();
    assert_eq!(
        (&json["equal"], &json["differences"]),
        (&json!(false), &json!(3))
    );
    let kinds: Vec<&str> = json["files"]["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| difference["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["missing", "changed", "missing"]);

    // The commands that it suggests.
    mirror.sync_ends(0, &["media"]);
    let listing = paths[1].split('/').next().unwrap();
    assert_eq!(mirror.run(&["refresh", listing]).code, Some(0));
    assert_files_equal_feed(&mirror, &feed);
    assert_eq!(mirror.run(&["verify"]).code, Some(0));
}

#[test]
fn the_backlog_outlives_the_process_and_shows_in_status() {
    let feed = feed(20);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let keys = photo_keys(&feed);
    let ended = mirror.run(&["status"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(
        ended
            .stdout
            .contains(&format!("{} photos to fetch", keys.len())),
        "{ended}"
    );
    feed.fault(asset_fault(Fault::Status(503), &keys[0]));
    mirror.sync_ends(3, &["media"]);
    let json = mirror.run(&["status", "--json"]).json();
    assert_eq!(
        (&json["photos"]["photos"], &json["photos"]["failing"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(json["resources"][0]["live"], 20);
}

#[test]
fn photos_are_downloaded_if_other_fields_are_selected() {
    let feed = feed(6);
    let mirror = with_photos_and(&feed, "", |settings| {
        settings.sync += "[sync.select]\nMedia = [\"ShortDescription\"]\n";
    });
    mirror.sync();
    assert_eq!(below_files(&mirror), photo_keys(&feed).len());
    feed.advance(chrono::Duration::hours(1));
    let key = photo_keys(&feed).remove(2);
    feed.replace_photo(&key, true).unwrap();
    let ended = mirror.sync_ends(0, &["--json"]);
    assert_eq!(file_counts(&ended)[0], 1, "{ended}");
    assert_files_equal_feed(&mirror, &feed);
}

fn below_files(mirror: &Mirror) -> usize {
    below(&media_dir(mirror)).values().flatten().count()
}

#[test]
fn the_etag_of_one_url_is_not_sent_to_another() {
    let feed = feed(6);
    let mirror = with_photos(&feed);
    mirror.sync();
    let key = photo_keys(&feed).remove(3);
    let url = format!("{}/photos/800x600/{key}", feed.asset_url());
    let fields = fields(serde_json::json!({ "MediaURL": url }));
    feed.advance(chrono::Duration::hours(1));
    feed.edit("Media", &key, fields).unwrap();
    let ended = mirror.sync_ends(0, &["--json"]);
    // The bytes are equal, and were downloaded again: with the ETag of the other URL, the
    // host would have answered that the file is unchanged.
    assert_eq!(file_counts(&ended), [1, 0, 0, 0], "{ended}");
    let asked = asset_requests(&feed);
    assert_eq!(asked.last().unwrap().status, 200);
    assert_files_equal_feed(&mirror, &feed);
}
