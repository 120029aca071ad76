//! `[media] listings` and `only`: the photos that have files.

use std::collections::BTreeSet;

use chrono::Duration;
use serde_json::json;
use simulator::Simulator;

use crate::photo_files::*;
use crate::support::*;

const ACTIVE: &str = "listings = \"StandardStatus = 'Active'\"";

fn mirror_with(feed: &Simulator, media: &str) -> Mirror {
    with_photos_and(feed, media, |_| {})
}

/// Changes the lines of `[media]`.
fn configure(mirror: &mut Mirror, media: &str) {
    mirror.configure(|settings| settings.sync = format!("\n[media]\n{media}\n"));
}

/// Returns the paths of the feed's photos: of listings with this status, and only the first
/// of each listing or all.
fn wanted(feed: &Simulator, status: Option<&str>, only_first: bool) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (listing, record) in truth(feed, "Property") {
        if status.is_some_and(|status| record["StandardStatus"] != status) {
            continue;
        }
        let mut photos = feed.truth_children(listing.parse().unwrap(), "Media");
        photos.sort_by_key(|photo| (photo["Order"].as_i64(), key_text(&photo["MediaKey"])));
        if only_first {
            photos.truncate(1);
        }
        let path = |photo: &Record| format!("{listing}/{}", key_text(&photo["MediaKey"]));
        paths.extend(photos.iter().map(path));
    }
    assert!(!paths.is_empty());
    paths
}

/// Fails unless exactly these files exist, and the rows name them.
#[track_caller]
fn assert_files(mirror: &Mirror, wanted: &BTreeSet<String>) {
    assert_files_as_named(mirror);
    let held = below(&media_dir(mirror)).into_keys();
    let held: BTreeSet<String> = held.filter(|name| !name.ends_with('/')).collect();
    assert_eq!(held, *wanted);
}

fn set_status(feed: &Simulator, listing: &str, status: &str) {
    feed.advance(Duration::hours(1));
    let status = fields(json!({ "StandardStatus": status }));
    feed.edit("Property", listing, status).unwrap();
}

#[test]
fn only_the_photos_of_listings_that_meet_the_condition_have_files() {
    let feed = feed_with(40, |options| options.photos = 4);
    let mirror = mirror_with(&feed, ACTIVE);
    mirror.sync();
    let active = wanted(&feed, Some("Active"), false);
    assert_files(&mirror, &active);
    let (listing, _) = active.first().unwrap().split_once('/').unwrap();

    set_status(&feed, listing, "Withdrawn");
    let ended = mirror.sync_ends(0, &["--json"]);
    let removed = feed.truth_children(listing.parse().unwrap(), "Media").len();
    assert_eq!(file_counts(&ended), [0, 0, removed as u64, 0], "{ended}");
    assert_files(&mirror, &wanted(&feed, Some("Active"), false));
    let asked = feed.asset_requests();
    let ended = mirror.sync_ends(0, &["--json"]);
    assert_eq!(file_counts(&ended), [0; 4], "{ended}");
    assert_eq!(feed.asset_requests(), asked);
    let status = mirror.run(&["status"]);
    assert!(status.stdout.contains("0 photos to fetch"), "{status}");
    mirror.run(&["verify"]).says(0, &[]);

    set_status(&feed, listing, "Active");
    mirror.sync();
    assert_files(&mirror, &active);
}

#[test]
fn only_the_first_photo_of_each_listing_has_a_file() {
    let feed = feed_with(20, |options| options.photos = 4);
    let mirror = mirror_with(&feed, "only = \"first\"");
    mirror.sync();
    let first = wanted(&feed, None, true);
    assert_files(&mirror, &first);
    let (listing, key) = first.first().unwrap().split_once('/').unwrap();

    feed.advance(Duration::hours(1));
    feed.remove_photo(key, true, true).unwrap();
    mirror.sync();
    let first = wanted(&feed, None, true);
    assert!(first.iter().any(|path| path.starts_with(listing)));
    assert_files(&mirror, &first);
}

