//! Photos and open houses, by the listings' `$expand` or on their own.

use std::collections::BTreeMap;

use rusqlite::types::Value as Sql;
use serde_json::json;
use simulator::{Behaviour, Request, Simulator};

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
fn the_first_open_house_is_whole_although_expand_sends_only_some_of_its_fields() {
    let feed = feed_with(30, |options| options.open_houses = false);
    feed.behave(&[Behaviour::ExpandPoorer]);
    let mirror = Mirror::with(&feed, |settings| settings.set("profile", "\"reso\""));
    mirror.sync();
    for at in [3, 7] {
        feed.advance(chrono::Duration::hours(1));
        feed.add_open_house(feed.listing_keys()[at]).unwrap();
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &["Property", "OpenHouse"]);
    }
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
fn photos_stay_while_each_answer_of_their_service_is_empty() {
    for counts in [false, true] {
        let feed = feed(40);
        let proxy = Proxy::of(&feed, |_| {});
        let mirror = Mirror::at(&proxy.base_url, |_| {});
        mirror.sync();
        reprice_all(&feed);
        proxy.change(move |answer| {
            if answer.is_of("Media") {
                answer.body = json!({ "value": [] });
                if counts {
                    answer.body["@odata.count"] = json!(0);
                }
            } else if answer.request.contains("$expand=") {
                for listing in answer.records() {
                    listing["Media"] = json!([]);
                }
            }
        });
        mirror
            .sync_ends(3, &[])
            .says(3, &["photos, and Media does not say"]);
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        proxy.change(|_| {});
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        assert_eq!(changes_of_children(&mirror), 0);
    }
}

