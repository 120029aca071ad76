//! Tests of faults, the asset host and control over HTTP.

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::{Dialect, Fault, FaultRule, Host, RetryAfter};
use super::*;

#[tokio::test]
async fn every_fault_damages_one_response() {
    let feed = feed(60);
    let url = "Property?$top=20";
    let sound = get(&feed, url).await.unwrap().text().await.unwrap();
    let once = async |kind: Fault| {
        feed.fault(FaultRule::once(kind));
        get(&feed, url).await
    };
    assert_eq!(once(Fault::Status(503)).await.unwrap().status(), 503);
    let late = once(Fault::TooMany {
        retry_after: RetryAfter::Seconds(7),
    })
    .await
    .unwrap();
    assert_eq!(
        (late.status().as_u16(), &late.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    let late = once(Fault::TooMany {
        retry_after: RetryAfter::XHeader(9),
    })
    .await
    .unwrap();
    assert_eq!(late.headers()["x-ratelimit-retryafter"], "9");
    let late = once(Fault::TooMany {
        retry_after: RetryAfter::Date(60),
    })
    .await
    .unwrap();
    assert_eq!(
        late.headers()["retry-after"],
        "Wed, 04 Mar 2026 19:01:00 GMT"
    );
    assert!(
        once(Fault::HtmlOk)
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .starts_with("<!DOCTYPE")
    );
    assert_eq!(
        once(Fault::EmptyOk).await.unwrap().text().await.unwrap(),
        ""
    );
    assert_eq!(
        once(Fault::HalfDocument)
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
        sound[..sound.len() / 2]
    );
    let cut = once(Fault::CutBody).await.unwrap();
    assert_eq!(cut.content_length(), Some(sound.len() as u64));
    assert!(cut.bytes().await.is_err());
    assert!(once(Fault::Reset).await.is_err());
    let began = Instant::now();
    assert_eq!(
        once(Fault::Delay(Duration::from_millis(60)))
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
        sound
    );
    assert!(began.elapsed().as_millis() >= 60);
    let stalled = once(Fault::Stall).await.unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(100), stalled.bytes())
            .await
            .is_err()
    );
    let elsewhere = once(Fault::RedirectTo("http://127.0.0.1:9/".to_owned()))
        .await
        .unwrap();
    assert_eq!(elsewhere.headers()["location"], "http://127.0.0.1:9/");
    let foreign = once(Fault::ForeignNextLink("http://127.0.0.1:9/x".to_owned()))
        .await
        .unwrap();
    let page: Json = serde_json::from_str(&foreign.text().await.unwrap()).unwrap();
    assert_eq!(page["@odata.nextLink"], "http://127.0.0.1:9/x");
    let large = once(Fault::Oversized(300_000))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(large.len(), sound.len() + 300_000);
    assert_eq!(
        serde_json::from_str::<Json>(&large).unwrap(),
        serde_json::from_str::<Json>(&sound).unwrap()
    );
    assert_eq!(
        once(Fault::WrongContentType).await.unwrap().headers()["content-type"],
        "text/plain"
    );
    let dated = once(Fault::DateHeader("2020-01-01T00:00:00Z".parse().unwrap()))
        .await
        .unwrap();
    assert_eq!(dated.headers()["date"], "Wed, 01 Jan 2020 00:00:00 GMT");
    let after = get(&feed, url).await.unwrap();
    assert_eq!(after.headers()["date"], "Wed, 04 Mar 2026 19:00:00 GMT");
    assert_eq!(after.text().await.unwrap(), sound);
}

