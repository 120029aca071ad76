//! Headers and query parameters that every request to the feed carries, and secrets in them
//! and in the links of a feed.

use crate::interruption::stall_after;
use crate::support::*;

const KEY: &str = "k3y that+must&never=show";
const ENCODED_KEY: &str = "k3y%20that%2Bmust%26never%3Dshow";

/// Lets a feed be read by its next links only.
fn with_links(options: &mut simulator::Options) {
    options.server.refuse_orderby = true;
    options.server.page_cap = Some(20);
}

/// Starts the program with the key in its environment.
fn start(mirror: &Mirror, arguments: &[&str]) -> Running {
    mirror.start_with(arguments, |command| {
        command.env("THE_KEY", KEY);
    })
}

#[track_caller]
fn assert_hidden(mirror: &Mirror, ended: &Ended) {
    for secret in [KEY, ENCODED_KEY, TOKEN] {
        assert_secret_hidden(mirror, ended, secret);
    }
}

#[test]
fn every_request_to_the_feed_carries_the_headers_and_asks_for_gzip() {
    let feed = feed(60);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.set("headers.User-Agent", "\"another agent\"");
        settings.set("headers.RESO-OData-Version", "\"4.0\"");
        settings.set("headers.x-api-key", "{ env = \"THE_KEY\" }");
    });
    let ended = start(&mirror, &["-vv", "sync"]).wait();
    assert_eq!(ended.code, Some(0), "{ended}");
    let seen = proxy.seen();
    assert!(seen.iter().any(|(path, _)| path.contains("$metadata")));
    for (path, headers) in seen {
        let values = |name: &str| -> Vec<&str> {
            let values = headers.get_all(name).iter();
            values.map(|value| value.to_str().unwrap()).collect()
        };
        assert_eq!(values("user-agent"), ["another agent"], "{path}");
        assert_eq!(values("reso-odata-version"), ["4.0"], "{path}");
        assert_eq!(values("x-api-key"), [KEY], "{path}");
        assert_eq!(values("accept-encoding"), ["gzip"], "{path}");
    }
    assert_hidden(&mirror, &ended);
}

#[test]
fn a_photo_host_receives_no_header_of_the_feed() {
    use std::sync::{Arc, Mutex};
    let feed = feed(10);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let host = serve(move |_, request| {
        let agent = request.headers()["user-agent"].to_str().unwrap().to_owned();
        let has_key = request.headers().contains_key("x-api-key");
        noted.lock().unwrap().push((agent, has_key));
        axum::response::Response::builder()
            .status(404)
            .body(axum::body::Body::empty())
            .unwrap()
    });
    let proxy = Proxy::of(&feed, move |answer| {
        let records = answer.body["value"].as_array_mut().into_iter().flatten();
        let photos = records.filter_map(|record| record.get_mut("Media")?.as_array_mut());
        for photo in photos.flatten() {
            photo["MediaURL"] = format!("{host}/photo.jpg").into();
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.media = true;
        settings.set("headers.User-Agent", "\"another agent\"");
        settings.set("headers.x-api-key", "{ env = \"THE_KEY\" }");
    });
    start(&mirror, &["sync"]).wait();
    let seen = seen.lock().unwrap();
    assert!(!seen.is_empty());
    for (agent, has_key) in seen.iter() {
        assert!(agent.starts_with("mlsmirror/") && !has_key, "{agent}");
    }
}

#[test]
fn every_request_carries_the_query_parameters_once() {
    let feed = feed_with(130, with_links);
    // This server repeats all parameters in its next links.
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.set("profile", "\"reso\"");
        settings.set("query.Class", "\"Residential\"");
        settings.set("query.api_key", "{ env = \"THE_KEY\" }");
    });
    let ended = start(&mirror, &["-vv", "sync"]).wait();
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let seen = proxy.seen();
    assert!(seen.iter().any(|(path, _)| path.contains("skip")));
    for (path, _) in seen {
        assert_eq!(
            path.to_lowercase().matches("class=residential").count(),
            1,
            "{path}"
        );
        assert_eq!(
            path.matches(&format!("api_key={ENCODED_KEY}")).count(),
            1,
            "{path}"
        );
    }
    assert_hidden(&mirror, &ended);
}

#[test]
fn a_next_link_with_the_token_is_followed_and_stored_without_it() {
    let feed = feed_with(130, with_links);
    let proxy = Proxy::of(&feed, |answer| {
        if let Some(link) = answer.body["@odata.nextLink"].as_str() {
            let (start, query) = link.split_once('?').unwrap();
            answer.body["@odata.nextLink"] =
                format!("{start}?access_token={TOKEN}&{query}&key={ENCODED_KEY}").into();
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.set("profile", "\"reso\"");
        settings.set("max_concurrent", 1);
        settings.set("headers.x-api-key", "{ env = \"THE_KEY\" }");
    });
    // Two requests are refused because of their order.
    stall_after(&feed, 3 + 2);
    let running = start(&mirror, &["-vv", "sync"]);
    mirror.wait_for_pages("Property", 3);
    running.signal("TERM");
    let ended = running.wait();
    let checkpoints = texts(
        &mirror.open(),
        "SELECT checkpoint FROM sync_runs WHERE resource = 'Property' ORDER BY id",
    );
    assert!(checkpoints[0].contains("skip"), "{checkpoints:?}");
    assert!(!checkpoints[0].contains("access_token"), "{checkpoints:?}");
    assert_hidden(&mirror, &ended);

    feed.clear_faults();
    let ended = start(&mirror, &["-vv", "sync"]).wait();
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert_hidden(&mirror, &ended);
    for (path, _) in proxy.seen() {
        assert!(!path.contains("access_token"), "{path}");
    }
}
