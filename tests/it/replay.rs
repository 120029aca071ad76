//! Serves the captured answers of a RESO server again, and compares every field of the mirror
//! with them.
//!
//! The answers come from the RESO reference server and are not part of this repository.
//! Without them, the tests of captured answers report on stderr that they are skipped.
//! The answers in `fixtures/replay` are always there.
//!
//! The tests compute the expected columns themselves, from `$metadata` and the answers.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::Response;
use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use serde_json::Value as Json;

use crate::support::serve;

const TOKEN: &str = "a-token-of-the-replay";

/// A day after the capture, whatever the local clock shows.
const DATE: &str = "Tue, 24 Nov 2026 12:00:00 GMT";

/// The server of the captured answers, which their links name.
const CAPTURED_AT: &str = "http://127.0.0.1:18080";

const PLAIN: &[(&str, &[&str])] = &[
    ("Property", &["Property-p1", "Property-p2"]),
    ("Media", &["Media-p1", "Media-p2"]),
    ("OpenHouse", &["OpenHouse-p1", "OpenHouse-p2"]),
    ("Member", &["Member-p1"]),
    ("Office", &["Office-p1"]),
    ("Lookup", &["Lookup-p1"]),
];

const TABLES: [(&str, &str, &str); 6] = [
    ("Property", "listings", "ListingKey"),
    ("Media", "media", "MediaKey"),
    ("OpenHouse", "open_houses", "OpenHouseKey"),
    ("Member", "members", "MemberKey"),
    ("Office", "offices", "OfficeKey"),
    ("Lookup", "lookups", "LookupKey"),
];

/// The records of a resource by their keys.
type Records = BTreeMap<String, Json>;

#[test]
fn every_field_of_the_fixture_is_in_the_mirror() {
    let captures = Captures::fixture();
    let pages: &[(&str, &[&str])] = &[
        ("Property", &["Property-p1", "Property-p2"]),
        ("Media", &["Media-p1"]),
    ];
    let feed = Feed::of(&captures, "metadata.xml", pages);
    let mirror = sync(feed.serve(), pages);
    let expected = ["Property", "Media"].map(|resource| (resource, feed.records(resource)));
    assert_eq!(
        expected.each_ref().map(|(_, records)| records.len()),
        [3, 2]
    );
    assert_eq!(captures.types("metadata.xml", "Property").len(), 8);
    mirror.holds(&captures, "metadata.xml", &expected);
}

#[test]
fn every_field_of_captured_pages_is_in_the_mirror_when_expand_is_ignored() {
    let Some(captures) = Captures::find() else {
        return;
    };
    let feed = Feed::of(&captures, "metadata.xml", PLAIN);
    let mirror = sync(feed.serve(), PLAIN);
    let expected: Vec<(&str, Records)> = PLAIN
        .iter()
        .map(|(resource, _)| (*resource, feed.records(resource)))
        .collect();
    let counts: Vec<usize> = expected.iter().map(|(_, records)| records.len()).collect();
    assert_eq!(counts, [50, 200, 200, 50, 25, 100]);
    mirror.holds(&captures, "metadata.xml", &expected);
}

#[test]
fn every_field_of_captured_pages_is_in_the_mirror_with_children_expanded() {
    let Some(captures) = Captures::find() else {
        return;
    };
    let pages: Vec<(&str, &[&str])> = PLAIN
        .iter()
        .map(|&(resource, pages)| match resource {
            "Property" => (resource, ["Property-expand-Media-OpenHouse"].as_slice()),
            _ => (resource, pages),
        })
        .collect();
    let feed = Feed::of(&captures, "metadata.xml", &pages);
    let mirror = sync(feed.serve(), &pages);
    let listings = feed.records("Property");
    let expected: Vec<(&str, Records)> = pages
        .iter()
        .map(|(resource, _)| match *resource {
            "Media" => ("Media", expanded(&listings, "Media", "MediaKey")),
            "OpenHouse" => (
                "OpenHouse",
                expanded(&listings, "OpenHouse", "OpenHouseKey"),
            ),
            resource => (resource, feed.records(resource)),
        })
        .collect();
    let counts: Vec<usize> = expected.iter().map(|(_, records)| records.len()).collect();
    assert_eq!(counts, [10, 50, 20, 50, 25, 100]);
    mirror.holds(&captures, "metadata.xml", &expected);
}