#[tokio::test]
async fn a_rule_hits_only_matching_requests() {
    let feed = feed(5);
    let rule = FaultRule::once(Fault::Status(500));
    feed.fault(FaultRule {
        path_contains: Some("/Office?".into()),
        skip: 1,
        times: 2,
        ..rule.clone()
    });
    let mut statuses = Vec::new();
    for url in ["Property", "Office", "Office", "Member", "Office", "Office"] {
        statuses.push(ask(&feed, url).await.0);
    }
    assert_eq!(statuses, [200, 200, 500, 200, 500, 200]);
    feed.fault(FaultRule {
        one_in: 6,
        times: u64::MAX,
        ..rule
    });
    let mut failed = 0;
    for _ in 0..60 {
        failed += u32::from(ask(&feed, "Office").await.0 == 500);
    }
    assert!((2..=25).contains(&failed), "{failed}");
    feed.clear_faults();
    assert_eq!(ask(&feed, "Office").await.0, 200);
}

#[tokio::test]
async fn photos_are_valid_files_and_need_no_token() {
    let feed = feed_with(|options| options.photo_bytes = 100_000);
    let photo = feed.truth("Media")[1].clone();
    let url = photo["MediaURL"].as_str().unwrap();
    let response = client().get(url).send().await.unwrap();
    let tag = response.headers()["etag"].clone();
    let date = response.headers()["last-modified"].clone();
    assert_eq!(response.headers()["content-type"], "image/jpeg");
    let file = response.bytes().await.unwrap();
    assert!((100_000..100_100).contains(&file.len()), "{}", file.len());
    assert_eq!(
        (&file[..2], &file[file.len() - 2..]),
        (&[0xff, 0xd8][..], &[0xff, 0xd9][..])
    );
    assert_eq!(
        client()
            .get(url)
            .header("if-none-match", tag)
            .send()
            .await
            .unwrap()
            .status(),
        304
    );
    assert_eq!(
        client()
            .get(url)
            .header("if-modified-since", date)
            .send()
            .await
            .unwrap()
            .status(),
        304
    );
    feed.fault(FaultRule {
        on: Host::Assets,
        ..FaultRule::once(Fault::Status(410))
    });
    assert_eq!(client().get(url).send().await.unwrap().status(), 410);
    feed.fault(FaultRule {
        on: Host::Assets,
        ..FaultRule::once(Fault::CutBody)
    });
    assert!(
        client()
            .get(url)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .is_err()
    );
    assert_eq!((feed.asset_requests(), feed.asset_saw_token()), (5, false));
    client().get(url).bearer_auth("x").send().await.unwrap();
    assert!(feed.asset_saw_token());
}

#[tokio::test]
async fn one_resource_can_fail_while_others_work() {
    let feed = feed(5);
    feed.set_server(|server| {
        server.media_status = Some(504);
        server.media_expand_status = Some(504);
        server.refuse_or = true;
    });
    assert_eq!(ask(&feed, "Media").await.0, 504);
    assert_eq!(ask(&feed, "Property?$expand=OpenHouse,Media").await.0, 504);
    assert_eq!(ask(&feed, "Property?$expand=OpenHouse").await.0, 200);
    assert_eq!(
        ask(&feed, "Property?$filter=ListPrice+gt+1+or+ListPrice+lt+1")
            .await
            .0,
        400
    );
    feed.set_server(|server| server.expand_refused = Some(501));
    assert_eq!(ask(&feed, "Property?$expand=OpenHouse").await.0, 501);
}