#[test]
fn photos_that_expand_lacks_are_read_after_their_own_pages_failed() {
    let feed = feed(60);
    feed.behave(&[Behaviour::ExpandCapped]);
    let proxy = Proxy::of(&feed, |answer| {
        if answer.is_of("Media") && !answer.request.contains("$count=true") {
            answer.status = 501;
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync_ends(3, &[]);
    for _ in 0..2 {
        feed.clear_requests();
        mirror.sync_ends(3, &[]).says(3, &["mlsmirror: Media: "]);
        let pages = pages_of(&feed, "Property");
        assert!(pages.len() <= 1, "{pages:?}");
    }
    reprice_all(&feed);
    mirror.sync_ends(3, &[]).says(3, &["mlsmirror: Media: "]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Property", "OpenHouse"]);
    proxy.change(|_| {});
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn photos_that_cannot_be_read_do_not_stop_the_rest_and_are_read_later() {
    let feed = feed_with(60, |options| {
        options.server.media_status = Some(504);
        options.server.media_expand_status = Some(501);
    });
    let mirror = Mirror::of(&feed);
    let ended = mirror.sync_ends(3, &[]);
    ended.says(3, &["mlsmirror: Media: ", "$expand: "]);
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &["Property", "OpenHouse"]);
    assert_eq!(live(&db, "Media"), 0);
    let run = last_run(&db, "Property");
    assert_eq!(run["status"], Sql::Text("succeeded".to_owned()));
    assert_eq!(
        last_run(&db, "Media")["status"],
        Sql::Text("failed".to_owned())
    );

    feed.set_server(|server| {
        server.media_status = None;
        server.media_expand_status = None;
    });
    let attention = || mirror.run(&["status", "--json"]).json()["needs_attention"].clone();
    let needed = attention();
    let needed: Vec<&str> = (needed.as_array().unwrap().iter())
        .map(|sentence| sentence.as_str().unwrap())
        .collect();
    assert_eq!(needed.len(), 2, "{needed:?}");
    assert!(
        needed.iter().all(|one| one.starts_with("Media")),
        "{needed:?}"
    );
    mirror.sync();
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_eq!(attention(), serde_json::json!([]));
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

/// The fields that a mirror holds.
const FEW_FIELDS: &str = "[sync.select]\nProperty = [\"ListPrice\"]\nMedia = [\"Order\"]\n\
     OpenHouse = [\"OpenHouseDate\"]\n";

#[test]
fn only_the_selected_fields_of_children_are_asked_for_with_their_listings() {
    let mut bytes = Vec::new();
    for behaviours in [&[Behaviour::ExpandOptionsRefused][..], &[]] {
        let feed = feed(60);
        feed.behave(behaviours);
        let mirror = Mirror::with(&feed, |settings| FEW_FIELDS.clone_into(&mut settings.sync));
        mirror.sync();
        let held = |condition: &str| {
            let sql =
                format!("SELECT count(*) FROM media WHERE deleted_at IS NULL AND {condition}");
            number(&mirror.open(), &sql) as u64
        };
        assert_eq!(held("\"Order\" IS NOT NULL"), feed.count("Media"));
        assert_eq!(held("ShortDescription IS NOT NULL OR extra IS NOT NULL"), 0);

        feed.clear_requests();
        mirror.sync_full();
        let asked = feed.requests().into_iter();
        let asked = asked.filter(|request| request.query.contains("Media($select="));
        let (asked, db) = (asked.count(), mirror.open());
        let refused = "SELECT count(*) FROM _capabilities
                       WHERE capability = 'expand_select' AND value = 'refused'";
        assert_eq!(number(&db, refused), i64::from(!behaviours.is_empty()));
        assert_eq!(asked > 0, behaviours.is_empty(), "{asked} requests");
        let received = "SELECT bytes_received FROM sync_runs
                        WHERE resource = 'Property' ORDER BY id DESC";
        bytes.push(number(&db, received));
        reprice_all(&feed);
        mirror.sync();
        assert_eq!(held("true"), feed.count("Media"));
    }
    assert!(bytes[1] < bytes[0] * 9 / 10, "{bytes:?}");
}

#[test]
fn children_of_filtered_listings_that_expand_lacks_come_from_their_own_resource() {
    for behaviours in [
        &[Behaviour::ExpandCapped] as &[Behaviour],
        &[Behaviour::ExpandCapped, Behaviour::InFindsNothing],
        &[Behaviour::ExpandCapped, Behaviour::FilterIgnoredByCount],
        &[Behaviour::ExpandEmpty],
        &[Behaviour::ExpandNull],
        &[Behaviour::ExpandPoorer],
    ] {
        let feed = feed(90);
        feed.behave(behaviours);
        let mirror = Mirror::with(&feed, |settings| {
            settings.sync = "[sync.filter]\nProperty = \"ListPrice gt 400000\"\n".to_owned();
        });
        mirror.sync();
        assert_equals_expensive(&mirror, &feed);
        feed.advance(chrono::Duration::hours(1));
        for key in feed.listing_keys().iter().step_by(3) {
            let price = fields(json!({"ListPrice": 900_000 + key}));
            feed.edit("Property", &key.to_string(), price).unwrap();
        }
        mirror.sync();
        assert_equals_expensive(&mirror, &feed);
    }
}

#[test]
fn one_open_house_of_filtered_listings_that_expand_lacks_is_found() {
    let feed = feed_with(200, |options| {
        options.photos = 0;
        options.page_size = 200;
    });
    let open_houses = truth(&feed, "OpenHouse");
    let listings = open_houses
        .iter()
        .map(|(_, record)| key_text(&record["ListingKey"]));
    let listings: Vec<String> = listings.collect();
    let has_one = |listing: &&String| listings.iter().filter(|one| one == listing).count() == 1;
    let lacking = listings.iter().find(has_one).unwrap().clone();
    // Others have more open houses, and newer ones.
    feed.advance(chrono::Duration::hours(1));
    let others = feed.listing_keys().into_iter();
    for key in others.filter(|key| key.to_string() != lacking).take(40) {
        feed.add_open_house(key).unwrap();
        feed.add_open_house(key).unwrap();
    }
    let proxy = Proxy::of(&feed, move |answer| {
        if answer.is_of("Property") && answer.body.get("value").is_some() {
            for record in answer.records() {
                if key_text(&record["ListingKey"]) == lacking {
                    record["OpenHouse"] = json!([]);
                }
            }
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.set("page_size", 200);
        settings.sync = "[sync.filter]\nProperty = \"ListPrice gt 0\"\n".to_owned();
    });
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &["OpenHouse"]);
}

#[test]
fn a_listed_photo_of_a_listing_outside_the_filter_is_no_row() {
    for was_within in [false, true] {
        let feed = feed(60);
        feed.behave(&[Behaviour::ChildOfAnotherListing]);
        let keys = feed.listing_keys();
        let edit = |at: usize, price| {
            let price = fields(json!({"ListPrice": price}));
            let key = keys[at].to_string();
            feed.edit("Property", &key, price).unwrap();
        };
        // The lists of the other listings end with a photo of the first one.
        edit(0, if was_within { 500_000 } else { 300_000 });
        edit(7, 500_000);
        let mirror = Mirror::with(&feed, |settings| {
            settings.sync = "[sync.filter]\nProperty = \"ListPrice gt 400000\"\n".to_owned();
        });
        for price in [300_000, 200_000] {
            mirror.sync();
            assert_equals_expensive(&mirror, &feed);
            feed.advance(chrono::Duration::hours(1));
            edit(0, price);
            edit(7, 500_000 + price);
        }
        mirror.sync();
        assert_equals_expensive(&mirror, &feed);
    }
}

/// Compares a mirror with the listings above 400,000, and their children.
fn assert_equals_expensive(mirror: &Mirror, feed: &Simulator) {
    let listings: BTreeMap<String, Record> = truth(feed, "Property").into_iter().collect();
    let is_wanted = |key: &str| listings[key]["ListPrice"].as_f64() > Some(400_000.0);
    let wanted = listings.keys().filter(|key| is_wanted(key)).count();
    assert!((10..80).contains(&wanted), "{wanted}");
    assert_mirror_equals_part(&mirror.open(), feed, &MAIN, |key, _| is_wanted(key));
}

#[test]
fn lists_of_children_that_are_cut_are_asked_for_with_their_number_from_bridge() {
    let feed = feed(60);
    feed.behave(&[Behaviour::ExpandCapped]);
    let mirror = Mirror::with(&feed, |settings| {
        settings.set("profile", "\"bridge\"");
        settings.set("token_env", "\"RESO_BEARER_TOKEN\"");
    });
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let lists = feed.requests().into_iter();
    let lists = lists.filter(|request| request.query.contains("Media($top=200)"));
    assert!(lists.count() >= 3);
    let separate = "SELECT count(*) FROM _capabilities
                    WHERE capability = 'expand' AND value <> 'accepted'";
    assert_eq!(number(&mirror.open(), separate), 0);
}

#[test]
fn photos_whose_changes_are_refused_once_are_read_by_the_next_sync() {
    for status in [400, 404, 501] {
        let feed = feed(40);
        let mirror = Mirror::of(&feed);
        mirror.sync();
        feed.advance(chrono::Duration::hours(1));
        let photo = feed.truth("Media")[7]["MediaKey"].clone();
        feed.replace_photo(photo.as_str().unwrap(), false).unwrap();
        let price = fields(json!({"ListPrice": 123_456}));
        let other = feed.listing_keys()[20].to_string();
        feed.edit("Property", &other, price).unwrap();
        feed.set_server(|server| server.media_status = Some(status));
        mirror.sync_ends(3, &[]).says(3, &["Media"]);
        // A resource that does not exist does not fail each sync.
        if status == 404 {
            let ended = mirror.sync();
            ended.says(0, &["Media: the feed answers 404", "sync reconcile"]);
        } else {
            mirror.sync_ends(3, &[]);
        }
        feed.set_server(|server| server.media_status = None);
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn a_photo_that_came_along_does_not_hide_the_change_of_another_one() {
    let feed = feed(40);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    let changed = feed.truth("Media")[7].clone();
    let key = key_text(&changed["MediaKey"]);
    feed.replace_photo(&key, false).unwrap();
    let other = feed.listing_keys()[20];
    let price = fields(json!({"ListPrice": 123_456}));
    feed.edit("Property", &other.to_string(), price).unwrap();
    // The listing comes with a photo that is deleted before the photos are counted.
    let now = feed.now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    proxy.change(move |answer| {
        if !answer.is_of("Property") || !answer.request.contains("$expand=") {
            return;
        }
        for listing in answer.records() {
            if key_text(&listing["ListingKey"]) == other.to_string() {
                let photos = listing["Media"].as_array_mut().unwrap();
                let mut added = photos[0].clone();
                added["MediaKey"] = json!("added.jpg");
                added["ModificationTimestamp"] = json!(now);
                photos.push(added);
            }
        }
    });
    mirror.sync();
    let sql = format!("SELECT ModificationTimestamp FROM media WHERE MediaKey = '{key}'");
    let photos = feed.truth("Media").into_iter();
    let now = photos.filter(|photo| key_text(&photo["MediaKey"]) == key);
    let expected = now.map(|photo| photo["ModificationTimestamp"].clone());
    let expected: Vec<String> = expected
        .map(|time| stored_timestamp(time.as_str().unwrap()))
        .collect();
    assert_eq!(texts(&mirror.open(), &sql), expected);
}
