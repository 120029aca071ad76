//! Photos that fail are reported and retried, and do not stop the others.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use chrono::Duration;
use serde_json::json;
use simulator::{Fault, FaultRule, Host, RetryAfter, Simulator};

use crate::photo_files::*;
use crate::support::*;

/// Returns the photo that a test is about, and the number of other photos.
fn one_of(feed: &Simulator) -> (String, i64) {
    let mut keys = photo_keys(feed);
    let key = keys.remove(keys.len() / 2);
    (key, keys.len() as i64)
}

fn column(mirror: &Mirror, key: &str, column: &str) -> String {
    text(
        &mirror.open(),
        &format!("SELECT {column} FROM media WHERE \"MediaKey\" = '{key}'"),
    )
}

fn files(mirror: &Mirror) -> i64 {
    number(
        &mirror.open(),
        "SELECT count(*) FROM media WHERE file_path IS NOT NULL",
    )
}

#[test]
fn every_file_is_complete_with_three_of_ten_bodies_truncated() {
    let feed = feed_with(40, |options| options.photos = 6);
    let mirror = with_photos(&feed);
    feed.fault(FaultRule {
        on: Host::Assets,
        one_in: 3,
        ..FaultRule::always(Fault::CutBody)
    });
    let mut runs = 1;
    while mirror.run(&["sync"]).code != Some(0) {
        runs += 1;
        assert!(runs < 20, "the runs do not end");
    }
    assert!(feed.asset_requests() > photo_keys(&feed).len() as u64 * 4 / 3);
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn a_failed_photo_is_reported_stops_no_other_and_is_downloaded_later() {
    let redirect = |url: &str| Fault::RedirectTo(url.to_owned());
    let cases: [(Fault, &str); 13] = [
        (Fault::CutBody, "broke"),
        (Fault::Reset, "broke"),
        (Fault::Stall, "timed out"),
        (Fault::Drip, "timed out: only"),
        (Fault::HtmlOk, "a web page instead of an image"),
        (Fault::EmptyOk, "an empty answer instead of an image"),
        (Fault::Status(500), "the host answered 500"),
        (Fault::Status(503), "the host answered 503"),
        (
            Fault::Status(302),
            "the host answered 302 Found without a valid location",
        ),
        (
            Fault::TooMany {
                retry_after: RetryAfter::None,
            },
            "the host answered 429",
        ),
        (redirect("http://127.0.0.1:1/nobody"), "cannot connect"),
        (
            redirect("file:///etc/passwd"),
            "`file:` URLs are not downloaded, only http and https",
        ),
        (
            redirect("http://169.254.169.254/latest/meta-data/"),
            "a private address",
        ),
    ];
    for (fault, words) in cases {
        let feed = feed(6);
        let mirror = with_photos_and(&feed, "", |settings| settings.set("timeout", "\"1s\""));
        let (key, others) = one_of(&feed);
        feed.fault(asset_fault(fault.clone(), &key));
        let ended = mirror.run(&["--json", "sync"]);
        ended.says(3, &["1 photo failed", words]);
        assert_eq!(file_counts(&ended), [others as u64, 0, 0, 1], "{fault:?}");
        assert_eq!(files(&mirror), others, "{fault:?}");
        assert!(
            column(&mirror, &key, "download_error").contains(words),
            "{fault:?}: {ended}"
        );
        let attempts: u32 = column(&mirror, &key, "download_attempts").parse().unwrap();
        // A permanent failure is not retried in the same run.
        let finals = ["without a valid location", "private", "not downloaded"];
        let is_final = finals.iter().any(|part| words.contains(part));
        let expected = if is_final { 1 } else { 3 };
        assert_eq!(attempts, expected, "{fault:?}");
        let left = below(&media_dir(&mirror));
        assert!(!left.keys().any(|name| name.ends_with(".part")), "{left:?}");

        let more = mirror.sync_ends(3, &["media", "--json"]);
        assert_eq!(file_counts(&more), [0, 0, 0, 1], "{fault:?}");
        let grown: u32 = column(&mirror, &key, "download_attempts").parse().unwrap();
        assert_eq!(grown, 2 * expected, "{fault:?}");
        feed.clear_faults();
        mirror.sync_ends(0, &["media"]);
        assert_files_equal_feed(&mirror, &feed);
    }
}

#[test]
fn the_pause_before_a_retry_of_a_failed_photo_grows() {
    let feed = feed(6);
    let mirror = with_photos_and(&feed, "", |settings| {
        settings.set("retry_delay", "\"1h\"");
        settings.set("max_retries", 0);
    });
    let (key, _) = one_of(&feed);
    feed.fault(asset_fault(Fault::Status(500), &key));
    let hours = "round((julianday(download_after) - julianday('now')) * 24)";
    mirror.sync_ends(3, &[]);
    assert_eq!(column(&mirror, &key, hours), "1");
    let asked = feed.asset_requests();
    let ended = mirror.sync_ends(3, &[]);
    assert_eq!(feed.asset_requests(), asked, "it pauses: {ended}");
    ended.says(3, &["1 photo will be retried"]);
    // People read local time, and the database has UTC.
    assert!(!ended.stderr.contains(" UTC"), "{ended}");
    let errors = "SELECT count(*) FROM sync_runs WHERE error LIKE '%retried, the first at % UTC%'";
    assert_eq!(number(&mirror.open(), errors), 1, "{ended}");
    for expected in ["2", "4", "8", "16", "24", "24"] {
        // A photo of a listing that the command names does not wait.
        mirror.sync_ends(3, &["media"]);
        assert_eq!(column(&mirror, &key, hours), expected);
    }
    assert_eq!(feed.asset_requests(), asked + 6);
    feed.clear_faults();
    // A new version of the photo is downloaded.
    feed.advance(Duration::hours(1));
    feed.replace_photo(&key, false).unwrap();
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn a_photo_missing_at_its_host_is_reported_once_and_not_requested_forever() {
    for status in [404, 410] {
        let feed = feed(6);
        let mirror = with_photos(&feed);
        let (key, others) = one_of(&feed);
        feed.fault(asset_fault(Fault::Status(status), &key));
        let words = format!("the host has no such file ({status})");
        mirror
            .sync_ends(3, &[])
            .says(3, &["1 photo failed", &words]);
        assert_eq!(files(&mirror), others);
        assert_eq!(column(&mirror, &key, "download_error"), words);
        let asked = feed.asset_requests();
        assert_eq!(asked, others as u64 + 1, "it is asked for once");
        for arguments in [&[][..], &["media"]] {
            mirror.sync_ends(0, arguments);
            assert_eq!(feed.asset_requests(), asked, "{arguments:?}");
        }
        // Some hosts have the file later than the feed has the row, so it is requested again.
        let later = "strftime('%s', download_after) - strftime('%s', 'now') BETWEEN 3500 AND 3600";
        let later = column(&mirror, &key, later);
        assert_eq!(later, if status == 404 { "1" } else { "NULL" });
        if status == 404 {
            // The sync tries again silently after that time, and then waits longer.
            let sql = "UPDATE media SET download_after = '2020-01-01 00:00:00' WHERE download_after IS NOT NULL";
            let db = rusqlite::Connection::open(mirror.database_path()).unwrap();
            assert_eq!(db.execute(sql, []).unwrap(), 1);
            mirror.sync();
            assert_eq!(feed.asset_requests(), asked + 1);
            let hours = "round((julianday(download_after) - julianday('now')) * 24)";
            assert_eq!(column(&mirror, &key, hours), "4");
        }
        feed.clear_faults();
        let listing = key.split('_').next().unwrap();
        assert_eq!(mirror.run(&["refresh", listing]).code, Some(0));
        assert_files_equal_feed(&mirror, &feed);
    }
}

#[test]
fn a_file_that_is_no_image_is_reported_once_and_not_requested_by_every_sync() {
    let feed = feed(6);
    let mirror = with_photos(&feed);
    let (key, others) = one_of(&feed);
    feed.fault(asset_fault(Fault::PdfOk, &key));
    let words = "no image, but application/pdf";
    mirror.sync_ends(3, &[]).says(3, &["1 photo failed", words]);
    assert_eq!(files(&mirror), others);
    assert_eq!(column(&mirror, &key, "download_error"), words);
    let asked = feed.asset_requests();
    assert_eq!(asked, others as u64 + 1, "it is asked for once");
    mirror.sync();
    assert_eq!(feed.asset_requests(), asked);
    feed.clear_faults();
    let listing = key.split('_').next().unwrap();
    assert_eq!(mirror.run(&["refresh", listing]).code, Some(0));
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn a_host_that_asks_for_a_day_gets_no_request_for_a_day() {
    let feed = feed(12);
    let mirror = with_photos_and(&feed, "max_concurrent_downloads = 1", |_| {});
    let day = RetryAfter::Seconds(86_400);
    feed.fault(FaultRule {
        on: Host::Assets,
        skip: 5,
        ..FaultRule::always(Fault::TooMany { retry_after: day })
    });
    let photos = photo_keys(&feed).len() as u64;
    let ended = mirror.sync_ends(3, &["--json"]);
    ended.says(3, &["photos failed", "asks to wait until"]);
    assert_eq!(file_counts(&ended), [5, 0, 0, photos - 5]);
    assert_eq!(feed.asset_requests(), 6, "it is asked once");
    let waiting = "SELECT count(*) FROM media WHERE round((julianday(download_after) - julianday('now')) * 24) = 24";
    assert_eq!(number(&mirror.open(), waiting) as u64, photos - 5);
    let attempts = "SELECT sum(download_attempts) FROM media";
    assert_eq!(number(&mirror.open(), attempts), 1, "one was asked for");
    mirror.sync_ends(3, &[]).says(3, &["will be retried"]);
    assert_eq!(feed.asset_requests(), 6, "nor by the next sync");
    feed.clear_faults();
    mirror.sync_ends(0, &["media"]);
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn a_file_that_cannot_be_read_is_reported() {
    let feed = feed(6);
    let mirror = with_photos(&feed);
    mirror.sync();
    let (key, others) = one_of(&feed);
    let listing = key.split('_').next().unwrap();
    let of_it = photo_keys(&feed)
        .iter()
        .filter(|key| key.starts_with(listing))
        .count();
    // A link replaces the folder of the listing, and is not followed.
    let folder = media_dir(&mirror).join(listing);
    let elsewhere = mirror.folder.path().join("elsewhere");
    std::fs::rename(&folder, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
    for job in [&["--json"][..], &["media", "--json"]] {
        let ended = mirror.sync_ends(3, job);
        ended.says(3, &[listing, "cannot be read", "remove it"]);
        assert_eq!(file_counts(&ended), [0, 0, 0, of_it as u64]);
    }
    assert_eq!(files(&mirror), others + 1);
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&elsewhere, &folder).unwrap();
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn a_missing_photo_with_a_new_version_is_downloaded() {
    let feed = feed(6);
    let mirror = with_photos(&feed);
    let (key, _) = one_of(&feed);
    feed.fault(asset_fault(Fault::Status(410), &key));
    mirror.sync_ends(3, &[]);
    feed.clear_faults();
    feed.advance(Duration::hours(1));
    feed.replace_photo(&key, false).unwrap();
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
}

/// Gives a photo a URL that its host refuses as expired.
fn let_expire(feed: &Simulator, key: &str) {
    sign_anew(feed, key, "old");
}

fn sign_anew(feed: &Simulator, key: &str, signed: &str) {
    let url = format!("{}/photos/640x480/{key}?signed={signed}", feed.asset_url());
    feed.edit_silently("Media", key, fields(json!({ "MediaURL": url })))
        .unwrap();
}

#[test]
fn an_expired_url_is_read_again_from_the_feed_and_retried_once() {
    for media_answers in [true, false] {
        let feed = feed(6);
        let mirror = with_photos_and(&feed, "", |settings| settings.media = false);
        let keys = photo_keys(&feed);
        let expired = &keys[..3];
        for key in expired {
            let_expire(&feed, key);
        }
        mirror.sync();
        feed.fault(asset_fault(Fault::Status(403), "signed=old"));
        for key in expired {
            sign_anew(&feed, key, "new");
        }
        if !media_answers {
            feed.set_server(|server| server.media_status = Some(504));
        }
        let ended = mirror.sync_ends(0, &["media"]);
        assert_eq!(asset_requests(&feed).len(), keys.len() + 3, "{ended}");
        assert_files_equal_feed(&mirror, &feed);
        let db = mirror.open();
        let logged = "SELECT count(*) FROM changes WHERE field = 'MediaURL'";
        assert_eq!(number(&db, logged), 0, "media answers: {media_answers}");
        feed.set_server(|server| server.media_status = None);
        assert_mirror_equals_feed(&db, &feed, &MAIN);
    }
}

#[test]
fn an_expired_url_that_the_feed_does_not_renew_fails() {
    let feed = feed(6);
    let mirror = with_photos(&feed);
    let (key, others) = one_of(&feed);
    let_expire(&feed, &key);
    feed.fault(asset_fault(Fault::Status(403), "signed=old"));
    let ended = mirror.sync_ends(3, &[]);
    ended.says(
        3,
        &["the host refused the URL (403), which may have expired"],
    );
    assert_eq!(files(&mirror), others);
    assert_eq!(asset_requests(&feed).len() as i64, others + 2);

    // The feed may also fail to answer.
    feed.fault(FaultRule::always(Fault::Status(503)));
    let ended = mirror.sync_ends(3, &["media"]);
    ended.says(3, &["and the feed gave no other", "503"]);
}

#[test]
fn a_photo_missing_in_the_feed_fails_and_stays_until_a_sweep() {
    let feed = feed(6);
    let mirror = with_photos_and(&feed, "", |settings| settings.media = false);
    let (key, others) = one_of(&feed);
    mirror.sync();
    feed.fault(asset_fault(Fault::Status(403), &key));
    feed.remove_photo(&key, false, false).unwrap();
    let words = "the feed no longer has the photo";
    let ended = mirror.sync_ends(3, &["media", "--json"]);
    ended.says(3, &[words]);
    assert_eq!(file_counts(&ended), [others as u64, 0, 0, 1]);
    assert!(column(&mirror, &key, "download_error").contains(words));
    assert_eq!(live(&mirror.open(), "Media"), others + 1);
    mirror.sync_ends(0, &["reconcile", "--allow-deletes", "100"]);
    assert_eq!(column(&mirror, &key, "deleted_reason"), "missing");
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn a_host_that_asks_for_a_pause_gets_one() {
    let pauses = [
        RetryAfter::Seconds(2),
        RetryAfter::Date(2),
        RetryAfter::XHeader(2),
    ];
    for retry_after in pauses {
        let feed = feed(6);
        let mirror = with_photos_and(&feed, "", |settings| settings.media = false);
        mirror.sync();
        feed.fault(FaultRule {
            on: Host::Assets,
            ..FaultRule::once(Fault::TooMany { retry_after })
        });
        mirror.sync_ends(0, &["media"]);
        assert_files_equal_feed(&mirror, &feed);
        let db = mirror.open();
        let run = "SELECT throttled_ms BETWEEN 1000 AND 60000 AND retries = 1 FROM sync_runs WHERE job = 'media'";
        assert_eq!(number(&db, run), 1, "{retry_after:?}");
        let refused = asset_requests(&feed)
            .iter()
            .filter(|request| request.status == 429)
            .count();
        assert_eq!(refused, 1, "{retry_after:?}");
    }
}

#[test]
fn a_file_over_the_limit_is_not_kept() {
    let feed = feed_with(6, |options| options.photo_bytes = 20_000);
    let mirror = with_photos_and(&feed, "max_bytes = \"12KB\"", |_| {});
    let ended = mirror.sync_ends(3, &["--json"]);
    ended.says(3, &["larger than media.max_bytes (12000 bytes)"]);
    assert_eq!(file_counts(&ended)[3], photo_keys(&feed).len() as u64);
    assert!(below(&media_dir(&mirror)).is_empty());
    let received = number(
        &mirror.open(),
        "SELECT bytes_received FROM sync_runs WHERE job = 'media'",
    );
    assert_eq!(
        received, 0,
        "a body that is announced as too large is not read"
    );
}

#[test]
fn forbidden_urls_are_refused() {
    let urls = [
        (
            "file:///etc/passwd",
            "`file:` URLs are not downloaded, only http and https",
        ),
        ("ftp://127.0.0.1/a.jpg", "`ftp:` URLs are not downloaded"),
        (
            "javascript:alert(1)",
            "`javascript:` URLs are not downloaded",
        ),
        (
            "http://10.0.0.1/a.jpg",
            "its host 10.0.0.1 is a private address",
        ),
        ("http://192.168.1.1/a.jpg", "a private address"),
        (
            "http://169.254.169.254/latest/meta-data/",
            "a private address",
        ),
        ("http://[fd00::1]/a.jpg", "a private address"),
        ("http://0x0a000001/a.jpg", "a private address"),
        ("no url at all", "invalid photo URL"),
        ("/photos/a.jpg", "invalid photo URL"),
    ];
    let feed = feed(12);
    let mirror = with_photos(&feed);
    let keys = photo_keys(&feed);
    assert!(keys.len() > urls.len());
    for (key, (url, _)) in keys.iter().zip(urls) {
        let fields = fields(json!({ "MediaURL": url }));
        feed.edit_silently("Media", key, fields).unwrap();
    }
    let ended = mirror.sync_ends(3, &[]);
    ended.says(3, &[&format!("{} photos failed", urls.len())]);
    for (key, (url, words)) in keys.iter().zip(urls) {
        let shown = column(&mirror, key, "download_error");
        assert!(shown.contains(words), "{url}: {shown}");
    }
    assert_eq!(files(&mirror), (keys.len() - urls.len()) as i64);
    assert_eq!(feed.asset_requests() as usize, keys.len() - urls.len());
}

#[test]
fn a_redirect_is_followed_to_another_host_without_the_token() {
    let feed = feed(6);
    let mirror = with_photos(&feed);
    let (key, _) = one_of(&feed);
    let elsewhere = feed.asset_url().replace("127.0.0.1", "localhost");
    feed.fault(FaultRule {
        times: 1,
        ..asset_fault(
            Fault::RedirectTo(format!("{elsewhere}/photos/full/{key}")),
            &key,
        )
    });
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
    assert!(
        asset_requests(&feed)
            .iter()
            .any(|request| request.path.contains("/full/"))
    );
}

#[test]
fn an_unusable_folder_is_reported_and_its_photos_stay_in_the_queue() {
    let feed = feed(6);
    let mirror = with_photos(&feed);
    std::fs::write(media_dir(&mirror), "in the way").unwrap();
    let ended = mirror.sync_ends(3, &["--json"]);
    ended.says(3, &["media_dir", "cannot be opened"]);
    assert_eq!(file_counts(&ended)[3], photo_keys(&feed).len() as u64);
    assert_eq!(feed.asset_requests(), 0);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    std::fs::remove_file(media_dir(&mirror)).unwrap();
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);

    // One broken folder does not stop the other listings.
    let feed = crate::support::feed(6);
    let mirror = with_photos(&feed);
    let listing = feed.truth("Media")[0]["ResourceRecordKey"]
        .as_str()
        .unwrap()
        .to_owned();
    create_media_dir(&mirror);
    std::fs::write(media_dir(&mirror).join(&listing), "in the way").unwrap();
    let ended = mirror.sync_ends(3, &[]);
    ended.says(3, &["its folder is a link or a file; remove it"]);
    let others = format!(
        "SELECT count(*) FROM media WHERE file_path IS NULL AND listing_key <> '{listing}'"
    );
    assert_eq!(number(&mirror.open(), &others), 0);
    std::fs::remove_file(media_dir(&mirror).join(&listing)).unwrap();
    mirror.sync_ends(0, &["media"]);
    assert_files_equal_feed(&mirror, &feed);
}

/// Returns whether this process may mount a file system.
fn can_mount(at: &Path) -> bool {
    let try_it = format!("mount -t tmpfs -o size=1m tmpfs '{}'", at.display());
    let tried = Command::new("unshare")
        .args(["-m", "sh", "-c", &try_it])
        .output();
    tried.is_ok_and(|tried| tried.status.success())
}

#[test]
fn a_full_disk_ends_the_downloads_and_the_next_run_resumes() {
    let feed = feed_with(20, |options| {
        options.photos = 5;
        options.photo_bytes = 50_000;
    });
    let mirror = with_photos(&feed);
    std::fs::create_dir(media_dir(&mirror)).unwrap();
    if !can_mount(&media_dir(&mirror)) {
        println!("skipped: this process may not mount a small file system to fill");
        return;
    }
    let photos = photo_keys(&feed).len() as i64;
    let size = photos * 50_000 / 2;
    // The mirror uses a small file system, which lasts as long as this process.
    let script = format!(
        "mount -t tmpfs -o size={size} tmpfs media && '{}' sync; code=$?; find media -type f -name '*.jpg' | wc -l; exit $code",
        env!("CARGO_BIN_EXE_mlsmirror")
    );
    let ended = Command::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .current_dir(mirror.folder.path())
        .env("WFRMLS_BEARER_TOKEN", TOKEN)
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&ended.stdout).into_owned(),
        String::from_utf8_lossy(&ended.stderr).into_owned(),
    );
    assert_eq!(ended.status.code(), Some(3), "{stdout}{stderr}");
    assert!(
        stderr.contains("photos cannot be written (No space left on device"),
        "{stderr}"
    );
    let on_disk: i64 = stdout.lines().last().unwrap().trim().parse().unwrap();
    assert!(on_disk > 0 && on_disk < photos, "{on_disk} of {photos}");
    assert_eq!(files(&mirror), on_disk, "rows name what is there");
    assert!(
        stderr.contains(&format!("{} photos failed", photos - on_disk)),
        "{stderr}"
    );
    assert!(
        (feed.asset_requests() as i64) < photos + 300,
        "later photos are still requested"
    );
    mirror.sync_ends(0, &["media"]);
    assert_files_equal_feed(&mirror, &feed);
}

/// Serves a body without its length: the end of the connection is its end.
fn serve_without_length(body: Arc<Mutex<Vec<u8>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4_096]);
            let body = body.lock().unwrap().clone();
            let head = b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n\r\n";
            let _ = stream.write_all(&[&head[..], &body].concat());
        }
    });
    format!("http://{address}")
}

