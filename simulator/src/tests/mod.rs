//! Tests of the feed over HTTP, as a client sees it.

mod behaviours;
mod changes;
mod damage;
mod layout;
mod responses;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};

use super::{Clock, Options, Simulator};

type Record = Map<String, Json>;

/// Starts a feed with this number of listings and a stopped clock.
fn feed(listings: u64) -> Simulator {
    feed_with(|options| options.listings = listings)
}

fn feed_with(change: impl FnOnce(&mut Options)) -> Simulator {
    let noon = "2026-03-04T19:00:00Z".parse::<DateTime<Utc>>().unwrap();
    let mut options = Options {
        listings: 300,
        clock: Clock::At(noon),
        ..Options::default()
    };
    change(&mut options);
    Simulator::start(options).unwrap()
}

fn client() -> reqwest::Client {
    // Fails if another test has installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

async fn get(feed: &Simulator, url: &str) -> reqwest::Result<reqwest::Response> {
    let url = if url.starts_with("http") {
        url.to_owned()
    } else {
        format!("{}/{url}", feed.base_url())
    };
    client().get(url).bearer_auth(feed.token()).send().await
}

/// Returns the status and the document of a response.
async fn ask(feed: &Simulator, url: &str) -> (u16, Json) {
    let response = get(feed, url).await.unwrap();
    let status = response.status().as_u16();
    let body = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body}")),
    )
}

/// Returns the records of one page.
async fn records(feed: &Simulator, url: &str) -> Vec<Record> {
    let (status, page) = ask(feed, url).await;
    assert_eq!(status, 200, "{url}: {page}");
    page["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record.as_object().unwrap().clone())
        .collect()
}

/// Returns all records, by following next links.
async fn walk(feed: &Simulator, url: &str) -> Vec<Record> {
    let mut all = Vec::new();
    let mut url = Some(url.to_owned());
    while let Some(next) = url {
        let (status, page) = ask(feed, &next).await;
        assert_eq!(status, 200, "{next}: {page}");
        all.extend(
            page["value"]
                .as_array()
                .unwrap()
                .iter()
                .map(|record| record.as_object().unwrap().clone()),
        );
        url = page["@odata.nextLink"].as_str().map(str::to_owned);
    }
    all
}

fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn keys(records: &[Record]) -> Vec<i64> {
    records
        .iter()
        .map(|record| record["ListingKeyNumeric"].as_i64().unwrap())
        .collect()
}

fn fields(json: Json) -> Record {
    json.as_object().unwrap().clone()
}
