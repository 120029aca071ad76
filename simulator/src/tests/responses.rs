//! Tests of filters, pages, expansion and metadata.

use serde_json::{Value as Json, json};

use super::super::{DeletedNames, Dialect, Limit, Names};
use super::*;

/// Whether a listing matches a filter.
type Meaning = fn(&Record) -> bool;

fn text<'a>(record: &'a Record, field: &str) -> &'a str {
    record.get(field).and_then(Json::as_str).unwrap_or_default()
}

fn number(record: &Record, field: &str) -> Option<f64> {
    record.get(field).and_then(Json::as_f64)
}

fn is_null(record: &Record, field: &str) -> bool {
    record.get(field).is_none_or(Json::is_null)
}

#[tokio::test]
async fn every_filter_finds_its_matches() {
    let feed = feed(190);
    let truth = feed.truth("Property");
    let table: &[(&str, Meaning)] = &[
        (
            "StandardStatus eq Odata.Models.StandardStatus'Active'",
            |r| text(r, "StandardStatus") == "Active",
        ),
        ("StandardStatus eq 'Active Under Contract'", |r| {
            text(r, "StandardStatus") == "Active Under Contract"
        }),
        ("StandardStatus ne 'ActiveUnderContract'", |r| {
            text(r, "StandardStatus") != "Active Under Contract"
        }),
        (
            "StandardStatus has Odata.Models.StandardStatus'Closed'",
            |r| text(r, "StandardStatus") == "Closed",
        ),
        ("StandardStatus in ('Active','Pending')", |r| {
            ["Active", "Pending"].contains(&text(r, "StandardStatus"))
        }),
        ("Heating has Odata.Models.Heating'ForcedAir'", |r| {
            text(r, "Heating").split(',').any(|h| h == "Forced Air")
        }),
        ("ListPrice ge 500000", |r| {
            number(r, "ListPrice") >= Some(500_000.0)
        }),
        ("ListPrice gt 400000.5 and ListPrice le 600000", |r| {
            number(r, "ListPrice").is_some_and(|p| p > 400_000.5 && p <= 600_000.0)
        }),
        ("not (ListPrice lt 500000)", |r| {
            number(r, "ListPrice").is_none_or(|p| p >= 500_000.0)
        }),
        ("500000 le ListPrice", |r| {
            number(r, "ListPrice") >= Some(500_000.0)
        }),
        ("CloseDate eq null", |r| is_null(r, "CloseDate")),
        ("CloseDate ne null and ClosePrice gt 1", |r| {
            !is_null(r, "CloseDate")
        }),
        ("CloseDate ge 2026-01-01", |r| {
            text(r, "CloseDate") >= "2026-01-01"
        }),
        ("ModificationTimestamp gt 2026-01-01T00:00:00Z", |r| {
            text(r, "ModificationTimestamp") > "2026-01-01T00:00:00Z"
        }),
        (
            "ModificationTimestamp ge 2026-01-01T00:00:00.500-07:00",
            |r| text(r, "ModificationTimestamp") > "2026-01-01T07:00:00Z",
        ),
        ("contains(tolower(PublicRemarks),'seller')", |r| {
            text(r, "PublicRemarks").to_lowercase().contains("seller")
        }),
        ("startswith(PostalCode,'841')", |r| {
            text(r, "PostalCode").starts_with("841")
        }),
        ("endswith(City,'City') eq false", |r| {
            !text(r, "City").ends_with("City")
        }),
        ("GarageYN", |r| r.get("GarageYN") == Some(&Json::Bool(true))),
        ("GarageYN eq false", |r| {
            r.get("GarageYN") == Some(&Json::Bool(false))
        }),
        ("SubdivisionName eq 'O''FALLON''S BLUFF'", |r| {
            text(r, "SubdivisionName") == "O'FALLON'S BLUFF"
        }),
        ("ListPrice lt OriginalListPrice", |r| {
            number(r, "ListPrice") < number(r, "OriginalListPrice")
        }),
        (
            "BedroomsTotal eq 3 or (BedroomsTotal eq 4 and YearBuilt gt 2000)",
            |r| {
                number(r, "BedroomsTotal") == Some(3.0)
                    || number(r, "BedroomsTotal") == Some(4.0)
                        && number(r, "YearBuilt") > Some(2_000.0)
            },
        ),
        (
            "ListingKeyNumeric gt 1000200 and ListingKeyNumeric le 1000400",
            |r| number(r, "ListingKeyNumeric").is_some_and(|k| k > 1_000_200.0 && k <= 1_000_400.0),
        ),
        ("ListingKey gt '1000500'", |r| {
            text(r, "ListingKey") > "1000500"
        }),
        ("ListingKey lt '1000500'", |r| {
            text(r, "ListingKey") < "1000500"
        }),
    ];
    for (filter, meaning) in table {
        let found = records(&feed, &format!("Property?$filter={}", encode(filter))).await;
        let meant: Vec<Record> = truth
            .iter()
            .filter(|record| meaning(record))
            .cloned()
            .collect();
        assert_eq!(keys(&found), keys(&meant), "{filter}");
        assert_eq!(found, meant, "{filter}");
    }
    let some: Vec<i64> = feed.listing_keys().into_iter().step_by(40).collect();
    let list = some
        .iter()
        .map(i64::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let found = records(
        &feed,
        &format!(
            "Property?$filter={}",
            encode(&format!("ListingKeyNumeric in ({list})"))
        ),
    )
    .await;
    assert_eq!(keys(&found), some);
}

#[tokio::test]
async fn an_invalid_query_gets_400() {
    let feed = feed(20);
    let deep = format!("{}ListPrice gt 1{}", "(".repeat(5_000), ")".repeat(5_000));
    let filters = [
        "NoSuchField eq 1",
        "ListPrice eq 'much'",
        "ListPrice gt",
        "ListPrice gt 1 and",
        "ListPrice gt 1)",
        "StandardStatus eq Odata.Models.Status'Active'",
        "StandardStatus eq 'Nowhere'",
        "PublicRemarks eq 'open",
        "ModificationTimestamp gt yesterday",
        "frobnicate(ListPrice) eq 1",
        "ListPrice gt 1 ; drop",
        "CloseDate gt '2026-01-01'",
        &"not ".repeat(1_500),
        &deep,
        &format!(
            "ListingKeyNumeric in ({})",
            vec!["1000001"; 2_000].join(",")
        ),
    ];
    for filter in filters {
        let (status, error) = ask(&feed, &format!("Property?$filter={}", encode(filter))).await;
        assert_eq!(status, 400, "{filter}");
        assert_eq!(error["error"]["code"], "400");
    }
    for query in [
        "$select=Nothing",
        "$orderby=Nothing",
        "$orderby=ListPrice up",
        "$top=-1",
        "$skip=x",
        "$expand=Member",
        "$apply=x",
        "$filter=%zz",
    ] {
        assert_eq!(
            ask(&feed, &format!("Property?{query}")).await.0,
            400,
            "{query}"
        );
    }
    assert_eq!(ask(&feed, "Media?$expand=Property").await.0, 400);
    let (_, error) = ask(&feed, "Property?$filter=Nope%20eq%201").await;
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("Unknown property 'Nope'")
    );
}