#[test]
fn every_field_is_in_the_mirror_if_enumerations_are_types() {
    let Some(captures) = Captures::find() else {
        return;
    };
    let pages: &[(&str, &[&str])] = &[("Property", &["Property-enum-type"])];
    let feed = Feed::of(&captures, "metadata-enum-type.xml", pages);
    let mirror = sync(feed.serve(), pages);
    let listings = feed.records("Property");
    assert_eq!(listings.len(), 3);
    mirror.holds(
        &captures,
        "metadata-enum-type.xml",
        &[("Property", listings)],
    );
}

/// The captured answers.
struct Captures(PathBuf);

impl Captures {
    /// Returns the answers of `fixtures/replay`.
    fn fixture() -> Captures {
        Captures(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/replay"))
    }

    /// Returns the captured answers, or reports that they are missing.
    fn find() -> Option<Captures> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reso");
        if folder.join("metadata.xml").is_file() {
            let captures = Captures(folder);
            for metadata in ["metadata.xml", "metadata-enum-type.xml"] {
                let fields = captures.types(metadata, "Property").len();
                assert_eq!(fields, 632, "fields of Property");
            }
            return Some(captures);
        }
        // The test harness does not capture this stream.
        let message = format!("skipped: no captured answers in {}\n", folder.display());
        std::io::stderr().write_all(message.as_bytes()).ok()?;
        None
    }

    fn text(&self, name: &str) -> String {
        let path = self.0.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Returns the declared type of every field of a resource, by a text search.
    fn types(&self, metadata: &str, resource: &str) -> BTreeMap<String, String> {
        let metadata = self.text(metadata);
        let (_, entity) = metadata
            .split_once(&format!("<EntityType Name=\"{resource}\""))
            .expect("the resource is declared");
        let (entity, _) = entity.split_once("</EntityType>").expect("it has an end");
        let attribute = |element: &str, name: &str| {
            let (_, value) = element
                .split_once(&format!(" {name}=\""))
                .expect("it is there");
            value.split('"').next().unwrap_or_default().to_owned()
        };
        let fields = entity
            .split("<Property")
            .skip(1)
            .filter(|field| field.starts_with(' '));
        fields
            .map(|field| (attribute(field, "Name"), attribute(field, "Type")))
            .collect()
    }
}

/// A server that gives the captured answers.
#[derive(Clone)]
struct Feed {
    metadata: String,
    /// Pages by resource and by the number of skipped records.
    pages: BTreeMap<(String, u64), String>,
    refused: String,
    no_such_filter: String,
    not_found: String,
}

impl Feed {
    fn of(captures: &Captures, metadata: &str, resources: &[(&str, &[&str])]) -> Feed {
        let mut pages = BTreeMap::new();
        let empty = captures.text("pages/Property-empty-past-end.json");
        for (resource, names) in resources {
            let mut skip = Some(0);
            for name in *names {
                let body = captures.text(&format!("pages/{name}.json"));
                let at = skip.expect("the page before has a link");
                skip = next_skip(&body);
                pages.insert(((*resource).to_owned(), at), body);
            }
            if let Some(past_end) = skip {
                pages.insert(
                    ((*resource).to_owned(), past_end),
                    empty.replace("Property", resource),
                );
            }
        }
        Feed {
            metadata: captures.text(metadata),
            pages,
            refused: captures.text("errors/bad-token-on-admin.json"),
            no_such_filter: captures.text("errors/filter-unknown-field.json"),
            not_found: captures.text("errors/not-found-resource.html"),
        }
    }

    /// Returns the records of all pages of a resource.
    fn records(&self, resource: &str) -> Records {
        let (_, _, key) = TABLES
            .into_iter()
            .find(|(name, ..)| *name == resource)
            .expect("known");
        let pages = self.pages.iter().filter(|((of, _), _)| of == resource);
        by_key(pages.flat_map(|(_, body)| entries(body)), key)
    }

    /// Starts the server and returns its URL.
    fn serve(&self) -> String {
        let feed = self.clone();
        serve(move |root, request| feed.answer(root, request))
    }

