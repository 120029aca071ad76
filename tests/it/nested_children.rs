//! Serves captured answers of two vendors, whose children have no entity set of their own:
//! Bridge embeds Media in its listing, and Spark sends Media, Room and Unit only with
//! `$expand`.
//!
//! The answers are not part of this repository. Without them, the tests report on stderr that
//! they are skipped.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, atomic};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::Response;
use rusqlite::types::Value as Sql;
use serde_json::{Value as Json, json};

use crate::support::*;

/// The token that Bridge repeats in its next links.
const SECRET: &str = "server-token-that-links-repeat";

/// The number of records per page.
const PAGE: usize = 25;

/// A vendor whose answers were captured.
#[derive(Clone, Copy)]
struct Vendor {
    folder: &'static str,
    timestamp: &'static str,
    /// The lists that come only with `$expand`.
    expanded: &'static [&'static str],
}

const BRIDGE: Vendor = Vendor {
    folder: "bridge",
    timestamp: "BridgeModificationTimestamp",
    expanded: &[],
};

const SPARK: Vendor = Vendor {
    folder: "spark",
    timestamp: "ModificationTimestamp",
    expanded: &["Media", "Room", "Unit", "OpenHouse"],
};

/// The captured listings of a vendor, and its `$metadata`.
struct Captured {
    vendor: Vendor,
    metadata: String,
    listings: Mutex<Vec<Json>>,
    requests: AtomicUsize,
    /// Whether the URLs of photos are of this server.
    has_photos: AtomicBool,
}

