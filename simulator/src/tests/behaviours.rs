//! Tests that each behaviour happens on the wire.

use std::collections::BTreeSet;

use serde_json::json;

use super::super::Behaviour;
use super::*;

fn feed_that(behaviours: &[Behaviour]) -> Simulator {
    let feed = feed_with(|options| {
        options.listings = 60;
        options.page_size = 20;
    });
    feed.behave(behaviours);
    feed
}

/// Returns the document of a successful answer.
async fn page(feed: &Simulator, url: &str) -> Json {
    let (status, page) = ask(feed, url).await;
    assert_eq!(status, 200, "{url}: {page}");
    page
}

fn edit_all(feed: &Simulator) {
    for key in feed.listing_keys() {
        let price = fields(json!({"ListPrice": 5}));
        feed.edit("Property", &key.to_string(), price).unwrap();
    }
}

/// Returns the keys of the listings after a timestamp.
async fn keys_after(feed: &Simulator, operator: &str, timestamp: &str) -> Vec<i64> {
    let filter = encode(&format!("ModificationTimestamp {operator} {timestamp}"));
    keys(&walk(feed, &format!("Property?$filter={filter}")).await)
}

fn shown(records: &[Record]) -> BTreeSet<String> {
    let of = |record: &Record| record["ModificationTimestamp"].as_str().unwrap().to_owned();
    records.iter().map(of).collect()
}

#[test]
fn each_behaviour_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = Behaviour::ALL.iter().map(|one| one.name()).collect();
    assert_eq!(names.len(), Behaviour::ALL.len());
    for one in Behaviour::ALL {
        assert_eq!(Behaviour::named(one.name()), Some(*one));
        assert_eq!(serde_json::to_value(one).unwrap(), one.name());
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(one.name().chars().all(is_plain), "{}", one.name());
    }
    assert_eq!(Behaviour::named("no-such"), None);
}

#[tokio::test]
async fn timestamps_with_seven_digits_are_compared_as_texts_or_as_instants() {
    for (behaviour, milliseconds_equal) in [
        (Behaviour::TimestampsWith7DigitsComparedAsText, 0),
        (Behaviour::TimestampsWith7Digits, 60),
    ] {
        let feed = feed_that(&[behaviour]);
        edit_all(&feed);
        let shown = shown(&feed.truth("Property"));
        assert_eq!(shown.len(), 1);
        let timestamp = shown.first().unwrap();
        assert_eq!(timestamp.len(), "2026-03-04T19:00:00.1234567Z".len());
        assert_eq!(keys_after(&feed, "eq", timestamp).await.len(), 60);
        assert_eq!(keys_after(&feed, "gt", timestamp).await.len(), 0);
        let cut = format!("{}Z", &timestamp[..23]);
        assert_eq!(
            keys_after(&feed, "gt", &cut).await.len(),
            milliseconds_equal
        );
        let earlier = "2026-03-04T18:59:59Z";
        assert_eq!(keys_after(&feed, "gt", earlier).await.len(), 60);
    }
}

#[tokio::test]
async fn timestamps_are_finer_than_shown() {
    let feed = feed_that(&[Behaviour::TimestampsFinerThanShown]);
    edit_all(&feed);
    let shown = shown(&feed.truth("Property"));
    assert_eq!(
        shown.into_iter().collect::<Vec<_>>(),
        ["2026-03-04T19:00:00Z"]
    );
    let after = keys_after(&feed, "gt", "2026-03-04T19:00:00Z").await;
    assert_eq!(after.len(), 60);
    let by_time = walk(&feed, "Property?$orderby=ModificationTimestamp,ListingKey").await;
    assert!(!keys(&by_time).is_sorted());
    assert_eq!(
        keys_after(&feed, "ge", "2026-03-04T19:00:01Z").await.len(),
        0
    );
}