#[tokio::test]
async fn next_links_visit_every_record_once() {
    let feed = feed(450);
    for set in [
        "Property",
        "Media",
        "OpenHouse",
        "Member",
        "Office",
        "PropertyUnitTypes",
        "Lookup",
        "Resource",
        "DataSystem",
    ] {
        let found = walk(&feed, set).await;
        assert!(!found.is_empty(), "{set}");
        assert_eq!(found, feed.truth(set), "{set}");
    }
    assert_eq!(ask(&feed, "Adu").await.0, 404);
    assert_eq!(ask(&feed, "Nothing").await.0, 404);
}

#[tokio::test]
async fn a_walk_by_keys_sees_every_record() {
    let feed = feed(450);
    feed.set_server(|server| server.page_cap = Some(70));
    let (mut last, mut seen) = (0, Vec::new());
    loop {
        let url = format!(
            "Property?$orderby=ListingKeyNumeric&$filter=ListingKeyNumeric+gt+{last}&$top=200"
        );
        let page = records(&feed, &url).await;
        assert!(page.len() <= 70);
        let Some(key) = keys(&page).last().copied() else {
            break;
        };
        last = key;
        seen.extend(page);
    }
    assert_eq!(seen, feed.truth("Property"));
}

#[tokio::test]
async fn records_come_in_order_and_ties_keep_the_order_of_keys() {
    let feed = feed(150);
    let by = |record: &Record| text(record, "ModificationTimestamp").to_owned();
    let mut truth = feed.truth("Property");
    truth.sort_by_key(by);
    let rising = records(
        &feed,
        "Property?$orderby=ModificationTimestamp,ListingKeyNumeric",
    )
    .await;
    assert_eq!(rising, truth);
    truth.sort_by_key(|record| std::cmp::Reverse(by(record)));
    assert_eq!(
        records(&feed, "Property?$orderby=ModificationTimestamp%20desc").await,
        truth
    );
    let newest = records(&feed, "Property?$orderby=ModificationTimestamp desc&$top=1").await;
    assert_eq!(newest, truth[..1]);
    let falling = records(
        &feed,
        "Property?$orderby=ListingKeyNumeric desc&$top=5&$skip=2",
    )
    .await;
    assert_eq!(
        keys(&falling),
        feed.listing_keys()
            .into_iter()
            .rev()
            .skip(2)
            .take(5)
            .collect::<Vec<_>>()
    );
    let several = records(
        &feed,
        "Property?$orderby=City asc,ListPrice desc&$select=City,ListPrice,ListingKeyNumeric",
    )
    .await;
    for pair in several
        .windows(2)
        .filter(|pair| pair[0]["City"] == pair[1]["City"])
    {
        assert!(number(&pair[0], "ListPrice") >= number(&pair[1], "ListPrice"));
    }
    assert!(several.iter().all(|record| record.len() <= 3));
}

