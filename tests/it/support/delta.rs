//! Reads exported Delta tables by their logs, with no code of the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use chrono::{DateTime, TimeDelta};
use parquet::data_type::Decimal;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use rusqlite::{Connection, types::Value as Sql};
use serde_json::Value as Json;

use super::{rows, texts};

/// A Delta table at one version.
#[derive(Debug)]
pub struct Delta {
    pub version: i64,
    pub schema: BTreeMap<String, String>,
    /// The `add` actions by path.
    pub files: BTreeMap<String, Json>,
}

/// One exported row: the text of each value that is not null.
pub type DeltaRow = BTreeMap<String, String>;

/// Returns the versions of the commits of a table.
pub fn versions(table: &Path) -> Vec<i64> {
    let Ok(names) = std::fs::read_dir(table.join("_delta_log")) else {
        return Vec::new();
    };
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut versions: Vec<i64> = names
        .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
        .collect();
    versions.sort_unstable();
    versions
}

impl Delta {
    /// Replays the log of a table up to its newest version.
    pub fn read(table: &Path) -> Delta {
        let newest = *versions(table)
            .last()
            .unwrap_or_else(|| panic!("no {table:?}"));
        Delta::at(table, newest)
    }

    pub fn at(table: &Path, newest: i64) -> Delta {
        let mut delta = Delta {
            version: newest,
            schema: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        for version in 0..=newest {
            for action in commit(table, version) {
                delta.apply(&action);
            }
        }
        delta
    }

    fn apply(&mut self, action: &Json) {
        if let Some(add) = action.get("add") {
            self.files
                .insert(add["path"].as_str().unwrap().to_owned(), add.clone());
        } else if let Some(remove) = action.get("remove") {
            let path = remove["path"].as_str().unwrap();
            assert!(self.files.remove(path).is_some(), "{path} was no file");
        } else if let Some(metadata) = action.get("metaData") {
            let schema: Json =
                serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
            let fields = schema["fields"].as_array().unwrap().iter();
            self.schema = fields
                .map(|field| (text_of(&field["name"]), text_of(&field["type"])))
                .collect();
        } else if let Some(protocol) = action.get("protocol") {
            assert_eq!(protocol["minReaderVersion"], 1);
            assert_eq!(protocol["minWriterVersion"], 2);
        }
    }

    /// Reads all rows, and checks the statistics of the log.
    pub fn rows(&self, table: &Path) -> Vec<DeltaRow> {
        let mut all = Vec::new();
        for (path, add) in &self.files {
            let file = File::open(table.join(path)).unwrap_or_else(|_| panic!("no {path}"));
            assert_eq!(add["size"], file.metadata().unwrap().len());
            let reader = SerializedFileReader::new(file).unwrap();
            let rows: Vec<DeltaRow> = reader
                .get_row_iter(None)
                .unwrap()
                .map(|row| {
                    let row = row.unwrap();
                    let cells = row.get_column_iter();
                    cells
                        .filter_map(|(name, field)| Some((name.clone(), cell(field)?)))
                        .collect()
                })
                .collect();
            let stats: Json = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
            assert_eq!(stats["numRecords"], rows.len());
            for (column, nulls) in stats["nullCount"].as_object().unwrap() {
                let values = rows.iter().filter_map(|row| row.get(column));
                assert_eq!(
                    rows.len() as u64 - values.count() as u64,
                    nulls.as_u64().unwrap()
                );
            }
            all.extend(rows);
        }
        all
    }
}

/// Returns the actions of a commit.
pub fn commit(table: &Path, version: i64) -> Vec<Json> {
    let path = table.join(format!("_delta_log/{version:020}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("no {path:?}"));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn text_of(json: &Json) -> String {
    json.as_str().unwrap().to_owned()
}

/// Returns a value as the text that [`stored`] has for it.
fn cell(field: &Field) -> Option<String> {
    Some(match field {
        Field::Null => return None,
        Field::Bool(value) => value.to_string(),
        Field::Long(value) => value.to_string(),
        Field::Double(value) => value.to_string(),
        Field::Str(text) => text.clone(),
        Field::Date(days) => {
            (chrono::NaiveDate::default() + TimeDelta::days((*days).into())).to_string()
        }
        Field::TimestampMicros(micros) => {
            let time = DateTime::from_timestamp_micros(*micros).unwrap();
            let text = time.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Field::Decimal(decimal) => decimal_text(decimal),
        other => panic!("{other:?}"),
    })
}

/// Returns a decimal as the nearest float.
fn decimal_text(decimal: &Decimal) -> String {
    let mut digits: i128 = if decimal.data()[0] >= 128 { -1 } else { 0 };
    for byte in decimal.data() {
        digits = digits << 8 | i128::from(*byte);
    }
    let scale = decimal.scale() as usize;
    let sign = if digits < 0 { "-" } else { "" };
    let padded = format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    let number: f64 = format!("{sign}{whole}.{fraction}").parse().unwrap();
    number.to_string()
}

/// Returns a value of the database as the text that an exported value has. None if the
/// column cannot hold it.
fn stored(value: &Sql, declared_type: &str) -> Option<String> {
    let base = declared_type.split('(').next().unwrap();
    match (base, value) {
        (_, Sql::Null) => None,
        ("BOOLEAN", Sql::Integer(flag)) => Some((*flag == 1).to_string()),
        ("DECIMAL" | "NUMERIC" | "REAL", Sql::Integer(number)) => {
            Some((*number as f64).to_string())
        }
        ("DECIMAL" | "NUMERIC" | "REAL", Sql::Real(number)) => Some(number.to_string()),
        ("INTEGER" | "TEXT" | "", Sql::Integer(number)) => Some(number.to_string()),
        ("", Sql::Real(number)) => Some(number.to_string()),
        ("DATE" | "TEXT" | "", Sql::Text(text)) => Some(text.clone()),
        ("TIMESTAMP", Sql::Text(text)) => {
            let text = &text[..text.len().min(26)];
            let has_fraction = text.contains('.');
            let text = if has_fraction {
                text.trim_end_matches('0')
            } else {
                text
            };
            Some(text.trim_end_matches('.').to_owned())
        }
        other => panic!("{other:?}"),
    }
}

/// Fails unless an exported table equals a table of the database in all rows and columns,
/// except for the given misfits: keys and fields.
#[track_caller]
pub fn assert_table_equals(
    db: &Connection,
    lake: &Path,
    (table, key): (&str, &str),
    mirror_name: &str,
    misfits: &BTreeSet<(String, String)>,
) {
    let delta = Delta::read(&lake.join(table));
    let declared = format!("SELECT name || '|' || type FROM pragma_table_info('{table}')");
    let declared: BTreeMap<String, String> = texts(db, &declared)
        .iter()
        .map(|column| column.split_once('|').unwrap())
        .map(|(name, declared_type)| (name.to_owned(), declared_type.to_owned()))
        .collect();
    let names: Vec<&String> = delta
        .schema
        .keys()
        .filter(|name| *name != "mirror_name")
        .collect();
    assert_eq!(
        names,
        declared.keys().collect::<Vec<_>>(),
        "the columns of {table}"
    );

    let mut exported = BTreeMap::new();
    for row in delta.rows(&lake.join(table)) {
        assert_eq!(row["mirror_name"], mirror_name);
        let before = exported.insert(row[key].clone(), row);
        assert!(before.is_none(), "{before:?} is twice in {table}");
    }
    let condition = if table == "sync_runs" {
        "status <> 'running'"
    } else {
        "1"
    };
    let held = rows(db, &format!("SELECT * FROM {table} WHERE {condition}"));
    assert_eq!(exported.len(), held.len(), "the rows of {table}");
    for row in held {
        let key = stored(&row[key], &declared[key]).unwrap();
        let found = exported
            .get(&key)
            .unwrap_or_else(|| panic!("{table} lacks {key}"));
        for (name, value) in &row {
            let is_misfit = misfits.contains(&(key.clone(), name.clone()));
            let wanted = if is_misfit {
                None
            } else {
                stored(value, &declared[name])
            };
            assert_eq!(found.get(name), wanted.as_ref(), "{table} {key} {name}");
        }
    }
}