impl Captured {
    fn find(vendor: Vendor) -> Option<Arc<Captured>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
        let folder = folder.join(vendor.folder);
        let Ok(metadata) = std::fs::read_to_string(folder.join("metadata.xml")) else {
            // The test harness does not capture this stream.
            let message = format!("skipped: no captured answers in {}\n", folder.display());
            std::io::stderr().write_all(message.as_bytes()).ok()?;
            return None;
        };
        let mut listings = Vec::new();
        for page in ["Property-p1.json", "Property-p2.json"] {
            let text = std::fs::read_to_string(folder.join(page)).unwrap();
            let mut page: Json = serde_json::from_str(&text).unwrap();
            listings.append(page["value"].as_array_mut().unwrap());
        }
        assert_eq!(listings.len(), 50);
        Some(Arc::new(Captured {
            vendor,
            metadata,
            listings: Mutex::new(listings),
            requests: AtomicUsize::new(0),
            has_photos: AtomicBool::new(false),
        }))
    }

    fn serve(self: &Arc<Captured>) -> String {
        let captured = self.clone();
        serve(move |root, request| captured.answer(root, request))
    }

    fn answer(&self, root: &str, request: &Request) -> Response {
        self.requests.fetch_add(1, atomic::Ordering::Relaxed);
        let (path, query) = (request.uri().path(), request.uri().query());
        let query: HashMap<String, String> =
            url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        match path {
            "/$metadata" => respond(StatusCode::OK, "application/xml", self.metadata.clone()),
            "/Property" => {
                let mut page = self.page(root, &query).to_string();
                if self.has_photos.load(atomic::Ordering::Relaxed) {
                    page = page.replace("https://media.example.com", root);
                }
                respond(StatusCode::OK, "application/json", page)
            }
            path if path.ends_with(".jpeg") => Response::builder()
                .header(header::CONTENT_TYPE, "image/jpeg")
                .body(Body::from(&b"\xff\xd8\xff\xe0 a photo \xff\xd9"[..]))
                .unwrap(),
            _ => respond(
                StatusCode::NOT_FOUND,
                "application/json",
                json!({"error": {"code": 404, "message": "no such resource"}}).to_string(),
            ),
        }
    }

    fn page(&self, root: &str, query: &HashMap<String, String>) -> Json {
        let empty = String::new();
        let filter = query.get("$filter").unwrap_or(&empty);
        let listings = self.listings.lock().unwrap();
        let mut found: Vec<&Json> = (listings.iter())
            .filter(|listing| filter.is_empty() || matches(filter, listing))
            .collect();
        for order in query.get("$orderby").unwrap_or(&empty).split(',').rev() {
            let (field, is_descending) = match order.trim().split_once(' ') {
                Some((field, direction)) => (field, direction == "desc"),
                None => (order.trim(), false),
            };
            found.sort_by(|a, b| {
                let order = compare(&a[field], &b[field]);
                if is_descending {
                    order.reverse()
                } else {
                    order
                }
            });
        }
        let number = |name: &str| query.get(name).map(|text| text.parse::<usize>().unwrap());
        let count = found.len();
        let from = number("$next").unwrap_or(0);
        let top = number("$top").unwrap_or(PAGE).min(PAGE);
        let expand = query.get("$expand").unwrap_or(&empty);
        let mut page: Vec<Json> = (found.into_iter().skip(from).take(top).cloned()).collect();
        for name in self.vendor.expanded {
            if !expand
                .split(',')
                .any(|expanded| expanded.trim().starts_with(name))
            {
                for listing in &mut page {
                    listing.as_object_mut().unwrap().remove(*name);
                }
            }
        }
        let next = from + page.len();
        let mut body = json!({"value": page});
        if query.contains_key("$count") {
            body["@odata.count"] = json!(count);
        }
        if next < count {
            let mut link = url::form_urlencoded::Serializer::new(format!("{root}/Property?"));
            for (name, value) in query.iter().filter(|(name, _)| *name != "$next") {
                link.append_pair(name, value);
            }
            link.append_pair("access_token", SECRET);
            link.append_pair("$next", &next.to_string());
            body["@odata.nextLink"] = json!(link.finish());
        }
        body
    }

    /// Returns the declared types of the fields of a type, by a text search.
    fn types(&self, kind: &str, name: &str) -> BTreeMap<String, String> {
        let start = format!("<{kind} Name=\"{name}\"");
        let mut types = BTreeMap::new();
        for part in self.metadata.split(&start).skip(1) {
            let part = part.split(&format!("</{kind}>")).next().unwrap();
            for field in part.split("<Property ").skip(1) {
                let attribute = |name: &str| {
                    let (_, value) = field.split_once(&format!("{name}=\"")).unwrap();
                    value.split('"').next().unwrap().to_owned()
                };
                types.insert(attribute("Name"), attribute("Type"));
            }
        }
        types
    }

    /// Returns the children of all listings, by key, with the keys of their listings.
    fn children(&self, list: &str, key: &str) -> BTreeMap<String, (String, Json)> {
        let mut children = BTreeMap::new();
        for listing in &*self.listings.lock().unwrap() {
            for child in listing[list].as_array().into_iter().flatten() {
                let parent = listing["ListingKey"].as_str().unwrap().to_owned();
                let key = child[key].as_str().unwrap().to_owned();
                children.insert(key, (parent, child.clone()));
            }
        }
        children
    }

    fn by_key(&self) -> BTreeMap<String, Json> {
        let key = |listing: &Json| listing["ListingKey"].as_str().unwrap().to_owned();
        let listings = self.listings.lock().unwrap();
        (listings
            .iter()
            .map(|listing| (key(listing), listing.clone())))
        .collect()
    }

    /// Changes the listing at a position, and moves its timestamp.
    fn edit(&self, at: usize, change: impl FnOnce(&mut Json)) {
        let listing = &mut self.listings.lock().unwrap()[at];
        change(listing);
        listing[self.vendor.timestamp] = json!("2026-11-01T12:00:00.000Z");
    }

    fn take_requests(&self) -> usize {
        self.requests.swap(0, atomic::Ordering::Relaxed)
    }
}

fn respond(status: StatusCode, content_type: &str, body: String) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .body(Body::from(body))
        .unwrap()
}

/// Compares two values of one field. Text is compared as the captured servers do.
fn compare(a: &Json, b: &Json) -> Ordering {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.as_str().cmp(&b.as_str()),
    }
}

/// Returns whether a record matches an OData filter of comparisons, `and` and `or`.
fn matches(filter: &str, record: &Json) -> bool {
    let filter = filter.trim();
    for (word, any) in [(" or ", true), (" and ", false)] {
        let parts = split(filter, word);
        if parts.len() > 1 {
            let mut parts = parts.iter().map(|part| matches(part, record));
            return if any {
                parts.any(|one| one)
            } else {
                parts.all(|one| one)
            };
        }
    }
    if let Some(inner) = filter
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
    {
        return matches(inner, record);
    }
    let mut words = filter.splitn(3, ' ');
    let (field, operator, literal) = (
        words.next().unwrap(),
        words.next().unwrap_or_else(|| panic!("filter {filter}")),
        words.next().unwrap(),
    );
    let value = |literal: &str| match literal.strip_prefix('\'') {
        Some(text) => json!(text.strip_suffix('\'').unwrap()),
        None => literal
            .parse::<f64>()
            .map_or_else(|_| json!(literal), |number| json!(number)),
    };
    if operator == "in" {
        let list = literal.trim_start_matches('(').trim_end_matches(')');
        return list
            .split(',')
            .any(|one| compare(&record[field], &value(one.trim())).is_eq());
    }
    if record[field].is_null() {
        return false;
    }
    let order = compare(&record[field], &value(literal));
    match operator {
        "eq" => order.is_eq(),
        "gt" => order.is_gt(),
        "ge" => order.is_ge(),
        "lt" => order.is_lt(),
        "le" => order.is_le(),
        other => panic!("operator {other}"),
    }
}

