//! Rows of the feed's records: compared, inserted, updated, soft-deleted, restored.

use rusqlite::{CachedStatement, named_params};

use crate::change::{FieldChange, differences};
use crate::mirror::objects::columns;
use crate::mirror::sql::{SqlValue, quoted, stored};
use crate::mirror::{ReadTx, WriteTx};
use crate::record::{Record, Shape};
use crate::resource::Resource;
use crate::value::{Value, ValueRef};

/// Why a row was soft-deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletedReason {
    /// The Deleted feed says so.
    Announced,
    /// A finished sweep did not meet it.
    Missing,
    /// Its listing went.
    Parent,
    /// It is no longer among its listing's children.
    Replaced,
    /// It left the configured filter.
    Scope,
}

impl DeletedReason {
    /// As `deleted_reason` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            DeletedReason::Announced => "announced",
            DeletedReason::Missing => "missing",
            DeletedReason::Parent => "parent",
            DeletedReason::Replaced => "replaced",
            DeletedReason::Scope => "scope",
        }
    }
}

/// What the mirror holds of a record.
#[derive(Debug)]
pub enum StoredRow {
    /// Nothing.
    Absent,
    /// A row.
    Present {
        /// Whether it is soft-deleted, and why.
        deleted: Option<String>,
        /// Whether it belongs to another listing than the record says.
        moved: bool,
        /// In which fields it differs.
        changes: Vec<FieldChange>,
    },
}

/// Compares records with the rows of one resource, within one transaction.
pub struct RowReader<'t> {
    shape: &'t Shape,
    select: CachedStatement<'t>,
}

/// Compares, inserts and updates the rows of one resource, within one transaction.
pub struct Rows<'t> {
    reader: RowReader<'t>,
    insert: CachedStatement<'t>,
    update: CachedStatement<'t>,
    now: &'t str,
}

/// The columns that a record fills: its fields, then `extra` and `listing_key`
/// where the resource has them.
fn filled_columns(shape: &Shape) -> Vec<String> {
    let mut columns: Vec<String> = shape
        .fields
        .iter()
        .map(|field| quoted(&field.name))
        .collect();
    if shape.keeps_extra {
        columns.push("extra".to_owned());
    }
    if shape.resource.is_child() {
        columns.push("listing_key".to_owned());
    }
    columns
}

impl ReadTx<'_> {
    /// Prepares to compare records with the rows of the shape's resource. It is an
    /// error if the table does not exist.
    pub fn row_reader<'t>(&'t self, shape: &'t Shape) -> rusqlite::Result<RowReader<'t>> {
        let select = self.transaction.prepare_cached(&format!(
            "SELECT {}, deleted_reason, deleted_at IS NOT NULL FROM {} WHERE {} = ?1",
            filled_columns(shape).join(", "),
            shape.resource.table(),
            quoted(shape.resource.key())
        ))?;
        Ok(RowReader { shape, select })
    }

    /// The keys of a listing's live children of one resource.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn live_children(
        &self,
        resource: Resource,
        listing_key: &str,
    ) -> rusqlite::Result<Vec<String>> {
        self.transaction
            .prepare_cached(&format!(
                "SELECT CAST({} AS TEXT) FROM {} WHERE listing_key = :listing AND deleted_at IS NULL",
                quoted(resource.key()),
                resource.table()
            ))?
            .query_map(named_params! { ":listing": listing_key }, |row| row.get(0))?
            .collect()
    }

    /// The listing that a child's row belongs to, if it says.
    ///
    /// # Errors
    /// If there is no such row, or it cannot be read.
    pub fn listing_of(&self, resource: Resource, key: &str) -> rusqlite::Result<Option<String>> {
        self.transaction
            .prepare_cached(&format!(
                "SELECT listing_key FROM {} WHERE {} = :key",
                resource.table(),
                quoted(resource.key())
            ))?
            .query_row(named_params! { ":key": key }, |row| row.get(0))
    }

    /// The value of one column of a row; none if the table has no such column.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn column_value(
        &self,
        resource: Resource,
        key: &str,
        column: &str,
    ) -> rusqlite::Result<Option<Value>> {
        let table = resource.table();
        let columns = columns(&self.transaction, table)?;
        if !columns.iter().any(|known| known == column) {
            return Ok(None);
        }
        let (column, key_column) = (quoted(column), quoted(resource.key()));
        self.transaction
            .query_row(
                &format!("SELECT {column} FROM {table} WHERE {key_column} = ?1"),
                [key],
                |row| Ok(stored(row, 0).to_owned()),
            )
            .map(Some)
    }

    /// Whether a listing is live, soft-deleted, or not held at all (None).
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn listing_is_live(&self, listing_key: &str) -> rusqlite::Result<Option<bool>> {
        use rusqlite::OptionalExtension;
        if !self.has_table(Resource::Property)? {
            return Ok(None);
        }
        self.transaction
            .prepare_cached("SELECT deleted_at IS NULL FROM listings WHERE \"ListingKey\" = :key")?
            .query_row(named_params! { ":key": listing_key }, |row| row.get(0))
            .optional()
    }

    /// How many rows of the resource are live, and how many soft-deleted.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn count_rows(&self, resource: Resource) -> rusqlite::Result<(u64, u64)> {
        let table = resource.table();
        // Each by an index of its own.
        let deleted = format!("SELECT count(*) FROM {table} WHERE deleted_at IS NOT NULL");
        let all = format!("SELECT count(*) FROM {table}");
        let count = |sql: &str| {
            let counted = self
                .transaction
                .query_row(sql, [], |row| row.get::<_, i64>(0));
            counted.map(|count| count as u64)
        };
        let deleted = count(&deleted)?;
        Ok((count(&all)? - deleted, deleted))
    }

    /// How many rows of the resource are live.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn live_rows(&self, resource: Resource) -> rusqlite::Result<u64> {
        let sql = format!(
            "SELECT count(*) FROM {} WHERE deleted_at IS NULL",
            resource.table()
        );
        self.transaction
            .query_row(&sql, [], |row| row.get::<_, i64>(0))
            .map(|rows| rows as u64)
    }
}

