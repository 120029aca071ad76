//! Errors and limits as different vendors report them.

use axum::body::Body;
use axum::response::Response;
use serde_json::json;
use simulator::{Dialect, ErrorForm, Fault, FaultRule, Host, Limit};

use crate::support::*;

#[test]
fn a_code_that_means_later_is_tried_again_whatever_its_status() {
    let spark = json!({ "D": { "Success": false, "Code": 1024, "Message": "not yet in sync" } });
    let odata = json!({ "error": { "code": 1510, "message": "not yet in sync" } });
    for (status, body) in [(503, spark), (400, odata)] {
        let feed = feed(40);
        let mut answered = 0;
        let proxy = Proxy::of(&feed, move |answer| {
            answered += u32::from(answer.request.contains("$expand"));
            if answered == 2 {
                answer.status = status;
                answer.body = body.clone();
            }
        });
        let mirror = Mirror::at(&proxy.base_url, |_| {});
        let ended = mirror.run(&["-v", "sync"]);
        ended.says(0, &["not yet in sync; trying again"]);
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn a_web_page_of_a_proxy_is_no_refusal_of_the_credentials() {
    let url = serve(|_, _| {
        let response = Response::builder().status(403);
        let response = response.header("content-type", "text/html; charset=UTF-8");
        response.body(Body::from("<!DOCTYPE html>")).unwrap()
    });
    let mirror = Mirror::at(&format!("{url}/odata"), |_| {});
    let ended = mirror.run(&["sync"]);
    ended.says(1, &["a proxy in front of the feed blocked", "User-Agent"]);
}

#[test]
fn a_resource_without_a_licence_is_reported_as_such() {
    let feed = feed(20);
    let proxy = Proxy::of(&feed, |answer| {
        if answer.is_of("Office") {
            answer.status = 404;
            answer.body = json!({ "error": { "message": "Not licensed for Office" } });
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.resources = vec!["Property", "Office"];
    });
    let ended = mirror.run(&["sync"]);
    let text = "the account is not licensed for this resource";
    assert!(ended.stderr.contains(text), "{ended}");
    assert_eq!(live(&mirror.open(), "Property"), 20);
}

#[test]
fn the_count_of_a_vendor_delays_requests_until_it_starts_again() {
    let cases = [
        [
            ("Hour-Quota-Available", "0.0"),
            ("Hour-Quota-ResetTime", "1"),
        ],
        [
            ("Burst-RateLimit-Remaining", "0"),
            ("Burst-RateLimit-Reset", "1"),
        ],
        [
            ("X-Rate-Limit-Remaining", "0"),
            ("X-Rate-Limit-Retry-After-Seconds", "1"),
        ],
    ];
    for headers in cases {
        let feed = feed(20);
        let mut answered = 0;
        let proxy = Proxy::of(&feed, move |answer| {
            answered += 1;
            if answered == 1 {
                let headers = headers.map(|(name, value)| (name, value.to_owned()));
                answer.headers.extend(headers);
            }
        });
        let mirror = Mirror::at(&proxy.base_url, |_| {});
        mirror.sync();
        let waited = number(&mirror.open(), "SELECT sum(throttled_ms) FROM sync_runs");
        assert!((500..10_000).contains(&waited), "{headers:?}: {waited} ms");
    }
}

#[test]
fn a_mirror_with_the_limits_of_its_profile_never_exceeds_those_of_the_vendor() {
    let limited = |dialect: &&Dialect| dialect.limits.len() + dialect.photo_limits.len() > 0;
    for dialect in Dialect::ALL.iter().filter(limited) {
        let feed = feed_with(3, |options| options.photos = 1);
        feed.speak(dialect);
        feed.set_server(|server| server.limit_as(dialect));
        let mirror = Mirror::with(&feed, |settings| {
            speak(settings, dialect);
            settings
                .feed
                .retain(|key, _| !key.starts_with("requests_per_"));
            settings.media = true;
        });
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        let answers = [Host::Feed, Host::Assets].map(|host| feed.requests_to(host));
        let refused = answers.iter().flatten().filter(|one| one.status == 429);
        assert_eq!(refused.count(), 0, "{}", dialect.name);
        let photos = feed.count("Media") as usize;
        assert!(photos > 0 && answers[1].len() == photos, "{}", dialect.name);
        if dialect.name == "mlsgrid" {
            // Two per second.
            let waited = number(&mirror.open(), "SELECT sum(throttled_ms) FROM sync_runs");
            let sent = answers.iter().map(Vec::len).sum::<usize>();
            assert!(sent > 8 && waited > 1_000, "{sent} requests, {waited} ms");
        }
    }
}

#[test]
fn a_sync_ends_after_the_vendor_refused_requests_because_of_their_bytes() {
    let feed = feed_with(60, |options| options.bytes_per_listing = 6_000);
    feed.set_server(|server| server.limits = vec![Limit::bytes(150_000, 1_000).aligned()]);
    let mirror = Mirror::with(&feed, |settings| {
        settings.set("max_retries", 5);
        settings.set("retry_delay", "\"600ms\"");
    });
    mirror.sync();
    assert!(feed.answered_429() > 0);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn the_errors_of_each_vendor_are_understood() {
    for dialect in Dialect::ALL {
        let name = dialect.name;
        let feed = feed_with(5, |options| options.photos = 1);
        feed.speak(dialect);
        let mirror = Mirror::with(&feed, |settings| speak(settings, dialect));
        for status in [429, 500, 503] {
            feed.fault(FaultRule::once(Fault::Status(status)));
            let ended = mirror.sync_ends(0, &[]);
            let said = format!("the feed answered {status}");
            let has_message = ended
                .stderr
                .contains("This is a simulated fault; trying again");
            assert!(
                ended.stderr.contains(&said) && has_message,
                "{name}: {ended}"
            );
            assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        }
        for (status, form, code, text) in [
            (401, None, 5, "refused the credentials"),
            (
                403,
                Some(ErrorForm::PageFor403),
                1,
                "a proxy in front of the feed blocked",
            ),
        ] {
            if form.is_none_or(|form| form == dialect.errors) {
                feed.fault(FaultRule::always(Fault::Status(status)));
                let ended = mirror.run(&["sync"]);
                let is_understood = ended.code == Some(code) && ended.stderr.contains(text);
                assert!(is_understood, "{name}, {status}: {ended}");
                feed.clear_faults();
            }
        }
        mirror.sync();
    }
}
