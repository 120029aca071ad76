//! Which differences between a row and a record are changes of the feed, and not
//! of what the mirror takes from it.

use std::collections::BTreeSet;

use serde::de::DeserializeSeed;
use serde_json::{Map, Value as Json};

use crate::change::FieldChange;
use crate::mirror::WriteTx;
use crate::record::{FieldShape, Record, Shape};
use crate::value::{Value, timestamp};

/// A change as it is logged.
#[derive(Debug, PartialEq)]
pub(in crate::sync) struct Told {
    pub field: String,
    pub old: Value,
    pub new: Value,
}

/// The changes that are logged: not the timestamp, and not what became known
/// only because a field is taken now, declared now, or declared no longer.
pub(in crate::sync) fn told(
    tx: &WriteTx<'_>,
    shape: &Shape,
    record: &Record,
    changes: Vec<FieldChange>,
    new_fields: &BTreeSet<String>,
) -> rusqlite::Result<Vec<Told>> {
    let extra_now = record.extra.as_deref();
    let extra_change = changes
        .iter()
        .find(|change| change.position >= shape.fields.len());
    let extra_before = match extra_change {
        Some(change) => object(change.old.as_text()),
        None => object(extra_now),
    };
    let mut told = Vec::new();
    for change in changes {
        let Some(field) = shape.fields.get(change.position) else {
            let (old, new) = (&extra_before, object(extra_now));
            if !is_same_extra(tx, shape, record, old, &new)? {
                let new = extra_now.map_or(Value::Null, |text| Value::Text(text.into()));
                told.push(Told {
                    field: "extra".to_owned(),
                    old: change.old,
                    new,
                });
            }
            continue;
        };
        if shape.is_timestamp(change.position) {
            continue;
        }
        let new = record.values[change.position].clone();
        let is_unknown = change.old == Value::Null && new_fields.contains(&field.name);
        let old = match is_unknown {
            false => change.old,
            true => match kept(field, &extra_before) {
                Some(kept) if kept != new => kept,
                _ => continue,
            },
        };
        told.push(Told {
            field: field.name.clone(),
            old,
            new,
        });
    }
    Ok(told)
}

fn object(text: Option<&str>) -> Map<String, Json> {
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The value that a field had while it was kept in `extra`.
fn kept(field: &FieldShape, extra: &Map<String, Json>) -> Option<Value> {
    let value = extra.get(&field.name)?.clone();
    field.form.deserialize(value).ok()?.ok()
}

/// Whether `extra` differs only by fields that moved between it and their columns.
fn is_same_extra(
    tx: &WriteTx<'_>,
    shape: &Shape,
    record: &Record,
    old: &Map<String, Json>,
    new: &Map<String, Json>,
) -> rusqlite::Result<bool> {
    let moved_out = |name: &String| shape.position(name).is_some();
    if old
        .iter()
        .any(|(name, value)| !moved_out(name) && new.get(name) != Some(value))
    {
        return Ok(false);
    }
    for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        let held = tx.column_value(shape.resource, &record.key, name)?;
        if !held.is_some_and(|held| is_equal(&held, value)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a column's value is what the feed now sends undeclared.
fn is_equal(held: &Value, sent: &Json) -> bool {
    match sent {
        Json::Bool(sent) => *held == Value::Integer((*sent).into()),
        Json::String(sent) => {
            let text = held.as_text();
            text == Some(sent.as_str()) || (text.is_some() && text == timestamp(sent).as_deref())
        }
        Json::Number(sent) => match (sent.as_i64(), sent.as_f64()) {
            (Some(sent), _) => *held == Value::Integer(sent),
            (_, Some(sent)) => *held == Value::Real(sent),
            _ => false,
        },
        other => held.as_text() == Some(other.to_string().as_str()),
    }
}