#[tokio::test]
async fn requests_are_answered_in_parallel() {
    // A busy machine takes a while to send ten requests.
    let feed = feed_with(|options| options.server.latency_ms = 1_000);
    let one = client();
    let url = format!("{}/Property?$top=1", feed.base_url());
    let asks = (0..10).map(|_| tokio::spawn(one.get(&url).bearer_auth(feed.token()).send()));
    for ask in asks.collect::<Vec<_>>() {
        assert_eq!(ask.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!((feed.max_concurrent_seen(), feed.request_count()), (10, 10));
}

#[tokio::test]
async fn control_requests_change_a_feed() {
    let feed = feed(50);
    let root = feed.base_url().replace("/reso/odata", "/simulator");
    let post = async |path: &str, body: Json| {
        let response = client()
            .post(format!("{root}/{path}"))
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        (
            response.status().as_u16(),
            serde_json::from_str::<Json>(&response.text().await.unwrap()).unwrap(),
        )
    };
    let key = feed.listing_keys()[1];
    assert_eq!(post("move?steps=5", Json::Null).await.0, 200);
    assert_eq!(
        post("advance?seconds=60", Json::Null).await.1["now"],
        "2026-03-04T19:01:00+00:00"
    );
    assert_eq!(
        post(
            &format!("edit?resource=Property&key={key}"),
            json!({"ListPrice": 7})
        )
        .await
        .0,
        200
    );
    assert_eq!(feed.truth("Property")[1]["ListPrice"].as_f64(), Some(7.0));
    assert_eq!(
        post(
            &format!("delete?resource=Property&key={key}&announced=true"),
            Json::Null
        )
        .await
        .0,
        200
    );
    assert_eq!(
        post(&format!("delete?resource=Property&key={key}"), Json::Null)
            .await
            .0,
        400
    );
    let rule = json!({"kind": {"too_many": {"retry_after": {"seconds": 1}}}, "times": 2});
    assert_eq!(post("fault", rule).await.0, 200);
    assert_eq!(ask(&feed, "Office").await.0, 429);
    post("clear-faults", Json::Null).await;
    assert_eq!(ask(&feed, "Office").await.0, 200);
    assert_eq!(post("fault", json!({"kind": {"delay_ms": 5}})).await.0, 200);
    assert_eq!(post("server", json!({"page_cap": 3})).await.0, 200);
    assert_eq!(records(&feed, "Property").await.len(), 3);
    assert_eq!(post("server", json!({"no_such": 3})).await.0, 400);
    assert_eq!(post("nonsense", Json::Null).await.0, 404);
    let state = client()
        .get(format!("{root}/state"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let state: Json = serde_json::from_str(&state).unwrap();
    assert_eq!(state["counts"]["Property"], feed.listing_keys().len());
    assert_eq!(state["requests"], 3);
}

#[tokio::test]
async fn each_vendor_writes_errors_in_its_form() {
    let cases = [
        (
            "ampre",
            404,
            json!({"error": {"code": "404", "message": "m"}}),
        ),
        ("wfrmls", 429, json!({"error": {"message": "m"}})),
        (
            "reso",
            400,
            json!({"error": {"code": "40000", "message": "m", "target": "Query", "details": []}}),
        ),
        (
            "crea",
            400,
            json!({"error": {"code": "400", "message": "m", "details": []}}),
        ),
        (
            "spark",
            503,
            json!({"D": {"Success": false, "Code": 1024, "Message": "m"}}),
        ),
        (
            "spark",
            401,
            json!({"error": {"code": 401, "message": "m"}}),
        ),
        ("rapattoni", 401, json!({"error": "invalid_grant"})),
        (
            "rapattoni",
            500,
            json!({"error": {"code": "500", "message": "m"}}),
        ),
    ];
    for (name, status, expected) in cases {
        let feed = feed(3);
        feed.speak(Dialect::named(name).unwrap());
        feed.fault(FaultRule::once(Fault::Status(status)));
        let (answered, mut body) = ask(&feed, "Property").await;
        for part in ["/error/message", "/D/Message"] {
            if let Some(message) = body.pointer_mut(part) {
                assert_eq!(*message, "This is a simulated fault");
                *message = json!("m");
            }
        }
        let expected_status = if expected["error"].is_string() {
            200
        } else {
            status
        };
        assert_eq!((answered, body), (expected_status, expected), "{name}");
    }
    let feed = feed(3);
    feed.speak(Dialect::named("paragon").unwrap());
    feed.fault(FaultRule::once(Fault::Status(403)));
    let page = get(&feed, "Property").await.unwrap();
    assert_eq!(page.status(), 403);
    assert!(
        page.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    // Errors that are no faults have the form, too.
    feed.speak(Dialect::named("spark").unwrap());
    assert_eq!(ask(&feed, "NoSuchSet").await.1["error"]["code"], 404);
}
