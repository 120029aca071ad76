//! Answers that are right but written in another way than most servers write them, and links
//! that lead nowhere.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value as Json, json};

use crate::support::*;

/// Syncs a first time and again after changes and deletions, while the proxy changes every
/// answer. Both syncs must be exact.
fn sync_twice(profile: &str, change: impl FnMut(&mut Answer) + Send + 'static) {
    let feed = feed_with(90, |options| {
        options.server.page_cap = Some(20);
        options.server.expand_cap = Some(2);
    });
    let proxy = Proxy::of(&feed, change);
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.set("profile", format!("{profile:?}"));
    });
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    feed.advance(chrono::Duration::hours(1));
    for key in feed.listing_keys() {
        let price = json!({"ListPrice": 123_456.0 + key as f64});
        feed.edit("Property", &key.to_string(), fields(price))
            .unwrap();
    }
    feed.delete("Property", &feed.listing_keys()[5].to_string(), true)
        .unwrap();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn a_body_may_begin_with_a_byte_order_mark() {
    sync_twice("wfrmls", |answer| {
        answer.write = Box::new(|text| format!("\u{feff}{text}").into_bytes());
    });
}

#[test]
fn a_count_may_be_text_or_no_number() {
    sync_twice("wfrmls", |answer| {
        if let Some(count) = answer.body.get_mut("@odata.count") {
            *count = json!(count.to_string());
        }
    });
}

#[test]
fn an_empty_list_may_be_null() {
    sync_twice("wfrmls", |answer| {
        if answer.body["value"].as_array().is_some_and(Vec::is_empty) {
            answer.body["value"] = Json::Null;
        }
    });
}

/// Compresses each half of a body to a gzip member of its own.
fn two_members(text: &str) -> Vec<u8> {
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    let member = |part: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap()
    };
    [member(first), member(second)].concat()
}

#[test]
fn a_gzip_body_may_have_several_members_and_the_older_name() {
    for name in ["gzip", "x-gzip", "GZIP"] {
        let mut is_cut = true;
        sync_twice("wfrmls", move |answer| {
            answer.headers.push(("content-encoding", name.to_owned()));
            // A body that lacks its end is requested again.
            let cut = std::mem::take(&mut is_cut);
            answer.write = Box::new(move |text| {
                let mut bytes = two_members(&text);
                bytes.truncate(bytes.len() - if cut { 20 } else { 0 });
                bytes
            });
        });
    }
}

#[test]
fn an_empty_next_link_is_the_end() {
    for profile in ["wfrmls", "reso"] {
        sync_twice(profile, |answer| {
            if answer.body.get("value").is_some() && answer.body.get("@odata.nextLink").is_none() {
                answer.body["@odata.nextLink"] = json!("");
            }
        });
    }
}

#[test]
fn a_next_link_that_is_only_a_query_belongs_to_the_request() {
    sync_twice("reso", |answer| {
        if let Some(Json::String(link)) = answer.body.get_mut("@odata.nextLink") {
            *link = link[link.find('?').unwrap()..].to_owned();
        }
    });
}

#[test]
fn timestamps_without_seconds_and_decimals_as_text_are_stored_exactly() {
    let feed = feed(30);
    let keys = feed.listing_keys();
    let cases = [
        (
            keys[2],
            "PhotosChangeTimestamp",
            "2025-01-02T03:04Z",
            "2025-01-02 03:04:00",
        ),
        (
            keys[3],
            "PhotosChangeTimestamp",
            "2025-01-02T03:04-07:00",
            "2025-01-02 10:04:00",
        ),
        (
            keys[4],
            "PhotosChangeTimestamp",
            "9999-12-31T23:59:59-07:00",
            "9999-12-31 23:59:59",
        ),
        (keys[5], "ListPrice", "9007199254740993", "9007199254740993"),
        (
            keys[6],
            "ListPrice",
            "9007199254740993.00",
            "9007199254740993",
        ),
        (keys[7], "ListPrice", "450000.50", "450000.5"),
    ];
    let long = (keys[8], "ListPrice", "9007199254740993.25");
    let written: Vec<(i64, &str, &str)> = cases
        .iter()
        .map(|(key, field, sent, _)| (*key, *field, *sent))
        .chain([long])
        .collect();
    let proxy = Proxy::of(&feed, move |answer| {
        if !answer.is_of("Property") || !answer.body["value"].is_array() {
            return;
        }
        for record in answer.records() {
            for (key, field, sent) in &written {
                if record["ListingKeyNumeric"] == json!(key) && record.get(field).is_some() {
                    record[*field] = json!(sent);
                }
            }
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    let db = mirror.open();
    for (key, field, sent, stored) in cases {
        let sql = format!("SELECT {field} FROM listings WHERE ListingKeyNumeric = {key}");
        assert_eq!(text(&db, &sql), stored, "{field} {sent}");
    }
    let whole = format!(
        "SELECT extra ->> 'ListPrice' FROM listings
         WHERE ListingKeyNumeric = {} AND ListPrice IS NULL",
        long.0
    );
    assert_eq!(text(&db, &whole), long.2);
}

#[test]
fn an_error_object_on_every_page_ends_with_an_error() {
    for profile in ["wfrmls", "reso"] {
        let feed = feed(30);
        let proxy = Proxy::of(&feed, |answer| {
            if answer.is_of("Property") && !answer.request.contains(" desc") {
                answer.body["value"] = json!([{"error": {"message": "out of memory"}}]);
            }
        });
        let mirror = Mirror::at(&proxy.base_url, |settings| {
            settings.set("profile", format!("{profile:?}"));
            settings.resources = vec!["Property"];
        });
        let ended = mirror.run(&["sync"]);
        assert!(matches!(ended.code, Some(1 | 3)), "{ended}");
        let requests = feed.request_count();
        assert!(requests < 30, "{profile}: {requests} requests");
        let rejects = number(&mirror.open(), "SELECT count(*) FROM rejects");
        assert!(rejects <= 2, "{profile}: {rejects} rejects");

        // The error object may have taken the place of a record, which a whole read finds.
        proxy.change(|_| {});
        mirror.run(&["sync"]);
        mirror.sync_full();
        assert_mirror_equals_feed(&mirror.open(), &feed, &["Property"]);
    }
}

#[test]
fn links_of_children_that_form_a_circle_end_with_an_error() {
    let feed = feed_with(30, |options| {
        options.photos = 6;
        options.server.page_cap = Some(2);
        options.server.expand_cap = Some(1);
    });
    let mut number_of_links = 0;
    let proxy = Proxy::of(&feed, move |answer| {
        let Some(Json::String(link)) = answer.body.get_mut("@odata.nextLink") else {
            return;
        };
        number_of_links += 1;
        assert!(number_of_links < 200, "the links are followed without end");
        if link.contains("/Media?") {
            let start = link.split("$skip=").next().unwrap();
            *link = format!("{start}$skip={}", 1 + number_of_links % 2);
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    let ended = mirror.run(&["sync"]);
    assert_ne!(ended.code, Some(0), "{ended}");
    ended.says(ended.code.unwrap(), &["circle"]);
}
