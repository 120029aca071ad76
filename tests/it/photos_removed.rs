//! Removal of files: with their rows, for every reason, and of unnamed files on request.

use std::os::unix::fs::symlink;

use chrono::Duration;
use serde_json::json;
use simulator::{Behaviour, Fault, FaultRule, Simulator};

use crate::photo_files::*;
use crate::support::*;

/// Creates a mirror with all its files, and returns three listings that have photos.
fn filled(feed: &Simulator) -> (Mirror, [i64; 3]) {
    let mirror = with_photos_and(feed, "", |settings| {
        settings.sync = format!("max_delete_percent = 100\n{}", settings.sync);
    });
    mirror.sync();
    feed.advance(Duration::hours(1));
    let with_photos = feed
        .listing_keys()
        .into_iter()
        .filter(|listing| feed.truth_children(*listing, "Media").len() > 1);
    let listings: Vec<i64> = with_photos.take(3).collect();
    (mirror, listings.try_into().unwrap())
}

#[test]
fn files_are_removed_in_the_run_that_deletes_their_rows() {
    for (job, announced) in [
        (&[][..], true),
        (&["deletions"], true),
        (&["full"], false),
        (&["reconcile"], false),
    ] {
        let feed = feed_with(30, |options| options.photos = 4);
        let (mut mirror, listings) = filled(&feed);
        // Files are removed even if downloads are turned off.
        mirror.configure(|settings| settings.media = false);
        let photos: usize = listings
            .iter()
            .map(|one| feed.truth_children(*one, "Media").len())
            .sum();
        for listing in listings {
            feed.delete("Property", &listing.to_string(), announced)
                .unwrap();
        }
        let ended = mirror.sync_ends(0, &[job, &["--json"]].concat());
        assert_eq!(file_counts(&ended), [0, 0, photos as u64, 0], "{job:?}");
        assert_files_equal_feed(&mirror, &feed);
        for listing in listings {
            assert!(!media_dir(&mirror).join(listing.to_string()).exists());
        }
    }
}

#[test]
fn the_file_of_a_single_deleted_photo_is_removed_and_its_folder_stays() {
    let feed = feed_with(30, |options| options.photos = 4);
    let (mirror, [listing, ..]) = filled(&feed);
    let photos = feed.truth_children(listing, "Media");
    let key = key_text(&photos[0]["MediaKey"]);
    feed.remove_photo(&key, true, true).unwrap();
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
    assert!(media_dir(&mirror).join(listing.to_string()).is_dir());
}

#[test]
fn the_files_of_a_listing_follow_it_out_of_the_filter_and_back() {
    let feed = feed_with(30, |options| options.photos = 4);
    let mirror = with_photos_and(&feed, "", |settings| {
        settings.sync = format!(
            "filter = {{ Property = \"StandardStatus eq Odata.Models.StandardStatus'Active'\" }}\n{}",
            settings.sync
        );
    });
    mirror.sync();
    feed.advance(Duration::hours(1));
    let of = |status: &str| -> Vec<String> {
        let listings = truth(&feed, "Property").into_iter();
        let of_status = listings.filter(|(_, record)| record["StandardStatus"] == status);
        let with_photos = of_status.filter(|(key, _)| {
            !feed
                .truth_children(key.parse().unwrap(), "Media")
                .is_empty()
        });
        with_photos.map(|(key, _)| key).collect()
    };
    let listing = of("Active").remove(0);
    assert!(media_dir(&mirror).join(&listing).is_dir());
    let status = |name: &str| fields(json!({ "StandardStatus": name }));
    feed.edit("Property", &listing, status("Withdrawn"))
        .unwrap();
    mirror.sync();
    assert!(!media_dir(&mirror).join(&listing).exists());
    feed.advance(Duration::hours(1));
    feed.edit("Property", &listing, status("Active")).unwrap();
    mirror.sync();
    let photos = feed.truth_children(listing.parse().unwrap(), "Media").len();
    let files = std::fs::read_dir(media_dir(&mirror).join(&listing))
        .unwrap()
        .count();
    assert_eq!(files, photos);
}