#[tokio::test]
async fn ties_larger_than_a_page_can_be_walked_by_timestamp_and_key() {
    let feed = feed(1_800);
    feed.set_server(|server| server.page_cap = Some(100));
    let (mut stamp, mut key, mut seen) = ("2000-01-01T00:00:00Z".to_owned(), 0, 0);
    loop {
        let filter = format!(
            "ModificationTimestamp gt {stamp} or (ModificationTimestamp eq {stamp} and ListingKeyNumeric gt {key})"
        );
        let url = format!(
            "Property?$select=ListingKeyNumeric,ModificationTimestamp&$orderby=ModificationTimestamp,ListingKeyNumeric&$filter={}",
            encode(&filter)
        );
        let page = records(&feed, &url).await;
        let Some(last) = page.last() else { break };
        stamp = text(last, "ModificationTimestamp").to_owned();
        key = last["ListingKeyNumeric"].as_i64().unwrap();
        seen += page.len();
    }
    assert_eq!(seen, 1_800);
}

#[tokio::test]
async fn top_skip_and_count_limit_the_whole_walk() {
    let feed = feed(450);
    let (_, page) = ask(&feed, "Property?$count=true&$top=250").await;
    assert_eq!(page["@odata.count"], 450);
    assert_eq!(
        page.as_object().unwrap().keys().next().unwrap(),
        "@odata.context"
    );
    assert_eq!(
        walk(&feed, "Property?$top=250&$skip=10").await,
        feed.truth("Property")[10..260]
    );
    let (_, page) = ask(
        &feed,
        "Property?$filter=ListPrice%20gt%20500000&$count=true&$top=3",
    )
    .await;
    let dear = feed
        .truth("Property")
        .iter()
        .filter(|r| number(r, "ListPrice") > Some(500_000.0))
        .count();
    assert_eq!(page["@odata.count"], dear);
    let (_, page) = ask(&feed, "Media?$count=true&$top=1").await;
    assert_eq!(page["@odata.count"], feed.truth("Media").len());
    let (_, page) = ask(&feed, "Property?$top=0").await;
    assert_eq!(
        (
            page["value"].as_array().unwrap().len(),
            page.get("@odata.nextLink")
        ),
        (0, None)
    );
}

