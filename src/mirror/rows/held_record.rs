//! A record as the mirror holds it now, or held it in the past.

use rusqlite::Connection;
use serde::{Serialize, Serializer};

use crate::mirror::objects::columns;
use crate::mirror::sql::{quoted, stored};
use crate::mirror::stored_key::quoted_key;
use crate::resource::Resource;
use crate::value::Value;

/// A record as the mirror holds it now, or held it in the past.
#[derive(Clone, Debug)]
pub struct HeldRecord {
    /// The resource.
    pub resource: Resource,
    /// The record's key.
    pub key: String,
    /// The columns that are not NULL, in the order of the table.
    pub values: Vec<(String, Value)>,
    /// Whether the record is (or was) soft-deleted.
    pub is_deleted: bool,
}

impl Serialize for HeldRecord {
    /// Serializes the columns that are not NULL as one object.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.values.iter().map(|(name, value)| (name, value)))
    }
}

impl HeldRecord {
    /// Returns a column's value, if it is not NULL.
    pub fn value(&self, column: &str) -> Option<&Value> {
        let held = self.values.iter().find(|(name, _)| name == column);
        held.map(|(_, value)| value)
    }

    /// Returns when the record was soft-deleted, if it was and the log still has the
    /// time.
    pub fn deleted_at(&self) -> Option<&str> {
        self.value("deleted_at").and_then(Value::as_text)
    }

    /// Returns a column's text, or an empty text.
    pub(in crate::mirror) fn text(&self, column: &str) -> String {
        let text = self.value(column).and_then(Value::as_text);
        text.unwrap_or_default().to_owned()
    }

    /// Sets a column's value; NULL removes it.
    pub(in crate::mirror) fn set(&mut self, column: &str, value: Value) {
        let held = self.values.iter().position(|(name, _)| name == column);
        match (held, value) {
            (Some(at), Value::Null) => {
                self.values.remove(at);
            }
            (Some(at), value) => self.values[at].1 = value,
            (None, Value::Null) => {}
            (None, value) => self.values.push((column.to_owned(), value)),
        }
    }

    /// Returns the record's sort key among its listing's children.
    pub(in crate::mirror) fn place(&self) -> (Resource, i64, String, String) {
        let (order, start) = match self.resource {
            Resource::MEDIA => (self.value("Order"), None),
            _ => (None, self.value("OpenHouseStartTime")),
        };
        let order = match order {
            Some(Value::Integer(order)) => *order,
            _ => i64::MAX,
        };
        let start = start
            .and_then(Value::as_text)
            .unwrap_or_default()
            .to_owned();
        (self.resource, order, start, self.key.clone())
    }
}

/// Returns the rows of a resource that a condition selects. Its one parameter is a key.
pub(in crate::mirror) fn rows_where(
    db: &Connection,
    resource: Resource,
    condition: &str,
    key: &str,
) -> rusqlite::Result<Vec<HeldRecord>> {
    let table = resource.table();
    let columns = columns(db, table)?;
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let sql = format!(
        "SELECT CAST({} AS TEXT), {} FROM {table} WHERE {condition}",
        quoted_key(db, resource)?,
        names.join(", ")
    );
    let held = |row: &rusqlite::Row<'_>| {
        let values = columns.iter().enumerate().map(|(at, name)| {
            let value = stored(row, at + 1).to_owned();
            (name.clone(), value)
        });
        let values: Vec<(String, Value)> =
            values.filter(|(_, value)| *value != Value::Null).collect();
        Ok(HeldRecord {
            resource,
            key: row.get(0)?,
            is_deleted: values.iter().any(|(name, _)| name == "deleted_at"),
            values,
        })
    };
    db.prepare(&sql)?.query_map([key], held)?.collect()
}
