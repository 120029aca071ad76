//! Deletions that the feed announces.

use std::sync::Arc;

use serde_json::json;

use crate::moves::{assert_log_equals_the_difference, copy};
use crate::support::*;
use simulator::{Behaviour, DeletedNames, Fault, FaultRule, Simulator};

fn asked_for_deleted(feed: &Simulator) -> usize {
    let asked = feed.requests().into_iter();
    asked
        .filter(|request| request.path.ends_with("/Deleted"))
        .count()
}

fn reason(mirror: &Mirror, key: i64) -> String {
    let sql =
        format!("SELECT coalesce(deleted_reason, 'live') FROM listings WHERE ListingKey = '{key}'");
    text(&mirror.open(), &sql)
}

#[test]
fn a_refusal_of_deleted_is_a_failure_for_a_day_if_it_has_answered_before() {
    let feed = feed(40);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let photo = feed.truth_children(feed.listing_keys()[5], "Media")[0]["MediaKey"].clone();
    feed.advance(chrono::Duration::hours(2));
    feed.remove_photo(photo.as_str().unwrap(), true, true)
        .unwrap();
    feed.advance(chrono::Duration::hours(1));
    let refusal = FaultRule {
        path_contains: Some("/Deleted".to_owned()),
        ..FaultRule::always(Fault::Status(404))
    };
    feed.fault(refusal.clone());
    mirror
        .sync_ends(3, &[])
        .says(3, &["the feed refuses Deleted, which has answered before"]);
    feed.clear_faults();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);

    feed.fault(refusal);
    mirror.sync_ends(3, &[]);
    feed.advance(chrono::Duration::hours(25));
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn announcements_are_counted_apart_from_the_photos_that_are_deleted_with_their_listings() {
    let feed = feed(40);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let keys = feed.listing_keys();
    let photo = |listing| key_text(&feed.truth_children(listing, "Media")[0]["MediaKey"]);
    let removed = photo(keys[5]);
    feed.advance(chrono::Duration::hours(2));
    feed.remove_photo(&removed, true, true).unwrap();
    mirror.sync();
    feed.delete("Property", &keys[3].to_string(), true).unwrap();
    let ended = mirror.sync();
    let deleted = "SELECT count(*) FROM media WHERE deleted_reason = 'parent'";
    let deleted = number(&mirror.open(), deleted);
    assert!(deleted > 1, "{ended}");
    for part in [
        "deletions Property: 1 announcement read; 1 listing deleted (",
        &format!(
            "deletions Media: 1 announcement read: 1 without effect; {deleted} photos deleted\n"
        ),
    ] {
        assert!(ended.stdout.contains(part), "no `{part}`: {ended}");
    }
}

#[test]
fn an_announced_listing_is_deleted_with_its_children() {
    let feed = feed(40);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let keys = feed.listing_keys();
    let before = copy(&mirror.open(), &MAIN);
    feed.advance(chrono::Duration::hours(2));
    feed.delete("Property", &keys[3].to_string(), true).unwrap();
    let photo = feed.truth_children(keys[5], "Media")[0]["MediaKey"].clone();
    feed.remove_photo(photo.as_str().unwrap(), true, false)
        .unwrap();
    let announced = stored_timestamp(&feed.now().to_rfc3339());
    feed.advance(chrono::Duration::hours(1));
    let ended = mirror.sync_ends(0, &["deletions"]);
    assert!(ended.stdout.contains("1 listing (announced)"), "{ended}");
    assert!(ended.stdout.contains("(parent)"), "{ended}");
    let db = mirror.open();
    assert_eq!(reason(&mirror, keys[3]), "announced");
    let of_listing = format!("FROM media WHERE listing_key = '{}'", keys[3]);
    let reasons = texts(
        &db,
        &format!("SELECT DISTINCT coalesce(deleted_reason, 'live') {of_listing}"),
    );
    assert_eq!(reasons, ["parent"]);
    let stamps = texts(
        &db,
        "SELECT DISTINCT source_timestamp FROM changes WHERE change = 'delete'",
    );
    assert_eq!(stamps, [announced]);
    assert_log_equals_the_difference(&db, 0, &before, &copy(&db, &MAIN));

    let count = number(&db, "SELECT count(*) FROM changes");
    mirror.sync_ends(0, &["deletions"]);
    assert_eq!(
        number(&mirror.open(), "SELECT count(*) FROM changes"),
        count
    );
}

