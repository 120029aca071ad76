//! Simulated feeds, and their records.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};
use simulator::{Clock, Options, Request, Simulator};

use super::{Proxy, is_child, stored_timestamp, table};

/// The token of every simulated feed. It is easy to find where a secret must not be.
pub const TOKEN: &str = "tok3n-that-must-never-show";

/// All resources.
pub const ALL: [&str; 8] = [
    "Property",
    "Media",
    "OpenHouse",
    "PropertyUnitTypes",
    "Adu",
    "Member",
    "Office",
    "Lookup",
];

/// The resources that a mirror syncs by default.
pub const MAIN: [&str; 3] = ["Property", "Media", "OpenHouse"];

pub type Record = Map<String, Json>;

/// Starts a feed with this number of listings, each with few photos. Its clock stands still.
pub fn feed(listings: u64) -> Simulator {
    feed_with(listings, |_| {})
}

pub fn feed_with(listings: u64, change: impl FnOnce(&mut Options)) -> Simulator {
    let mut options = Options {
        listings,
        photos: 3,
        bytes_per_listing: 0,
        token: TOKEN.to_owned(),
        clock: Clock::At(instant("2026-03-04T19:00:00Z")),
        ..Options::default()
    };
    change(&mut options);
    let seed = options.seed;
    Simulator::start(options).unwrap_or_else(|error| panic!("starting feed {seed}: {error:#}"))
}

/// Starts a feed with this number of listings, whose clock is that of this machine.
pub fn feed_of_today(listings: u64) -> Simulator {
    feed_with(listings, |options| options.clock = Clock::Real)
}

/// Starts a feed, and a proxy behind which the feed accepts only another token after a
/// number of answers.
pub fn feed_that_changes_its_token(after: u32) -> (Arc<Simulator>, Proxy) {
    let feed = Arc::new(feed(300));
    let (changed, mut answered) = (feed.clone(), 0);
    let proxy = Proxy::of(&feed, move |_| {
        answered += 1;
        if answered == after {
            changed.set_server(|server| server.token = Some("the-second-token".to_owned()));
        }
    });
    (feed, proxy)
}

pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Returns a stored time as people in Denver, the default zone, read it.
pub fn in_denver(stored: &str) -> String {
    let utc = chrono::NaiveDateTime::parse_from_str(stored, "%Y-%m-%d %H:%M:%S").unwrap();
    let local = utc.and_utc().with_timezone(&chrono_tz::America::Denver);
    local.format("%Y-%m-%d %H:%M:%S %Z").to_string()
}

pub fn fields(json: Json) -> Record {
    json.as_object().unwrap().clone()
}

/// Returns the requests for pages of a resource, without those for its count or its ranges.
pub fn pages_of(feed: &Simulator, entity_set: &str) -> Vec<Request> {
    let path = format!("/reso/odata/{entity_set}");
    let is_page = |request: &Request| {
        request.path == path
            && !request.query.contains("$count=true")
            && !request.query.contains(" desc")
            && !request.query.ends_with("$top=1")
    };
    feed.requests().into_iter().filter(is_page).collect()
}

/// Returns the records of a resource, each with the key of its listing.
/// A record without a listing comes with its own key.
pub fn truth(feed: &Simulator, entity_set: &str) -> Vec<(String, Record)> {
    if is_child(entity_set) {
        let of = |listing: i64| {
            let children = feed.truth_children(listing, entity_set);
            children
                .into_iter()
                .map(move |child| (listing.to_string(), child))
        };
        let all: Vec<_> = feed.listing_keys().into_iter().flat_map(of).collect();
        assert_eq!(all.len(), feed.truth(entity_set).len());
        return all;
    }
    let (_, key) = table(entity_set);
    let records = feed.truth(entity_set).into_iter();
    records
        .map(|record| (key_text(&record[key]), record))
        .collect()
}

/// Returns the newest timestamp of a resource that is not in the feed's future, in storage form.
pub fn newest_timestamp(feed: &Simulator, entity_set: &str) -> String {
    let now = feed.now();
    let timestamps = feed.truth(entity_set).into_iter().filter_map(|record| {
        let timestamp = record.get("ModificationTimestamp")?.as_str()?.to_owned();
        (instant(&timestamp) <= now).then(|| stored_timestamp(&timestamp))
    });
    timestamps.max().unwrap()
}

pub fn key_text(key: &Json) -> String {
    match key {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