#[tokio::test]
async fn expanded_children_belong_to_their_listing() {
    let feed = feed(400);
    let (mut adus, mut houses) = (0, 0);
    for listing in walk(
        &feed,
        "Property?$expand=Media,OpenHouse,PropertyUnitTypes,Adu",
    )
    .await
    {
        let key = listing["ListingKeyNumeric"].as_i64().unwrap();
        let media = listing["Media"].as_array().unwrap();
        assert_eq!(listing["PhotosCount"], media.len());
        assert!(
            media
                .windows(2)
                .all(|pair| pair[0]["Order"].as_i64() < pair[1]["Order"].as_i64())
        );
        for set in ["Media", "OpenHouse", "PropertyUnitTypes", "Adu"] {
            let mut truth: Vec<Json> = feed
                .truth_children(key, set)
                .into_iter()
                .map(Json::Object)
                .collect();
            if set == "Media" {
                truth.sort_by_key(|photo| photo["Order"].as_i64());
            }
            assert_eq!(listing[set], Json::Array(truth), "{set} of {key}");
        }
        adus += listing["Adu"].as_array().unwrap().len();
        houses += listing["OpenHouse"].as_array().unwrap().len();
    }
    assert!(adus > 0 && houses > 0);
    assert_eq!(
        (feed.truth("Adu").len(), feed.truth("OpenHouse").len()),
        (adus, houses)
    );
}

#[tokio::test]
async fn a_next_link_leads_to_children_above_the_cap() {
    let feed = feed(60);
    feed.set_server(|server| server.expand_cap = Some(2));
    let listing = records(&feed, "Property?$expand=Media&$select=ListingKeyNumeric").await;
    let cut = listing
        .iter()
        .find(|listing| listing.contains_key("Media@odata.nextLink"))
        .unwrap();
    let rest = walk(&feed, cut["Media@odata.nextLink"].as_str().unwrap()).await;
    let all = feed.truth_children(cut["ListingKeyNumeric"].as_i64().unwrap(), "Media");
    assert_eq!(
        cut["Media"].as_array().unwrap().len() + rest.len(),
        all.len()
    );
}

#[tokio::test]
async fn a_record_is_found_by_its_key() {
    let feed = feed(20);
    let key = feed.listing_keys()[7];
    let truth = &feed.truth("Property")[7];
    for url in [format!("Property({key})"), format!("Property('{key}')")] {
        let (_, mut record) = ask(&feed, &url).await;
        assert!(
            record
                .as_object_mut()
                .unwrap()
                .shift_remove("@odata.context")
                .is_some()
        );
        assert_eq!(record.as_object().unwrap(), truth);
    }
    let photo = feed.truth("Media")[3].clone();
    let (_, found) = ask(
        &feed,
        &format!("Media('{}')?$select=MediaURL", text(&photo, "MediaKey")),
    )
    .await;
    assert_eq!(found["MediaURL"], photo["MediaURL"]);
    assert_eq!(
        ask(&feed, &format!("Property({})", key + 1_000_000))
            .await
            .0,
        404
    );
    feed.set_server(|server| server.wrap_single = true);
    let (_, wrapped) = ask(&feed, &format!("Property({key})?$expand=Media")).await;
    assert_eq!(wrapped["value"]["ListingKeyNumeric"], key);
    assert!(wrapped["value"]["Media"].is_array());
}