#[test]
fn an_announcement_older_than_the_record_is_ignored_because_keys_come_back() {
    for between in [true, false] {
        let feed = feed(30);
        let mirror = Mirror::of(&feed);
        mirror.sync();
        let key = feed.listing_keys()[4];
        feed.advance(chrono::Duration::hours(2));
        feed.delete("Property", &key.to_string(), true).unwrap();
        if between {
            mirror.sync();
            assert_eq!(reason(&mirror, key), "announced");
        }
        feed.bring_back(key).unwrap();
        mirror.sync();
        assert_eq!(reason(&mirror, key), "live");
        mirror.sync();
        let db = mirror.open();
        assert_mirror_equals_feed(&db, &feed, &MAIN);
        let logged = "SELECT count(*) FROM changes WHERE change IN ('delete', 'restore') AND resource = 'Property'";
        assert_eq!(number(&db, logged), if between { 2 } else { 0 });
    }
}

#[test]
fn the_names_that_answer_are_searched_once() {
    for names in [
        DeletedNames::Live,
        DeletedNames::Guide,
        DeletedNames::Resource,
    ] {
        let feed = feed(30);
        feed.set_server(|server| server.deleted_names = names);
        let mirror = Mirror::of(&feed);
        mirror.sync();
        let key = feed.listing_keys()[4];
        feed.advance(chrono::Duration::hours(2));
        feed.delete("Property", &key.to_string(), true).unwrap();
        feed.clear_requests();
        mirror.sync_ends(0, &["deletions"]);
        assert_eq!(reason(&mirror, key), "announced", "{names:?}");
        assert_eq!(asked_for_deleted(&feed), 1, "{names:?}");
    }
}

#[test]
fn a_feed_without_announcements_is_reported_and_is_no_failure() {
    let feed = feed(20);
    feed.set_server(|server| server.deleted_names = DeletedNames::Absent);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let ended = mirror.sync_ends(0, &["deletions"]);
    assert!(ended.stderr.contains("announces no deletions"), "{ended}");
    let runs = "SELECT count(*) FROM sync_runs WHERE job = 'deletions'";
    assert_eq!(number(&mirror.open(), runs), 0, "nothing was read");
}

#[test]
fn a_refused_deleted_resource_is_asked_for_once_a_day() {
    let feed = feed(20);
    feed.set_server(|server| server.deleted_names = DeletedNames::Absent);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    mirror.sync();
    assert_eq!(asked_for_deleted(&feed), 1);
    feed.advance(chrono::Duration::hours(23));
    mirror.sync();
    assert_eq!(asked_for_deleted(&feed), 1);
    feed.advance(chrono::Duration::hours(2));
    mirror.sync();
    assert_eq!(asked_for_deleted(&feed), 2);

    feed.set_server(|server| server.deleted_names = DeletedNames::Live);
    mirror.sync_ends(0, &["deletions"]);
    let key = feed.listing_keys()[4];
    feed.advance(chrono::Duration::hours(1));
    feed.delete("Property", &key.to_string(), true).unwrap();
    mirror.sync();
    assert_eq!(reason(&mirror, key), "announced");
}

