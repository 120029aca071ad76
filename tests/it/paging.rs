//! Servers with their own ways to page.

use serde_json::json;
use simulator::Behaviour;

use crate::support::*;

#[test]
fn an_account_with_a_lower_page_cap_still_gets_everything() {
    let feed = feed_with(150, |options| options.server.page_cap = Some(7));
    let mirror = Mirror::with(&feed, |settings| settings.resources = ALL.to_vec());
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &ALL);
    let pages = pages_of(&feed, "Property").len();
    assert!(
        pages >= 150 / 7,
        "{pages} pages of at most 7 cannot hold 150 listings"
    );
}

#[test]
fn the_next_links_of_expanded_children_are_followed() {
    let feed = feed_with(60, |options| {
        options.photos = 6;
        options.server.expand_cap = Some(2);
    });
    let mirror = Mirror::of(&feed);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let linked = feed
        .requests()
        .into_iter()
        .filter(|request| request.query.contains("$skip=2"));
    assert!(linked.count() > 0, "no listing had more than two photos");
}

#[test]
fn the_next_links_of_expanded_children_have_next_links_of_their_own() {
    let feed = feed_with(30, |options| {
        options.photos = 6;
        options.server.page_cap = Some(2);
        options.server.expand_cap = Some(1);
    });
    let mirror = Mirror::of(&feed);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn every_size_of_the_last_page_is_read_to_its_end() {
    for listings in [1, 19, 20, 21, 40] {
        let feed = feed(listings);
        let mirror = Mirror::of(&feed);
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        assert_eq!(live(&mirror.open(), "Property"), listings as i64);
    }
}

#[test]
fn ranges_read_in_parallel_cover_all_records() {
    let feed = feed(500);
    let mirror = Mirror::with(&feed, |settings| settings.set("max_concurrent", 6));
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let most = feed.max_concurrent_seen();
    assert!((2..=6).contains(&most), "{most} requests at a time");
}

#[test]
fn a_server_with_next_links_is_mirrored() {
    let feed = feed_with(130, |options| options.server.refuse_orderby = true);
    let mirror = Mirror::with(&feed, |settings| {
        settings.resources = ALL.to_vec();
        settings.set("profile", "\"reso\"");
    });
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &ALL);
}

#[test]
fn links_that_end_at_a_limit_are_followed_in_windows_of_timestamps() {
    for order in [Behaviour::OrderbyIgnored, Behaviour::OrderbyRefused] {
        let feed = feed_with(40, |options| (options.page_size, options.photos) = (8, 2));
        feed.behave(&[Behaviour::SkipCapped, order]);
        let mirror = Mirror::with(&feed, |settings| settings.set("page_size", 8));
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);

        feed.advance(chrono::Duration::hours(1));
        for key in feed.listing_keys().into_iter().step_by(3) {
            let price = fields(json!({ "ListPrice": 1_000 + key }));
            feed.edit("Property", &key.to_string(), price).unwrap();
            feed.advance(chrono::Duration::seconds(3));
        }
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        mirror.sync_ends(0, &["reconcile"]);
        mirror.run(&["verify", "--deep"]).says(0, &[]);
    }
}

#[test]
fn a_window_of_timestamps_that_lacks_a_counted_change_is_reported() {
    let feed = feed_with(40, |options| (options.page_size, options.photos) = (8, 0));
    feed.behave(&[Behaviour::SkipCapped, Behaviour::OrderbyIgnored]);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |settings| settings.set("page_size", 8));
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    for key in feed.listing_keys() {
        let price = fields(json!({ "ListPrice": 1_000 + key }));
        feed.edit("Property", &key.to_string(), price).unwrap();
        feed.advance(chrono::Duration::seconds(3));
    }
    let mut is_left_out = false;
    proxy.change(move |answer| {
        let is_of_window = answer.request.contains("ModificationTimestamp lt ");
        // The last window that is divided no more, and the only page of it.
        let is_whole = answer.body["@odata.nextLink"].is_null();
        if answer.is_of("Property") && is_of_window && is_whole && !is_left_out {
            is_left_out = answer.records().pop().is_some();
        }
    });
    let ended = mirror.sync_ends(3, &[]);
    ended.says(3, &["changes, and its links led to"]);
    proxy.change(|_| {});
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Property"]);
}
