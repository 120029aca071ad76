//! Compares records of the feed with their rows.

use rusqlite::CachedStatement;

use crate::change::{FieldChange, differences};
use crate::mirror::ReadTx;
use crate::mirror::sql::{quoted, stored};
use crate::record::{RECORD_KEY, Record, Shape};
use crate::value::{Value, ValueRef};

/// The row of a record, compared with the record.
#[derive(Debug)]
pub enum StoredRow {
    /// The mirror has no row.
    Absent,
    /// The mirror has a row.
    Present {
        /// Why the row is soft-deleted, if it is.
        deleted: Option<String>,
        /// Whether the record names another listing than the row.
        moved: bool,
        /// The fields whose values differ.
        changes: Vec<FieldChange>,
    },
}

/// Compares records with the rows of one resource, within one transaction.
pub struct RowReader<'t> {
    shape: &'t Shape,
    select: CachedStatement<'t>,
}

/// Returns the columns that a record fills: its fields, then `extra`, `listing_key` and
/// `record_key` if the resource has them.
pub(super) fn filled_columns(shape: &Shape) -> Vec<String> {
    let mut columns: Vec<String> = shape
        .fields
        .iter()
        .map(|field| quoted(&field.name))
        .collect();
    if shape.keeps_extra {
        columns.push("extra".to_owned());
    }
    if shape.is_child() {
        columns.push("listing_key".to_owned());
    }
    if shape.has_composite_key() {
        columns.push(quoted(RECORD_KEY));
    }
    columns
}

impl ReadTx<'_> {
    /// Prepares to compare records with the rows of the shape's resource. It is an
    /// error if the table does not exist.
    pub fn row_reader<'t>(&'t self, shape: &'t Shape) -> rusqlite::Result<RowReader<'t>> {
        self.reader_of(shape, &filled_columns(shape).join(", "))
    }

    /// Prepares to compare records with the rows of the shape's resource. `columns` are the
    /// filled columns, separated by commas.
    pub(super) fn reader_of<'t>(
        &'t self,
        shape: &'t Shape,
        columns: &str,
    ) -> rusqlite::Result<RowReader<'t>> {
        let select = self.transaction.prepare_cached(&format!(
            "SELECT {columns}, deleted_reason, deleted_at IS NOT NULL FROM {} WHERE {} = ?1",
            shape.resource.table(),
            quoted(shape.key_column())
        ))?;
        Ok(RowReader { shape, select })
    }
}

impl RowReader<'_> {
    /// Compares a record with its row.
    pub fn compare(&mut self, record: &Record) -> rusqlite::Result<StoredRow> {
        let fields = self.shape.fields.len();
        let compared = fields + usize::from(self.shape.keeps_extra);
        let mut rows = self.select.query([&record.key])?;
        let Some(row) = rows.next()? else {
            return Ok(StoredRow::Absent);
        };
        let found = record.values.iter().map(|value| value.as_ref());
        let extra = [record
            .extra
            .as_deref()
            .map_or(ValueRef::Null, ValueRef::Text)];
        let mut changes = differences(
            (0..compared).map(|column| stored(row, column)),
            found.chain(extra).take(compared),
        );
        changes.retain(|change| {
            let field = self.shape.fields.get(change.position);
            field.is_none_or(|field| {
                field.is_declared || record.values[change.position] != Value::Null
            })
        });
        let mut column = compared;
        let mut moved = false;
        if self.shape.is_child() {
            let listing_key: Option<String> = row.get(column)?;
            // A record that names no listing stays with the row's listing.
            moved = record.listing_key.is_some()
                && listing_key.as_deref() != record.listing_key.as_deref();
            column += 1;
        }
        column += usize::from(self.shape.has_composite_key());
        let reason: Option<String> = row.get(column)?;
        let is_deleted: bool = row.get(column + 1)?;
        let deleted = is_deleted.then(|| reason.unwrap_or_default());
        Ok(StoredRow::Present {
            deleted,
            moved,
            changes,
        })
    }
}
