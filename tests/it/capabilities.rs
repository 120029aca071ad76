//! What the server can do is found out once, remembered in `_capabilities`, and used.

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
            &[("in", 120), ("in", 50), ("or", 50), ("or", 5)],
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
        assert!(
            reconcile(&feed, &mirror).starts_with(first),
            "{behaviours:?}"
        );
        change_others(&feed, &mirror, 2);
        let asked = reconcile(&feed, &mirror);
        assert!(asked.starts_with(later), "{behaviours:?}: {asked:?}");
        assert_eq!(known(&mirror, "keys_in_one_request"), [format!(": {keys}")]);
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
    assert_eq!(known(&mirror, "keys_in_one_request"), [": 60"]);
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