#[test]
fn announcements_that_could_not_be_read_are_read_later() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let keys = feed.listing_keys();
    feed.advance(chrono::Duration::hours(2));
    feed.delete("Property", &keys[4].to_string(), true).unwrap();
    feed.advance(chrono::Duration::hours(2));
    feed.edit(
        "Property",
        &keys[5].to_string(),
        fields(json!({"ListPrice": 5})),
    )
    .unwrap();
    feed.fault(FaultRule {
        path_contains: Some("/Deleted".to_owned()),
        ..FaultRule::always(Fault::Status(503))
    });
    mirror.sync_ends(3, &[]);
    assert_eq!(reason(&mirror, keys[4]), "live");
    mirror.sync_ends(1, &["deletions"]);
    feed.clear_faults();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn more_announcements_than_a_page_are_all_read() {
    let feed = feed(120);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.advance(chrono::Duration::hours(2));
    for key in feed.listing_keys().into_iter().step_by(2) {
        feed.delete("Property", &key.to_string(), true).unwrap();
    }
    mirror.sync();
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_eq!(live(&db, "Property"), 60);
}

#[test]
fn a_record_announced_twice_within_a_second_is_deleted_once() {
    let feed = feed(40);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.advance(chrono::Duration::hours(2));
    let key = feed.listing_keys()[3];
    // The record has the timestamp of its first announcement, and of its second.
    feed.delete("Property", &key.to_string(), true).unwrap();
    feed.bring_back(key).unwrap();
    mirror.sync();
    assert_eq!(reason(&mirror, key), "live");
    let before = copy(&mirror.open(), &MAIN);
    let since = crate::moves::last_change(&mirror.open());
    feed.delete("Property", &key.to_string(), true).unwrap();
    mirror.sync_ends(0, &["deletions"]);
    assert_eq!(reason(&mirror, key), "announced");
    let db = mirror.open();
    assert_log_equals_the_difference(&db, since, &before, &copy(&db, &MAIN));
}

/// Returns the requests for records by their keys.
fn asked_by_key(feed: &Simulator, entity_set: &str) -> usize {
    let asked = feed.requests().into_iter();
    asked
        .filter(|request| request.path.ends_with(&format!("/{entity_set}")))
        .filter(|request| is_by_key(&request.query.replace("%20", " ")))
        .count()
}

/// Returns whether a query is for records by their keys.
fn is_by_key(query: &str) -> bool {
    ["Key eq ", "KeyNumeric eq ", " in ("]
        .iter()
        .any(|part| query.contains(part))
}

/// Deletes this number of listings, each within its own second.
fn delete_one_by_one(feed: &Simulator, count: usize) {
    for key in feed.listing_keys().into_iter().step_by(2).take(count) {
        feed.advance(chrono::Duration::seconds(1));
        feed.delete("Property", &key.to_string(), true).unwrap();
    }
}

