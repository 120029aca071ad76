//! Only files that the mirror wrote are removed, and only in a folder with its marker.

use std::ffi::OsStr;
use std::os::unix::{ffi::OsStrExt, fs::symlink};
use std::path::Path;

use simulator::Simulator;

use crate::photo_files::*;
use crate::support::*;

fn small_feed() -> Simulator {
    feed_with(8, |options| options.photos = 3)
}

/// Returns a mirror whose photos are downloaded.
fn filled(feed: &Simulator) -> Mirror {
    let mirror = with_photos(feed);
    mirror.sync();
    mirror
}

fn set_media_dir(mirror: &Mirror, path: &Path) {
    let file = mirror.folder.path().join("mlsmirror.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("[mirror]\n", &format!("[mirror]\nmedia_dir = {path:?}\n"));
    std::fs::write(file, text).unwrap();
}

/// Creates files of the user in a folder. One of them is named like a photo of the mirror.
fn plant(folder: &Path) {
    std::fs::create_dir_all(folder.join("a")).unwrap();
    for file in ["contract.pdf", "a/b.jpg"] {
        std::fs::write(folder.join(file), "mine").unwrap();
    }
}

#[track_caller]
fn assert_kept(folder: &Path, files: &[&str], ended: &Ended) {
    for file in files {
        assert!(folder.join(file).is_file(), "{file}: {ended}");
    }
}

const KEPT: [&str; 4] = ["mirror.db", "mlsmirror.toml", "contract.pdf", "a/b.jpg"];

#[test]
fn a_media_dir_that_is_the_folder_of_the_database_by_another_name_is_refused() {
    let feed = small_feed();
    for is_behind_parent in [false, true] {
        let mirror = filled(&feed);
        let folder = mirror.folder.path();
        plant(folder);
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("link");
        if is_behind_parent {
            symlink(folder.parent().unwrap(), &link).unwrap();
            set_media_dir(&mirror, &link.join(folder.file_name().unwrap()));
        } else {
            symlink(folder, &link).unwrap();
            set_media_dir(&mirror, &link);
        }
        for arguments in [
            &["sync", "media", "--prune"][..],
            &["sync", "media", "--prune", "--dry-run"],
            &["sync"],
            &["status"],
            &["verify"],
        ] {
            let ended = mirror.run(arguments);
            ended.says(2, &["media_dir", "a folder of its own"]);
            assert_kept(folder, &KEPT, &ended);
        }
    }
}

#[test]
fn a_media_dir_that_is_the_folder_of_the_database_by_a_bind_mount_is_refused() {
    let feed = small_feed();
    let mirror = with_photos(&feed);
    let folder = mirror.folder.path();
    let mounted = tempfile::tempdir().unwrap();
    set_media_dir(&mirror, mounted.path());
    mirror.sync();
    plant(folder);
    let script = format!(
        "unshare -rm true || exit 77
         unshare -rm sh -c 'mount --bind . {} && exec \"$0\" sync media --prune' \"$0\"",
        mounted.path().display()
    );
    let ended = mirror.run_script(&script);
    if ended.code == Some(77) {
        // The system allows no mounts here.
        return;
    }
    ended.says(2, &["media_dir", "a folder of its own"]);
    assert_kept(folder, &KEPT, &ended);
}

#[test]
fn a_media_dir_that_shares_a_folder_with_the_export_by_another_name_is_refused() {
    let feed = small_feed();
    for is_in_export in [false, true] {
        let mirror = filled(&feed);
        let folder = mirror.folder.path();
        let export = folder.join("lake");
        if is_in_export {
            std::fs::create_dir_all(export.join("media")).unwrap();
            symlink(export.join("media"), folder.join("link")).unwrap();
            set_media_dir(&mirror, &folder.join("link"));
        } else {
            symlink(media_dir(&mirror), &export).unwrap();
        }
        for arguments in [&["sync"][..], &["status"], &["sync", "media", "--prune"]] {
            let ended = mirror.run(arguments);
            ended.says(2, &["media_dir", "a folder of its own", "lake"]);
        }
    }
}

#[test]
fn a_folder_above_the_database_or_the_configuration_is_refused_as_media_dir() {
    let feed = small_feed();
    let mirror = filled(&feed);
    let above = mirror.folder.path().parent().unwrap();
    let link = mirror.folder.path().join("link");
    symlink(above, &link).unwrap();
    set_media_dir(&mirror, &link);
    mirror.sync_ends(2, &[]).says(2, &["a folder of its own"]);

    // The configuration is a link into the folder of photos.
    let mirror = filled(&feed);
    let folder = mirror.folder.path();
    let inside = media_dir(&mirror).join("mlsmirror.toml");
    std::fs::rename(folder.join("mlsmirror.toml"), &inside).unwrap();
    symlink(&inside, folder.join("mlsmirror.toml")).unwrap();
    let ended = mirror.sync_ends(2, &["media", "--prune"]);
    ended.says(2, &["a folder of its own"]);
    assert!(inside.is_file());
}

#[test]
fn prune_removes_only_files_of_its_own_naming() {
    let feed = small_feed();
    let mirror = filled(&feed);
    let dir = media_dir(&mirror);
    let listing = feed.listing_keys()[0];
    let own = [
        "1/9.jpg",
        "1/.9.part",
        "Kitchen_1_2-0691502af9b99f2a/a.webp",
    ];
    let in_listing = format!("{listing}/notes.txt");
    let foreign = [
        "holiday.jpg",
        "1/deep/9.jpg",
        "2024 Trip/9.jpg",
        "Trip/9.jpg",
        "1/IMG_1.jpg",
        "1/9.pdf",
        "1/.hidden",
        "1/gro\u{df}e.jpg",
        &in_listing,
        MARKER,
    ];
    for file in own.iter().chain(&foreign).filter(|file| **file != MARKER) {
        let path = dir.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "stray").unwrap();
    }
    let odd = dir.join("1").join(OsStr::from_bytes(b"caf\xe9.jpg"));
    std::fs::write(&odd, "stray").unwrap();
    let ended = mirror.sync_ends(0, &["media", "--prune", "--json"]);
    assert_eq!(file_counts(&ended), [0, 0, 3, 0], "{ended}");
    assert!(odd.exists());
    assert_kept(&dir, &foreign, &ended);
    for file in own {
        assert!(!dir.join(file).exists(), "{file}");
    }
}

