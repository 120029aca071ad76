//! The ranges of keys of the data files.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::delta::Add;
use crate::value::{Value, ValueRef};

/// The tag of a data file with the first and the last key of its rows, as a JSON list.
const RANGE_TAG: &str = "keys";

/// Compares two keys as SQLite orders them: nulls, numbers, texts by their bytes.
pub(super) fn compare(one: ValueRef<'_>, other: ValueRef<'_>) -> Ordering {
    let rank = |value| match value {
        ValueRef::Null => 0,
        ValueRef::Integer(_) | ValueRef::Real(_) => 1,
        ValueRef::Text(_) => 2,
    };
    match (one, other) {
        (ValueRef::Text(one), ValueRef::Text(other)) => one.cmp(other),
        (ValueRef::Integer(one), ValueRef::Integer(other)) => one.cmp(&other),
        (ValueRef::Integer(one), ValueRef::Real(other)) => (one as f64).total_cmp(&other),
        (ValueRef::Real(one), ValueRef::Integer(other)) => one.total_cmp(&(other as f64)),
        (ValueRef::Real(one), ValueRef::Real(other)) => one.total_cmp(&other),
        _ => rank(one).cmp(&rank(other)),
    }
}

/// A data file with the keys of its first and its last row.
#[derive(Clone, Debug)]
pub(super) struct RangedFile {
    pub file: Add,
    pub first: Value,
    pub last: Value,
}

impl RangedFile {
    /// Returns the file with its range. None if another program wrote the file.
    fn of(file: &Add) -> Option<RangedFile> {
        let tag = file.tags.as_ref()?.get(RANGE_TAG)?.as_deref()?;
        let [first, last]: [Json; 2] = serde_json::from_str(tag).ok()?;
        Some(RangedFile {
            file: file.clone(),
            first: key(&first)?,
            last: key(&last)?,
        })
    }
}

/// Returns the files in the order of their ranges. None if a file has no range.
pub(super) fn in_order(files: &BTreeMap<String, Add>) -> Option<Vec<RangedFile>> {
    let ranged = files.values().map(RangedFile::of);
    let mut ranged = ranged.collect::<Option<Vec<_>>>()?;
    ranged.sort_by(|one, other| compare(one.first.as_ref(), other.first.as_ref()));
    Some(ranged)
}

/// Returns the position of the file whose range includes a key. The first range has no
/// start, and the last one no end. None without files.
pub(super) fn file_of(files: &[RangedFile], key: &Value) -> Option<usize> {
    let after = files
        .partition_point(|file| compare(file.first.as_ref(), key.as_ref()) != Ordering::Greater);
    (!files.is_empty()).then(|| after.saturating_sub(1))
}

/// Returns the tags of a data file.
pub(super) fn range_tags(first: &Value, last: &Value) -> BTreeMap<String, Option<String>> {
    let keys = serde_json::json!([first, last]).to_string();
    BTreeMap::from([(RANGE_TAG.to_owned(), Some(keys))])
}

fn key(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::String(text) => Value::Text(text.as_str().into()),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Real(number.as_f64()?),
        },
        _ => return None,
    })
}
