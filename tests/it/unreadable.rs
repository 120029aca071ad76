//! Records that cannot be decoded. Each is rejected alone, and the rest of its page is stored.

use serde_json::{Value as Json, json};

use crate::support::*;

/// Returns the JSON values that a decoder refuses.
fn unreadable() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a lone surrogate", br#""half \ud83c""#.to_vec()),
        ("bytes that are not UTF-8", b"\"caf\xe9\"".to_vec()),
        ("a raw tab", b"\"a\tb\"".to_vec()),
        ("a raw newline", b"\"a\r\nb\"".to_vec()),
        ("a large exponent", b"1e400".to_vec()),
        ("400 digits", b"7".repeat(400)),
        ("NaN", b"NaN".to_vec()),
        (
            "deep nesting",
            [b"[".repeat(200), b"]".repeat(200)].concat(),
        ),
        ("a raw quote", br#""12" x 10" closet""#.to_vec()),
        ("an unknown escape", br#""C:\photos""#.to_vec()),
    ]
}

/// Writes an unreadable value into a field of the record with each of these keys, also where
/// it is a child.
fn spoil(answer: &mut Answer, key_field: &str, field: &str, spoiled: &[(String, Vec<u8>)]) {
    fn visit(json: &mut Json, visit_record: &mut impl FnMut(&mut Record)) {
        match json {
            Json::Array(items) => items.iter_mut().for_each(|item| visit(item, visit_record)),
            Json::Object(record) => {
                record
                    .values_mut()
                    .for_each(|value| visit(value, visit_record));
                visit_record(record);
            }
            _ => {}
        }
    }
    visit(&mut answer.body, &mut |record| {
        let key = record.get(key_field).map(key_text);
        let Some(at) = spoiled
            .iter()
            .position(|(spoiled, _)| Some(spoiled) == key.as_ref())
        else {
            return;
        };
        if record.contains_key(field) {
            record[field] = json!(format!("<<{at}>>"));
        }
    });
    let values: Vec<Vec<u8>> = spoiled.iter().map(|(_, value)| value.clone()).collect();
    answer.write = Box::new(move |text| {
        let mut bytes = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("\"<<") {
            let (at, after) = after.split_once(">>\"").unwrap();
            bytes.extend_from_slice(before.as_bytes());
            bytes.extend_from_slice(&values[at.parse::<usize>().unwrap()]);
            rest = after;
        }
        bytes.extend_from_slice(rest.as_bytes());
        bytes
    });
}

/// Returns the spelling of bytes in `rejects`.
fn spelled(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(bytes).replace('\u{fffd}', "\\xE9"),
    }
}

fn open_rejects(mirror: &Mirror) -> i64 {
    number(
        &mirror.open(),
        "SELECT count(*) FROM rejects WHERE resolved_at IS NULL",
    )
}

#[test]
fn a_listing_that_cannot_be_decoded_is_rejected_alone_with_its_bytes() {
    for profile in ["wfrmls", "reso"] {
        let feed = feed(60);
        let keys = feed.listing_keys().into_iter().step_by(5);
        let values = unreadable();
        let spoiled: Vec<(String, Vec<u8>)> = keys
            .zip(&values)
            .map(|(key, (_, value))| (key.to_string(), value.clone()))
            .collect();
        let proxy = Proxy::of(&feed, |_| {});
        let changes = spoiled.clone();
        proxy.change(move |answer| spoil(answer, "ListingKey", "PublicRemarks", &changes));
        let mirror = Mirror::at(&proxy.base_url, |settings| {
            settings.set("profile", format!("{profile:?}"));
        });
        for job in [vec![], vec!["full"]] {
            mirror.sync_ends(3, &job);
            let db = mirror.open();
            assert_mirror_equals_part(&db, &feed, &MAIN, |listing, _| {
                !spoiled.iter().any(|(key, _)| key == listing)
            });
        }
        let db = mirror.open();
        for ((key, value), (name, _)) in spoiled.iter().zip(&values) {
            let of_key =
                format!("FROM rejects WHERE resource = 'Property' AND record_key = '{key}'");
            let payload = text(&db, &format!("SELECT payload {of_key}"));
            assert!(payload.contains(&spelled(value)), "{name}: {payload}");
            let photos = payload.matches("MediaKey").count();
            assert!(photos >= feed.truth_children(key.parse().unwrap(), "Media").len());
            let reason = text(&db, &format!("SELECT reason {of_key}"));
            assert!(reason.starts_with("PublicRemarks "), "{name}: {reason}");
        }
        assert_eq!(open_rejects(&mirror), spoiled.len() as i64);

        proxy.change(|_| {});
        mirror.sync_full();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
        assert_eq!(open_rejects(&mirror), 0);
    }
}

