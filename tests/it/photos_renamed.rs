//! Files of earlier versions, whose names end in the extension twice, are renamed.

use simulator::Simulator;

use crate::photo_files::*;
use crate::support::*;

const IS_SHORTENED: &str = "SELECT count(*) FROM _state WHERE name = 'file_names_shortened'";

/// Creates a mirror with files that are named as earlier versions named them. Returns it and
/// the paths that the files should have.
fn filled_by_earlier_version(feed: &Simulator) -> (Mirror, Vec<String>) {
    let mirror = with_photos(feed);
    mirror.sync();
    let db = rusqlite::Connection::open(mirror.database_path()).unwrap();
    let paths = texts(
        &db,
        "SELECT file_path FROM media WHERE file_path IS NOT NULL ORDER BY 1",
    );
    assert!(paths.len() > 10);
    for path in &paths {
        rename(&mirror, path, &format!("{path}.jpg"));
    }
    db.execute_batch(
        "UPDATE media SET file_path = file_path || '.jpg';
         DELETE FROM _state WHERE name = 'file_names_shortened';",
    )
    .unwrap();
    (mirror, paths)
}

fn rename(mirror: &Mirror, old: &str, new: &str) {
    let [old, new] = [old, new].map(|path| media_dir(mirror).join(path));
    std::fs::rename(old, new).unwrap();
}

#[test]
fn files_of_an_earlier_version_are_renamed_once() {
    let feed = feed_with(12, |options| options.photos = 4);
    for job in [&[][..], &["media"], &["incremental"]] {
        let (mirror, paths) = filled_by_earlier_version(&feed);
        let asked = feed.asset_requests();
        let count = paths.len().to_string();
        mirror.sync_ends(0, job).says(0, &[&count, "renamed"]);
        assert_files_equal_feed(&mirror, &feed);
        assert_eq!(feed.asset_requests(), asked, "{job:?}");
        // A later job leaves such names alone.
        rename(&mirror, &paths[0], &format!("{}.jpg", paths[0]));
        mirror.sync_ends(0, &["incremental"]);
        assert!(!media_dir(&mirror).join(&paths[0]).exists());
    }
}

#[test]
fn a_kill_between_the_files_and_their_rows_loses_no_file() {
    let feed = feed_with(12, |options| options.photos = 4);
    let (mirror, paths) = filled_by_earlier_version(&feed);
    for path in &paths[..paths.len() / 2] {
        rename(&mirror, &format!("{path}.jpg"), path);
    }
    let asked = feed.asset_requests();
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
    assert_eq!(feed.asset_requests(), asked);
}

#[test]
fn another_file_with_the_new_name_is_not_replaced() {
    let feed = feed_with(12, |options| options.photos = 4);
    let (mirror, paths) = filled_by_earlier_version(&feed);
    let other = media_dir(&mirror).join(&paths[0]);
    std::fs::write(&other, "other").unwrap();
    mirror.sync_ends(0, &["incremental"]);
    assert_eq!(std::fs::read(&other).unwrap(), b"other");
    let old = format!("{}.jpg", paths[0]);
    let named = "SELECT file_path FROM media WHERE file_path LIKE '%.jpg.jpg'";
    assert_eq!(texts(&mirror.open(), named).join(" "), old);
    assert!(media_dir(&mirror).join(old).is_file());
}

#[test]
fn files_on_a_disk_that_is_not_mounted_are_renamed_later() {
    let feed = feed_with(12, |options| options.photos = 4);
    let (mirror, _) = filled_by_earlier_version(&feed);
    let elsewhere = mirror.folder.path().join("elsewhere");
    std::fs::rename(media_dir(&mirror), &elsewhere).unwrap();
    mirror.sync_ends(0, &["incremental"]);
    assert_eq!(number(&mirror.open(), IS_SHORTENED), 0);
    std::fs::rename(&elsewhere, media_dir(&mirror)).unwrap();
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
    assert_eq!(number(&mirror.open(), IS_SHORTENED), 1);
}
