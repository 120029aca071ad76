//! The mirror finds out the capabilities of the server once, remembers them in `_capabilities`, and
//! uses them.

use serde_json::json;
use simulator::{Behaviour, Simulator};

use crate::support::*;

/// Returns the rows of `_capabilities` with this name, as `resource: value`.
fn known(mirror: &Mirror, capability: &str) -> Vec<String> {
    texts(
        &mirror.open(),
        &format!(
            "SELECT resource || ': ' || value FROM _capabilities
             WHERE capability = '{capability}' ORDER BY 1"
        ),
    )
}

/// Changes the prices of all listings but the first without a newer timestamp, so that a
/// reconcile fetches them by key.
fn change_others(feed: &Simulator, mirror: &Mirror, price: i64) {
    let keys = feed.listing_keys();
    feed.advance(chrono::Duration::hours(1));
    let newest = fields(json!({"ListPrice": price}));
    feed.edit("Property", &keys[0].to_string(), newest).unwrap();
    mirror.sync();
    let old = feed.now() - chrono::Duration::days(3) + chrono::Duration::seconds(price);
    for key in &keys[1..] {
        let price = fields(json!({"ListPrice": price}));
        feed.edit_at("Property", &key.to_string(), price, old)
            .unwrap();
    }
}

/// Runs a reconcile. Returns the filters by key, as the form and the number of keys.
fn reconcile(feed: &Simulator, mirror: &Mirror) -> Vec<(&'static str, usize)> {
    feed.clear_requests();
    mirror.sync_ends(0, &["reconcile", "--only", "Property"]);
    let requests = feed.requests().into_iter();
    requests
        .map(|request| {
            let listed = |word: &str| request.query.matches(word).count();
            if request.query.contains(" in (") {
                ("in", listed("','") + 1)
            } else {
                ("or", listed("ListingKey eq "))
            }
        })
        .filter(|(_, keys)| *keys > 0)
        .collect()
}

fn mirror_of(feed: &Simulator) -> Mirror {
    let mirror = Mirror::with(feed, |settings| settings.set("page_size", 200));
    mirror.sync();
    mirror
}

#[test]
fn records_are_fetched_by_key_in_the_longest_lists_that_the_server_accepts() {
    let cases: [(&[Behaviour], _, &[_], &[_], _); 4] = [
        (&[], None, &[("in", 120)], &[("in", 120)], "400"),
        (
            &[Behaviour::InRefused],
            None,
            &[("in", 120), ("in", 50), ("or", 50), ("or", 50), ("or", 20)],
            &[("or", 50), ("or", 50), ("or", 20)],
            "50",
        ),
        (
            &[Behaviour::InFindsNothing, Behaviour::OrOfFiveTerms],
            None,
            // The second request also has the key of a record that the feed has.
            &[("in", 120), ("in", 121), ("in", 50), ("in", 50), ("or", 50)],
            &[("or", 5), ("or", 5), ("or", 5)],
            "5",
        ),
        (
            &[],
            Some(900),
            &[("in", 120), ("in", 50), ("in", 50), ("in", 20)],
            &[("in", 50), ("in", 50), ("in", 20)],
            "50",
        ),
    ];
    for (behaviours, max_filter, first, later, keys) in cases {
        let feed = feed(121);
        feed.behave(behaviours);
        if let Some(max_filter) = max_filter {
            feed.set_server(|server| server.max_filter = max_filter);
        }
        let mirror = mirror_of(&feed);
        change_others(&feed, &mirror, 1);
        let asked = reconcile(&feed, &mirror);
        assert!(asked.starts_with(first), "{behaviours:?}: {asked:?}");
        change_others(&feed, &mirror, 2);
        let asked = reconcile(&feed, &mirror);
        assert!(asked.starts_with(later), "{behaviours:?}: {asked:?}");
        assert_eq!(
            known(&mirror, "keys_in_one_request"),
            [format!("Property: {keys}")]
        );
        assert_mirror_equals_feed(&mirror.open(), &feed, &["Property"]);
    }
}