#[tokio::test]
async fn one_listing_is_a_year_ahead() {
    let feed = feed_that(&[Behaviour::FutureTimestamp]);
    edit_all(&feed);
    let ahead = keys_after(&feed, "gt", "2026-06-01T00:00:00Z").await;
    assert_eq!(ahead.len(), 1);
    let shown = shown(&feed.truth("Property"));
    assert_eq!(shown.last().unwrap(), "2027-03-04T19:00:00Z");
}

#[tokio::test]
async fn orderby_is_ignored_obeyed_in_part_or_refused() {
    let feed = feed_that(&[Behaviour::OrderbyIgnored]);
    edit_all(&feed);
    let url = "Property?$orderby=ModificationTimestamp,ListingKey";
    let read = keys(&walk(&feed, url).await);
    assert!(!read.is_sorted());
    assert_eq!(read.iter().collect::<BTreeSet<_>>().len(), 60);
    assert_eq!(keys(&walk(&feed, "Property").await), read);

    feed.behave(&[Behaviour::OrderbyFirstFieldOnly]);
    assert!(!keys(&walk(&feed, url).await).is_sorted());
    assert!(keys(&walk(&feed, "Property?$orderby=ListingKey").await).is_sorted());

    feed.behave(&[Behaviour::OrderbyRefused]);
    assert_eq!(ask(&feed, url).await.0, 400);
    assert_eq!(ask(&feed, "Property").await.0, 200);
}

/// Returns the expanded list of each listing.
async fn lists(feed: &Simulator, name: &str) -> Vec<Json> {
    let records = walk(feed, &format!("Property?$expand={name}")).await;
    let list = |mut record: Record| record.remove(name).unwrap_or_default();
    records.into_iter().map(list).collect()
}

fn children(lists: &[Json]) -> usize {
    let length = |list: &Json| list.as_array().map_or(0, Vec::len);
    lists.iter().map(length).sum()
}

#[tokio::test]
async fn expand_is_refused_or_ignored() {
    let feed = feed_that(&[Behaviour::ExpandRefused]);
    assert_eq!(ask(&feed, "Property?$expand=Media").await.0, 400);
    feed.behave(&[Behaviour::ExpandIgnored]);
    let records = walk(&feed, "Property?$expand=Media").await;
    assert!(records.iter().all(|record| !record.contains_key("Media")));
}

#[tokio::test]
async fn expanded_lists_are_cut_empty_or_null() {
    let feed = feed_that(&[]);
    let photos = children(&lists(&feed, "Media").await);
    assert_eq!(photos, feed.truth("Media").len());

    feed.behave(&[Behaviour::ExpandCapped]);
    let cut = lists(&feed, "Media").await;
    assert!(children(&cut) < photos);
    assert!(cut.iter().all(|list| list.as_array().unwrap().len() <= 2));
    assert!(
        !page(&feed, "Property?$expand=Media")
            .await
            .to_string()
            .contains("Media@")
    );

    feed.behave(&[Behaviour::ExpandEmpty]);
    assert_eq!(children(&lists(&feed, "Media").await), 0);
    feed.behave(&[Behaviour::ExpandNull]);
    assert!(lists(&feed, "Media").await.iter().all(Json::is_null));
}

#[tokio::test]
async fn expanded_open_houses_lack_those_that_have_begun() {
    let feed = feed_that(&[Behaviour::ExpandFutureOpenHousesOnly]);
    let all = feed.truth("OpenHouse").len();
    assert_eq!(children(&lists(&feed, "OpenHouse").await), all);
    feed.advance(chrono::Duration::days(12));
    feed.add_open_house(feed.listing_keys()[7]).unwrap();
    assert_eq!(children(&lists(&feed, "OpenHouse").await), 1);
    assert_eq!(walk(&feed, "OpenHouse").await.len(), all + 1);
}

