//! Feeds with the `$metadata` that vendors publish, and generated records of every resource.
//!
//! The documents come from the vendors' certifications and are not part of this repository.
//! Without them, the tests report on stderr that they are skipped. By default, a sample runs;
//! `MLSMIRROR_ALL=1 cargo test --release --test it vendors::` runs all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use rusqlite::types::Value as Sql;
use serde_json::Value as Json;

use crate::support::*;

/// The resources of the contract, and their tables.
const NAMED: [(&str, &str); 8] = [
    ("Property", "listings"),
    ("Media", "media"),
    ("OpenHouse", "open_houses"),
    ("PropertyUnitTypes", "unit_types"),
    ("Adu", "adus"),
    ("Member", "members"),
    ("Office", "offices"),
    ("Lookup", "lookups"),
];

/// The documents that are used by default: three of vendors, and one with enumerations.
const SAMPLE: [&str; 4] = [
    "metadata/rapattoni-2019.xml",
    "metadata/urea-2017.xml",
    "bridge/metadata.xml",
    "wfrmls/metadata.xml",
];

/// Returns a document, or none with a message if the folder is not there.
fn document(name: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared")
        .join(name);
    if let Ok(text) = std::fs::read_to_string(&path) {
        return Some(text);
    }
    let _ = writeln!(
        std::io::stderr(),
        "skipped: {} is not there",
        path.display()
    );
    None
}

/// Syncs every entity set of a document twice, and compares every value.
fn all_sets(name: &str, sets: &[(&'static str, &'static str)], skipped: &[&str]) {
    if !runs_all() && !SAMPLE.contains(&name) {
        return;
    }
    let Some(xml) = document(name) else {
        return;
    };
    let feed = DeclaredFeed::serve(&xml, 27);
    let named_by = |set: &str| sets.iter().find(|(_, known)| *known == set);
    let resources: BTreeMap<String, &'static str> = (feed.records.lock().unwrap().keys())
        .filter(|set| !skipped.contains(&set.as_str()))
        .map(|set| {
            let own: &'static str = String::leak(set.clone());
            (
                set.clone(),
                named_by(set).map_or(own, |(resource, _)| resource),
            )
        })
        .collect();
    let mirror = Mirror::at(&feed.base_url, |settings| {
        settings.set("profile", "\"reso\"");
        settings.resources = resources.values().copied().collect();
        settings.sync = String::from("[feed.sets]\n");
        for (resource, set) in sets.iter().filter(|(resource, set)| resource != set) {
            settings.sync += &format!("{resource} = \"{set}\"\n");
        }
    });
    mirror.sync();
    for (set, resource) in &resources {
        compare(&mirror, &feed, set, resource);
    }
    let ended = mirror.run(&["--json", "sync"]);
    assert_eq!(ended.code, Some(0), "{name}: {ended}");
    mirror.run(&["verify", "--sample", "5"]).says(0, &[]);
    mirror.run(&["status"]).says(0, &[]);
    for (set, resource) in &resources {
        compare(&mirror, &feed, set, resource);
    }
    let db = mirror.open();
    assert_eq!(number(&db, "SELECT count(*) FROM changes"), 0, "{name}");
}

/// Compares every value of a set with its table.
fn compare(mirror: &Mirror, feed: &DeclaredFeed, set: &str, resource: &str) {
    let db = mirror.open();
    let table = match NAMED.iter().find(|(name, _)| *name == resource) {
        Some((_, table)) => (*table).to_owned(),
        None => text(
            &db,
            &format!(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND replace(name, '_', '') IN (lower('{resource}'), lower('{resource}s'), lower(rtrim('{resource}', 'y') || 'ies'), lower('{resource}es'))"
            ),
        ),
    };
    let entity = feed.declared.entity(&feed.declared.sets[set]);
    let mut statement = db
        .prepare(&format!("SELECT * FROM {table} WHERE deleted_at IS NULL"))
        .unwrap();
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows: Vec<BTreeMap<String, Sql>> = statement
        .query_map([], |row| {
            let values = names.iter().enumerate();
            values
                .map(|(at, name)| Ok((name.clone(), row.get(at)?)))
                .collect()
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let records = feed.records.lock().unwrap()[set].clone();
    assert_eq!(rows.len(), records.len(), "{set}");
    let unique = unique_field(&records, &entity, &names);
    rows.sort_by_key(|row| format!("{:?}", row[&unique]));
    let mut compared = 0;
    for record in &records {
        let wanted = stored(&record[&unique], type_of(&entity, &unique));
        let row = rows
            .iter()
            .find(|row| same(&row[&unique], &wanted, &record[&unique]));
        let row = row.unwrap_or_else(|| panic!("{set}: no row with {unique} {wanted:?}"));
        for (name, value) in record {
            let Some(held) = row.get(name) else {
                // Names that differ only by case, and names of the mirror's own columns.
                let extra = format!("{:?}", row["extra"]);
                assert!(extra.contains(name.as_str()), "{set}.{name} has no column");
                continue;
            };
            let wanted = stored(value, type_of(&entity, name));
            assert!(
                same(held, &wanted, value),
                "{set}.{name}: {held:?} is not {wanted:?}"
            );
            compared += 1;
        }
    }
    assert!(compared >= records.len() * 2, "{set}");
}

fn type_of<'e>(entity: &'e DeclaredType, name: &str) -> &'e str {
    let found = entity.fields.iter().find(|(field, _)| field == name);
    found.map_or("", |(_, edm)| edm)
}

