//! Inserts, updates and restores rows.

use rusqlite::{CachedStatement, Connection};

use super::row_comparison::{RowReader, StoredRow, filled_columns};
use crate::mirror::WriteTx;
use crate::mirror::dropped_write::dropped_write;
use crate::mirror::sql::{SqlValue, quoted};
use crate::record::{Record, Shape};
use crate::resource::Resource;
use crate::value::ValueRef;

/// Compares, inserts and updates the rows of one resource, within one transaction.
pub struct Rows<'t> {
    connection: &'t Connection,
    shape: &'t Shape,
    reader: RowReader<'t>,
    insert: CachedStatement<'t>,
    update: CachedStatement<'t>,
    now: &'t str,
}

impl WriteTx<'_> {
    /// Prepares to compare, insert and update the rows of the shape's resource. It is
    /// an error if the table does not exist.
    pub fn rows<'w>(&'w self, shape: &'w Shape) -> rusqlite::Result<Rows<'w>> {
        let table = shape.resource.table();
        let key = quoted(shape.key_column());
        let columns = filled_columns(shape);
        let names = columns.join(", ");
        let parameter = |offset: usize| format!("?{}", columns.len() + offset);
        let values: Vec<String> = (1..=columns.len()).map(|at| format!("?{at}")).collect();
        let prepare = |sql: String| self.transaction.prepare_cached(&sql);
        Ok(Rows {
            connection: &self.transaction,
            shape,
            reader: self.reader_of(shape, &names)?,
            insert: prepare(format!(
                "INSERT INTO {table} ({names}, first_seen_at, updated_at) VALUES ({}, {now}, {now})",
                values.join(", "),
                now = parameter(1)
            ))?,
            update: prepare(format!(
                "UPDATE {table} SET {}, deleted_at = NULL, deleted_reason = NULL WHERE {key} = {}",
                assignments(shape, &columns, &parameter(1)),
                parameter(2)
            ))?,
            now: &self.now,
        })
    }
}

/// Returns the assignments of an update, with a parameter for each column and `now` for the
/// current time.
fn assignments(shape: &Shape, columns: &[String], now: &str) -> String {
    let key = quoted(shape.key_column());
    // The key column is not assigned: otherwise SQLite would first collect the rows
    // in a list, and also write the key's index again.
    let mut assignments: Vec<String> = (columns.iter().enumerate())
        .filter(|(_, column)| **column != key)
        .map(|(at, column)| {
            let value = at + 1;
            let field = shape.fields.get(at);
            let is_undeclared = field.is_some_and(|field| !field.is_declared);
            if is_undeclared || column == "listing_key" {
                format!("{column} = coalesce(?{value}, {column})")
            } else {
                format!("{column} = ?{value}")
            }
        })
        .collect();
    assignments.push(format!("updated_at = {now}"));
    if shape.resource == Resource::MEDIA {
        // After a change, a photo does not wait for the pause of an earlier failure.
        assignments.push(format!("download_after = min(download_after, {now})"));
    }
    assignments.join(", ")
}

impl Rows<'_> {
    /// Compares a record with its row.
    pub fn compare(&mut self, record: &Record) -> rusqlite::Result<StoredRow> {
        self.reader.compare(record)
    }

    /// Inserts a row.
    pub fn insert(&mut self, record: &Record) -> rusqlite::Result<()> {
        let next = bind(&mut self.insert, self.shape, record)?;
        self.insert.raw_bind_parameter(next, self.now)?;
        let changed = self.insert.raw_execute()?;
        self.require_written(changed)
    }

    /// Overwrites a row with a record, and makes it live.
    pub fn update(&mut self, record: &Record) -> rusqlite::Result<()> {
        let next = bind(&mut self.update, self.shape, record)?;
        self.update.raw_bind_parameter(next, self.now)?;
        self.update.raw_bind_parameter(next + 1, &*record.key)?;
        let changed = self.update.raw_execute()?;
        self.require_written(changed)
    }

    fn require_written(&self, changed: usize) -> rusqlite::Result<()> {
        if changed > 0 {
            return Ok(());
        }
        let table = self.shape.resource.table();
        Err(dropped_write(self.connection, table))
    }
}

/// Binds the filled columns and returns the number of the next parameter.
fn bind(
    statement: &mut CachedStatement<'_>,
    shape: &Shape,
    record: &Record,
) -> rusqlite::Result<usize> {
    statement.clear_bindings();
    for (at, value) in record.values.iter().enumerate() {
        // An unbound parameter is NULL, and most fields of a listing are NULL.
        if !matches!(value.as_ref(), ValueRef::Null) {
            statement.raw_bind_parameter(at + 1, SqlValue(value.as_ref()))?;
        }
    }
    let mut next = shape.fields.len() + 1;
    if shape.keeps_extra {
        statement.raw_bind_parameter(next, record.extra.as_deref())?;
        next += 1;
    }
    if shape.is_child() {
        statement.raw_bind_parameter(next, record.listing_key.as_deref())?;
        next += 1;
    }
    if shape.has_composite_key() {
        statement.raw_bind_parameter(next, &*record.key)?;
        next += 1;
    }
    Ok(next)
}