    fn answer(&self, root: &str, request: &Request) -> Response {
        let token = request.headers().get(header::AUTHORIZATION);
        if token.is_none_or(|token| token != &format!("Bearer {TOKEN}")) {
            return respond(StatusCode::UNAUTHORIZED, "application/json", &self.refused);
        }
        let resource = request.uri().path().trim_start_matches('/').to_owned();
        if resource == "$metadata" {
            return respond(StatusCode::OK, "application/xml", &self.metadata);
        }
        let query = request.uri().query().unwrap_or_default();
        let query: HashMap<String, String> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        if query.contains_key("$filter") {
            return respond(
                StatusCode::BAD_REQUEST,
                "application/json",
                &self.no_such_filter,
            );
        }
        if let Some(top) = query.get("$top") {
            let newest = self.newest(&resource, top.parse().expect("$top is a number"));
            return respond(StatusCode::OK, "application/json", &newest.to_string());
        }
        let skip = query
            .get("$skip")
            .map_or(0, |skip| skip.parse().expect("$skip is a number"));
        match self.pages.get(&(resource, skip)) {
            None => respond(StatusCode::NOT_FOUND, "text/html", &self.not_found),
            Some(body) => {
                let body = body.replace(CAPTURED_AT, root);
                respond(StatusCode::OK, "application/json", &body)
            }
        }
    }

    /// Returns the count and the newest records, for which no answer was captured.
    fn newest(&self, resource: &str, top: usize) -> Json {
        let pages = self.pages.iter().filter(|((of, _), _)| of == resource);
        let mut records: Vec<Json> = pages.flat_map(|(_, body)| entries(body)).collect();
        let count = records.len();
        let timestamp = |record: &Json| record["ModificationTimestamp"].as_str().map(str::to_owned);
        records.sort_by_key(|record| std::cmp::Reverse(timestamp(record)));
        records.truncate(top);
        serde_json::json!({ "@odata.count": count, "value": records })
    }
}

fn respond(status: StatusCode, content_type: &str, body: &str) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::DATE, DATE)
        .body(Body::from(body.to_owned()))
        .expect("an answer")
}

fn entries(body: &str) -> Vec<Json> {
    let mut body: Json = serde_json::from_str(body).expect("a captured page is JSON");
    match body["value"].take() {
        Json::Array(entries) => entries,
        other => panic!("`value` is {other}"),
    }
}

fn next_skip(body: &str) -> Option<u64> {
    let body: Json = serde_json::from_str(body).expect("a captured page is JSON");
    let (_, skip) = body["@odata.nextLink"].as_str()?.split_once("$skip=")?;
    skip.parse().ok()
}

fn by_key(records: impl IntoIterator<Item = Json>, key: &str) -> Records {
    let keyed = |record: Json| {
        (
            record[key].as_str().expect("a record has a key").to_owned(),
            record,
        )
    };
    records.into_iter().map(keyed).collect()
}

fn expanded(listings: &Records, navigation: &str, key: &str) -> Records {
    let lists = listings
        .values()
        .map(|listing| listing[navigation].as_array());
    by_key(
        lists.flat_map(|list| list.expect("it was expanded").clone()),
        key,
    )
}

/// The mirror of a feed.
struct Mirror {
    connection: Connection,
    _folder: tempfile::TempDir,
}

/// Syncs twice. The second sync finds no change.
fn sync(root: String, resources: &[(&str, &[&str])]) -> Mirror {
    let folder = tempfile::tempdir().expect("a folder");
    let names: Vec<&str> = resources.iter().map(|(resource, _)| *resource).collect();
    let config = folder.path().join("mlsmirror.toml");
    let text = format!(
        "[feed]\nprofile = \"reso\"\nbase_url = \"{root}\"\ntoken_env = \"REPLAY_TOKEN\"\n\
         max_retries = 0\n[sync]\nresources = {names:?}\ndownload_media = false\n"
    );
    std::fs::write(&config, text).expect("writing the configuration");
    for round in ["first", "second"] {
        let output = Command::new(env!("CARGO_BIN_EXE_mlsmirror"))
            .arg("--config")
            .arg(&config)
            .args(["sync", "full"])
            .current_dir(folder.path())
            .env("REPLAY_TOKEN", TOKEN)
            .output()
            .expect("the program runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "the {round} sync: {}\n{stderr}",
            output.status
        );
    }
    let connection = Connection::open(folder.path().join("mirror.db")).expect("a database");
    Mirror {
        connection,
        _folder: folder,
    }
}