/// Splits a filter at a word outside of parentheses.
fn split<'f>(filter: &'f str, word: &str) -> Vec<&'f str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, letter) in filter.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && at >= start && filter[at..].starts_with(word) => {
                parts.push(&filter[start..at]);
                start = at + word.len();
            }
            _ => {}
        }
    }
    parts.push(&filter[start..]);
    parts
}

/// Returns whether a column holds the feed's value of a type.
fn is_stored(value: &Json, edm: &str, stored: &Sql) -> bool {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    match (edm, stored) {
        _ if value.is_null() => *stored == Sql::Null,
        ("Edm.Boolean", Sql::Integer(number)) => value.as_bool() == Some(*number == 1),
        (
            "Edm.Int64" | "Edm.Int32" | "Edm.Int16" | "Edm.Decimal" | "Edm.Double",
            Sql::Integer(found),
        ) => number == Some(*found as f64),
        ("Edm.Decimal" | "Edm.Double", Sql::Real(found)) => number == Some(*found),
        ("Edm.DateTimeOffset", Sql::Text(text)) => {
            stored_timestamp(value.as_str().unwrap()) == *text
        }
        (_, Sql::Text(text)) if value.is_string() => value.as_str() == Some(text),
        (_, Sql::Text(text)) => serde_json::from_str::<Json>(text).ok().as_ref() == Some(value),
        _ => false,
    }
}

/// Fails unless a table has exactly these records, with every field.
fn assert_holds<'r>(
    mirror: &Mirror,
    (table, key): (&str, &str),
    types: &BTreeMap<String, String>,
    records: impl IntoIterator<Item = (&'r String, Option<&'r String>, &'r Json)>,
) {
    let db = mirror.open();
    let held = rows(
        &db,
        &format!("SELECT * FROM {table} WHERE deleted_at IS NULL"),
    );
    let mut held: BTreeMap<String, Row> = held
        .into_iter()
        .map(|row| (as_text(&row[key]).to_owned(), row))
        .collect();
    assert!(!types.is_empty(), "{table} has declared fields");
    for (key, listing, record) in records {
        let row = held
            .remove(key)
            .unwrap_or_else(|| panic!("{table}: no {key}"));
        for (field, edm) in types {
            let stored = row
                .get(field)
                .unwrap_or_else(|| panic!("{table}: no column {field}"));
            let value = &record[field];
            assert!(
                is_stored(value, edm, stored),
                "{table} {key}: {field} ({edm}) is {value} in the feed and {stored:?} here"
            );
        }
        if let Some(listing) = listing {
            assert_eq!(as_text(&row["listing_key"]), listing, "{table} {key}");
        }
    }
    assert!(
        held.is_empty(),
        "{table}: not in the feed: {:?}",
        held.keys()
    );
}

fn mirror_of(url: &str, resources: &[&'static str]) -> Mirror {
    Mirror::at(url, |settings| {
        settings.set("profile", "\"reso\"");
        settings.resources = resources.to_vec();
    })
}

/// Runs a sync that must change nothing, with few requests.
fn assert_idle(captured: &Captured, mirror: &Mirror) {
    let changes = number(&mirror.open(), "SELECT count(*) FROM changes");
    captured.take_requests();
    mirror.sync_ends(0, &[]);
    let requests = captured.take_requests();
    assert!(requests <= 6, "an idle sync took {requests} requests");
    let db = mirror.open();
    assert_eq!(number(&db, "SELECT count(*) FROM changes"), changes);
    assert_eq!(number(&db, "SELECT count(*) FROM rejects"), 0);
}

/// Fails unless the mirror has the photos of the feed, each in its listing.
fn assert_photos(captured: &Captured, mirror: &Mirror, types: &BTreeMap<String, String>) {
    let photos = captured.children("Media", "MediaKey");
    let records = photos
        .iter()
        .map(|(key, (listing, photo))| (key, Some(listing), photo));
    assert_holds(mirror, ("media", "MediaKey"), types, records);
}

fn list<'j>(listing: &'j mut Json, name: &str) -> &'j mut Vec<Json> {
    listing[name].as_array_mut().unwrap()
}