#[test]
fn a_listing_that_comes_back_gets_its_files_again() {
    let feed = feed_with(30, |options| options.photos = 4);
    let (mirror, [listing, ..]) = filled(&feed);
    feed.delete("Property", &listing.to_string(), true).unwrap();
    mirror.sync();
    feed.advance(Duration::hours(1));
    feed.bring_back(listing).unwrap();
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn a_file_that_cannot_be_removed_is_reported_and_retried() {
    let feed = feed_with(30, |options| options.photos = 4);
    let (mirror, [listing, other, _]) = filled(&feed);
    let path = text(
        &mirror.open(),
        &format!("SELECT min(file_path) FROM media WHERE listing_key = '{listing}'"),
    );
    // A folder in place of the file cannot be removed as a file.
    let path = media_dir(&mirror).join(path);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("not ours"), "").unwrap();
    feed.delete("Property", &listing.to_string(), true).unwrap();
    feed.delete("Property", &other.to_string(), true).unwrap();
    let ended = mirror.sync_ends(3, &["deletions", "--json"]);
    ended.says(3, &["cannot be removed", "the next sync tries again"]);
    assert_eq!(file_counts(&ended)[3], 1);
    assert!(!media_dir(&mirror).join(other.to_string()).exists());
    // Several jobs of a plain sync try to remove the file, and only one reports it.
    let ended = mirror.sync_ends(3, &["--json"]);
    assert_eq!(file_counts(&ended), [0, 0, 0, 1], "{ended}");
    std::fs::remove_dir_all(&path).unwrap();
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn a_media_dir_that_is_not_mounted_is_not_filled_again() {
    let feed = feed_with(12, |options| options.photos = 4);
    let mirror = with_photos(&feed);
    mirror.sync();
    let (dir, photos) = (media_dir(&mirror), photo_keys(&feed).len() as u64);
    let unmounted = mirror.folder.path().join("unmounted");
    for is_there in [true, false] {
        std::fs::rename(&dir, &unmounted).unwrap();
        if is_there {
            std::fs::create_dir(&dir).unwrap();
        }
        let asked = feed.asset_requests();
        let listing = feed.listing_keys()[0];
        feed.delete("Property", &listing.to_string(), true).unwrap();
        let ended = mirror.sync_ends(3, &[]);
        ended.says(3, &["is empty", "mount its disk", "sync media"]);
        assert_eq!(feed.asset_requests(), asked, "{ended}");
        // After the mount, the folder holds all files except those deleted meanwhile.
        let _ = std::fs::remove_dir(&dir);
        std::fs::rename(&unmounted, &dir).unwrap();
        mirror.sync();
        assert_eq!(feed.asset_requests(), asked);
        assert_files_equal_feed(&mirror, &feed);
    }
    let left = photo_keys(&feed).len() as u64;
    assert!(left < photos);
    std::fs::remove_dir_all(&dir).unwrap();
    let ended = mirror.sync_ends(0, &["media", "--json"]);
    assert_eq!(file_counts(&ended), [left, 0, 0, 0]);
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn prune_lists_and_removes_exactly_the_files_that_no_row_names() {
    let feed = feed_with(30, |options| options.photos = 4);
    let (mirror, [listing, ..]) = filled(&feed);
    let dir = media_dir(&mirror);
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("precious.jpg"), "mine").unwrap();
    let strays = [
        "gone/stray.jpg".to_owned(),
        format!("{listing}/stray.jpg"),
        "gone/.old.part".to_owned(),
    ];
    let plant = || {
        for stray in &strays {
            let path = dir.join(stray);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "stray").unwrap();
        }
        symlink(outside.path(), dir.join("link")).unwrap();
        std::fs::create_dir(dir.join("lost+found")).unwrap();
    };
    plant();
    let with_strays = below(&dir);

    let ended = mirror.sync_ends(0, &["media", "--prune", "--dry-run"]);
    for stray in &strays {
        assert!(ended.stdout.contains(stray), "{stray}: {ended}");
    }
    assert!(
        ended.stdout.contains("3 files that no row names"),
        "{ended}"
    );
    assert!(below(&dir) == with_strays, "only listed");
    let json = mirror
        .sync_ends(0, &["media", "--prune", "--dry-run", "--json"])
        .json();
    assert_eq!(json["unnamed"].as_array().unwrap().len(), 3);

    // Without `--prune`, the file stays.
    mirror.sync_ends(0, &["media"]);
    assert!(below(&dir) == with_strays);

    let ended = mirror.sync_ends(0, &["media", "--prune", "--json"]);
    assert_eq!(file_counts(&ended), [0, 0, 3, 0]);
    assert_eq!(ended.json()["pruned"].as_array().unwrap().len(), 3);
    assert!(dir.join("link").is_symlink() && dir.join("lost+found").is_dir());
    assert_eq!(
        std::fs::read(outside.path().join("precious.jpg")).unwrap(),
        b"mine"
    );
    std::fs::remove_file(dir.join("link")).unwrap();
    std::fs::remove_dir(dir.join("lost+found")).unwrap();
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn prune_does_not_empty_a_folder_of_another_owner() {
    let feed = feed(20);
    let mirror = with_photos_and(&feed, "", |settings| settings.media = false);
    mirror.sync();
    std::fs::create_dir(media_dir(&mirror)).unwrap();
    let holiday = media_dir(&mirror).join("holiday.jpg");
    std::fs::write(&holiday, "mine").unwrap();
    for arguments in [
        &["media", "--prune"][..],
        &["media", "--prune", "--dry-run"],
    ] {
        mirror
            .sync_ends(2, arguments)
            .says(2, &["has no marker file", "mirror.media_dir"]);
        assert!(holiday.exists());
    }
    // A folder with a marker may be that of another mirror.
    std::fs::remove_file(&holiday).unwrap();
    create_media_dir(&mirror);
    std::fs::create_dir(media_dir(&mirror).join("1")).unwrap();
    let other = media_dir(&mirror).join("1/2.jpg");
    std::fs::write(&other, "of another mirror").unwrap();
    mirror
        .sync_ends(2, &["media", "--prune"])
        .says(2, &["has 1 file, and no row names it"]);
    assert!(other.exists());
    mirror
        .sync_ends(2, &["full", "--prune"])
        .says(2, &["`mlsmirror sync media --prune`"]);
    mirror
        .sync_ends(2, &["media", "--only", "Property"])
        .says(2, &["add Media to sync.resources"]);
}

#[test]
fn files_are_removed_also_if_the_feed_refuses_the_credentials_after_any_request() {
    let feed = feed(25);
    feed.behave(&[Behaviour::NoDeletionsAnnounced]);
    let (mirror, _) = filled(&feed);
    let mut refused = 0;
    for skip in 0..16 {
        let key = feed.listing_keys()[0].to_string();
        feed.delete("Property", &key, false).unwrap();
        feed.fault(FaultRule {
            skip,
            ..FaultRule::always(Fault::Status(401))
        });
        refused += i32::from(mirror.run(&["sync"]).code == Some(5));
        assert_files_as_named(&mirror);
        feed.clear_faults();
        feed.advance(Duration::hours(1));
    }
    assert!(refused > 4, "{refused} of 16 were refused");
}
