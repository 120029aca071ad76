//! Compares the photo folder with the feed, for all tests of photos.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use simulator::{Fault, FaultRule, Host, Request, Simulator};

use crate::support::*;

/// Creates a mirror that downloads photos.
pub fn with_photos(feed: &Simulator) -> Mirror {
    with_photos_and(feed, "", |_| {})
}

/// Creates a mirror that downloads photos, with lines for `[media]` and other changes.
pub fn with_photos_and(
    feed: &Simulator,
    media: &str,
    change: impl FnOnce(&mut Settings),
) -> Mirror {
    Mirror::with(feed, |settings| {
        settings.media = true;
        settings.sync = format!("\n[media]\n{media}\n");
        change(settings);
    })
}

pub fn media_dir(mirror: &Mirror) -> PathBuf {
    mirror.folder.path().join("media")
}

/// The file that shows that a folder belongs to a mirror.
pub const MARKER: &str = ".mlsmirror-media";

/// Creates the folder of photos with its marker.
pub fn create_media_dir(mirror: &Mirror) {
    std::fs::create_dir_all(media_dir(mirror)).unwrap();
    std::fs::write(media_dir(mirror).join(MARKER), "").unwrap();
}

/// Returns all entries below a folder but the marker: files with their content, folders
/// without. Links are not followed, and their content is their target.
pub fn below(folder: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            if name == MARKER {
                continue;
            }
            if path.is_symlink() {
                let target = std::fs::read_link(&path).unwrap();
                found.insert(format!("{name} -> {}", target.display()), None);
            } else if path.is_dir() {
                found.insert(format!("{name}/"), None);
                folders.push(path);
            } else {
                found.insert(name.to_owned(), Some(std::fs::read(&path).unwrap()));
            }
        }
    }
    found
}

/// Fails unless the folder holds exactly the files of all live photos, byte for byte as
/// the feed's host serves them now, and the rows describe them.
#[track_caller]
pub fn assert_files_equal_feed(mirror: &Mirror, feed: &Simulator) {
    let db = mirror.open();
    let named: BTreeMap<String, Row> = rows(
        &db,
        "SELECT \"MediaKey\" AS key, listing_key, file_path, file_bytes, file_sha256, downloaded_at,
                download_attempts, download_error, deleted_at IS NULL AS is_live FROM media",
    )
    .into_iter()
    .map(|row| (as_text(&row["key"]).to_owned(), row))
    .collect();
    let mut expected: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
    for (listing, record) in truth(feed, "Media") {
        let key = key_text(&record["MediaKey"]);
        let row = named
            .get(&key)
            .unwrap_or_else(|| panic!("no photo {key} in the mirror"));
        let file = feed.photo_file(&key).unwrap();
        let path = format!("{listing}/{key}");
        assert_eq!(text_of(&row["file_path"]), path, "{key}: {row:?}");
        assert_eq!(text_of(&row["file_bytes"]), file.len().to_string(), "{key}");
        assert_eq!(text_of(&row["file_sha256"]), sha256(&file), "{key}");
        assert_eq!(text_of(&row["download_attempts"]), "0", "{key}");
        assert_eq!(text_of(&row["download_error"]), "NULL", "{key}");
        assert_ne!(text_of(&row["downloaded_at"]), "NULL", "{key}");
        expected.insert(format!("{listing}/"), None);
        expected.insert(path, Some(file));
    }
    let gone = named.values().filter(|row| text_of(&row["is_live"]) == "0");
    for row in gone {
        for column in ["file_path", "file_bytes", "file_sha256", "downloaded_at"] {
            assert_eq!(text_of(&row[column]), "NULL", "{row:?}");
        }
    }
    let held = below(&media_dir(mirror));
    let names =
        |of: &BTreeMap<String, Option<Vec<u8>>>| of.keys().cloned().collect::<BTreeSet<_>>();
    let (lacks, more): (Vec<_>, Vec<_>) = (
        names(&expected)
            .difference(&names(&held))
            .cloned()
            .collect(),
        names(&held)
            .difference(&names(&expected))
            .cloned()
            .collect(),
    );
    assert!(
        lacks.is_empty() && more.is_empty(),
        "lacks {lacks:?}, has also {more:?}"
    );
    for (name, content) in &expected {
        assert!(held[name] == *content, "{name} is not as its host gives it");
    }
    assert_eq!(number(&db, "SELECT count(*) FROM _downloads"), 0);
    assert!(!feed.asset_saw_token(), "the asset host saw the token");
}

/// Fails unless the folder holds exactly the files that the rows of live photos name.
#[track_caller]
pub fn assert_files_as_named(mirror: &Mirror) {
    let db = mirror.open();
    let has_media = "SELECT count(*) FROM sqlite_schema WHERE name = 'media'";
    if number(&db, has_media) == 0 {
        return;
    }
    let named = "SELECT file_path FROM media WHERE file_path IS NOT NULL ORDER BY 1";
    let held = below(&media_dir(mirror)).into_iter();
    let held: Vec<String> = held
        .filter_map(|(name, content)| content.map(|_| name))
        .collect();
    assert_eq!(held, texts(&db, named), "the files and their rows differ");
    let gone = "SELECT count(*) FROM media WHERE deleted_at IS NOT NULL AND file_path IS NOT NULL";
    assert_eq!(number(&db, gone), 0, "files of deleted photos");
}

/// Returns a value as text. NULL is "NULL".
pub fn text_of(value: &rusqlite::types::Value) -> String {
    use rusqlite::types::Value as Sql;
    match value {
        Sql::Null => "NULL".to_owned(),
        Sql::Integer(number) => number.to_string(),
        Sql::Real(number) => number.to_string(),
        Sql::Text(text) => text.clone(),
        Sql::Blob(_) => panic!("a blob"),
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Returns the keys of all photos of the feed.
pub fn photo_keys(feed: &Simulator) -> Vec<String> {
    let photos = feed.truth("Media");
    photos
        .iter()
        .map(|photo| key_text(&photo["MediaKey"]))
        .collect()
}

/// Returns a fault of the asset host for requests that contain this text.
pub fn asset_fault(kind: Fault, part: &str) -> FaultRule {
    FaultRule {
        on: Host::Assets,
        path_contains: Some(part.to_owned()),
        ..FaultRule::always(kind)
    }
}

/// Returns the requests to the asset host.
pub fn asset_requests(feed: &Simulator) -> Vec<Request> {
    feed.requests_to(Host::Assets)
}

/// Returns `files` of `sync --json`: fetched, unchanged, removed, failed.
pub fn file_counts(ended: &Ended) -> [u64; 4] {
    let files = &ended.json()["files"];
    ["fetched", "unchanged", "removed", "failed"].map(|name| files[name].as_u64().unwrap())
}
