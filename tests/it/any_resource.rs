//! Resources, keys, timestamps and entity sets that only `$metadata` shows.

use rusqlite::types::Value as Sql;
use serde_json::json;

use crate::support::*;

/// Returns a document with these entity types and sets.
fn document(types: &str, sets: &[(&str, &str)]) -> String {
    let sets: Vec<String> = (sets.iter())
        .map(|(set, of)| format!(r#"<EntitySet Name="{set}" EntityType="M.{of}"/>"#))
        .collect();
    format!(
        r#"<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">
<edmx:Dataservices><Schema Namespace="M" xmlns="http://docs.oasis-open.org/odata/ns/edm">
{types}
<EntityContainer Name="C">{}</EntityContainer>
</Schema></edmx:Dataservices></edmx:Edmx>"#,
        sets.join("")
    )
}

/// Returns an entity type with these keys and fields.
fn entity(name: &str, keys: &[&str], fields: &[(&str, &str)]) -> String {
    let keys: Vec<String> = (keys.iter())
        .map(|key| format!(r#"<PropertyRef Name="{key}"/>"#))
        .collect();
    let fields: Vec<String> = (fields.iter())
        .map(|(name, edm)| format!(r#"<Property Name="{name}" Type="Edm.{edm}"/>"#))
        .collect();
    format!(
        r#"<EntityType Name="{name}"><Key>{}</Key>{}</EntityType>"#,
        keys.join(""),
        fields.join("")
    )
}

const TIME: (&str, &str) = ("ModificationTimestamp", "DateTimeOffset");

fn listings() -> String {
    let fields = [("ListingKey", "String"), ("City", "String"), TIME];
    entity("Property", &["ListingKey"], &fields)
}

fn mirror_of(feed: &DeclaredFeed, resources: &[&'static str], sets: &str) -> Mirror {
    Mirror::at(&feed.base_url, |settings| {
        settings.set("profile", "\"reso\"");
        settings.resources = resources.to_vec();
        settings.sync = sets.to_owned();
    })
}

/// Changes one record, and its timestamp.
fn change(feed: &DeclaredFeed, set: &str, at: usize, field: &str, value: serde_json::Value) {
    let mut records = feed.records.lock().unwrap();
    let record = &mut records.get_mut(set).unwrap()[at];
    record[field] = value;
    for (name, value) in record.iter_mut() {
        if name.ends_with("ModificationTimestamp") {
            *value = json!("2026-04-01T00:00:00Z");
        }
    }
}

fn remove(feed: &DeclaredFeed, set: &str, at: usize) {
    feed.records
        .lock()
        .unwrap()
        .get_mut(set)
        .unwrap()
        .remove(at);
}

#[test]
fn a_child_that_only_metadata_shows_is_mirrored_with_its_listing() {
    let rooms = [
        ("RoomKey", "String"),
        ("ListingKey", "String"),
        ("RoomType", "String"),
        TIME,
    ];
    let keys: [&[&str]; 2] = [&["RoomKey"], &["RoomKey", "ListingKey"]];
    for key in keys {
        let types = listings() + &entity("PropertyRooms", key, &rooms);
        let sets = [("Property", "Property"), ("PropertyRooms", "PropertyRooms")];
        let feed = DeclaredFeed::serve(&document(&types, &sets), 30);
        let mirror = mirror_of(&feed, &["Property", "PropertyRooms"], "");
        mirror.run(&["check"]).says(0, &[]);
        mirror.sync();
        let db = mirror.open();
        let of = "SELECT count(*) FROM property_rooms
                  WHERE listing_key = ListingKey AND deleted_at IS NULL";
        assert_eq!(number(&db, of), 30);

        change(&feed, "PropertyRooms", 3, "RoomType", json!("Kitchen"));
        remove(&feed, "PropertyRooms", 5);
        remove(&feed, "Property", 7);
        mirror.sync();
        mirror.sync_ends(0, &["reconcile"]);
        let log = "SELECT resource || ' ' || record_key || ' ' || coalesce(field, change)
                   || ' ' || listing_key FROM changes WHERE resource = 'PropertyRooms'
                   ORDER BY listing_key";
        let logged = |at: u32, what: &str| {
            let before = ["", &format!("o%2C{}%25,", (at - 1000) % 3)][key.len() - 1].to_owned();
            format!("PropertyRooms {before}{at} {what} {at}")
        };
        assert_eq!(
            texts(&db, log),
            [
                logged(1003, "RoomType"),
                logged(1005, "delete"),
                logged(1007, "delete"),
            ]
        );
        let reasons = "SELECT deleted_reason FROM property_rooms
                       WHERE deleted_at IS NOT NULL ORDER BY listing_key";
        assert_eq!(texts(&db, reasons), ["missing", "parent"]);
        let shown = mirror.run(&["listing", "1003"]);
        assert!(shown.stdout.contains("1 PropertyRooms record"), "{shown}");
        let shown = mirror.run(&["changes", "--resource", "PropertyRooms"]);
        assert!(shown.stdout.contains("Kitchen"), "{shown}");
        mirror.run(&["verify"]).says(0, &[]);
        mirror.run(&["refresh", "1004"]).says(0, &[]);
        let view = "SELECT count(*) FROM deletions WHERE resource = 'PropertyRooms'";
        assert_eq!(number(&db, view), 2);
    }
}

#[test]
fn a_record_of_history_stays_when_its_listing_is_deleted() {
    let history = [
        ("HistoryTransactionalKey", "String"),
        ("ResourceName", "String"),
        ("ResourceRecordKey", "String"),
        ("NewValue", "String"),
        TIME,
    ];
    let types = listings()
        + &entity(
            "HistoryTransactional",
            &["HistoryTransactionalKey"],
            &history,
        );
    let sets = [
        ("Property", "Property"),
        ("HistoryTransactional", "HistoryTransactional"),
    ];
    let feed = DeclaredFeed::serve(&document(&types, &sets), 12);
    let mirror = mirror_of(&feed, &["Property", "HistoryTransactional"], "");
    mirror.sync();
    remove(&feed, "Property", 2);
    mirror.sync_ends(0, &["reconcile"]);
    let db = mirror.open();
    let live = "SELECT count(*) FROM history_transactionals WHERE deleted_at IS NULL";
    assert_eq!(number(&db, live), 12);
    assert_eq!(
        number(
            &db,
            "SELECT count(*) FROM listings WHERE deleted_at IS NULL"
        ),
        11
    );
    mirror.run(&["verify"]).says(0, &[]);
}

#[test]
fn keys_may_be_numbers_guids_or_several_fields() {
    let types = [
        entity(
            "Property",
            &["ListingKeyNumeric"],
            &[("ListingKeyNumeric", "Int64"), ("City", "String"), TIME],
        ),
        entity(
            "Media",
            &["MediaKey"],
            &[
                ("MediaKey", "Guid"),
                ("ResourceRecordKeyNumeric", "Int64"),
                ("MediaURL", "String"),
                ("MediaCategory", "String"),
                TIME,
            ],
        ),
        entity(
            "Member",
            &["OriginKey", "MemberKey"],
            &[
                ("OriginKey", "String"),
                ("MemberKey", "Int32"),
                ("MemberCity", "String"),
                TIME,
            ],
        ),
    ];
    let sets = [
        ("Property", "Property"),
        ("Media", "Media"),
        ("Member", "Member"),
    ];
    let feed = DeclaredFeed::serve(&document(&types.concat(), &sets), 45);
    let mirror = mirror_of(&feed, &["Property", "Media", "Member"], "");
    let plan = mirror.run(&["check"]);
    let way = "full: pages by next links (its key has several fields)";
    assert!(plan.stdout.contains(way), "{plan}");
    mirror.sync();
    let db = mirror.open();
    assert_eq!(
        number(
            &db,
            "SELECT count(*) FROM listings WHERE typeof(ListingKeyNumeric) = 'integer'"
        ),
        45
    );
    let photos = "SELECT count(*) FROM media JOIN listings ON listing_key = ListingKeyNumeric";
    assert_eq!(number(&db, photos), 45);
    assert_eq!(
        text(&db, "SELECT record_key FROM members WHERE MemberKey = 1004"),
        "o%2C1%25,1004"
    );
    assert_eq!(
        number(
            &db,
            "SELECT count(*) FROM active_listings WHERE ListingKey >= 0"
        ),
        45
    );

    change(&feed, "Property", 3, "City", json!("Sandy"));
    change(&feed, "Member", 4, "MemberCity", json!("Orem"));
    remove(&feed, "Property", 40);
    remove(&feed, "Member", 41);
    mirror.sync();
    let log = "SELECT resource || ' ' || record_key || ' ' || coalesce(field, change) FROM changes ORDER BY 1";
    let deleted = texts(&db, log);
    assert!(
        deleted.contains(&"Property 1003 City".to_owned()),
        "{deleted:?}"
    );
    assert!(
        deleted.contains(&"Member o%2C1%25,1004 MemberCity".to_owned()),
        "{deleted:?}"
    );
    mirror.sync_ends(0, &["reconcile"]);
    let deleted = texts(&db, log);
    for entry in [
        "Property 1040 delete",
        "Media 00000000-0000-4000-8000-000000001040 delete",
        "Member o%2C2%25,1041 delete",
    ] {
        assert!(deleted.contains(&entry.to_owned()), "{entry} {deleted:?}");
    }
    let shown = mirror.run(&["listing", "1003"]);
    assert!(shown.stdout.contains("Sandy"), "{shown}");
    assert!(shown.stdout.contains("1 photo"), "{shown}");
    mirror.run(&["refresh", "1003"]).says(0, &[]);
    mirror.run(&["verify"]).says(0, &[]);
    mirror.sync_ends(0, &["full"]);
    mirror.sync();
}

/// Changes a listing of a feed with this timestamp field, and checks that an incremental sync
/// finds the change. `refused`: a text in `$filter` that the feed refuses.
fn check_timestamp(field: &'static str, edm: &'static str, refused: Option<&'static str>) {
    let mut fields = vec![("ListingKey", "String"), ("City", "String"), (field, edm)];
    if field != TIME.0 {
        fields.push(TIME);
    }
    let types = entity("Property", &["ListingKey"], &fields);
    let feed = DeclaredFeed::serve(&document(&types, &[("Property", "Property")]), 50);
    *feed.refused.lock().unwrap() = refused;
    let mirror = mirror_of(&feed, &["Property"], "");
    mirror.sync();
    let mut records = feed.records.lock().unwrap();
    let listings = records.get_mut("Property").unwrap();
    // The time of the MLS says nothing where the server has its own.
    for record in listings.iter_mut().filter(|_| field != TIME.0) {
        record[TIME.0] = json!("2020-01-01T00:00:00Z");
    }
    listings[9]["City"] = json!("Sandy");
    listings[9][field] = json!("2026-04-02T03:04:05Z");
    drop(records);
    mirror.sync();
    let db = mirror.open();
    let city = "SELECT City FROM listings WHERE ListingKey = '1009'";
    assert_eq!(text(&db, city), "Sandy", "{field} {edm}");
    let log = "SELECT field || ' ' || source_timestamp FROM changes WHERE record_key = '1009'";
    assert_eq!(texts(&db, log), ["City 2026-04-02 03:04:05"]);
    let jobs = "SELECT group_concat(job) FROM (SELECT job FROM sync_runs WHERE resource = 'Property' ORDER BY id)";
    assert!(text(&db, jobs).contains("incremental"), "{field}");
    let watermark = "SELECT watermark FROM watermarks WHERE resource = 'Property'";
    assert_eq!(text(&db, watermark), "2026-04-02 03:04:05", "{field}");
}

#[test]
fn the_timestamp_of_the_server_comes_before_that_of_the_mls() {
    check_timestamp("BridgeModificationTimestamp", "DateTimeOffset", None);
}

#[test]
fn a_timestamp_that_is_declared_as_text_is_a_timestamp() {
    check_timestamp("ModificationTimestamp", "String", None);
    let unquoted = "ModificationTimestamp%20ge%202026";
    check_timestamp("ModificationTimestamp", "String", Some(unquoted));
    let quoted = "ModificationTimestamp%20ge%20'2026";
    check_timestamp("ModificationTimestamp", "String", Some(quoted));
}

#[test]
fn a_resource_without_a_timestamp_is_read_by_every_sync() {
    let types = entity(
        "Rules",
        &["RuleKey"],
        &[("RuleKey", "String"), ("RuleText", "String")],
    );
    let feed = DeclaredFeed::serve(&document(&types, &[("Rules", "Rules")]), 25);
    let mirror = mirror_of(&feed, &["Rules"], "");
    let first = mirror.sync();
    let note = "Rules: its records have no timestamp; every sync reads all of them";
    assert!(first.stderr.contains(note), "{first}");
    change(&feed, "Rules", 3, "RuleText", json!("new"));
    remove(&feed, "Rules", 20);
    let second = mirror.sync();
    assert!(!second.stderr.contains(note), "{second}");
    let db = mirror.open();
    assert_eq!(
        text(&db, "SELECT RuleText FROM rules WHERE RuleKey = '1003'"),
        "new"
    );
    assert_eq!(
        number(&db, "SELECT count(*) FROM rules WHERE deleted_at IS NULL"),
        24
    );
    mirror.sync_ends(0, &["reconcile"]);
    mirror.run(&["status"]).says(0, &[]);
    mirror.run(&["verify"]).says(0, &[]);
}

#[test]
fn entity_sets_are_found_by_type_or_by_configuration() {
    let of = [("ListingKey", "String"), ("City", "String"), TIME];
    let types = entity("Property", &["ListingKey"], &of) + &entity("Resi", &["ListingKey"], &of);
    let sets = [("Properties", "Property"), ("Residential", "Resi")];
    let feed = DeclaredFeed::serve(&document(&types, &sets), 22);
    let mirror = mirror_of(&feed, &["Property"], "");
    mirror.sync();
    assert_eq!(number(&mirror.open(), "SELECT count(*) FROM listings"), 22);
    let mirror = mirror_of(
        &feed,
        &["Property"],
        "[feed.sets]\nProperty = \"Residential\"\n",
    );
    mirror.sync();
    assert_eq!(number(&mirror.open(), "SELECT count(*) FROM listings"), 22);
    let mirror = mirror_of(
        &feed,
        &["Property"],
        "[feed.sets]\nProperty = \"Residental\"\n",
    );
    let ended = mirror.run(&["sync"]);
    assert!(
        ended.stderr.contains("did you mean Residential?"),
        "{ended}"
    );
}

#[test]
fn a_resource_that_the_feed_does_not_declare_is_left_out_with_a_suggestion() {
    let rooms = [("RoomKey", "String"), ("ListingKey", "String"), TIME];
    let types = listings() + &entity("PropertyRooms", &["RoomKey"], &rooms);
    let sets = [("Property", "Property"), ("PropertyRooms", "PropertyRooms")];
    let feed = DeclaredFeed::serve(&document(&types, &sets), 8);
    let mirror = mirror_of(&feed, &["Property", "PropertyRoom"], "");
    let note =
        "PropertyRoom: this feed does not declare it; leaving it out; did you mean PropertyRooms?";
    for command in ["check", "sync"] {
        let ended = mirror.run(&[command]);
        assert_eq!(ended.code, Some(0), "{ended}");
        assert!(ended.stderr.contains(note), "{ended}");
    }
    let ended = mirror.run(&["changes", "--resource", "Propety"]);
    ended.says(2, &["Propety", "did you mean Property?"]);
    let ended = mirror.run(&["sync", "--only", "Propety"]);
    ended.says(2, &["Propety", "did you mean Property?"]);
}

#[test]
fn a_text_of_an_undeclared_type_is_stored_as_it_is() {
    let types = listings().replace(
        r#"<Property Name="City""#,
        r#"<Property Name="Region" Type="PropertyEnums.Region"/><Property Name="Zone" Type="Edm.Untyped"/><Property Name="City""#,
    );
    let feed = DeclaredFeed::serve(&document(&types, &[("Property", "Property")]), 3);
    feed.records.lock().unwrap().get_mut("Property").unwrap()[1]["Zone"] =
        json!({"b": 1, "a": [2]});
    let mirror = mirror_of(&feed, &["Property"], "");
    mirror.sync();
    let db = mirror.open();
    let held = |field: &str, at: u32| -> Sql {
        let sql = format!("SELECT {field} FROM listings WHERE ListingKey = '100{at}'");
        db.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(held("Region", 0), Sql::Text("000".to_owned()));
    assert_eq!(held("Zone", 1), Sql::Text(r#"{"a":[2],"b":1}"#.to_owned()));
}

#[test]
fn a_guid_is_sent_as_the_server_accepts_it() {
    let media = entity(
        "Media",
        &["MediaKey"],
        &[
            ("MediaKey", "Guid"),
            ("MediaURL", "String"),
            ("MediaCategory", "String"),
            TIME,
        ],
    );
    // A strict server refuses quotes, and another one GUIDs without them.
    for refused in ["'00000000-", "Key gt 0", "(00000000-"] {
        let feed = DeclaredFeed::serve(&document(&media, &[("Media", "Media")]), 45);
        *feed.refused.lock().unwrap() = Some(refused);
        let mirror = mirror_of(&feed, &["Media"], "");
        mirror.sync();
        let live = "SELECT count(*) FROM media WHERE deleted_at IS NULL";
        assert_eq!(number(&mirror.open(), live), 45, "{refused}");
        change(&feed, "Media", 3, "MediaCategory", json!("Video"));
        remove(&feed, "Media", 7);
        mirror.sync_ends(0, &["reconcile"]);
        assert_eq!(number(&mirror.open(), live), 44, "{refused}");
        let by_links = "SELECT count(*) FROM _capabilities WHERE value = 'next links'";
        assert_eq!(number(&mirror.open(), by_links), 0, "{refused}");
    }
}

#[test]
fn children_that_name_one_field_of_a_listing_with_several_key_fields_are_refused() {
    let of = [("Origin", "String"), ("ListingKey", "String"), TIME];
    let rooms = [&[("RoomKey", "String")], &of[..]].concat();
    let types = entity("Property", &["Origin", "ListingKey"], &of)
        + &entity("PropertyRooms", &["RoomKey"], &rooms);
    let sets = [("Property", "Property"), ("PropertyRooms", "PropertyRooms")];
    let feed = DeclaredFeed::serve(&document(&types, &sets), 30);
    let mirror = mirror_of(&feed, &["Property", "PropertyRooms"], "");
    let why = "the key of a listing has several (Origin, ListingKey)";
    let ended = mirror.run(&["check"]);
    assert!(ended.stdout.contains(why), "{ended}");
    let ended = mirror.sync_ends(3, &[]);
    assert!(ended.stderr.contains(why), "{ended}");
    let listings = "SELECT count(*) FROM listings WHERE deleted_at IS NULL";
    assert_eq!(number(&mirror.open(), listings), 30);
}
