//! Photos and open houses, by the listings' `$expand` or on their own.

use rusqlite::types::Value as Sql;
use serde_json::json;
use simulator::{Behaviour, Request};

use crate::support::*;

#[test]
fn a_server_that_refuses_expand_is_asked_for_the_children_on_their_own() {
    for status in [400, 501] {
        let feed = feed_with(100, |options| options.server.expand_refused = Some(status));
        let mirror = Mirror::of(&feed);
        mirror.sync();
        let db = mirror.open();
        assert_mirror_equals_feed(&db, &feed, &MAIN);
        let statuses = texts(&db, "SELECT DISTINCT status FROM sync_runs");
        assert_eq!(statuses, ["succeeded"], "expand answered {status}");
        assert!(
            !pages_of(&feed, "Media").is_empty(),
            "the photos were read another way"
        );
    }
}

#[test]
fn a_child_that_is_read_on_its_own_may_have_no_record() {
    let feed = feed(24);
    feed.behave(&[Behaviour::ExpandRefused]);
    for record in feed.truth("OpenHouse") {
        let key = key_text(&record["OpenHouseKey"]);
        feed.delete("OpenHouse", &key, true).unwrap();
    }
    let mirror = Mirror::of(&feed);
    mirror.sync();
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    feed.add_open_house(feed.listing_keys()[3]).unwrap();
    mirror.sync();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert_eq!(live(&mirror.open(), "OpenHouse"), 1);
}

fn reprice_all(feed: &simulator::Simulator) {
    feed.advance(chrono::Duration::hours(1));
    for key in feed.listing_keys() {
        let price = fields(json!({"ListPrice": 1_000 + key}));
        feed.edit("Property", &key.to_string(), price).unwrap();
    }
}

/// Returns the number of logged changes of children.
fn changes_of_children(mirror: &Mirror) -> i64 {
    let sql = "SELECT count(*) FROM changes WHERE resource <> 'Property'";
    number(&mirror.open(), sql)
}

#[test]
fn fields_that_expand_leaves_out_come_from_the_own_resource() {
    let feed = feed(40);
    feed.behave(&[Behaviour::ExpandPoorer]);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    reprice_all(&feed);
    feed.clear_requests();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert_eq!(changes_of_children(&mirror), 0);
    let expands = |request: &Request| request.query.contains("$expand=Media");
    assert!(!pages_of(&feed, "Property").iter().any(expands));
}

#[test]
fn fields_that_expand_no_longer_sends_stay() {
    let feed = feed(40);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.behave(&[Behaviour::ExpandPoorer]);
    reprice_all(&feed);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert_eq!(changes_of_children(&mirror), 0);
}

#[test]
fn a_field_of_a_photo_that_becomes_empty_becomes_empty_in_the_mirror() {
    let feed = feed(20);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let photo = key_text(&feed.truth("Media")[3]["MediaKey"]);
    let nothing = fields(json!({"MediaType": null}));
    feed.edit_silently("Media", &photo, nothing).unwrap();
    reprice_all(&feed);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert_eq!(changes_of_children(&mirror), 1);
}

#[test]
fn a_photo_of_another_listing_does_not_complete_a_cut_list() {
    let feed = feed(40);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.behave(&[Behaviour::ExpandCapped, Behaviour::ChildOfAnotherListing]);
    reprice_all(&feed);
    let listing = feed.listing_keys()[5];
    feed.add_photo(listing, true).unwrap();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert_eq!(changes_of_children(&mirror), 1);
}

#[test]
fn a_media_entity_set_that_does_not_answer_is_not_needed() {
    for status in [504, 404] {
        let feed = feed_with(60, |options| options.server.media_status = Some(status));
        let mirror = Mirror::of(&feed);
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn photos_that_cannot_be_read_do_not_stop_the_rest_and_are_read_later() {
    let feed = feed_with(60, |options| {
        options.server.media_status = Some(504);
        options.server.media_expand_status = Some(501);
    });
    let mirror = Mirror::of(&feed);
    let ended = mirror.sync_ends(3, &[]);
    ended.says(
        3,
        &[
            "photos could not be read, with $expand",
            "from Media directly",
        ],
    );
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &["Property", "OpenHouse"]);
    assert_eq!(live(&db, "Media"), 0);
    let run = last_run(&db, "Property");
    assert_eq!(run["status"], Sql::Text("partial".to_owned()));
    assert!(
        as_text(&run["error"]).contains("photos could not be read"),
        "{:?}",
        run["error"]
    );
    assert_eq!(
        last_run(&db, "Media")["status"],
        Sql::Text("failed".to_owned())
    );

    feed.set_server(|server| {
        server.media_status = None;
        server.media_expand_status = None;
    });
    mirror.sync();
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_eq!(
        number(&db, "SELECT count(*) FROM changes"),
        0,
        "the first photos are no news"
    );
}

#[test]
fn children_are_read_on_their_own_after_expand_fails_midway() {
    use simulator::{Fault, FaultRule};
    let feed = feed(120);
    feed.fault(FaultRule {
        path_contains: Some("$expand".to_owned()),
        skip: 3,
        ..FaultRule::always(Fault::Status(501))
    });
    let mirror = Mirror::with(&feed, |settings| settings.set("max_concurrent", 1));
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}