#[test]
fn a_row_that_names_a_foreign_file_removes_nothing() {
    let feed = small_feed();
    let mirror = filled(&feed);
    let dir = media_dir(&mirror);
    let paths = ["contract.pdf", "a/b/c.jpg", "../mirror.db", "Trip/1.jpg"];
    let db = rusqlite::Connection::open(mirror.database_path()).unwrap();
    for (path, listing) in paths.iter().zip(feed.listing_keys()) {
        std::fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
        if !dir.join(path).exists() {
            std::fs::write(dir.join(path), "mine").unwrap();
        }
        let changed = db.execute(
            "UPDATE media SET file_path = ?1 WHERE rowid =
                 (SELECT min(rowid) FROM media WHERE listing_key = ?2)",
            (path, listing.to_string()),
        );
        assert_eq!(changed, Ok(1));
        feed.delete("Property", &listing.to_string(), true).unwrap();
    }
    let ended = mirror.sync();
    assert_kept(&dir, &paths, &ended);
}

#[test]
fn a_folder_with_files_of_others_gets_no_photos() {
    let feed = small_feed();
    let mirror = with_photos(&feed);
    let dir = media_dir(&mirror);
    plant(&dir);
    let before = below(&dir);
    let ended = mirror.sync_ends(3, &[]);
    ended.says(3, &["has no marker file", "a new or empty folder"]);
    assert!(below(&dir) == before, "{ended}");
    mirror.sync_ends(3, &["media"]);
    let ended = mirror.sync_ends(2, &["media", "--prune"]);
    ended.says(2, &["has no marker file"]);
    assert!(below(&dir) == before, "{ended}");
    let ended = mirror.run(&["status"]);
    assert!(ended.stdout.contains("has no marker file"), "{ended}");
}