impl WriteTx<'_> {
    /// The rows of the shape's resource.
    ///
    /// # Errors
    /// If its table is not there.
    pub fn rows<'w>(&'w self, shape: &'w Shape) -> rusqlite::Result<Rows<'w>> {
        let table = shape.resource.table();
        let key = quoted(shape.resource.key());
        let columns = filled_columns(shape);
        let names = columns.join(", ");
        let places = |behind: usize| format!("?{}", columns.len() + behind);
        let values: Vec<String> = (1..=columns.len()).map(|at| format!("?{at}")).collect();
        // The key, by which the row is found, stays: SQLite would otherwise find the
        // rows first and change them from a list, and write the key's index anew.
        let mut assignments: Vec<String> = (columns.iter().zip(&values))
            .filter(|(column, _)| **column != key)
            .map(|(column, value)| match column.as_str() {
                "listing_key" => format!("{column} = coalesce({value}, {column})"),
                _ => format!("{column} = {value}"),
            })
            .collect();
        assignments.push(format!("updated_at = {}", places(1)));
        if shape.resource == Resource::Media {
            // What the feed changed need not pause for what failed before.
            assignments.push(format!(
                "download_after = min(download_after, {})",
                places(1)
            ));
        }
        let prepare = |sql: String| self.transaction.prepare_cached(&sql);
        Ok(Rows {
            reader: self.row_reader(shape)?,
            insert: prepare(format!(
                "INSERT INTO {table} ({names}, first_seen_at, updated_at) VALUES ({}, {now}, {now})",
                values.join(", "),
                now = places(1)
            ))?,
            update: prepare(format!(
                "UPDATE {table} SET {}, deleted_at = NULL, deleted_reason = NULL WHERE {key} = {}",
                assignments.join(", "),
                places(2)
            ))?,
            now: &self.now,
        })
    }

    /// Soft-deletes a row, keeping its values.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn delete_row(
        &self,
        resource: Resource,
        key: &str,
        reason: DeletedReason,
    ) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare_cached(&format!(
            "UPDATE {} SET deleted_at = :now, updated_at = :now, deleted_reason = :reason WHERE {} = :key",
            resource.table(),
            quoted(resource.key())
        ))?;
        statement.execute(named_params! {
            ":now": self.now, ":reason": reason.as_str(), ":key": key,
        })?;
        Ok(())
    }
}

impl RowReader<'_> {
    /// What the mirror holds of a record, and in what it differs.
    ///
    /// # Errors
    /// If it cannot be read.
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
        let changes = differences(
            (0..compared).map(|column| stored(row, column)),
            found.chain(extra).take(compared),
        );
        let mut behind = compared;
        let mut moved = false;
        if self.shape.resource.is_child() {
            let listing_key: Option<String> = row.get(behind)?;
            // A record that names no listing says nothing of where it belongs.
            moved = record.listing_key.is_some()
                && listing_key.as_deref() != record.listing_key.as_deref();
            behind += 1;
        }
        let reason: Option<String> = row.get(behind)?;
        let is_deleted: bool = row.get(behind + 1)?;
        let deleted = is_deleted.then(|| reason.unwrap_or_default());
        Ok(StoredRow::Present {
            deleted,
            moved,
            changes,
        })
    }
}

impl Rows<'_> {
    /// Compares a record with its row.
    pub fn compare(&mut self, record: &Record) -> rusqlite::Result<StoredRow> {
        self.reader.compare(record)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn insert(&mut self, record: &Record) -> rusqlite::Result<()> {
        let next = bind(&mut self.insert, self.reader.shape, record)?;
        self.insert.raw_bind_parameter(next, self.now)?;
        self.insert.raw_execute()?;
        Ok(())
    }

    /// Writes a record over its row, and makes it live.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn update(&mut self, record: &Record) -> rusqlite::Result<()> {
        let next = bind(&mut self.update, self.reader.shape, record)?;
        self.update.raw_bind_parameter(next, self.now)?;
        self.update.raw_bind_parameter(next + 1, &*record.key)?;
        self.update.raw_execute()?;
        Ok(())
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
        // What is not bound is NULL, and most fields of a listing are.
        if !matches!(value.as_ref(), ValueRef::Null) {
            statement.raw_bind_parameter(at + 1, SqlValue(value.as_ref()))?;
        }
    }
    let mut next = shape.fields.len() + 1;
    if shape.keeps_extra {
        statement.raw_bind_parameter(next, record.extra.as_deref())?;
        next += 1;
    }
    if shape.resource.is_child() {
        statement.raw_bind_parameter(next, record.listing_key.as_deref())?;
        next += 1;
    }
    Ok(next)
}
