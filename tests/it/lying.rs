//! Servers whose answers contradict each other. A sync ends with 0 only where the mirror
//! equals the feed; otherwise it ends with 3 and a reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use serde_json::json;

use crate::support::*;

/// Removes children from every expanded list of an entity set.
fn cut_lists(answer: &mut Answer, entity_set: &str, keep: usize) {
    if !answer.request.contains("$expand=") {
        return;
    }
    for record in answer.records() {
        if let Some(list) = record[entity_set].as_array_mut() {
            list.truncate(keep);
        }
    }
}

fn touch_all(feed: &simulator::Simulator) {
    feed.advance(chrono::Duration::hours(1));
    for key in feed.listing_keys() {
        let price = json!({"ListPrice": 123_456.0 + key as f64});
        feed.edit("Property", &key.to_string(), fields(price))
            .unwrap();
    }
}

#[test]
fn children_that_expand_leaves_out_stay() {
    for keep in [0, 1] {
        let feed = feed(40);
        let proxy = Proxy::of(&feed, |_| {});
        let mirror = Mirror::at(&proxy.base_url, |_| {});
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        touch_all(&feed);
        proxy.change(move |answer| {
            cut_lists(answer, "Media", keep);
            cut_lists(answer, "OpenHouse", keep);
        });
        mirror.sync();
        let db = mirror.open();
        assert_mirror_equals_feed(&db, &feed, &MAIN);
        let deleted = "SELECT count(*) FROM changes WHERE change IN ('delete', 'restore')";
        assert_eq!(number(&db, deleted), 0, "{keep} children per list");
    }
}