#[tokio::test]
async fn the_feed_requires_the_token() {
    let feed = feed(5);
    let url = format!("{}/Property", feed.base_url());
    for token in [None, Some("wrong"), Some("")] {
        let request = client().get(&url);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert!(response.text().await.unwrap().contains("\"code\":\"401\""));
    }
    let seen = feed.requests();
    assert_eq!(
        seen.iter()
            .map(|request| request.had_authorization)
            .collect::<Vec<_>>(),
        [false, true, true]
    );
}

#[tokio::test]
async fn metadata_declares_every_field_and_follows_changes() {
    let feed = feed(30);
    let read = async || get(&feed, "$metadata").await.unwrap().text().await.unwrap();
    let xml = read().await;
    let property = xml
        .split("<EntityType Name=\"Property\">")
        .nth(1)
        .unwrap()
        .split("</EntityType>")
        .next()
        .unwrap();
    assert_eq!(property.matches("<Property ").count(), 327);
    assert_eq!(xml.matches("<EnumType ").count(), 107);
    assert!(!xml.contains("Deleted"));
    let reader = &mut quick_xml::Reader::from_str(&xml);
    while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}

    feed.declare_field("Property", "WalkScore", "Edm.Int32")
        .unwrap();
    feed.undeclare_field("Property", "ZoningDescription")
        .unwrap();
    let xml = read().await;
    assert!(
        xml.contains("Name=\"WalkScore\" Type=\"Edm.Int32\"")
            && !xml.contains("\"ZoningDescription\"")
    );
    let truth = feed.truth("Property");
    assert!(
        truth.iter().any(|r| !is_null(r, "WalkScore"))
            && truth.iter().any(|r| !is_null(r, "ZoningDescription"))
    );
    assert_eq!(
        ask(&feed, "Property?$select=ZoningDescription").await.0,
        400
    );
    assert!(feed.declare_field("Property", "X", "Edm.Nonsense").is_err());
}

#[tokio::test]
async fn enumerations_have_display_or_member_names() {
    let feed = feed(120);
    let by_member: Vec<Record> = {
        feed.set_server(|server| server.names = Names::Member);
        records(
            &feed,
            "Property?$filter=StandardStatus%20eq%20'ActiveUnderContract'",
        )
        .await
    };
    assert!(
        by_member
            .iter()
            .all(|record| text(record, "StandardStatus") == "ActiveUnderContract")
    );
    feed.set_server(|server| {
        server.names = Names::Display;
        server.enumeration_strings = false;
    });
    assert_eq!(
        ask(&feed, "Property?$filter=StandardStatus%20eq%20'Active'")
            .await
            .0,
        400
    );
    let literal = encode("StandardStatus eq Odata.Models.StandardStatus'ActiveUnderContract'");
    let by_display = records(&feed, &format!("Property?$filter={literal}")).await;
    assert_eq!(keys(&by_display), keys(&by_member));
    assert!(!by_display.is_empty());
    assert!(
        by_display
            .iter()
            .all(|record| text(record, "StandardStatus") == "Active Under Contract")
    );
}