#[test]
fn a_refused_list_halves_the_number_of_keys() {
    let feed = feed(121);
    let mirror = mirror_of(&feed);
    change_others(&feed, &mirror, 1);
    assert_eq!(reconcile(&feed, &mirror), [("in", 120)]);
    feed.set_server(|server| server.max_filter = 900);
    change_others(&feed, &mirror, 2);
    assert_eq!(
        reconcile(&feed, &mirror),
        [("in", 120), ("in", 60), ("in", 60)]
    );
    assert_eq!(known(&mirror, "keys_in_one_request"), ["Property: 60"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Property"]);
}

#[test]
fn what_was_found_out_expires_after_30_days() {
    let feed = feed(20);
    feed.behave(&[Behaviour::ExpandCapped]);
    let mirror = mirror_of(&feed);
    assert_eq!(known(&mirror, "expand"), ["Media: incomplete"]);
    feed.behave(&[]);
    feed.advance(chrono::Duration::days(29));
    mirror.sync();
    assert_eq!(known(&mirror, "expand"), ["Media: incomplete"]);
    feed.advance(chrono::Duration::days(2));
    mirror.sync();
    assert_eq!(known(&mirror, "expand"), [] as [&str; 0]);
}

/// Returns the number of requests since the last clearing whose query contains a text.
fn asked_with(feed: &Simulator, text: &str) -> usize {
    let requests = feed.requests().into_iter();
    requests
        .filter(|request| request.query.contains(text))
        .count()
}

#[test]
fn what_the_server_refuses_is_not_asked_at_each_sync() {
    let feed = feed(60);
    feed.behave(&[Behaviour::OrderbyRefused, Behaviour::ExpandRefused]);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let refused = ["Media: refused", "OpenHouse: refused"];
    assert_eq!(known(&mirror, "expand"), refused);
    assert_eq!(known(&mirror, "paging").len(), 3);
    for job in ["incremental", "reconcile", "full"] {
        feed.clear_requests();
        feed.advance(chrono::Duration::hours(1));
        mirror.sync_ends(0, &[job]);
        let refused = asked_with(&feed, "$expand") + asked_with(&feed, "$orderby");
        assert_eq!(refused, 0, "{job}");
    }
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn changes_with_one_timestamp_are_read_without_or() {
    let feed = feed(60);
    feed.set_server(|server| server.refuse_or = true);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    for price in [1, 2] {
        feed.advance(chrono::Duration::hours(1));
        for key in feed.listing_keys() {
            let price = fields(json!({"ListPrice": price}));
            feed.edit("Property", &key.to_string(), price).unwrap();
        }
    }
    feed.clear_requests();
    mirror.sync();
    assert_eq!(asked_with(&feed, " or "), 0);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn the_pages_of_a_first_sync_show_what_the_server_can_do() {
    let feed = feed(60);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let facts = texts(
        &mirror.open(),
        "SELECT trim(resource || ' ' || capability) || ': ' || value FROM _capabilities",
    );
    let expected = [
        "count: all matching records",
        "deleted: live",
        "entity_event: not declared",
        "gzip: not used",
        "select: accepted",
        "top: whole answer",
        "Property page_size_with_children: 20",
        "Property paging: keys",
    ];
    for fact in expected {
        assert!(facts.iter().any(|one| one == fact), "no {fact}: {facts:#?}");
    }
    let rows = "SELECT group_concat(resource || capability || value || observed_at)
                FROM _capabilities";
    let before = texts(&mirror.open(), rows);
    feed.advance(chrono::Duration::hours(1));
    feed.clear_requests();
    mirror.sync();
    assert_eq!(texts(&mirror.open(), rows), before);
}

#[test]
fn next_links_in_the_header_are_followed() {
    let feed = feed(90);
    feed.behave(&[Behaviour::OrderbyIgnored, Behaviour::NextLinkInHeader]);
    feed.set_server(|server| server.page_cap = Some(7));
    let mirror = Mirror::of(&feed);
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let detail = "SELECT value || ' ' || detail FROM _capabilities WHERE capability = 'next_link'";
    let found = texts(&mirror.open(), detail);
    assert_eq!(found, ["$skip in the `Link` header"]);
}