/// Returns a field of the key that differs in all records.
fn unique_field(records: &[Fields], entity: &DeclaredType, names: &[String]) -> String {
    let mut fields = entity
        .key
        .iter()
        .chain(entity.fields.iter().map(|(name, _)| name));
    let is_unique = |name: &&String| {
        let values: BTreeSet<String> = records
            .iter()
            .map(|record| record[*name].to_string())
            .collect();
        values.len() == records.len() && names.contains(name)
    };
    fields.find(is_unique).unwrap().clone()
}

/// Returns the storage form of a value, by the contract.
fn stored(value: &Json, edm: &str) -> Sql {
    let is_time = edm == "Edm.DateTimeOffset";
    match value {
        Json::Null => Sql::Null,
        Json::Bool(value) => Sql::Integer((*value).into()),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Sql::Integer(number),
            None => Sql::Real(number.as_f64().unwrap()),
        },
        Json::String(text) if is_time => {
            Sql::Text(text.replace('T', " ").trim_end_matches('Z').to_owned())
        }
        Json::String(text) => Sql::Text(text.clone()),
        other => Sql::Text(other.to_string()),
    }
}

fn same(held: &Sql, wanted: &Sql, value: &Json) -> bool {
    match (held, wanted) {
        // The column of a key has the type of the field.
        (Sql::Text(held), Sql::Text(wanted)) if held != wanted => {
            // A timestamp that is declared as text.
            wanted.replace('T', " ").trim_end_matches('Z') == held
                || serde_json::from_str::<Json>(held).is_ok_and(|held| held == *value)
        }
        (Sql::Integer(held), Sql::Real(wanted)) => *held as f64 == *wanted,
        (held, wanted) => held == wanted,
    }
}

#[test]
fn the_data_dictionary_1_7_is_mirrored_completely() {
    all_sets("metadata/reso-dd-1.7.xml", &[], &[]);
}

#[test]
fn the_data_dictionary_2_0_is_mirrored_completely() {
    all_sets("metadata/reso-dd-2.0.xml", &[], &[]);
}

#[test]
fn black_knight_is_mirrored_completely() {
    all_sets("metadata/black-knight-2019.xml", &[], &[]);
}

#[test]
fn constellation1_is_mirrored_completely() {
    all_sets("metadata/constellation1-2025.xml", &[], &[]);
}

#[test]
fn fbs_is_mirrored_completely() {
    all_sets("metadata/fbs-2019.xml", &[], &[]);
}

#[test]
fn hawaii_is_mirrored_completely() {
    all_sets("metadata/hawaii-2019.xml", &[], &[]);
}

#[test]
fn mls_grid_is_mirrored_completely() {
    all_sets(
        "metadata/mlsgrid-2017.xml",
        &[("Property", "PropertyResi")],
        &[],
    );
}

#[test]
fn navica_is_mirrored_completely() {
    all_sets("metadata/navica-2019.xml", &[], &[]);
}

#[test]
fn rapattoni_is_mirrored_completely() {
    let sets = [("Member", "Agent"), ("OpenHouse", "OpenHouses")];
    // Its media have no key.
    all_sets("metadata/rapattoni-2019.xml", &sets, &["Media"]);
}

#[test]
fn trestle_is_mirrored_completely() {
    all_sets("metadata/trestle-2019.xml", &[], &[]);
}

#[test]
fn urea_is_mirrored_completely() {
    let sets = [
        ("Property", "Properties"),
        ("Member", "Members"),
        ("Office", "Offices"),
        ("OpenHouse", "OpenHouses"),
    ];
    all_sets("metadata/urea-2017.xml", &sets, &[]);
}

#[test]
fn bridge_is_mirrored_completely() {
    // Its listings have their media in a field.
    all_sets("bridge/metadata.xml", &[], &["Media"]);
}

#[test]
fn spark_is_mirrored_completely() {
    all_sets("spark/metadata.xml", &[], &[]);
}

#[test]
fn the_reference_server_is_mirrored_completely() {
    all_sets("reso/metadata.xml", &[], &[]);
}

#[test]
fn wfrmls_is_mirrored_completely() {
    all_sets("wfrmls/metadata.xml", &[], &["Adu"]);
}