#[test]
fn a_folder_of_an_earlier_version_is_marked_once() {
    let feed = small_feed();
    let mirror = filled(&feed);
    let dir = media_dir(&mirror);
    let db = rusqlite::Connection::open(mirror.database_path()).unwrap();
    // As an earlier version left it.
    std::fs::remove_file(dir.join(MARKER)).unwrap();
    db.execute("DELETE FROM _state WHERE name = 'media_dir_marked'", [])
        .unwrap();
    let asked = feed.asset_requests();
    assert_eq!(mirror.run(&["verify"]).code, Some(0));
    mirror.sync();
    assert!(dir.join(MARKER).is_file());
    assert_eq!(feed.asset_requests(), asked);

    std::fs::remove_file(dir.join(MARKER)).unwrap();
    let unmarked = below(&dir);
    for arguments in [&[][..], &["media"]] {
        let ended = mirror.sync_ends(3, arguments);
        ended.says(3, &["has no marker file", "create the empty file", MARKER]);
        assert!(below(&dir) == unmarked, "{ended}");
    }
    std::fs::write(dir.join(MARKER), "").unwrap();
    mirror.sync();
    assert_eq!(feed.asset_requests(), asked);
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn a_folder_of_another_mirror_is_left_alone_until_that_mirror_is_deleted() {
    let feed = small_feed();
    let (first, second) = (filled(&feed), with_photos(&feed));
    let dir = media_dir(&first);
    set_media_dir(&second, &dir);
    let deleted = feed.listing_keys()[0].to_string();
    feed.delete("Property", &deleted, true).unwrap();
    let before = below(&dir);
    let database = first.database_path().display().to_string();
    let ended = second.sync_ends(3, &[]);
    ended.says(
        3,
        &["belongs to the mirror", &database, "a folder of its own"],
    );
    second
        .sync_ends(2, &["media", "--prune"])
        .says(2, &["belongs to the mirror"]);
    let status = second.run(&["status"]);
    assert!(status.stdout.contains("belongs to the mirror"), "{status}");
    assert!(below(&dir) == before, "{ended}");
    first.sync();
    assert_files_equal_feed(&first, &feed);

    std::fs::remove_file(first.database_path()).unwrap();
    second.sync();
    second.run(&["verify"]).says(0, &[]);
}

/// Returns the lines of an output that concern photos.
fn photo_lines(text: &str) -> usize {
    text.lines()
        .filter(|line| line.contains("photo") || line.contains("media_dir"))
        .count()
}

#[test]
fn an_emptied_or_unmounted_folder_is_one_line_of_sync_status_and_verify() {
    let feed = small_feed();
    let mirror = filled(&feed);
    let (dir, away) = (media_dir(&mirror), mirror.folder.path().join("away"));
    let files = photo_keys(&feed).len();
    let status = mirror.run(&["status", "--json"]);
    assert_eq!(status.json()["sizes"]["files"], files, "{status}");
    let empty_it: [&dyn Fn(); 4] = [
        &|| std::fs::rename(&dir, &away).unwrap(),
        &|| std::fs::create_dir(&dir).unwrap(),
        &|| std::fs::create_dir(dir.join("lost+found")).unwrap(),
        &|| std::fs::write(dir.join(MARKER), "").unwrap(),
    ];
    for step in empty_it {
        step();
        let before = below(&dir);
        let asked = feed.asset_requests();
        let ended = mirror.sync_ends(3, &[]);
        ended.says(3, &["media_dir", "mount its disk", "sync media"]);
        let lines = ended
            .stderr
            .lines()
            .filter(|line| line.contains("media_dir"));
        assert_eq!(lines.count(), 1, "{ended}");
        let ended = mirror.run(&["status"]);
        assert_eq!(ended.code, Some(3), "{ended}");
        let lines = ended
            .stdout
            .lines()
            .filter(|line| line.contains("mount its disk"));
        assert_eq!(lines.count(), 1, "{ended}");
        assert!(ended.stdout.contains("0 files on disk"), "{ended}");
        assert!(ended.stdout.contains("mount its disk"), "{ended}");
        let ended = mirror.run(&["verify"]);
        assert_eq!(ended.code, Some(3), "{ended}");
        assert!(ended.stdout.contains("1 difference"), "{ended}");
        assert!(photo_lines(&ended.stdout) <= 2, "{ended}");
        assert_eq!(feed.asset_requests(), asked);
        assert!(below(&dir) == before);
    }
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::rename(&away, &dir).unwrap();
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
    let path = text(&mirror.open(), "SELECT min(file_path) FROM media");
    std::fs::remove_file(dir.join(path)).unwrap();
    let status = mirror.run(&["status", "--json"]);
    assert_eq!(status.json()["sizes"]["files"], files - 1, "{status}");
}
