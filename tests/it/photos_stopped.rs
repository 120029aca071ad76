//! Stops the download and removal of photos at any point, and starts again. The files are
//! the same as without a stop, and no other file is left.

use std::path::Path;

use chrono::Duration;
use serde_json::json;
use simulator::{Fault, FaultRule, Host, Simulator};

use crate::photo_files::*;
use crate::stopped::places;
use crate::support::*;

fn stalled_behind(skip: u64) -> FaultRule {
    FaultRule {
        on: Host::Assets,
        skip,
        ..FaultRule::always(Fault::Stall)
    }
}

#[test]
fn a_download_killed_at_any_photo_resumes_and_leaves_no_other_file() {
    let feed = feed_with(12, |options| options.photos = 4);
    let photos = photo_keys(&feed).len() as u64;
    for skip in 0..photos {
        let mirror = with_photos_and(&feed, "max_concurrent_downloads = 3", |settings| {
            settings.media = false;
        });
        mirror.sync();
        let asked = feed.asset_requests();
        feed.fault(stalled_behind(skip));
        let running = mirror.start(&["sync", "media"]);
        wait_until("the photo is asked for", || {
            feed.asset_requests() > asked + skip
        });
        running.signal("KILL");
        running.wait();
        feed.clear_faults();
        mirror.sync_ends(0, &["media"]);
        assert_files_equal_feed(&mirror, &feed);
        let runs = "SELECT group_concat(status) FROM sync_runs WHERE job = 'media'";
        assert_eq!(text(&mirror.open(), runs), "interrupted,succeeded");
    }
}

#[test]
fn a_stopped_download_ends_soon_and_keeps_its_files() {
    let feed = feed_with(12, |options| options.photos = 4);
    let mirror = with_photos(&feed);
    feed.fault(stalled_behind(5));
    let running = mirror.start(&["sync"]);
    wait_until("photos are in their places", || {
        below(&media_dir(&mirror))
            .keys()
            .any(|name| name.ends_with(".jpg"))
    });
    running.signal("TERM");
    let ended = running.wait();
    assert_eq!(ended.code, Some(143), "{ended}");
    let db = mirror.open();
    let files = number(
        &db,
        "SELECT count(*) FROM media WHERE file_path IS NOT NULL",
    );
    assert_eq!(files, 5);
    let on_disk = below(&media_dir(&mirror));
    assert_eq!(
        on_disk.values().flatten().count(),
        5,
        "{:?}",
        on_disk.keys()
    );
    let left =
        "SELECT (SELECT count(*) FROM _downloads) + (SELECT count(download_error) FROM media)";
    assert_eq!(number(&db, left), 0);
    let run = "SELECT status FROM sync_runs WHERE job = 'media'";
    assert_eq!(text(&db, run), "interrupted");
    feed.clear_faults();
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
}

/// A copy of a photo folder that can be restored.
struct Kept(std::collections::BTreeMap<String, Option<Vec<u8>>>);

impl Kept {
    fn of(mirror: &Mirror) -> Kept {
        Kept(below(&media_dir(mirror)))
    }

    fn put_back(&self, dir: &Path) {
        let _ = std::fs::remove_dir_all(dir);
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join(MARKER), "").unwrap();
        for (name, content) in &self.0 {
            let path = dir.join(name);
            match content {
                None => std::fs::create_dir_all(path).unwrap(),
                Some(content) => {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, content).unwrap();
                }
            }
        }
    }
}

/// Returns the file columns of all photos.
fn file_rows(mirror: &Mirror) -> Vec<String> {
    let sql = "SELECT \"MediaKey\" || quote(file_path) || quote(file_sha256) FROM media ORDER BY 1";
    texts(&mirror.open(), sql)
}

/// Runs `job` once and keeps its write-ahead log. Then cuts the log at each commit and
/// runs the job again: with the folder as before while no row has changed, and with the
/// folder as after the job.
fn at_every_commit(feed: &Simulator, mirror: &Mirror, job: &[&str], change: impl FnOnce()) {
    let path = mirror.database_path().to_owned();
    let log_path = path.with_extension("db-wal");
    let before = file_rows(mirror);
    let db = rusqlite::Connection::open(&path).unwrap();
    number(&db, "PRAGMA wal_checkpoint(TRUNCATE)");
    drop(db);
    assert!(!log_path.exists(), "the write-ahead log is empty");
    let (database, files) = (std::fs::read(&path).unwrap(), Kept::of(mirror));
    change();
    // An open read transaction prevents the checkpoint, so that the log keeps all writes.
    let mut reader = mirror.open();
    let reading = reader.transaction().unwrap();
    number(&reading, "SELECT count(*) FROM sync_runs");
    mirror.sync_ends(0, job);
    let log = std::fs::read(&log_path).unwrap();
    drop(reading);
    drop(reader);
    assert_files_equal_feed(mirror, feed);
    let files_behind = Kept::of(mirror);
    let places = places(&log);
    assert!(places.len() > 6, "{places:?}");
    let nothing = (0, "killed before the first commit".to_owned());
    for (bytes, what) in std::iter::once(nothing).chain(places) {
        for (files, state) in [(&files, "before"), (&files_behind, "behind")] {
            let _ = std::fs::remove_file(path.with_extension("db-shm"));
            std::fs::write(&path, &database).unwrap();
            std::fs::write(&log_path, &log[..bytes]).unwrap();
            if state == "before" && file_rows(mirror) != before {
                continue;
            }
            files.put_back(&media_dir(mirror));
            let ended = mirror.run(&[&["sync"], job].concat());
            assert_eq!(ended.code, Some(0), "{what}, files as {state}: {ended}");
            assert_files_equal_feed(mirror, feed);
        }
    }
}