#[test]
fn media_that_is_embedded_in_listings_has_rows_of_its_own() {
    let Some(captured) = Captured::find(BRIDGE) else {
        return;
    };
    let mirror = mirror_of(&captured.serve(), &["Property", "Media"]);
    mirror.sync_ends(0, &[]);

    let listings = captured.by_key();
    let types = captured.types("EntityType", "Property");
    let records = listings.iter().map(|(key, listing)| (key, None, listing));
    assert_holds(&mirror, ("listings", "ListingKey"), &types, records);
    let mut types = captured.types("ComplexType", "Media");
    types.extend(captured.types("EntityType", "Media"));
    assert_photos(&captured, &mirror, &types);
    let photos = number(&mirror.open(), "SELECT count(*) FROM media");
    assert!(photos > 500, "{photos} photos");
    assert_idle(&captured, &mirror);

    // Bridge counts 19 photos in a list of 20: a smaller count does not make a list short.
    let is_longer = |listing: &Json| {
        let listed = listing["Media"].as_array().map(Vec::len);
        listing["PhotosCount"].as_u64() < listed.map(|listed| listed.saturating_sub(1) as u64)
    };
    let at = captured
        .listings
        .lock()
        .unwrap()
        .iter()
        .position(is_longer)
        .unwrap();
    captured.edit(at, |listing| {
        list(listing, "Media").pop().unwrap();
        list(listing, "Media")[0]["ShortDescription"] = json!("another text");
    });
    mirror.sync_ends(0, &[]);
    assert_photos(&captured, &mirror, &types);
    let sql = "SELECT count(*) FROM media WHERE deleted_reason = 'replaced'";
    assert_eq!(number(&mirror.open(), sql), 1);
    mirror.sync_ends(0, &["reconcile"]);
    assert_photos(&captured, &mirror, &types);
    mirror.run(&["verify"]).says(0, &[]);
}

#[test]
fn photos_of_an_embedded_list_are_files() {
    let Some(captured) = Captured::find(BRIDGE) else {
        return;
    };
    captured.has_photos.store(true, atomic::Ordering::Relaxed);
    let mirror = Mirror::at(&captured.serve(), |settings| {
        settings.set("profile", "\"reso\"");
        settings.resources = vec!["Property", "Media"];
        settings.media = true;
    });
    mirror.sync_ends(0, &[]);
    let db = mirror.open();
    let sql = "SELECT count(*) FROM media WHERE file_path IS NULL AND MediaURL IS NOT NULL";
    assert_eq!(number(&db, sql), 0);
    assert!(
        number(
            &db,
            "SELECT count(*) FROM media WHERE file_path IS NOT NULL"
        ) > 500
    );
    mirror.run(&["verify"]).says(0, &[]);
}

#[test]
fn a_list_that_is_shorter_than_its_count_deletes_no_photo() {
    let Some(captured) = Captured::find(SPARK) else {
        return;
    };
    let mirror = mirror_of(&captured.serve(), &["Property", "Media"]);
    mirror.sync_ends(0, &[]);
    let photos = number(&mirror.open(), "SELECT count(*) FROM media");
    let has_32 = |listing: &Json| listing["PhotosCount"] == 32;
    let at = captured
        .listings
        .lock()
        .unwrap()
        .iter()
        .position(has_32)
        .unwrap();
    let mut removed = 0;
    captured.edit(at, |listing| {
        removed = list(listing, "Media").len() as i64 - 10;
        list(listing, "Media").truncate(10);
    });
    mirror.sync_ends(0, &[]);
    let sql = "SELECT count(*) FROM media WHERE deleted_at IS NULL";
    assert_eq!(number(&mirror.open(), sql), photos);
    captured.edit(at, |listing| listing["PhotosCount"] = json!(10));
    mirror.sync_ends(0, &[]);
    assert_eq!(number(&mirror.open(), sql), photos - removed);
}