#[test]
fn files_follow_a_change_of_the_configuration() {
    let feed = feed_with(40, |options| options.photos = 4);
    let mut mirror = mirror_with(&feed, "");
    mirror.sync();
    let all = wanted(&feed, None, false);
    let first = wanted(&feed, Some("Active"), true);
    assert_files(&mirror, &all);

    configure(&mut mirror, &format!("{ACTIVE}\nonly = \"first\""));
    let bytes: usize = below(&media_dir(&mirror))
        .into_iter()
        .filter(|(name, _)| !first.contains(name))
        .filter_map(|(_, content)| Some(content?.len()))
        .sum();
    let checked = mirror.run(&["--json", "check"]);
    let removed = all.len() - first.len();
    let kept = &checked.json()["photos"]["kept"];
    assert_eq!(kept["files"], first.len(), "{checked}");
    assert_eq!(kept["removed_files"], removed, "{checked}");
    assert_eq!(kept["removed_bytes"], bytes, "{checked}");
    assert_eq!(checked.json()["photos"]["files"], 0, "{checked}");
    let keeps = format!("[media] keeps {} files", first.len());
    let removes = format!("the next sync removes {removed} files");
    let checked = mirror.run(&["check"]).stdout;
    assert!(
        checked.contains(&keeps) && checked.contains(&removes),
        "{checked}"
    );
    assert_files(&mirror, &all);

    let asked = feed.asset_requests();
    let ended = mirror.sync_ends(0, &["media", "--json"]);
    assert_eq!(file_counts(&ended), [0, 0, removed as u64, 0], "{ended}");
    assert_eq!(feed.asset_requests(), asked);
    assert_files(&mirror, &first);

    // A refresh does not download excluded photos either.
    let other = all.iter().find(|path| !first.contains(*path)).unwrap();
    let (listing, _) = other.split_once('/').unwrap();
    mirror.run(&["refresh", listing]).says(0, &[]);
    assert_files(&mirror, &first);

    configure(&mut mirror, "");
    mirror.sync();
    assert_files(&mirror, &all);
    assert_files_equal_feed(&mirror, &feed);
}

#[test]
fn a_wrong_condition_names_the_column_and_removes_nothing() {
    let feed = feed_with(12, |options| options.photos = 4);
    let mut mirror = mirror_with(&feed, "");
    let wrong = "listings = \"StandardStatsu = 'Active'\"";
    let named = ["[media]", "StandardStatsu", "did you mean StandardStatus?"];
    configure(&mut mirror, wrong);
    mirror.run(&["check"]).says(2, &named);
    // Before the first sync there are no columns. The listings are read, and no photos.
    mirror.sync_ends(3, &[]).says(3, &named);
    assert_eq!(feed.asset_requests(), 0);

    configure(&mut mirror, "");
    mirror.sync();
    let all = wanted(&feed, None, false);
    configure(&mut mirror, wrong);
    mirror.sync_ends(2, &[]).says(2, &named);
    configure(&mut mirror, "listings = \"1) OR writefile('x', 'y'\"");
    mirror.sync_ends(2, &[]);
    assert_files(&mirror, &all);
}

#[test]
fn check_estimates_the_first_photos_before_the_first_sync() {
    let feed = feed_with(20, |options| options.photos = 4);
    let mut mirror = mirror_with(&feed, "only = \"first\"");
    let plan = mirror.run(&["--json", "check"]).json();
    assert_eq!(plan["photos"]["files"], 20, "{plan}");
    assert_eq!(plan["photos"]["kept"]["files"], 20, "{plan}");
    configure(&mut mirror, ACTIVE);
    let shown = "the first sync finds the listings of `[media] listings`";
    let checked = mirror.run(&["check"]).stdout;
    assert!(checked.contains(shown), "{checked}");
    assert!(checked.contains("photos: at most "), "{checked}");
}

#[test]
fn a_kill_while_files_are_excluded_loses_nothing() {
    let feed = feed_with(12, |options| options.photos = 4);
    let mut mirror = mirror_with(&feed, "");
    mirror.sync();
    configure(&mut mirror, "only = \"first\"");
    // The rows were marked, and the process was killed before it removed the files.
    let db = rusqlite::Connection::open(mirror.database_path()).unwrap();
    db.execute_batch(
        "INSERT OR REPLACE INTO _state (name, value, updated_at) VALUES ('excludes_photos', '1', '');
         UPDATE media SET file_excluded = 1;",
    )
    .unwrap();
    drop(db);
    configure(&mut mirror, "");
    mirror.sync();
    assert_files_equal_feed(&mirror, &feed);
}
