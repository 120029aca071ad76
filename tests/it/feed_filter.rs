//! The filter that every request for records carries.

use crate::support::*;

const CLAUSE: &str = "ListPrice gt 500000 or ListPrice lt 300000";

/// Returns the keys of the listings whose price is in the clause.
fn wanted(feed: &simulator::Simulator) -> Vec<String> {
    let listings = truth(feed, "Property").into_iter();
    let mut keys: Vec<String> = listings
        .filter(|(_, record)| {
            let price = record["ListPrice"].as_f64();
            price.is_some_and(|price| !(300_000.0..=500_000.0).contains(&price))
        })
        .map(|(_, record)| key_text(&record["ListingKey"]))
        .collect();
    keys.sort();
    keys
}

fn held(mirror: &Mirror) -> Vec<String> {
    texts(
        &mirror.open(),
        "SELECT ListingKey FROM listings WHERE deleted_at IS NULL ORDER BY 1",
    )
}

#[test]
fn every_request_for_records_carries_the_filter_of_the_feed() {
    let feed = feed(150);
    let mirror = Mirror::with(&feed, |settings| {
        settings.resources = vec!["Property"];
        settings.set("filter", format!("{CLAUSE:?}"));
    });
    mirror.sync();
    assert_eq!(held(&mirror), wanted(&feed));
    mirror.sync();
    assert_eq!(mirror.run(&["verify"]).code, Some(0));
    for request in feed.requests() {
        let is_of_records = request.path.ends_with("/Property");
        assert_eq!(
            request.query.contains(&format!("({CLAUSE})")),
            is_of_records,
            "{} {}",
            request.path,
            request.query
        );
    }
}

#[test]
fn another_filter_of_the_feed_reads_all_records_again() {
    let feed = feed(150);
    let mut mirror = Mirror::with(&feed, |settings| {
        settings.resources = vec!["Property"];
        settings.sync = "max_delete_percent = 100".to_owned();
    });
    mirror.sync();
    assert_eq!(held(&mirror).len(), 150);
    mirror.configure(|settings| settings.set("filter", format!("{CLAUSE:?}")));
    let ended = mirror.sync();
    assert!(ended.stderr.contains("its filter has changed"), "{ended}");
    assert_eq!(held(&mirror), wanted(&feed));
    // A query parameter can select records too.
    mirror.configure(|settings| settings.set("query.Class", "\"Residential\""));
    let ended = mirror.sync();
    assert!(ended.stderr.contains("its filter has changed"), "{ended}");
    let ended = mirror.sync();
    assert!(!ended.stderr.contains("its filter has changed"), "{ended}");
}
