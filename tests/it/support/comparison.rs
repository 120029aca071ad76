//! The comparison of a mirror with its feed. It uses no code of the program.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rusqlite::{Connection, types::Value as Sql};
use serde_json::Value as Json;
use simulator::Simulator;

use super::{Record, Row, as_text, is_child, key_text, rows, stored_timestamp, table, truth};

/// Fails unless the live rows of each resource equal the records of the feed, field by field.
#[track_caller]
pub fn assert_mirror_equals_feed(db: &Connection, feed: &Simulator, entity_sets: &[&str]) {
    assert_mirror_equals_part(db, feed, entity_sets, |_, _| true);
}

/// Returns the differences between the live rows of each resource and a part of the feed.
pub fn differences_from_part(
    db: &Connection,
    feed: &Simulator,
    entity_sets: &[&str],
    wanted: impl Fn(&str, &Record) -> bool,
) -> Vec<String> {
    let mut differences = Vec::new();
    for &set in entity_sets {
        compare(db, feed, set, &wanted, &mut differences);
    }
    differences
}

/// Compares the mirror with a part of the feed. `wanted` receives each record with the key
/// of its listing, or its own key if it has no listing.
#[track_caller]
pub fn assert_mirror_equals_part(
    db: &Connection,
    feed: &Simulator,
    entity_sets: &[&str],
    wanted: impl Fn(&str, &Record) -> bool,
) {
    let mut differences = differences_from_part(db, feed, entity_sets, wanted);
    let count = differences.len();
    differences.truncate(12);
    assert!(
        count == 0,
        "{count} differences between mirror and feed:\n{}",
        differences.join("\n")
    );
}

fn compare(
    db: &Connection,
    feed: &Simulator,
    set: &str,
    wanted: &impl Fn(&str, &Record) -> bool,
    differences: &mut Vec<String>,
) {
    let (table, key) = table(set);
    let types: BTreeMap<String, String> = rows(
        db,
        &format!(
            "SELECT field, edm_type FROM _fields WHERE resource = '{set}' AND left_out IS NULL"
        ),
    )
    .into_iter()
    .map(|row| {
        (
            as_text(&row["field"]).to_owned(),
            as_text(&row["edm_type"]).to_owned(),
        )
    })
    // `extra` holds the others.
    .collect();
    assert!(types.contains_key(key), "_fields does not describe {set}");
    let sql =
        format!("SELECT *, CAST({key} AS TEXT) AS the_key FROM {table} WHERE deleted_at IS NULL");
    let mut mirrored: BTreeMap<String, Row> = rows(db, &sql)
        .into_iter()
        .map(|row| (as_text(&row["the_key"]).to_owned(), row))
        .collect();
    for (listing, record) in truth(feed, set) {
        if !wanted(&listing, &record) {
            continue;
        }
        let key = key_text(&record[key]);
        let Some(row) = mirrored.remove(&key) else {
            differences.push(format!("{set} {key} is not in the mirror"));
            continue;
        };
        compare_record(set, &key, &types, &record, &row, differences);
        if is_child(set) && row["listing_key"] != Sql::Text(listing.clone()) {
            differences.push(format!(
                "{set} {key}: listing_key {:?}, not {listing}",
                row["listing_key"]
            ));
        }
    }
    differences.extend(
        mirrored
            .keys()
            .map(|key| format!("{set} {key} is not in the feed")),
    );
}

fn compare_record(
    set: &str,
    key: &str,
    types: &BTreeMap<String, String>,
    record: &Record,
    row: &Row,
    differences: &mut Vec<String>,
) {
    for (field, edm_type) in types {
        let sent = record.get(field).unwrap_or(&Json::Null);
        let Some(stored) = row.get(field).map(without_signature) else {
            differences.push(format!("{set} has no column {field}"));
            continue;
        };
        let stored = &stored;
        if !is_stored_as(edm_type, sent, stored) {
            differences.push(format!(
                "{set} {key}: {field} is {stored:?}, the feed has {sent} ({edm_type})"
            ));
        }
    }
    let undeclared: Record = record
        .iter()
        .filter(|(name, value)| !types.contains_key(*name) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let extra = match &row["extra"] {
        Sql::Null => Record::new(),
        other => serde_json::from_str(as_text(other)).unwrap(),
    };
    if extra != undeclared {
        differences.push(format!(
            "{set} {key}: extra is {extra:?}, the feed has {undeclared:?}"
        ));
    }
}

/// Removes the signature that some simulated feeds add to URLs.
pub fn without_signature(stored: &Sql) -> Sql {
    match stored {
        Sql::Text(text) => Sql::Text(text.split("?signature=").next().unwrap().to_owned()),
        other => other.clone(),
    }
}

/// Returns whether a column holds a value of the feed in its documented storage form.
fn is_stored_as(edm_type: &str, sent: &Json, stored: &Sql) -> bool {
    let sent = match sent {
        Json::Null => return *stored == Sql::Null,
        sent => sent,
    };
    match edm_type {
        "Edm.Boolean" => {
            *stored == Sql::Integer(i64::from(sent == &Json::Bool(true))) && sent.is_boolean()
        }
        "Edm.Int16" | "Edm.Int32" | "Edm.Int64" => sent
            .as_i64()
            .is_some_and(|sent| *stored == Sql::Integer(sent)),
        "Edm.Decimal" | "Edm.Double" => match (stored, sent.as_f64()) {
            (Sql::Integer(stored), Some(sent)) => *stored as f64 == sent,
            (Sql::Real(stored), Some(sent)) => *stored == sent,
            _ => false,
        },
        "Edm.Date" => {
            let date = sent
                .as_str()
                .filter(|text| text.parse::<NaiveDate>().is_ok());
            date.is_some_and(|date| *stored == Sql::Text(date.to_owned()))
        }
        "Edm.DateTimeOffset" => sent
            .as_str()
            .is_some_and(|sent| *stored == Sql::Text(stored_timestamp(sent))),
        point if point.starts_with("Edm.Geography") => match stored {
            Sql::Text(text) => {
                serde_json::from_str::<Json>(text).is_ok_and(|json| same(&json, sent))
            }
            _ => false,
        },
        // Text and enumerations.
        _ => sent
            .as_str()
            .is_some_and(|sent| *stored == Sql::Text(sent.to_owned())),
    }
}

/// Compares JSON, with numbers by their value.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}