#[tokio::test]
async fn listings_are_consistent_with_each_other() {
    let feed = feed(600);
    let names = |set: &str, field: &str| {
        feed.truth(set)
            .iter()
            .map(|record| text(record, field).to_owned())
            .collect::<std::collections::HashSet<_>>()
    };
    let (members, offices) = (names("Member", "MemberKey"), names("Office", "OfficeKey"));
    let now = "2026-03-04T19:00:00Z";
    let mut grid = 0;
    for listing in feed.truth("Property") {
        let is_closed = text(&listing, "StandardStatus") == "Closed";
        assert_eq!(is_closed, !is_null(&listing, "ClosePrice"));
        assert!(!is_closed || text(&listing, "OnMarketDate") <= text(&listing, "CloseDate"));
        assert!(
            members.contains(text(&listing, "ListAgentKey"))
                && offices.contains(text(&listing, "ListOfficeKey"))
        );
        assert!(text(&listing, "ModificationTimestamp") <= now);
        assert!(
            text(&listing, "OriginalEntryTimestamp") <= text(&listing, "ModificationTimestamp")
        );
        if text(&listing, "StreetName")
            .bytes()
            .all(|b| b.is_ascii_digit())
        {
            assert!(is_null(&listing, "StreetSuffix") && !is_null(&listing, "CrossStreet"));
            grid += 1;
        }
    }
    assert!((100..500).contains(&grid));
    assert!(
        feed.truth("OpenHouse")
            .iter()
            .all(|house| text(house, "OpenHouseStartTime") > now)
    );
}

#[tokio::test]
async fn rate_limits_are_counted_and_reported() {
    let feed = feed_with(|options| {
        options.listings = 3;
        options.server.limits = vec![Limit::requests(3, 400)];
    });
    for left in ["2", "1", "0"] {
        let response = get(&feed, "Property?$top=1").await.unwrap();
        assert_eq!(response.headers()["x-ratelimit-limit"], "3");
        assert_eq!(response.headers()["x-ratelimit-remaining"], left);
        assert!(
            response.headers()["x-ratelimit-reset"]
                .to_str()
                .unwrap()
                .parse::<i64>()
                .unwrap()
                >= feed.now().timestamp()
        );
    }
    let over = get(&feed, "Property?$top=1").await.unwrap();
    assert_eq!(over.status(), 429);
    assert_eq!(over.headers()["x-ratelimit-retryafter"], "1");
    assert_eq!(feed.answered_429(), 1);
    tokio::time::sleep(std::time::Duration::from_millis(450)).await;
    assert_eq!(get(&feed, "Property?$top=1").await.unwrap().status(), 200);
}