#[test]
fn children_that_come_only_with_their_listings_have_tables() {
    let Some(captured) = Captured::find(SPARK) else {
        return;
    };
    let mirror = mirror_of(&captured.serve(), &["Property", "Media", "Room", "Unit"]);
    mirror.sync_ends(0, &[]);

    let listings = captured.by_key();
    let types = captured.types("EntityType", "Property");
    let records = listings.iter().map(|(key, listing)| (key, None, listing));
    assert_holds(&mirror, ("listings", "ListingKey"), &types, records);
    for (list, table, key, entity, expected) in [
        ("Media", "media", "MediaKey", "Media", 1_904),
        ("Room", "rooms", "RoomKey", "PropertyRooms", 317),
    ] {
        let children = captured.children(list, key);
        assert_eq!(children.len(), expected, "{list}");
        let records = children
            .iter()
            .map(|(key, (listing, child))| (key, Some(listing), child));
        assert_holds(
            &mirror,
            (table, key),
            &captured.types("EntityType", entity),
            records,
        );
    }
    assert_eq!(number(&mirror.open(), "SELECT count(*) FROM units"), 0);
    assert_idle(&captured, &mirror);

    captured.edit(0, |listing| {
        list(listing, "Room").pop();
        list(listing, "Room")[0]["RoomLevel"] = json!("Upper");
    });
    mirror.sync_ends(0, &[]);
    let rooms = captured.children("Room", "RoomKey");
    let types = captured.types("EntityType", "PropertyRooms");
    let records = rooms
        .iter()
        .map(|(key, (listing, room))| (key, Some(listing), room));
    assert_holds(&mirror, ("rooms", "RoomKey"), &types, records);
    mirror.sync_ends(0, &["reconcile"]);
    mirror.sync_ends(0, &["full"]);
    mirror.run(&["verify"]).says(0, &[]);

    // A list that is shorter than its own count shows no deletion.
    captured.edit(0, |listing| {
        let counted = list(listing, "Room").len();
        list(listing, "Room").pop();
        assert!(counted > 1, "the list still has rooms");
        listing["Room@odata.count"] = json!(counted);
    });
    let live = || {
        number(
            &mirror.open(),
            "SELECT count(*) FROM rooms WHERE deleted_at IS NULL",
        )
    };
    let before = live();
    mirror.sync_ends(0, &[]);
    assert_eq!(live(), before);
}

#[test]
fn children_that_a_sync_of_listings_alone_did_not_read_are_read_by_the_next() {
    let Some(captured) = Captured::find(BRIDGE) else {
        return;
    };
    let has_photos = |listing: &Json| {
        listing["Media"]
            .as_array()
            .is_some_and(|list| list.len() > 2)
    };
    let at = captured
        .listings
        .lock()
        .unwrap()
        .iter()
        .position(has_photos)
        .unwrap();
    let new = captured.listings.lock().unwrap().remove(at);
    let mirror = mirror_of(&captured.serve(), &["Property", "Media"]);
    mirror.sync_ends(0, &[]);
    captured.listings.lock().unwrap().insert(at, new);
    captured.edit(at, |_| {});
    mirror.sync_ends(0, &["--only", "Property"]);

    mirror.sync_ends(0, &[]);
    let mut types = captured.types("ComplexType", "Media");
    types.extend(captured.types("EntityType", "Media"));
    assert_photos(&captured, &mirror, &types);
    assert_eq!(
        number(&mirror.open(), "SELECT count(*) FROM _due_children"),
        0
    );
}

#[test]
fn a_null_or_an_empty_list_without_a_count_deletes_no_photo() {
    let Some(captured) = Captured::find(BRIDGE) else {
        return;
    };
    let mirror = mirror_of(&captured.serve(), &["Property", "Media"]);
    mirror.sync_ends(0, &[]);
    let live = "SELECT count(*) FROM media WHERE deleted_at IS NULL";
    let photos = number(&mirror.open(), live);
    for (at, list) in [(0, Json::Null), (1, json!([]))] {
        captured.edit(at, |listing| {
            listing["PhotosCount"] = Json::Null;
            listing["Media"] = list;
        });
    }
    mirror.sync_ends(0, &[]);
    assert_eq!(number(&mirror.open(), live), photos);

    captured.edit(2, |listing| listing["Media"] = json!("no list"));
    mirror.sync_ends(3, &[]);
    let reason = "SELECT reason FROM rejects WHERE resolved_at IS NULL";
    assert_eq!(
        text(&mirror.open(), reason),
        "Media is not a list of records"
    );
    assert_eq!(number(&mirror.open(), live), photos);
}