impl Mirror {
    /// Fails unless the mirror holds exactly these records, with every field.
    fn holds(&self, captures: &Captures, metadata: &str, expected: &[(&str, Records)]) {
        let listings = expected
            .iter()
            .find(|(resource, _)| *resource == "Property");
        for (resource, records) in expected {
            let types = captures.types(metadata, resource);
            let mut records = records.clone();
            // Children without a live listing are not part of the mirror.
            if let (Some((_, listings)), Some(parent)) = (listings, parent_field(resource)) {
                records.retain(|_, record| {
                    let listing = record[parent].as_str();
                    listing.is_some_and(|listing| listings.contains_key(listing))
                });
            }
            self.holds_all(resource, &types, &records);
        }
        assert_eq!(self.count("rejects"), 0);
        assert_eq!(self.count("changes"), 0);
        assert_eq!(self.count("sync_runs WHERE status <> 'succeeded'"), 0);
    }

    fn holds_all(&self, resource: &str, types: &BTreeMap<String, String>, records: &Records) {
        let (_, table, key) = TABLES
            .into_iter()
            .find(|(name, ..)| *name == resource)
            .expect("known");
        let mut statement = self
            .connection
            .prepare(&format!("SELECT * FROM {table}"))
            .expect("its table");
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let missing: Vec<&String> = types
            .keys()
            .filter(|field| !names.contains(field))
            .collect();
        assert!(missing.is_empty(), "{table} lacks {missing:?}");
        let mut rows = statement.query([]).expect("its rows");
        let mut held = 0;
        while let Some(row) = rows.next().expect("a row") {
            let column = |name: &str| row.get::<_, Sql>(name).expect("a column");
            let Sql::Text(found) = column(key) else {
                panic!("{table}: a key is not text")
            };
            let record = records
                .get(&found)
                .unwrap_or_else(|| panic!("{table}: {found} is not in the feed"));
            for (field, edm) in types {
                let (value, stored) = (&record[field], column(field));
                assert!(
                    is_stored(value, edm, &stored),
                    "{table} {found}: {field} ({edm}) is {value} in the feed and {stored:?} here"
                );
            }
            for own in ["extra", "deleted_at", "deleted_reason"] {
                assert_eq!(column(own), Sql::Null, "{table} {found}: {own}");
            }
            if let Some(parent) = parent_field(resource) {
                assert!(is_stored(
                    &record[parent],
                    "Edm.String",
                    &column("listing_key")
                ));
            }
            held += 1;
        }
        assert_eq!(held, records.len(), "rows of {table}");
    }

    fn count(&self, from: &str) -> i64 {
        self.connection
            .query_row(&format!("SELECT count(*) FROM {from}"), [], |row| {
                row.get(0)
            })
            .expect("a count")
    }
}

/// Returns the field with the key of a child's listing.
fn parent_field(resource: &str) -> Option<&'static str> {
    match resource {
        "Media" => Some("ResourceRecordKey"),
        "OpenHouse" => Some("ListingKey"),
        _ => None,
    }
}

/// Returns whether a column holds the feed's value of a type.
fn is_stored(value: &Json, edm: &str, stored: &Sql) -> bool {
    if value.is_null() {
        return *stored == Sql::Null;
    }
    match (edm, stored) {
        ("Edm.Boolean", Sql::Integer(number)) => value.as_bool() == Some(*number == 1),
        ("Edm.Int64" | "Edm.Decimal", Sql::Integer(number)) => {
            value.as_f64() == Some(*number as f64)
        }
        ("Edm.Int64" | "Edm.Decimal", Sql::Real(number)) => value.as_f64() == Some(*number),
        ("Edm.Date", Sql::Text(text)) => text.len() == 10 && value.as_str() == Some(text),
        ("Edm.DateTimeOffset", Sql::Text(text)) => {
            value.as_str().map(in_utc).as_ref() == Some(text)
        }
        (list, Sql::Text(text)) if list.starts_with("Collection(") => {
            serde_json::from_str::<Json>(text).ok().as_ref() == Some(value)
        }
        (name, Sql::Text(text)) if name == "Edm.String" || !name.starts_with("Edm.") => {
            value.as_str() == Some(text)
        }
        _ => false,
    }
}

/// Returns `2026-01-02T03:04:05.600Z` as `2026-01-02 03:04:05.6`.
fn in_utc(timestamp: &str) -> String {
    let utc = timestamp
        .strip_suffix('Z')
        .expect("the captured server gives UTC");
    let stored = utc.replace('T', " ");
    match stored.split_once('.') {
        None => stored,
        Some((whole, fraction)) => match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        },
    }
}