#[tokio::test]
async fn bytes_are_limited_in_windows_of_the_clock() {
    let feed = feed_with(|options| {
        options.listings = 40;
        // The window ends in 2100.
        let century = 4_102_444_800_000;
        options.server.limits = vec![Limit::bytes(100_000, century).aligned()];
    });
    let mut answered = 0;
    while answered < 100_000 {
        let page = get(&feed, "Property?$top=5").await.unwrap();
        assert_eq!(
            (page.status().as_u16(), page.headers().get("retry-after")),
            (200, None)
        );
        answered += page.bytes().await.unwrap().len();
    }
    assert_eq!(ask(&feed, "Property?$top=1").await.0, 429);
    feed.set_server(|server| server.limits = vec![Limit::bytes(100_000, 1)]);
    for _ in 0..3 {
        assert_eq!(ask(&feed, "Property?$top=1").await.0, 200);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn each_vendor_reports_its_limits_with_its_headers() {
    let cases: [(&str, &[(&str, &str)]); 5] = [
        (
            "wfrmls",
            &[
                ("x-ratelimit-limit", "100"),
                ("x-ratelimit-remaining", "99"),
            ],
        ),
        (
            "trestle",
            &[
                ("minute-quota-limit", "180.0"),
                ("minute-quota-available", "179.0"),
                ("hour-quota-limit", "7200.0"),
                ("hour-quota-resettime", "1772654400000"),
            ],
        ),
        (
            "bridge",
            &[
                ("burst-ratelimit-remaining", "333"),
                ("burst-ratelimit-reset", "1772650860"),
                ("application-ratelimit-remaining", "4999"),
                ("application-ratelimit-reset", "2026-03-04T20:00:00.000Z"),
            ],
        ),
        (
            "ampre",
            &[
                ("x-rate-limit-remaining", "59999"),
                ("x-rate-limit-retry-after-seconds", "60"),
            ],
        ),
        ("mlsgrid", &[]),
    ];
    for (name, expected) in cases {
        let feed = feed(3);
        feed.set_server(|server| server.limit_as(Dialect::named(name).unwrap()));
        let headers = get(&feed, "Property?$top=1")
            .await
            .unwrap()
            .headers()
            .clone();
        for (header, value) in expected {
            assert_eq!(headers[*header], *value, "{name}: {header}");
        }
        let reported = headers
            .keys()
            .filter(|name| name.as_str().contains("limit") || name.as_str().contains("quota"));
        assert!(reported.count() >= expected.len(), "{name}");
        assert!(!headers.contains_key("retry-after"), "{name}");
    }
}

#[tokio::test]
async fn photos_count_in_the_limits_of_the_service_or_in_their_own() {
    for shares in [true, false] {
        let feed = feed(3);
        feed.set_server(|server| {
            server.limits = vec![Limit::requests(2, 60_000)];
            server.photo_limits = vec![Limit::requests(1, 60_000)];
            server.photos_share_limits = shares;
        });
        let photo = format!("{}/photos/a/b", feed.asset_url());
        let mut answers = Vec::new();
        for url in [&photo, "Property?$top=1", &photo, "Property?$top=1"] {
            answers.push(get(&feed, url).await.unwrap().status().as_u16());
        }
        let expected = if shares {
            [404, 200, 429, 429]
        } else {
            [404, 200, 429, 200]
        };
        assert_eq!(answers, expected, "shares: {shares}");
    }
}

#[tokio::test]
async fn the_deleted_feed_has_the_chosen_field_names() {
    let feed = feed(10);
    let key = feed.listing_keys()[2].to_string();
    feed.delete("Property", &key, true).unwrap();
    let url = format!(
        "Deleted?$filter={}",
        encode("resource eq 'Property' and ts ge 2026-03-04T19:00:00Z")
    );
    let expected =
        fields(json!({"resource": "Property", "primary_key": key, "ts": "2026-03-04T19:00:00Z"}));
    assert_eq!(records(&feed, &url).await, [expected]);
    feed.set_server(|server| server.deleted_names = DeletedNames::Guide);
    assert_eq!(ask(&feed, &url).await.0, 400);
    assert_eq!(
        records(
            &feed,
            "Deleted?$filter=DeletedDate%20gt%202020-01-01T00:00:00Z"
        )
        .await[0]["ListingId"],
        key
    );
    feed.set_server(|server| server.deleted_names = DeletedNames::Absent);
    assert_eq!(ask(&feed, &url).await.0, 404);
}

#[tokio::test]
async fn a_million_listings_start_at_once() {
    let began = std::time::Instant::now();
    let feed = feed(1_000_000);
    // Records are made when they are asked for.
    assert!(began.elapsed().as_secs() < 5);
    let page = records(&feed, "Property?$filter=ListingKeyNumeric%20gt%202500000&$orderby=ListingKeyNumeric&$top=3&$count=false").await;
    assert!(keys(&page).iter().all(|key| *key > 2_500_000));
    let (_, deep) = ask(
        &feed,
        "Property?$skip=900000&$top=1&$count=true&$select=ListingKeyNumeric",
    )
    .await;
    assert_eq!(deep["@odata.count"], 1_000_000);
    assert!(deep["value"][0]["ListingKeyNumeric"].as_i64().unwrap() >= 3_700_000);
    let last = records(
        &feed,
        "Property?$orderby=ListingKeyNumeric%20desc&$top=1&$select=ListingKeyNumeric",
    )
    .await;
    let photos = records(
        &feed,
        &format!(
            "Media?$filter=ResourceRecordKeyNumeric%20eq%20{}",
            keys(&last)[0]
        ),
    )
    .await;
    assert!(photos.len() <= 6);
}
