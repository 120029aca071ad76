//! `refresh` reads single listings again.

use serde_json::json;

use crate::status::needs;
use crate::support::*;

#[test]
fn each_listing_is_read_again_on_its_own() {
    let feed = feed(40);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let keys: Vec<String> = feed.listing_keys().iter().map(i64::to_string).collect();
    feed.edit_silently("Property", &keys[1], fields(json!({"ListPrice": 11})))
        .unwrap();
    let photo = feed.truth_children(keys[2].parse().unwrap(), "Media")[0]["MediaKey"].clone();
    feed.remove_photo(photo.as_str().unwrap(), false, false)
        .unwrap();
    feed.delete("Property", &keys[3], false).unwrap();

    let wanted = [&keys[1], &keys[2], &keys[3], "9999999", &keys[4]].map(|key| key.to_string());
    let mut arguments = vec!["refresh", "--workers", "3"];
    arguments.extend(wanted.iter().map(String::as_str));
    let ended = mirror.run(&arguments);
    ended.says(3, &["9999999", "no such listing"]);
    assert!(ended.stdout.contains("4 listings refreshed"), "{ended}");
    assert!(
        ended.stdout.contains("1 listing failed: 9999999"),
        "{ended}"
    );
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    let logged = texts(
        &db,
        "SELECT DISTINCT change || ' ' || resource FROM changes ORDER BY 1",
    );
    assert!(logged.contains(&"update Property".to_owned()), "{logged:?}");
    assert!(logged.contains(&"delete Media".to_owned()), "{logged:?}");
    let last = last_run(&db, "Property");
    assert_eq!(last["watermark_before"], last["watermark_after"]);

    let none = mirror.run(&["--json", "refresh", "9999998"]);
    assert_eq!(none.code, Some(1));
    assert_eq!(none.json()["failed"][0]["key"], json!("9999998"));
    // A wrong key is no problem of the mirror.
    needs(&mirror, &[]);
    assert_eq!(
        last_run(&db, "Property")["status"],
        "succeeded".to_owned().into()
    );
}

#[test]
fn a_listing_stays_while_each_answer_of_the_feed_is_empty() {
    let feed = feed(30);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    proxy.change(|answer| {
        if answer.body.get("value").is_some() {
            answer.body = json!({ "value": [] });
        }
    });
    let key = feed.listing_keys()[3].to_string();
    mirror.run(&["refresh", &key]).says(1, &[&key, "no record"]);
    needs(&mirror, &["1 listing was not refreshed"]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}