#[test]
fn a_listing_that_cannot_be_decoded_later_keeps_its_row_and_the_other_changes_arrive() {
    let feed = feed(60);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    let keys = feed.listing_keys();
    for key in &keys {
        let price = json!({"ListPrice": 123_456.0 + *key as f64});
        feed.edit("Property", &key.to_string(), fields(price))
            .unwrap();
    }
    let spoiled = vec![
        (keys[4].to_string(), b"\"caf\xe9\"".to_vec()),
        (keys[59].to_string(), b"\"\\udc00\"".to_vec()),
    ];
    proxy.change(move |answer| spoil(answer, "ListingKey", "PublicRemarks", &spoiled));
    for job in [vec![], vec!["full"], vec!["reconcile"]] {
        mirror.sync_ends(3, &job);
        let db = mirror.open();
        assert_eq!(live(&db, "Property"), 60, "{job:?}");
        let arrived = "SELECT count(*) FROM listings WHERE ListPrice = 123456 + ListingKeyNumeric";
        assert_eq!(number(&db, arrived), 58, "{job:?}");
    }
    proxy.change(|_| {});
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert_eq!(open_rejects(&mirror), 0);
}

#[test]
fn a_photo_that_cannot_be_decoded_costs_neither_its_listing_nor_the_other_photos() {
    let feed = feed(40);
    let photos = feed.truth("Media");
    let spoiled: Vec<(String, Vec<u8>)> = photos
        .iter()
        .step_by(7)
        .zip(unreadable())
        .map(|(photo, (_, value))| (key_text(&photo["MediaKey"]), value))
        .collect();
    let is_spoiled = {
        let spoiled = spoiled.clone();
        move |record: &Record| {
            let key = record.get("MediaKey").map(key_text);
            spoiled
                .iter()
                .any(|(spoiled, _)| Some(spoiled) == key.as_ref())
        }
    };
    let proxy = Proxy::of(&feed, |_| {});
    let changes = spoiled.clone();
    proxy.change(move |answer| spoil(answer, "MediaKey", "MediaURL", &changes));
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync_ends(3, &[]);
    let db = mirror.open();
    assert_mirror_equals_part(&db, &feed, &MAIN, |_, record| !is_spoiled(record));
    let rejected = texts(
        &db,
        "SELECT record_key FROM rejects WHERE resource = 'Media' ORDER BY 1",
    );
    let mut expected: Vec<String> = spoiled.iter().map(|(key, _)| key.clone()).collect();
    expected.sort();
    assert_eq!(rejected, expected);

    proxy.change(|_| {});
    mirror.sync_full();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);

    // The rows stay when the photos become unreadable, also without a key.
    let proxied = spoiled.clone();
    proxy.change(move |answer| spoil(answer, "MediaKey", "MediaKey", &proxied));
    feed.advance(chrono::Duration::hours(1));
    for key in feed.listing_keys() {
        let price = json!({"ListPrice": 123_456.0 + key as f64});
        feed.edit("Property", &key.to_string(), fields(price))
            .unwrap();
    }
    mirror.sync_ends(3, &[]);
    let db = mirror.open();
    assert_mirror_equals_feed(&db, &feed, &MAIN);
    assert_eq!(
        number(&db, "SELECT count(*) FROM changes WHERE change = 'delete'"),
        0
    );
}