#[test]
fn announcements_of_one_second_are_all_read_where_ge_excludes_equal() {
    let feed = feed_with(60, |options| options.page_size = 10);
    feed.behave(&[Behaviour::DeletedGeExcludesEqual]);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.advance(chrono::Duration::hours(2));
    delete_one_by_one(&feed, 5);
    for key in &feed.listing_keys()[..8] {
        feed.delete("Property", &key.to_string(), true).unwrap();
    }
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn announced_deletions_are_confirmed_in_batches() {
    let feed = feed(200);
    let mirror = Mirror::with(&feed, |settings| settings.set("page_size", 200));
    mirror.sync();
    feed.advance(chrono::Duration::hours(2));
    delete_one_by_one(&feed, 60);
    feed.clear_requests();
    mirror.sync_ends(0, &["deletions"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let asked = asked_by_key(&feed, "Property");
    assert!((1..=4).contains(&asked), "{asked} requests by key");
}

/// Announces the deletion of a listing that the feed still has.
fn announce(answer: &mut Answer, key: i64, at: &str) {
    if answer.is_of("Deleted") {
        let announcement =
            json!({"resource": "Property", "primary_key": key.to_string(), "ts": at});
        answer.records().push(announcement);
    }
}

#[test]
fn a_photo_that_is_announced_with_its_listing_is_logged_once() {
    let feed = feed(30);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let before = copy(&mirror.open(), &MAIN);
    feed.advance(chrono::Duration::hours(2));
    let key = feed.listing_keys()[7];
    let photo = feed.truth_children(key, "Media")[0]["MediaKey"].clone();
    feed.remove_photo(photo.as_str().unwrap(), true, false)
        .unwrap();
    feed.delete("Property", &key.to_string(), true).unwrap();
    mirror.sync_ends(0, &["deletions"]);
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_log_equals_the_difference(&db, 0, &before, &copy(&db, &MAIN));
}

#[test]
fn an_announcement_dated_in_the_far_future_deletes_nothing() {
    let feed = feed(30);
    let key = feed.listing_keys()[7];
    let proxy = Proxy::of(&feed, move |answer| {
        announce(answer, key, "2097-01-01T00:00:00Z");
    });
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    for _ in 0..3 {
        mirror.sync();
        feed.advance(chrono::Duration::hours(1));
    }
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_eq!(number(&db, "SELECT count(*) FROM changes"), 0);
}

#[test]
fn a_record_that_was_announced_and_still_exists_is_updated() {
    let feed = feed(30);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    let key = feed.listing_keys()[7];
    feed.advance(chrono::Duration::hours(1));
    let price = fields(json!({"ListPrice": 4_321}));
    feed.edit("Property", &key.to_string(), price).unwrap();
    let at = feed.now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    proxy.change(move |answer| announce(answer, key, &at));
    mirror.sync_ends(0, &["deletions"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn an_answer_by_key_that_is_an_error_deletes_nothing() {
    let broken: [fn(&mut Answer); 4] = [
        |answer| answer.status = 500,
        |answer| answer.status = 404,
        |answer| answer.body["value"] = json!([{"error": {"message": "a timeout"}}]),
        |answer| {
            answer.body["value"] = json!([{"ListingKey": "5", "ListingKeyNumeric": 5}]);
        },
    ];
    for (at, broken) in broken.into_iter().enumerate() {
        let feed = feed(30);
        let proxy = Proxy::of(&feed, |_| {});
        let mirror = Mirror::at(&proxy.base_url, |_| {});
        mirror.sync();
        feed.advance(chrono::Duration::hours(2));
        delete_one_by_one(&feed, 3);
        proxy.change(move |answer| {
            if answer.is_of("Property") && is_by_key(&answer.request) {
                broken(answer);
            }
        });
        let ended = mirror.sync_ends(3, &["deletions"]);
        ended.says(3, &["3 announced deletions could not be confirmed"]);
        assert_eq!(live(&mirror.open(), "Property"), 30, "answer {at}");
        proxy.change(|_| {});
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

/// Renames the resources of announcements.
fn rename(answer: &mut Answer, name: impl Fn(&str) -> String) {
    if answer.is_of("Deleted") {
        for record in answer.records() {
            record["resource"] = json!(name(record["resource"].as_str().unwrap()));
        }
    }
}

#[test]
fn resources_are_announced_in_any_case_and_in_the_plural() {
    let names: [fn(&str) -> String; 3] = [
        |name| name.to_lowercase(),
        |name| name.to_uppercase(),
        |name| match name {
            "Property" => "Properties".to_owned(),
            name => format!("{name}s"),
        },
    ];
    for name in names {
        let feed = feed(30);
        let proxy = Proxy::of(&feed, move |answer| rename(answer, name));
        let mirror = Mirror::at(&proxy.base_url, |_| {});
        mirror.sync();
        feed.advance(chrono::Duration::hours(2));
        delete_one_by_one(&feed, 3);
        let photo = feed.truth("Media")[0]["MediaKey"].clone();
        feed.remove_photo(photo.as_str().unwrap(), true, true)
            .unwrap();
        mirror.sync_ends(0, &["deletions"]);
        let db = mirror.open();
        for set in ["Property", "Media"] {
            assert_eq!(live(&db, set), feed.count(set) as i64, "{set}");
        }
    }
}

#[test]
fn an_unknown_resource_name_is_reported_once() {
    let feed = feed(30);
    let proxy = Proxy::of(&feed, |answer| rename(answer, |_| "Auction".to_owned()));
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    feed.advance(chrono::Duration::hours(2));
    delete_one_by_one(&feed, 1);
    let ended = mirror.sync();
    assert!(ended.stderr.contains("Auction"), "{ended}");
    let ended = mirror.sync();
    assert!(!ended.stderr.contains("Auction"), "{ended}");
}

#[test]
fn announcements_are_paged_by_their_timestamp() {
    let feed = feed(120);
    let proxy = Proxy::of(&feed, |answer| {
        let skip = answer.request.split("$skip=").nth(1);
        let skip = skip.map(|skip| skip.split('&').next().unwrap().parse::<u64>().unwrap());
        if answer.is_of("Deleted") && skip.is_some_and(|skip| skip > 20) {
            answer.status = 400;
            answer.body = json!({"error": {"message": "$skip cannot exceed 20"}});
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    feed.advance(chrono::Duration::hours(2));
    delete_one_by_one(&feed, 60);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn pages_of_announcements_that_repeat_end_with_an_error() {
    let feed = feed(120);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    feed.advance(chrono::Duration::hours(2));
    for key in feed.listing_keys().into_iter().step_by(2) {
        feed.delete("Property", &key.to_string(), true).unwrap();
    }
    let mut first = None;
    let mut pages = 0;
    proxy.change(move |answer| {
        if answer.is_of("Deleted") {
            pages += 1;
            assert!(pages < 20, "the pages are read without end");
            answer.body["@odata.count"] = json!(null);
            answer.body = first.get_or_insert(answer.body.clone()).clone();
        }
    });
    mirror
        .sync_ends(3, &["deletions"])
        .says(3, &["the same page again"]);
}

#[test]
fn announcements_that_are_added_within_the_second_that_is_read_are_no_contradiction() {
    let feed = Arc::new(feed(40));
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    feed.advance(chrono::Duration::hours(2));
    let mut keys = feed.listing_keys();
    for key in keys.split_off(38) {
        feed.delete("Property", &key.to_string(), true).unwrap();
    }
    let added = Arc::clone(&feed);
    proxy.change(move |answer| {
        // Their keys place them before the announcements that were sent.
        if answer.is_of("Deleted") && !keys.is_empty() {
            for key in keys.drain(..).take(2) {
                added.delete("Property", &key.to_string(), true).unwrap();
            }
        }
    });
    mirror.sync();
    feed.advance(chrono::Duration::seconds(1));
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

/// Deletes listings and a photo, each within its own second, and changes a listing.
fn move_on(feed: &Simulator) {
    feed.advance(chrono::Duration::hours(2));
    delete_one_by_one(feed, 12);
    let keys = feed.listing_keys();
    feed.advance(chrono::Duration::seconds(1));
    let photo = feed.truth_children(keys[5], "Media")[0]["MediaKey"].clone();
    feed.remove_photo(photo.as_str().unwrap(), true, true)
        .unwrap();
    let price = fields(json!({"ListPrice": 4_321}));
    feed.edit("Property", &keys[6].to_string(), price).unwrap();
    feed.advance(chrono::Duration::hours(2));
}

#[test]
fn deletions_are_exact_however_the_deleted_resource_behaves() {
    let of_deleted = [
        Behaviour::DeletedNamesLowerCase,
        Behaviour::DeletedNamesPlural,
        Behaviour::DeletedSkipCapped,
        Behaviour::AnnouncedButAlive,
    ];
    let of_pages = [
        Behaviour::CountAsText,
        Behaviour::CountIsPageSize,
        Behaviour::FilterIgnoredByCount,
        Behaviour::ShortPagesWithoutLink,
        Behaviour::NextLinkEmpty,
    ];
    for (at, one) in of_deleted.into_iter().enumerate() {
        let with = std::iter::once(None).chain(of_pages.map(Some));
        for with in sample(with.skip(if runs_all() { 0 } else { at % 3 }), 3) {
            let feed = feed(60);
            let mirror = Mirror::of(&feed);
            mirror.sync();
            let on: Vec<Behaviour> = std::iter::once(one).chain(with).collect();
            feed.behave(&on);
            move_on(&feed);
            mirror.run(&["sync"]);
            let ended = mirror.run(&["sync"]);
            assert!(matches!(ended.code, Some(0 | 3)), "{on:?}: {ended}");
            if ended.code == Some(0) {
                assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
            }
            let sets = ["Property", "Media", "OpenHouse"];
            let db = mirror.open();
            let found = sets.map(|set| live(&db, set));
            let wanted = sets.map(|set| feed.count(set) as i64);
            assert_eq!(found, wanted, "{on:?}");
        }
    }
}

#[test]
fn an_empty_page_of_announcements_that_counts_more_is_asked_for_again() {
    let feed = feed(40);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    feed.advance(chrono::Duration::hours(2));
    let key = feed.listing_keys()[3];
    feed.delete("Property", &key.to_string(), true).unwrap();
    let empty_pages = |left: u32| {
        let mut left = left;
        proxy.change(move |answer| {
            let is_page = answer.is_of("Deleted") && !answer.records().is_empty();
            if is_page && left > 0 {
                answer.records().clear();
                left -= 1;
            }
        });
    };
    empty_pages(u32::MAX);
    mirror
        .sync_ends(3, &["deletions"])
        .says(3, &["a page of Deleted is empty, but its count says"]);
    assert_eq!(reason(&mirror, key), "live");
    empty_pages(2);
    mirror.sync_ends(0, &["deletions"]);
    assert_eq!(reason(&mirror, key), "announced");
}

#[test]
fn a_filter_is_not_blamed_for_a_refusal_of_announcements() {
    let feed = feed(60);
    let mirror = Mirror::with(&feed, |settings| {
        settings.set("page_size", 8);
        settings.sync = "[sync.filter]\nProperty = \"ListPrice gt 1\"\n".to_owned();
    });
    mirror.sync();
    feed.behave(&[Behaviour::DeletedSkipCapped]);
    feed.advance(chrono::Duration::hours(2));
    for key in &feed.listing_keys()[..5] {
        feed.delete("Property", &key.to_string(), true).unwrap();
    }
    let ended = mirror.sync_ends(3, &[]);
    ended.says(3, &["$skip cannot exceed 3"]);
    assert!(!ended.stderr.contains("sync.filter"), "{ended}");
}

#[test]
fn an_announcement_without_a_key_is_kept_until_a_sweep_has_finished() {
    let feed = feed(30);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    feed.advance(chrono::Duration::hours(2));
    let key = feed.listing_keys()[0];
    delete_one_by_one(&feed, 2);
    proxy.change(move |answer| {
        if answer.is_of("Deleted") {
            for record in answer.records() {
                if record["primary_key"] == json!(key.to_string()) {
                    record["primary_key"] = json!(null);
                }
            }
        }
    });
    let kept = "SELECT count(*) FROM rejects";
    for _ in 0..2 {
        mirror
            .sync_ends(3, &[])
            .says(3, &["Property: 1 record could not be stored"]);
        assert_eq!(number(&mirror.open(), kept), 1);
        assert_eq!(live(&mirror.open(), "Property"), 29);
        feed.advance(chrono::Duration::minutes(5));
    }
    mirror.sync_ends(0, &["reconcile"]);
    mirror.sync();
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_eq!(number(&db, kept), 1);
}