#[tokio::test]
async fn expanded_children_lack_fields() {
    let feed = feed_that(&[Behaviour::ExpandPoorer]);
    let lists = lists(&feed, "Media").await;
    let poor = lists.iter().flat_map(|list| list.as_array().unwrap());
    let rich = walk(&feed, "Media").await;
    let fields = |record: &Json| record.as_object().unwrap().len();
    let poor: Vec<usize> = poor.map(fields).collect();
    assert_eq!(poor.len(), rich.len());
    assert!(poor.iter().sum::<usize>() < rich.iter().map(Record::len).sum());
}

#[tokio::test]
async fn a_list_of_photos_has_one_of_another_listing() {
    let feed = feed_that(&[Behaviour::ChildOfAnotherListing]);
    let lists = lists(&feed, "Media").await;
    let list = lists[3..]
        .iter()
        .find(|list| !list.as_array().unwrap().is_empty());
    let list = list.unwrap().as_array().unwrap();
    let (own, last) = (&list[0], &list[list.len() - 1]);
    assert_ne!(own["ResourceRecordKey"], last["ResourceRecordKey"]);
    assert!(
        feed.truth("Media")
            .iter()
            .any(|photo| photo["MediaKey"] == last["MediaKey"])
    );
}

#[tokio::test]
async fn counts_are_of_the_page_texts_or_of_all_records() {
    let feed = feed_that(&[Behaviour::CountIsPageSize]);
    let url = "Property?$count=true&$filter=ListingKeyNumeric%20gt%20";
    let url = format!("{url}{}", feed.listing_keys()[29]);
    assert_eq!(page(&feed, &url).await["@odata.count"], 20);
    feed.behave(&[]);
    assert_eq!(page(&feed, &url).await["@odata.count"], 30);
    feed.behave(&[Behaviour::CountAsText]);
    assert_eq!(page(&feed, &url).await["@odata.count"], "30");
    feed.behave(&[Behaviour::FilterIgnoredByCount]);
    assert_eq!(page(&feed, &url).await["@odata.count"], 60);
}