#[test]
fn an_office_or_a_list_of_photos_that_cannot_be_decoded_is_rejected_alone() {
    let feed = feed(30);
    let offices = feed.truth("Office");
    let spoiled = vec![(key_text(&offices[1]["OfficeKey"]), b"\"a\tb\"".to_vec())];
    let listing = feed.listing_keys()[3];
    let proxy = Proxy::of(&feed, |_| {});
    let office = spoiled.clone();
    proxy.change(move |answer| {
        if answer.is_of("Office") {
            spoil(answer, "OfficeKey", "OfficeName", &office);
        } else if answer.request.contains("$expand=") {
            let list = vec![(listing.to_string(), b"\"504 Gateway\nTimeout\"".to_vec())];
            spoil(answer, "ListingKey", "Media", &list);
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.resources.push("Office")
    });
    mirror.sync_ends(3, &[]);
    let db = mirror.open();
    let with_office = [&MAIN[..], &["Office"]].concat();
    assert_mirror_equals_part(&db, &feed, &["Property", "OpenHouse"], |_, _| true);
    assert_mirror_equals_part(&db, &feed, &["Office"], |key, _| key != spoiled[0].0);
    assert_eq!(
        texts(
            &db,
            "SELECT record_key FROM rejects WHERE resource = 'Office'"
        ),
        [spoiled[0].0.clone()]
    );
    proxy.change(|_| {});
    mirror.sync_full();
    assert_mirror_equals_feed(&mirror.open(), &feed, &with_office);
}

#[test]
fn a_cut_answer_with_an_unreadable_record_is_requested_again() {
    let feed = feed(30);
    let key = feed.listing_keys()[2].to_string();
    let spoiled = vec![(key.clone(), b"\"caf\xe9\"".to_vec())];
    let proxy = Proxy::of(&feed, |_| {});
    let mut is_cut = true;
    proxy.change(move |answer| {
        spoil(answer, "ListingKey", "PublicRemarks", &spoiled);
        if answer.request.contains("$expand=") && std::mem::take(&mut is_cut) {
            let write = std::mem::replace(&mut answer.write, Box::new(String::into_bytes));
            answer.write = Box::new(|text| {
                let mut bytes = write(text);
                bytes.truncate(bytes.len() / 2);
                bytes
            });
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync_ends(3, &[]);
    let db = mirror.open();
    assert_mirror_equals_part(&db, &feed, &MAIN, |listing, _| listing != key);
    assert_eq!(number(&db, "SELECT sum(retries) FROM sync_runs"), 1);
}

#[test]
fn an_announcement_that_cannot_be_decoded_is_kept_and_the_others_are_applied() {
    let feed = feed(30);
    let proxy = Proxy::of(&feed, |_| {});
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    let [first, second] = [3, 9].map(|at| feed.listing_keys()[at].to_string());
    feed.delete("Property", &first, true).unwrap();
    feed.delete("Property", &second, true).unwrap();
    let spoiled = vec![(first.clone(), b"\"caf\xe9\"".to_vec())];
    proxy.change(move |answer| {
        if answer.is_of("Deleted") {
            spoil(answer, "primary_key", "resource", &spoiled);
        }
    });
    mirror.run(&["sync"]);
    let db = mirror.open();
    let deleted = texts(
        &db,
        "SELECT ListingKey FROM listings WHERE deleted_reason = 'announced'",
    );
    assert_eq!(deleted, [second]);
    let payload = text(&db, "SELECT payload FROM rejects");
    assert!(
        payload.contains(&first) && payload.contains("caf\\xE9"),
        "{payload}"
    );
}

#[test]
fn a_listing_whose_key_cannot_be_decoded_is_read_again_by_its_timestamp() {
    let feed = feed(30);
    let key = feed.listing_keys()[11].to_string();
    let spoiled = vec![(key.clone(), b"\"a\tb\"".to_vec())];
    let proxy = Proxy::of(&feed, move |answer| {
        spoil(answer, "ListingKey", "ListingKey", &spoiled);
    });
    let mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.resources = vec!["Property"];
    });
    mirror.sync_ends(3, &[]);
    let db = mirror.open();
    assert_mirror_equals_part(&db, &feed, &["Property"], |listing, _| listing != key);
    assert_eq!(texts(&db, "SELECT record_key FROM rejects"), ["NULL"]);
    proxy.change(|_| {});
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &["Property"]);
    assert_eq!(open_rejects(&mirror), 0);
}