#[test]
fn an_image_without_a_length_needs_its_end() {
    let feed = feed(12);
    let mirror = with_photos(&feed);
    mirror.sync();
    let key = photo_keys(&feed).remove(0);
    let whole = {
        let path = column(&mirror, &key, "file_path");
        std::fs::read(media_dir(&mirror).join(path)).unwrap()
    };
    assert!(whole.ends_with(b"\xFF\xD9"), "the photo is a JPEG");
    let body = Arc::new(Mutex::new(whole[..whole.len() / 2].to_vec()));
    let host = serve_without_length(body.clone());
    feed.advance(Duration::hours(1));
    let url = json!({ "MediaURL": format!("{host}/a") });
    feed.edit("Media", &key, fields(url)).unwrap();
    mirror
        .sync_ends(3, &[])
        .says(3, &["1 photo failed", "no end marker"]);
    *body.lock().unwrap() = whole.clone();
    let ended = mirror.sync_ends(0, &["media", "--json"]);
    assert_eq!(file_counts(&ended), [1, 0, 0, 0]);
}

#[test]
fn a_photo_that_its_host_replaced_behind_a_304_is_found_and_refreshed() {
    const ETAG: &str = "\"never-changes\"";
    let feed = feed(12);
    let mirror = with_photos(&feed);
    mirror.sync();
    let key = photo_keys(&feed).remove(0);
    let path = column(&mirror, &key, "file_path");
    let first = std::fs::read(media_dir(&mirror).join(path)).unwrap();
    let body = Arc::new(Mutex::new(first.clone()));
    let served = body.clone();
    let host = serve(move |_, request| {
        let response = axum::response::Response::builder().header("etag", ETAG);
        if request.headers().contains_key("if-none-match") {
            return response.status(304).body(Vec::new().into()).unwrap();
        }
        let body = served.lock().unwrap().clone();
        response.body(body.into()).unwrap()
    });
    let edit = |url: serde_json::Value| {
        feed.advance(Duration::hours(1));
        feed.edit("Media", &key, fields(url)).unwrap();
        mirror.sync();
    };
    edit(json!({ "MediaURL": format!("{host}/a") }));
    *body.lock().unwrap() = [&first[..], b"\xFF\xD9"].concat();
    edit(json!({ "MediaModificationTimestamp": "2026-03-04T23:00:00Z" }));
    mirror.sync();
    mirror.run(&["verify"]).says(0, &[]);
    let ended = mirror.run(&["verify", "--photos"]);
    assert_eq!(ended.code, Some(3), "{ended}");
    assert!(
        ended.stdout.contains("is not the photo of its host"),
        "{ended}"
    );
    let found = mirror.run(&["verify", "--photos", "--json"]).json();
    assert_eq!(found["files"]["differences"][0]["kind"], "outdated");
    assert_eq!(found["differences"], 1);

    let listing = column(&mirror, &key, "listing_key");
    mirror.run(&["refresh", &listing]).says(0, &[]);
    mirror.run(&["verify", "--photos"]).says(0, &[]);
    let path = column(&mirror, &key, "file_path");
    let now = std::fs::read(media_dir(&mirror).join(path)).unwrap();
    assert_eq!(now, *body.lock().unwrap());
}

#[test]
fn a_pause_that_a_clock_that_was_ahead_stored_ends_at_once() {
    let feed = feed(6);
    let mirror = with_photos(&feed);
    let (key, others) = one_of(&feed);
    feed.fault(asset_fault(Fault::Status(500), &key));
    mirror.sync_ends(3, &[]);
    feed.clear_faults();
    let db = rusqlite::Connection::open(mirror.database_path()).unwrap();
    let ahead = "UPDATE media SET download_after = datetime(download_after, '+4 years')";
    db.execute(ahead, []).unwrap();
    let ended = mirror.sync();
    assert!(ended.stderr.contains("too far away"), "{ended}");
    assert_eq!(files(&mirror), others + 1);
}
