//! Endpoints for a whole copy of a resource: Trestle's, Bridge's, and CREA's list of all keys.

use simulator::{Dialect, Fault, FaultRule, Simulator};

use crate::support::*;

/// Starts a feed in a dialect, and creates a mirror with its profile and 10 records per page.
fn speaking(name: &str, listings: u64) -> (Simulator, Mirror) {
    let dialect = Dialect::named(name).unwrap();
    let feed = feed(listings);
    feed.speak(dialect);
    let mirror = Mirror::with(&feed, |settings| {
        speak(settings, dialect);
        settings.set("page_size", 10);
        settings.sync = format!("max_delete_percent = 100\n{}", settings.sync);
    });
    (feed, mirror)
}

/// Returns the requests for listings whose path or query has this text.
fn asked(feed: &Simulator, text: &str) -> Vec<String> {
    let requests = feed.requests().into_iter();
    requests
        .map(|request| format!("{}?{}", request.path, request.query))
        .filter(|url| url.contains("/Property") && url.contains(text))
        .collect()
}

fn known(mirror: &Mirror) -> Vec<String> {
    let sql = "SELECT resource || ': ' || value FROM _capabilities
               WHERE capability = 'replication' AND resource = 'Property'";
    texts(&mirror.open(), sql)
}

#[test]
fn a_full_reads_the_copy_of_trestle_whose_pages_have_one_url() {
    let (feed, mirror) = speaking("trestle", 45);
    let checked = mirror.run(&["check"]);
    assert!(
        checked
            .stdout
            .contains("from the endpoint for a whole copy"),
        "{checked}"
    );
    feed.clear_requests();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert_eq!(asked(&feed, "replication=true").len(), 1);
    let mut pages = asked(&feed, "/replication?id=");
    // Four pages with records, and one without.
    assert_eq!(pages.len(), 5, "{pages:?}");
    pages.dedup();
    assert_eq!(pages.len(), 1);
    assert_eq!(asked(&feed, "$orderby=ListingKey").len(), 0);
    assert_eq!(known(&mirror), ["Property: accepted"]);
    // Changes and keys are read as before.
    feed.clear_requests();
    feed.advance(chrono::Duration::hours(1));
    feed.insert_listing().unwrap();
    mirror.sync();
    mirror.sync_ends(0, &["reconcile"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert_eq!(asked(&feed, "replication").len(), 0);
}

#[test]
fn a_page_of_a_copy_that_was_lost_is_read_in_another_way() {
    for fault in [Fault::CutBody, Fault::Reset] {
        let (feed, mirror) = speaking("trestle", 45);
        feed.fault(FaultRule {
            path_contains: Some("Property/replication?id=".to_owned()),
            skip: 2,
            ..FaultRule::once(fault)
        });
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn an_interrupted_copy_with_one_url_starts_again() {
    let (feed, mirror) = speaking("trestle", 45);
    feed.fault(FaultRule {
        path_contains: Some("Property/replication?id=".to_owned()),
        skip: 2,
        ..FaultRule::always(Fault::Stall)
    });
    let running = mirror.start(&["sync"]);
    mirror.wait_for_pages("Property", 3);
    running.signal("KILL");
    running.wait();
    feed.clear_faults();
    feed.clear_requests();
    mirror.sync();
    assert_eq!(asked(&feed, "replication=true").len(), 1);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn a_full_reads_the_copy_of_bridge_by_the_link_header() {
    let (feed, mirror) = speaking("bridge", 45);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let pages = asked(&feed, "Property/replication?");
    assert_eq!(pages.len(), 6, "{pages:?}");
    assert_eq!(asked(&feed, "$orderby=ListingKey").len(), 0);
    assert_eq!(known(&mirror), ["Property: accepted"]);
}

#[test]
fn an_account_without_the_copy_is_read_by_key_and_not_asked_again() {
    let (feed, mirror) = speaking("bridge", 45);
    feed.behave(&[]);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    // With and without the options of `$expand`, which may be the cause of a refusal.
    assert_eq!(asked(&feed, "/replication").len(), 2);
    assert_eq!(known(&mirror), ["Property: refused"]);
    feed.clear_requests();
    mirror.sync_full();
    assert_eq!(asked(&feed, "/replication").len(), 0);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn a_reconcile_reads_all_keys_of_crea_in_one_request() {
    let (feed, mirror) = speaking("crea", 45);
    let checked = mirror.run(&["check"]);
    assert!(
        checked.stdout.contains("in the list of all keys"),
        "{checked}"
    );
    mirror.sync();
    let keys = feed.listing_keys();
    for key in &keys[5..8] {
        feed.delete("Property", &key.to_string(), false).unwrap();
    }
    let price = fields(serde_json::json!({"ListPrice": 4_321}));
    feed.edit("Property", &keys[20].to_string(), price).unwrap();
    feed.clear_requests();
    mirror.sync_ends(0, &["reconcile"]);
    assert_eq!(asked(&feed, "PropertyReplication()").len(), 1);
    assert_eq!(asked(&feed, "$orderby=ListingKey").len(), 0);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert_eq!(known(&mirror), ["Property: accepted"]);
    // Without the function, the keys are read page by page.
    feed.behave(&[]);
    feed.delete("Property", &keys[9].to_string(), false)
        .unwrap();
    mirror.sync_ends(0, &["reconcile"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert_eq!(known(&mirror), ["Property: refused"]);
}