#[tokio::test]
async fn counts_and_timestamps_without_quotes_are_refused_and_gt_includes_equal() {
    let feed = feed_that(&[Behaviour::CountRefusedWithFilter]);
    let greater = format!(
        "Property?$filter=ListingKeyNumeric%20gt%20{}",
        feed.listing_keys()[58]
    );
    assert_eq!(
        page(&feed, "Property?$count=true").await["@odata.count"],
        60
    );
    assert_eq!(ask(&feed, &format!("{greater}&$count=true")).await.0, 400);
    feed.behave(&[Behaviour::CountRefused]);
    assert_eq!(ask(&feed, "Property?$count=true").await.0, 400);
    assert_eq!(
        page(&feed, &greater).await["value"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    feed.behave(&[Behaviour::GtIncludesEqual]);
    assert_eq!(
        page(&feed, &greater).await["value"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    feed.behave(&[Behaviour::TimestampsQuoted]);
    let since = |time: &str| format!("Property?$filter=ModificationTimestamp%20ge%20{time}");
    assert_eq!(ask(&feed, &since("2020-01-01T00:00:00Z")).await.0, 400);
    let quoted = page(&feed, &since("'2020-01-01T00:00:00Z'")).await;
    assert!(!quoted["value"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_listing_that_is_counted_is_not_sent() {
    let feed = feed_that(&[Behaviour::CountedButNotSent]);
    feed.insert_listing().unwrap();
    feed.insert_listing().unwrap();
    let answer = page(&feed, "Property?$count=true").await;
    assert_eq!(answer["@odata.count"], 62);
    assert_eq!(walk(&feed, "Property").await.len(), 61);
}

#[tokio::test]
async fn pages_are_short_repeat_a_record_or_end_with_the_largest_key() {
    let feed = feed_that(&[Behaviour::ShortPagesWithoutLink]);
    let short = page(&feed, "Property?$top=20").await;
    assert_eq!(short["value"].as_array().unwrap().len(), 7);
    assert_eq!(short.get("@odata.nextLink"), None);

    feed.behave(&[Behaviour::PageRepeatsARecord]);
    let repeated = records(&feed, "Property").await;
    assert_eq!(repeated.len(), 21);
    assert_eq!(repeated[0]["ListingKey"], repeated[1]["ListingKey"]);
    assert!(shown(&repeated[..1]) > shown(&repeated[1..2]));

    feed.behave(&[Behaviour::LargestKeyAtPageEnd]);
    let page = keys(&records(&feed, "Property").await);
    assert_eq!(page.len(), 21);
    assert_eq!(page.last(), feed.listing_keys().last());

    let last = feed.listing_keys()[59].to_string();
    let sold = json!({"StandardStatus": "Closed"});
    let sold = sold.as_object().unwrap().clone();
    feed.edit("Property", &last, sold).unwrap();
    let url = format!(
        "Property?$filter=StandardStatus%20ne%20'Closed'%20and%20ListingKeyNumeric%20lt%20{last}"
    );
    let page = records(&feed, &url).await;
    assert!(page.iter().all(|one| one["StandardStatus"] != "Closed"));
    assert_eq!(page.len(), 21);
}

#[tokio::test]
async fn a_third_of_the_pages_is_empty_twice() {
    let feed = feed_that(&[Behaviour::EmptyAnswers]);
    let mut empty = 0;
    for skip in 0..30 {
        let url = format!("Property?$skip={skip}");
        let mut lengths = Vec::new();
        for _ in 0..3 {
            lengths.push(records(&feed, &url).await.len());
        }
        assert!(
            lengths == [0, 0, 20] || lengths == [20, 20, 20],
            "{lengths:?}"
        );
        empty += usize::from(lengths[0] == 0);
    }
    assert!((5..16).contains(&empty), "{empty}");
}

#[tokio::test]
async fn pages_without_records_are_null() {
    let feed = feed_that(&[Behaviour::NullPages]);
    assert_eq!(page(&feed, "Property?$skip=60").await["value"], Json::Null);
    assert_eq!(records(&feed, "Property").await.len(), 20);
}

#[tokio::test]
async fn each_third_period_is_stale() {
    let feed = feed_that(&[Behaviour::StaleReplica]);
    let hour = || feed.advance(chrono::Duration::hours(1));
    let url = "Property?$filter=ListPrice%20eq%205";
    hour();
    hour();
    edit_all(&feed);
    assert_eq!(walk(&feed, url).await.len(), 60);
    hour();
    assert_eq!(walk(&feed, url).await.len(), 0, "the third period is stale");
    let key = feed.listing_keys()[7];
    let by_key = records(
        &feed,
        &format!("Property?$filter=ListingKey%20eq%20'{key}'"),
    )
    .await;
    assert_eq!(by_key[0]["ListPrice"].as_f64(), Some(5.0));
    hour();
    assert_eq!(walk(&feed, url).await.len(), 60);
}

#[tokio::test]
async fn skip_is_limited() {
    let feed = feed_that(&[Behaviour::SkipCapped]);
    assert_eq!(ask(&feed, "Property?$skip=10").await.0, 200);
    assert_eq!(ask(&feed, "Property?$skip=11").await.0, 400);
    feed.behave(&[Behaviour::DeletedSkipCapped]);
    assert_eq!(ask(&feed, "Property?$skip=11").await.0, 200);
    assert_eq!(ask(&feed, "Deleted?$skip=3").await.0, 200);
    assert_eq!(ask(&feed, "Deleted?$skip=4").await.0, 400);
}

#[tokio::test]
async fn ge_excludes_equal_announcements() {
    let feed = feed_that(&[]);
    let key = feed.listing_keys()[0].to_string();
    feed.delete("Property", &key, true).unwrap();
    let time = records(&feed, "Deleted").await[0]["ts"].clone();
    let since = format!("Deleted?$filter=ts%20ge%20{}", time.as_str().unwrap());
    assert!(!records(&feed, &since).await.is_empty());
    feed.behave(&[Behaviour::DeletedGeExcludesEqual]);
    assert!(records(&feed, &since).await.is_empty());
}

#[tokio::test]
async fn next_links_are_relative_or_empty() {
    let feed = feed_that(&[Behaviour::NextLinkRelative, Behaviour::NextLinkEmpty]);
    let first = page(&feed, "Property?$top=40").await;
    assert_eq!(first["@odata.nextLink"], "?$top=20&$skip=20");
    let last = page(&feed, "Property?$skip=40").await;
    assert_eq!(last["@odata.nextLink"], "");
}

#[tokio::test]
async fn metadata_alternates_or_lacks_a_child() {
    let feed = feed_that(&[Behaviour::MetadataAlternates]);
    let declares = async |text: &str| {
        let document = get(&feed, "$metadata").await.unwrap();
        document.text().await.unwrap().contains(text)
    };
    let field = "Name=\"PublicRemarks\"";
    assert!(declares(field).await);
    assert!(!declares(field).await);
    assert!(declares(field).await);

    feed.behave(&[Behaviour::UndeclaredChild]);
    assert!(!declares("\"OpenHouse\"").await);
    assert!(declares("\"Media\"").await);
    assert_eq!(ask(&feed, "OpenHouse").await.0, 404);
    assert_eq!(ask(&feed, "Property?$expand=OpenHouse").await.0, 400);

    feed.behave(&[Behaviour::ChildForbidden]);
    assert_eq!(ask(&feed, "OpenHouse").await.0, 403);
    assert_eq!(ask(&feed, "Property?$expand=Media,OpenHouse").await.0, 403);
    assert_eq!(ask(&feed, "Property?$expand=Media").await.0, 200);
}

#[tokio::test]
async fn photo_urls_are_signed_anew() {
    let feed = feed_that(&[Behaviour::MediaUrlSignedAnew]);
    let url = async |url: &str| records(&feed, url).await[0].clone();
    let first = url("Media?$top=1").await["MediaURL"].clone();
    let second = url("Media?$top=1").await["MediaURL"].clone();
    assert_ne!(first, second);
    let photo = client().get(first.as_str().unwrap()).send().await.unwrap();
    assert_eq!(photo.status(), 200);
    let expanded = page(&feed, "Property?$expand=Media").await.to_string();
    assert!(expanded.contains("?signature="));
}

/// Deletes a listing and returns the announcements.
async fn announcements(behaviour: Behaviour) -> (Simulator, Vec<Record>) {
    let feed = feed_that(&[behaviour]);
    let key = feed.listing_keys()[7].to_string();
    feed.delete("Property", &key, true).unwrap();
    let announced = records(&feed, "Deleted").await;
    (feed, announced)
}

#[tokio::test]
async fn announcements_name_resources_otherwise() {
    let (feed, lower) = announcements(Behaviour::DeletedNamesLowerCase).await;
    assert_eq!(lower[0]["resource"], "property");
    let url = "Deleted?$filter=resource%20eq%20'Property'";
    assert_eq!(records(&feed, url).await.len(), 0);
    let (_, plural) = announcements(Behaviour::DeletedNamesPlural).await;
    assert_eq!(plural[0]["resource"], "Properties");
}

#[tokio::test]
async fn announcements_lack_keys_or_name_records_that_stay() {
    let (_, without) = announcements(Behaviour::DeletedWithoutKey).await;
    assert_eq!(without.len(), 2);
    assert!(without[0].get("primary_key").is_none_or(Json::is_null));
    let (feed, alive) = announcements(Behaviour::AnnouncedButAlive).await;
    assert_eq!(alive.len(), 3);
    let key = alive[1]["primary_key"].as_str().unwrap();
    assert!(feed.listing_keys().contains(&key.parse().unwrap()));
    assert_eq!(alive[2]["ts"], "2097-01-01T00:00:00Z");
    let absent = feed_that(&[Behaviour::NoDeletionsAnnounced]);
    assert_eq!(ask(&absent, "Deleted").await.0, 404);
}

#[tokio::test]
async fn documents_are_marked_or_compressed_in_parts() {
    let feed = feed_that(&[Behaviour::ByteOrderMark]);
    let marked = get(&feed, "Property").await.unwrap().bytes().await.unwrap();
    assert!(marked.starts_with(b"\xef\xbb\xbf{"));
    feed.behave(&[Behaviour::GzipMultiMember]);
    let url = format!("{}/Property", feed.base_url());
    let plain = reqwest::Client::builder().no_proxy().no_gzip().build();
    let request = plain.unwrap().get(url).bearer_auth(feed.token());
    let compressed = request
        .header("accept-encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    let compressed = compressed.bytes().await.unwrap();
    let starts = compressed
        .windows(3)
        .filter(|three| *three == b"\x1f\x8b\x08");
    assert!(starts.count() >= 2);
}

#[tokio::test]
async fn the_date_header_cannot_be_read() {
    let feed = feed_that(&[Behaviour::DateHeaderUnreadable]);
    let answer = get(&feed, "Property?$top=1").await.unwrap();
    assert_eq!(answer.headers()["date"], "today");
}

#[tokio::test]
async fn a_control_request_switches_behaviours() {
    let feed = feed_that(&[]);
    let url = format!(
        "{}/behave",
        feed.base_url().replace("/reso/odata", "/simulator")
    );
    let post = async |body: Json| {
        let request = client().post(&url).body(body.to_string());
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(post(json!(["expand-refused"])).await, 200);
    assert_eq!(ask(&feed, "Property?$expand=Media").await.0, 400);
    assert_eq!(post(json!([])).await, 200);
    assert_eq!(ask(&feed, "Property?$expand=Media").await.0, 200);
    assert_eq!(post(json!(["no-such"])).await, 400);
}

#[tokio::test]
async fn deleted_records_stay_for_seven_days_with_a_flag() {
    let feed = feed_that(&[Behaviour::DeletedByFlag]);
    let flags = |records: Vec<Record>| {
        let flagged = (records.iter()).filter(|one| one["MlgCanView"] == json!(false));
        let flagged = flagged.cloned().collect::<Vec<_>>();
        (records.len(), keys(&flagged))
    };
    assert_eq!(flags(walk(&feed, "Property").await), (60, vec![]));
    let metadata = get(&feed, "$metadata").await.unwrap().text().await.unwrap();
    assert_eq!(metadata.matches("MlgCanView").count(), 2);
    assert_eq!(ask(&feed, "Deleted").await.0, 404);

    let listings = feed.listing_keys();
    feed.advance(chrono::Duration::hours(1));
    let now = feed.now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    feed.delete("Property", &listings[1].to_string(), true)
        .unwrap();
    feed.delete("Property", &listings[2].to_string(), false)
        .unwrap();
    assert_eq!(
        flags(walk(&feed, "Property").await),
        (59, vec![listings[1]])
    );
    assert_eq!(keys_after(&feed, "ge", &now).await, [listings[1]]);
    let live = page(&feed, "Property?$count=true&$filter=MlgCanView%20eq%20true").await;
    assert_eq!(live["@odata.count"], 58);
    assert_eq!(
        (feed.count("Property"), feed.listing_keys().len()),
        (58, 58)
    );
    assert_eq!(feed.truth_children(listings[1], "Media"), [] as [Record; 0]);

    feed.bring_back(listings[1]).unwrap();
    assert_eq!(flags(walk(&feed, "Property").await), (59, vec![]));
    feed.delete("Property", &listings[1].to_string(), true)
        .unwrap();
    feed.advance(chrono::Duration::days(8));
    assert_eq!(flags(walk(&feed, "Property").await), (58, vec![]));
}