#[test]
fn a_download_killed_at_any_commit_ends_the_same() {
    let feed = feed_with(12, |options| options.photos = 4);
    let mirror = with_photos_and(&feed, "", |settings| settings.media = false);
    mirror.sync();
    at_every_commit(&feed, &mirror, &["media"], || {});
}

#[test]
fn a_replacement_killed_at_any_commit_ends_the_same() {
    let feed = feed_with(12, |options| options.photos = 4);
    let mut mirror = with_photos(&feed);
    mirror.sync();
    feed.advance(Duration::hours(1));
    for key in photo_keys(&feed) {
        feed.replace_photo(&key, true).unwrap();
    }
    mirror.configure(|settings| settings.media = false);
    mirror.sync();
    at_every_commit(&feed, &mirror, &["media"], || {});
}

#[test]
fn a_removal_killed_at_any_commit_ends_the_same() {
    let feed = feed_with(12, |options| options.photos = 4);
    let mirror = with_photos(&feed);
    mirror.sync();
    at_every_commit(&feed, &mirror, &[], || {
        feed.advance(Duration::hours(1));
        let keys = feed.listing_keys();
        for key in &keys[..3] {
            feed.delete("Property", &key.to_string(), true).unwrap();
        }
        for photo in feed.truth_children(keys[4], "Media").iter().take(1) {
            feed.remove_photo(&key_text(&photo["MediaKey"]), true, true)
                .unwrap();
        }
        feed.add_photo(keys[5], true).unwrap();
        for photo in feed.truth_children(keys[6], "Media") {
            feed.replace_photo(&key_text(&photo["MediaKey"]), true)
                .unwrap();
        }
    });
}

/// Writes the state of a process that was killed between the rename of a photo and its
/// commit: the download is noted, and the row has no file.
fn die_between_name_and_row(mirror: &Mirror, key: &str) {
    let db = rusqlite::Connection::open(mirror.database_path()).unwrap();
    let (listing, stem) = (key.split('_').next().unwrap(), key);
    db.execute(
        "INSERT INTO _downloads (media_key, folder, stem) VALUES (?1, ?2, ?3)",
        [key, listing, stem],
    )
    .unwrap();
    db.execute(
        "UPDATE media SET file_path = NULL, file_bytes = NULL, file_sha256 = NULL,
                downloaded_at = NULL, file_source = NULL, file_etag = NULL,
                file_last_modified = NULL WHERE \"MediaKey\" = ?1",
        [key],
    )
    .unwrap();
}

#[test]
fn a_file_renamed_before_its_commit_is_removed_with_its_listing() {
    let feed = feed_with(12, |options| options.photos = 4);
    let mirror = with_photos(&feed);
    mirror.sync();
    let listing = key_text(&feed.truth("Media")[0]["ResourceRecordKey"]);
    for photo in feed.truth_children(listing.parse().unwrap(), "Media") {
        die_between_name_and_row(&mirror, &key_text(&photo["MediaKey"]));
    }
    assert!(media_dir(&mirror).join(&listing).is_dir());
    feed.advance(Duration::hours(1));
    feed.delete("Property", &listing, true).unwrap();
    mirror.sync_ends(0, &["deletions"]);
    assert!(!media_dir(&mirror).join(&listing).exists());
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn the_temporary_file_of_an_ended_process_is_removed_and_a_named_file_stays() {
    let feed = feed_with(12, |options| options.photos = 4);
    let mirror = with_photos(&feed);
    mirror.sync();
    let asked = feed.asset_requests();
    let photo = feed.truth("Media").remove(0);
    let (listing, key) = (
        key_text(&photo["ResourceRecordKey"]),
        key_text(&photo["MediaKey"]),
    );
    let folder = media_dir(&mirror).join(&listing);
    std::fs::write(folder.join(format!(".{key}.part")), "half of").unwrap();
    std::fs::write(folder.join(format!("{key}.png")), "its other type").unwrap();
    let db = rusqlite::Connection::open(mirror.database_path()).unwrap();
    let sql = "INSERT INTO _downloads (media_key, folder, stem) VALUES (?1, ?2, ?1)";
    db.execute(sql, [&key, &listing]).unwrap();
    drop(db);
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
    assert_eq!(
        feed.asset_requests(),
        asked,
        "the file that was whole stayed"
    );
}

#[test]
fn a_photo_of_another_type_replaces_the_previous_file() {
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on";
    let feed = feed_with(12, |options| options.photos = 4);
    let mirror = with_photos(&feed);
    mirror.sync();
    let other_host = serve(|_, _| axum::response::Response::new(PNG.into()));
    let key = photo_keys(&feed).remove(0);
    feed.advance(Duration::hours(1));
    let url = json!({ "MediaURL": format!("{other_host}/a") });
    feed.edit("Media", &key, fields(url)).unwrap();
    let ended = mirror.sync_ends(0, &["--json"]);
    assert_eq!(file_counts(&ended), [1, 0, 1, 0]);
    let runs = ended.json()["runs"].clone();
    let run = runs
        .as_array()
        .unwrap()
        .iter()
        .find(|run| run["job"] == "media");
    let run = run.unwrap();
    assert_eq!((&run["inserted"], &run["updated"]), (&json!(0), &json!(1)));
    let path = format!("SELECT file_path FROM media WHERE \"MediaKey\" = '{key}'");
    let path = text(&mirror.open(), &path);
    assert!(path.ends_with(&format!("/{key}.png")), "{path}");
    assert_eq!(std::fs::read(media_dir(&mirror).join(&path)).unwrap(), PNG);
    let before = media_dir(&mirror).join(path.replace(".png", ".jpg"));
    assert!(!before.exists());
    assert_eq!(number(&mirror.open(), "SELECT count(*) FROM _downloads"), 0);
}
