//! Queries for the database of a mirror.

use std::{collections::BTreeMap, fmt::Write as _};

use rusqlite::{Connection, types::Value as Sql};

use super::instant;

pub fn number(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |row| row.get(0))
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Returns the first column of a query as text. NULL becomes "NULL".
pub fn texts(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db
        .prepare(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let rows = statement.query_map([], |row| row.get::<_, Sql>(0)).unwrap();
    rows.map(|value| match value.unwrap() {
        Sql::Null => "NULL".to_owned(),
        Sql::Integer(number) => number.to_string(),
        Sql::Real(number) => number.to_string(),
        Sql::Text(text) => text,
        Sql::Blob(_) => panic!("{sql} returned a blob"),
    })
    .collect()
}

/// Returns the only value of a query as text.
#[track_caller]
pub fn text(db: &Connection, sql: &str) -> String {
    let found = texts(db, sql);
    assert_eq!(found.len(), 1, "{sql}: {found:?}");
    found.into_iter().next().unwrap()
}

pub type Row = BTreeMap<String, Sql>;

/// Returns the rows of a query, with their columns by name.
pub fn rows(db: &Connection, sql: &str) -> Vec<Row> {
    let mut statement = db
        .prepare(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let read = |row: &rusqlite::Row<'_>| {
        names
            .iter()
            .enumerate()
            .map(|(at, name)| Ok((name.clone(), row.get(at)?)))
            .collect()
    };
    let rows = statement.query_map([], read).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

pub fn table(entity_set: &str) -> (&'static str, &'static str) {
    match entity_set {
        "Property" => ("listings", "ListingKey"),
        "Media" => ("media", "MediaKey"),
        "OpenHouse" => ("open_houses", "OpenHouseKey"),
        "PropertyUnitTypes" => ("unit_types", "UnitTypeKey"),
        "Adu" => ("adus", "AduKeyNumeric"),
        "Member" => ("members", "MemberKey"),
        "Office" => ("offices", "OfficeKey"),
        "Lookup" => ("lookups", "LookupKey"),
        other => panic!("no table for {other}"),
    }
}

pub fn is_child(entity_set: &str) -> bool {
    matches!(
        entity_set,
        "Media" | "OpenHouse" | "PropertyUnitTypes" | "Adu"
    )
}

pub fn live(db: &Connection, entity_set: &str) -> i64 {
    let (table, _) = table(entity_set);
    number(
        db,
        &format!("SELECT count(*) FROM {table} WHERE deleted_at IS NULL"),
    )
}

/// Returns every column of every row of these resources and of the log, as text.
pub fn dump(db: &Connection, entity_sets: &[&str]) -> String {
    let mut text = String::new();
    let tables = entity_sets.iter().map(|set| table(set));
    for (table, key) in tables.chain([("changes", "id")]) {
        for row in rows(db, &format!("SELECT * FROM {table} ORDER BY {key}")) {
            let _ = writeln!(text, "{table} {row:?}");
        }
    }
    text
}

/// Returns the newest run that read the records of a resource.
pub fn last_run(db: &Connection, entity_set: &str) -> Row {
    let sql = format!(
        "SELECT * FROM sync_runs WHERE resource = '{entity_set}' AND job <> 'deletions' ORDER BY id DESC LIMIT 1"
    );
    rows(db, &sql)
        .pop()
        .unwrap_or_else(|| panic!("no run of {entity_set}"))
}

pub fn as_text(value: &Sql) -> &str {
    match value {
        Sql::Text(text) => text,
        other => panic!("{other:?} is not a text"),
    }
}

/// Converts a timestamp of the feed to its storage form.
pub fn stored_timestamp(sent: &str) -> String {
    let at = instant(sent);
    let text = at.format("%Y-%m-%d %H:%M:%S").to_string();
    match at.timestamp_subsec_nanos() {
        0 => text,
        nanos => format!("{text}.{}", format!("{nanos:09}").trim_end_matches('0')),
    }
}