#[test]
fn children_that_expand_never_sends_come_from_their_own_resource() {
    for keep in [0, 1] {
        let feed = feed(40);
        let proxy = Proxy::of(&feed, move |answer| cut_lists(answer, "Media", keep));
        let mirror = Mirror::at(&proxy.base_url, |_| {});
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        touch_all(&feed);
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn a_photo_that_was_removed_is_still_found() {
    let feed = feed(20);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let listing = feed.listing_keys()[3];
    let photo = feed.truth_children(listing, "Media")[0]["MediaKey"].clone();
    feed.advance(chrono::Duration::hours(1));
    feed.remove_photo(photo.as_str().unwrap(), false, true)
        .unwrap();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn an_older_version_of_a_record_in_the_same_page_does_not_win() {
    let feed = feed(40);
    let proxy = Proxy::of(&feed, |answer| {
        if answer.is_of("Property") && answer.request.contains("$expand=") {
            let records = answer.records();
            let Some(mut old) = records.first().cloned() else {
                return;
            };
            old["ListPrice"] = json!(1.0);
            old["ModificationTimestamp"] = json!("2001-01-01T00:00:00Z");
            records.insert(1, old);
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn a_stale_answer_does_not_overwrite_newer_rows() {
    let feed = feed(40);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    let stale = std::sync::Mutex::new(Vec::new());
    for key in feed.listing_keys() {
        let record = &feed
            .truth("Property")
            .into_iter()
            .find(|record| record["ListingKeyNumeric"] == json!(key));
        stale.lock().unwrap().push(record.clone().unwrap());
    }
    touch_all(&feed);
    mirror.sync();
    let changes = number(&mirror.open(), "SELECT count(*) FROM changes");
    // A replica that is one market step behind answers for pages, not for single keys.
    let stale = stale.into_inner().unwrap();
    proxy.change(move |answer| {
        let is_page = answer.is_of("Property") && answer.request.contains("$expand=");
        if !is_page || answer.request.contains(" eq ") && !answer.request.contains(" gt ") {
            return;
        }
        for record in answer.records() {
            let key = record["ListingKeyNumeric"].clone();
            let old = stale.iter().find(|old| old["ListingKeyNumeric"] == key);
            for (name, value) in old.into_iter().flatten() {
                record[name] = value.clone();
            }
        }
    });
    mirror.run(&["sync"]);
    mirror.run(&["sync", "full"]);
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &["Property"]);
    assert_eq!(number(&db, "SELECT count(*) FROM changes"), changes);
}

#[test]
fn an_announced_deletion_of_a_record_that_the_feed_still_has_deletes_nothing() {
    let feed = feed(30);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    let key = feed.listing_keys()[7];
    feed.advance(chrono::Duration::hours(1));
    let at = feed.now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    proxy.change(move |answer| {
        if answer.is_of("Deleted") {
            let announcement =
                json!({"resource": "Property", "primary_key": key.to_string(), "ts": at});
            answer.records().push(announcement);
        }
    });
    mirror.sync();
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_eq!(
        number(&db, "SELECT count(*) FROM changes WHERE change = 'delete'"),
        0
    );
}

#[test]
fn a_new_field_of_a_record_that_is_announced_as_deleted_is_no_change() {
    for job in [&["deletions"] as &[&str], &[]] {
        let feed = feed(30);
        let mirror = Mirror::of(&feed);
        mirror.sync();
        let key = feed.listing_keys()[7];
        feed.declare_field("Property", "Declared", "Edm.String")
            .unwrap();
        feed.advance(chrono::Duration::hours(1));
        feed.delete("Property", &key.to_string(), true).unwrap();
        feed.advance(chrono::Duration::minutes(1));
        feed.bring_back(key).unwrap();
        let edited = fields(json!({"ListPrice": 123_456, "Declared": "new"}));
        feed.edit("Property", &key.to_string(), edited).unwrap();
        mirror.sync_ends(0, job);
        let db = mirror.open();
        let logged = "SELECT group_concat(DISTINCT field) FROM changes WHERE change = 'update'";
        assert_eq!(text(&db, logged), "ListPrice", "{job:?}");
    }
}

#[test]
fn a_full_whose_pages_lack_counted_records_has_not_finished() {
    for filter in ["", "[sync.filter]\nProperty = \"ListPrice gt 0\"\n"] {
        let feed = feed(60);
        let proxy = Proxy::of(&feed, |answer| {
            if answer.is_of("Property") && !answer.request.contains(" desc") {
                answer.body["value"] = json!([]);
            }
        });
        let mirror = Mirror::at(&proxy.base_url, |settings| {
            settings.sync = filter.to_owned()
        });
        mirror.sync_ends(3, &[]).says(3, &["counts 60 listings"]);
        mirror.sync_ends(3, &[]);
        proxy.change(|_| {});
        mirror.sync();
        let db = mirror.open();
        assert_mirror_equals_feed(&db, &feed, &MAIN);
        let logged = "SELECT count(*) FROM changes WHERE resource = 'Property'";
        assert_eq!(number(&db, logged), 0, "the first full sync logs nothing");
    }
}

#[test]
fn a_full_whose_pages_by_key_lack_records_follows_the_links() {
    let feed = feed(60);
    feed.behave(&[simulator::Behaviour::LargestKeyAtPageEnd]);
    let mirror = Mirror::with(&feed, |settings| settings.set("page_size", 8));
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn a_child_resource_that_never_answers_does_not_make_its_listings_be_read_whole() {
    let feed = feed(60);
    let proxy = Proxy::of(&feed, |answer| {
        if answer.request.contains("OpenHouse") {
            answer.status = 404;
            answer.body = json!({"error": {"message": "no such resource"}});
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync_ends(3, &[]);
    feed.clear_requests();
    mirror.sync_ends(3, &[]);
    let listing_pages = pages_of(&feed, "Property").len();
    assert!(listing_pages <= 1, "{listing_pages} pages of listings");
}

#[test]
fn a_child_resource_that_metadata_does_not_declare_is_left_out() {
    let feed = feed(20);
    let proxy = Proxy::of(&feed, |_| {});
    proxy.hide("OpenHouse");
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    let ended = mirror.sync();
    assert!(ended.stderr.contains("OpenHouse"), "{ended}");
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Property", "Media"]);
}

/// Reverses the records of every page.
fn reverse(answer: &mut Answer) {
    if answer.is_of("Property") || answer.is_of("Media") || answer.is_of("OpenHouse") {
        answer.records().reverse();
    }
}

#[test]
fn a_server_that_ignores_orderby_is_read_by_its_links_or_reported() {
    let feed = feed(90);
    let proxy = Proxy::of(&feed, reverse);
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    touch_all(&feed);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn a_photo_that_another_listing_lists_stays_with_its_own() {
    let feed = feed(40);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    let keys = feed.listing_keys();
    let foreign = keys
        .iter()
        .flat_map(|key| feed.truth_children(*key, "Media"))
        .next()
        .unwrap();
    touch_all(&feed);
    proxy.change(move |answer| {
        if !answer.request.contains("$expand=") {
            return;
        }
        for record in answer.records() {
            if let Some(list) = record["Media"].as_array_mut() {
                list.push(json!(foreign));
            }
        }
    });
    mirror.sync();
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    let logged = "SELECT count(*) FROM changes WHERE resource = 'Media'";
    assert_eq!(number(&db, logged), 0);
}

#[test]
fn pages_that_repeat_under_new_links_end_with_an_error() {
    let feed = feed_with(90, |options| {
        options.server.page_cap = Some(20);
        options.server.refuse_orderby = true;
    });
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.resources = vec!["Property"];
        settings.set("profile", "\"reso\"");
    });
    let mut number_of_links = 0;
    proxy.change(move |answer| {
        if answer.is_of("Property") && answer.body.get("@odata.nextLink").is_some() {
            number_of_links += 1;
            assert!(number_of_links < 50, "the links are followed without end");
            let link = answer.body["@odata.nextLink"].as_str().unwrap();
            let link = link.split("$skip").next().unwrap().to_owned();
            answer.body["@odata.nextLink"] = json!(format!("{link}$skip=0&page={number_of_links}"));
        }
    });
    let ended = mirror.run(&["sync"]);
    assert_ne!(ended.code, Some(0), "{ended}");
    ended.says(ended.code.unwrap(), &["circle"]);
}

#[test]
fn a_server_that_refuses_orderby_is_read_by_its_links() {
    for profile in ["wfrmls", "reso"] {
        let feed = feed_with(90, |options| options.server.refuse_orderby = true);
        let mirror = Mirror::with(&feed, |settings| {
            settings.set("profile", format!("{profile:?}"));
        });
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        touch_all(&feed);
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        feed.clear_requests();
        mirror.sync();
        let mut requests = feed.requests();
        requests.retain(|request| {
            request.path.ends_with("/Property") && !request.query.contains(" desc")
        });
        assert!(!requests.is_empty());
        assert!(
            requests.iter().all(|request| request.status == 200),
            "{requests:?}"
        );
        mirror.sync_ends(0, &["reconcile"]);
        assert_eq!(mirror.run(&["verify"]).code, Some(0));
    }
}

/// Counts the records of the page, and sends short pages without a link.
fn count_the_page(answer: &mut Answer) {
    let Some(list) = answer
        .body
        .get_mut("value")
        .and_then(|list| list.as_array_mut())
    else {
        return;
    };
    list.truncate(7);
    let count = list.len();
    if answer.body.get("@odata.count").is_some() {
        answer.body["@odata.count"] = json!(count);
    }
    if let Some(body) = answer.body.as_object_mut() {
        body.remove("@odata.nextLink");
    }
}

#[test]
fn short_pages_without_a_link_that_count_themselves_are_not_the_end() {
    for profile in ["wfrmls", "reso"] {
        let feed = feed(60);
        let proxy = Proxy::of(&feed, count_the_page);
        let mirror = Mirror::at(&proxy.base_url, |settings| {
            settings.set("profile", format!("{profile:?}"));
        });
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        touch_all(&feed);
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn a_record_that_repeats_in_a_short_page_does_not_end_the_changes() {
    let feed = feed(60);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    for at in [3, 5, 9] {
        feed.advance(chrono::Duration::hours(1));
        let key = feed.listing_keys()[at].to_string();
        let price = fields(json!({"ListPrice": 123_456}));
        feed.edit("Property", &key, price).unwrap();
    }
    // The last of the changes makes room for a second copy of the first one.
    proxy.change(|answer| {
        let counted = answer.body["@odata.count"].as_u64();
        if answer.is_of("Property") && counted >= Some(3) {
            let records = answer.records();
            if records.len() as u64 == counted.unwrap_or(0) {
                records.pop();
                records.insert(0, records[0].clone());
            }
        }
    });
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn a_record_that_repeats_in_place_of_another_is_noticed_by_a_full_sync() {
    for by_links in [false, true] {
        let feed = feed(60);
        feed.set_server(|server| {
            server.page_cap = Some(20);
            server.refuse_orderby = by_links;
        });
        let changed = Arc::new(AtomicBool::new(false));
        let done = changed.clone();
        let proxy = Proxy::of(&feed, move |answer| {
            let is_later = ["skip=", "gt "]
                .iter()
                .any(|at| answer.request.contains(at));
            if answer.is_of("Property") && is_later && !done.swap(true, SeqCst) {
                let records = answer.records();
                records.pop();
                records.insert(0, records[0].clone());
            }
        });
        let mirror = Mirror::at(&proxy.base_url, |_| {});
        mirror.sync();
        assert!(changed.load(SeqCst));
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

fn edit_at(feed: &simulator::Simulator, at: usize, price: u64) {
    feed.advance(chrono::Duration::hours(1));
    let key = feed.listing_keys()[at].to_string();
    let price = fields(json!({"ListPrice": price}));
    feed.edit("Property", &key, price).unwrap();
}

#[test]
fn a_change_that_is_counted_but_not_sent_is_reported_until_it_is_sent() {
    let feed = feed(60);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |settings| settings.set("page_size", 10));
    mirror.sync();
    let hidden = feed.listing_keys()[5].to_string();
    proxy.change(move |answer| {
        if answer.is_of("Property") {
            answer
                .records()
                .retain(|record| key_text(&record["ListingKey"]) != hidden);
        }
    });
    for round in 0..2_u64 {
        for at in [3, 5, 9] {
            edit_at(&feed, at, 123_456 + round);
        }
        let ended = mirror.sync_ends(3, &[]);
        ended.says(
            3,
            &["the feed counts changed listings that its pages do not"],
        );
        let query = format!(
            "SELECT count(*) FROM listings WHERE ListPrice = {}",
            123_456 + round
        );
        assert_eq!(number(&mirror.open(), &query), 2, "{ended}");
    }
    proxy.change(|_| {});
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn changes_that_are_empty_by_mistake_and_count_themselves_are_read_or_reported() {
    for is_always in [false, true] {
        let feed = feed(60);
        let proxy = Proxy::of(&feed, |_| {});
        let mirror = Mirror::at(&proxy.base_url, |_| {});
        mirror.sync();
        touch_all(&feed);
        // The second page is empty for good, or twice: an empty page is read twice.
        let mut times = if is_always { usize::MAX } else { 2 };
        proxy.change(move |answer| {
            let is_second = answer.request.contains(" and ListingKeyNumeric gt ");
            if answer.is_of("Property") && is_second && times > 0 {
                times -= 1;
                answer.records().clear();
                answer.body["@odata.count"] = json!(0);
            }
        });
        if is_always {
            mirror
                .sync_ends(3, &[])
                .says(3, &["end before its last record"]);
            proxy.change(|_| {});
        }
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn a_listing_that_skip_links_jump_over_is_found() {
    let feed = feed_with(90, |options| {
        options.server.page_cap = Some(20);
        options.server.refuse_orderby = true;
    });
    let changed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let feed = std::sync::Arc::new(feed);
    let (market, done) = (feed.clone(), changed.clone());
    let proxy = Proxy::of(&feed, move |answer| {
        // After the second page, a listing of the first page is deleted and a new one comes.
        let is_page = answer.is_of("Property") && answer.request.contains("$skip=20");
        if is_page && !done.swap(true, std::sync::atomic::Ordering::SeqCst) {
            let first = market.listing_keys()[0].to_string();
            market.delete("Property", &first, false).unwrap();
            market.advance(chrono::Duration::minutes(1));
            market.insert_listing().unwrap();
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.set("profile", "\"reso\"");
    });
    mirror.sync();
    assert!(changed.load(std::sync::atomic::Ordering::SeqCst));
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn another_feed_is_refused_and_a_moved_feed_is_accepted() {
    let feed = feed(30);
    let other = feed_with(40, |options| options.seed = 99);
    let mut mirror = Mirror::of(&feed);
    mirror.sync();
    let before = dump(&mirror.open(), &MAIN);
    mirror.configure(|settings| settings.base_url = other.base_url());
    for arguments in [
        &["sync"] as &[&str],
        &["sync", "full"],
        &["sync", "reconcile"],
        &["refresh", "1000001"],
        &["verify"],
        &["watch"],
    ] {
        let ended = mirror.run(arguments);
        ended.says(2, &[&feed.base_url(), &other.base_url()]);
        assert!(ended.stderr.contains("--feed-moved"), "{ended}");
    }
    assert!(dump(&mirror.open(), &MAIN) == before, "a row has changed");
    assert_eq!(other.requests().len(), 0);

    let has_none = [
        "which was asked for 40 rows of the mirror and has no such record",
        "the address of the same feed",
    ];
    let without = Proxy::of(&other, |answer| {
        if answer.body["value"].is_array() {
            answer.records().clear();
        }
    });
    mirror.configure(|settings| settings.base_url = without.base_url.clone());
    for arguments in [
        &["sync", "--feed-moved"][..],
        &["sync", "full", "--feed-moved"],
    ] {
        mirror.run(arguments).says(2, &has_none);
    }
    // No answer is no proof either.
    let below = ["directly below feed.base_url, which may have a wrong path"];
    mirror.configure(|settings| settings.base_url = format!("{}/odata", feed.base_url()));
    mirror.run(&["check"]).says(1, &below);
    mirror.run(&["sync"]).says(2, &["--feed-moved"]);
    mirror.run(&["sync", "--feed-moved"]).says(1, &below);
    assert!(dump(&mirror.open(), &MAIN) == before, "a row has changed");
    mirror.configure(|settings| settings.base_url = feed.base_url());
    mirror.sync();

    // The same feed at another address.
    let moved = Proxy::of(&feed, |_| {});
    mirror.configure(|settings| settings.base_url = moved.base_url.clone());
    mirror.sync_ends(2, &[]);
    mirror.sync_ends(0, &["--feed-moved"]);
    mirror.sync();
    assert!(dump(&mirror.open(), &MAIN) == before, "a row has changed");
}

#[test]
fn children_that_a_run_left_out_are_read_by_the_next_run_that_may() {
    let feed = feed_with(60, |options| options.server.expand_refused = Some(400));
    let active =
        "filter = { Property = \"StandardStatus eq Odata.Models.StandardStatus'Active'\" }";
    let mut mirror = Mirror::with(&feed, |settings| settings.sync = active.to_owned());
    mirror.sync();
    let equals = |mirror: &Mirror| {
        let listings: std::collections::BTreeSet<String> = truth(&feed, "Property")
            .into_iter()
            .filter(|(_, record)| record["StandardStatus"] == "Active")
            .map(|(key, _)| key)
            .collect();
        assert_mirror_equals_part(&mirror.open(), &feed, &MAIN, |listing, _| {
            listings.contains(listing)
        });
    };
    equals(&mirror);

    // Listings that enter the filter have children with old timestamps.
    let move_status = || {
        feed.advance(chrono::Duration::hours(2));
        for (key, record) in truth(&feed, "Property") {
            let other = if record["StandardStatus"] == "Active" {
                "Pending"
            } else {
                "Active"
            };
            if key.ends_with('1') || key.ends_with('2') {
                let status = fields(json!({"StandardStatus": other}));
                feed.edit("Property", &key, status).unwrap();
            }
        }
    };
    move_status();
    mirror.sync();
    equals(&mirror);

    move_status();
    mirror.sync_ends(0, &["--only", "Property"]);
    mirror.sync();
    equals(&mirror);

    // A resource that was switched off for a while.
    mirror.configure(|settings| settings.resources = vec!["Property"]);
    move_status();
    mirror.sync();
    mirror.configure(|settings| settings.resources = MAIN.to_vec());
    mirror.sync();
    equals(&mirror);
    assert_eq!(mirror.run(&["verify"]).code, Some(0));
}

#[test]
fn a_copy_that_is_behind_changes_nothing_and_is_reported() {
    let (fresh, stale) = (feed(40), feed(40));
    let proxy = Proxy::of(&fresh, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    fresh.advance(chrono::Duration::minutes(5));
    fresh.move_market(60);
    mirror.sync();
    let db = mirror.open();
    let (before, changes) = (dump(&db, &MAIN), "SELECT count(*) FROM changes");
    let logged = number(&db, changes);

    proxy.forward_to(&stale);
    for job in [&[] as &[&str], &["full"], &["reconcile"]] {
        let ended = mirror.sync_ends(3, job);
        assert!(ended.stderr.contains("behind"), "{job:?}: {ended}");
        assert!(dump(&db, &MAIN) == before, "{job:?} changed a row");
    }
    proxy.forward_to(&fresh);
    mirror.sync();
    assert_mirror_equals_feed(&db, &fresh, &MAIN);
    assert_eq!(number(&db, changes), logged);
}

#[test]
fn a_copy_that_has_records_only_by_key_is_said_to_be_empty() {
    let feed = feed(40);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    proxy.change(|answer| {
        if answer.is_of("Property") && !answer.request.contains(" in (") {
            answer.records().clear();
            answer.body["@odata.count"] = json!(0);
        }
    });
    let newest = text(
        &mirror.open(),
        "SELECT watermark FROM watermarks WHERE resource = 'Property'",
    );
    // People read the local time of the feed, which has no daylight saving time in early March.
    let newest = chrono::NaiveDateTime::parse_from_str(&newest, "%Y-%m-%d %H:%M:%S").unwrap();
    let newest = newest - chrono::Duration::hours(7);
    for job in ["full", "reconcile"] {
        let said =
            format!("the feed sends no listings, but it sent listings up to {newest} MST before");
        mirror.sync_ends(3, &[job]).says(3, &[&said]);
    }
}

/// Replaces one photo of each listing.
fn exchange_photos(feed: &simulator::Simulator) {
    let photos = truth(feed, "Media");
    for key in feed.listing_keys() {
        if let Some((_, photo)) = photos.iter().find(|(of, _)| *of == key.to_string()) {
            let photo = key_text(&photo["MediaKey"]);
            feed.remove_photo(&photo, true, true).unwrap();
        }
        feed.add_photo(key, true).unwrap();
    }
}

#[test]
fn a_copy_that_is_behind_changes_none_of_the_photos_of_its_listings() {
    let (fresh, stale) = (feed(10), feed(10));
    let proxy = Proxy::of(&fresh, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    for feed in [&fresh, &stale] {
        feed.advance(chrono::Duration::minutes(1));
        touch_all(feed);
    }
    mirror.sync();
    fresh.advance(chrono::Duration::minutes(5));
    exchange_photos(&fresh);
    mirror.sync();
    let db = mirror.open();
    let (before, changes) = (dump(&db, &MAIN), "SELECT count(*) FROM changes");
    let logged = number(&db, changes);

    proxy.forward_to(&stale);
    let ended = mirror.sync_ends(3, &[]);
    assert!(ended.stderr.contains("behind"), "{ended}");
    assert!(dump(&db, &MAIN) == before, "a row changed");
    proxy.forward_to(&fresh);
    mirror.sync();
    assert_mirror_equals_feed(&db, &fresh, &MAIN);
    assert_eq!(number(&db, changes), logged);
}

#[test]
fn a_server_without_a_clock_does_not_move_the_watermark_into_the_future() {
    let feed = feed(60);
    let proxy = Proxy::of(&feed, |_| {});
    proxy.stop_clock();
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    let future = json!({"ModificationTimestamp": "2098-01-01T00:00:00Z", "ListPrice": 1.0});
    let key = feed.listing_keys()[5].to_string();
    feed.edit_silently("Property", &key, fields(future))
        .unwrap();
    mirror.sync();
    touch_all(&feed);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}
