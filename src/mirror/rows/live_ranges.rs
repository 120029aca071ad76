//! The live rows of a resource by ranges of keys: their number and their newest timestamp.
//!
//! Each query reads only a part of an index.

use rusqlite::types::{Value as SqlValue, ValueRef};
use rusqlite::{OptionalExtension, Row, params_from_iter};

use crate::feed::{Key, KeyRange};
use crate::mirror::Mirror;
use crate::mirror::sql::quoted;
use crate::record::Shape;
use crate::resource::Resource;

/// The keys by which the live rows of a resource are divided into ranges: its own paging keys,
/// or those of the listings to which its rows belong.
#[derive(Clone, Copy, Debug)]
pub struct RangedRows<'s> {
    /// The resource.
    pub shape: &'s Shape,
    /// The listings, if the ranges are of their keys.
    pub listings: Option<&'s Shape>,
}

/// The number of live rows, and the newest timestamp of any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveRange {
    /// The number of rows.
    pub records: u64,
    /// The newest timestamp in storage form; none without rows or timestamps.
    pub newest: Option<String>,
}

/// Returns the SQL condition that a column is within a range, which starts with `AND`, and its
/// parameters.
pub(super) fn within(column: &str, range: &KeyRange) -> (String, Vec<SqlValue>) {
    let limits = [(">", &range.after), ("<=", &range.up_to)];
    let limits = limits.map(|(operator, key)| key.as_ref().map(|key| (operator, key)));
    let mut sql = String::new();
    let mut parameters = Vec::new();
    for (operator, key) in limits.into_iter().flatten() {
        sql += &format!(" AND {column} {operator} ?");
        parameters.push(parameter(key));
    }
    (sql, parameters)
}

fn parameter(key: &Key) -> SqlValue {
    match key {
        Key::Number(number) => SqlValue::Integer(*number),
        Key::Text(text) => SqlValue::Text(text.clone()),
    }
}

/// Returns a key that a row holds; none for NULL.
pub(super) fn stored_key(value: ValueRef<'_>) -> rusqlite::Result<Option<Key>> {
    Ok(match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(Key::Number(number)),
        other => Some(Key::Text(other.as_str()?.to_owned())),
    })
}

impl<'s> RangedRows<'s> {
    /// Returns the shape whose paging keys limit the ranges.
    fn limits(&self) -> &'s Shape {
        self.listings.unwrap_or(self.shape)
    }

    /// Returns the paging keys of the rows `l` that limit the ranges.
    fn paging(&self) -> String {
        format!("l.{}", quoted(&self.limits().paging_field().name))
    }
}

impl Mirror {
    /// Leaves the rows whose records are collected now out of all counts that follow.
    pub fn leave_out_collected(&self, shape: &Shape) -> rusqlite::Result<()> {
        self.connection.execute_batch(&format!(
            "CREATE TEMP TABLE IF NOT EXISTS left_out (id INTEGER NOT NULL PRIMARY KEY);
             DELETE FROM temp.left_out;
             INSERT INTO temp.left_out
                 SELECT t.rowid FROM temp.in_feed AS f JOIN {table} AS t ON t.{key} = f.record_key
                 WHERE f.resource = '{resource}' AND t.deleted_at IS NULL",
            table = shape.resource.table(),
            key = quoted(shape.key_column()),
            resource = shape.resource.entity_set()
        ))
    }

    /// Leaves the rows of listings with these paging keys out of all counts that follow.
    pub fn leave_out_children(&self, rows: RangedRows<'_>, keys: &[Key]) -> rusqlite::Result<()> {
        let limits = rows.limits();
        let mut statement = self.connection.prepare_cached(&format!(
            "INSERT OR IGNORE INTO temp.left_out
             SELECT t.rowid FROM {listings} AS l CROSS JOIN {table} AS t ON t.listing_key = l.{key}
             WHERE {paging} = ?1 AND t.deleted_at IS NULL",
            listings = limits.resource.table(),
            table = rows.shape.resource.table(),
            key = quoted(limits.key_column()),
            paging = rows.paging(),
        ))?;
        for key in keys {
            statement.execute([parameter(key)])?;
        }
        Ok(())
    }

    /// Returns the number of live rows without a timestamp, of a resource with timestamps.
    pub fn live_rows_without_timestamp(&self, shape: &Shape) -> rusqlite::Result<u64> {
        let Some(timestamp) = shape.timestamp_field().map(quoted) else {
            return Ok(0);
        };
        let sql = format!(
            "SELECT count(*) FROM {} WHERE deleted_at IS NULL AND {timestamp} IS NULL",
            shape.resource.table()
        );
        self.connection.query_row(&sql, [], |row| row.get(0))
    }

    /// Returns the number and the newest timestamp of the live rows in a range. A row without a
    /// timestamp counts only if the resource has none.
    pub fn live_range(
        &self,
        rows: RangedRows<'_>,
        range: &KeyRange,
    ) -> rusqlite::Result<LiveRange> {
        let shape = rows.shape;
        let table = shape.resource.table();
        let (from, row) = match rows.listings {
            // The order of the join decides that both parts use their indexes.
            Some(listings) => (
                format!(
                    "{} AS l CROSS JOIN {table} AS t ON t.listing_key = l.{}",
                    listings.resource.table(),
                    quoted(listings.key_column())
                ),
                "t",
            ),
            None => (format!("{table} AS l"), "l"),
        };
        let (newest, is_dated) = match shape.timestamp_field().map(quoted) {
            Some(timestamp) => (
                format!("max({row}.{timestamp})"),
                format!("AND {row}.{timestamp} IS NOT NULL"),
            ),
            None => ("NULL".to_owned(), String::new()),
        };
        let (within, parameters) = within(&rows.paging(), range);
        let sql = format!(
            "SELECT count(*), {newest} FROM {from}
             WHERE l.deleted_at IS NULL AND {row}.deleted_at IS NULL {is_dated} {within}
               AND NOT EXISTS (SELECT 1 FROM temp.left_out AS o WHERE o.id = {row}.rowid)"
        );
        let found = |row: &Row<'_>| {
            Ok(LiveRange {
                records: row.get(0)?,
                newest: row.get(1)?,
            })
        };
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement.query_row(params_from_iter(parameters), found)
    }

    /// Returns the key of the live row after `skip` others in a range; none if the range has no
    /// more rows.
    pub fn live_key_after(
        &self,
        rows: RangedRows<'_>,
        range: &KeyRange,
        skip: u64,
    ) -> rusqlite::Result<Option<Key>> {
        let paging = rows.paging();
        let (within, parameters) = within(&paging, range);
        let sql = format!(
            "SELECT {paging} FROM {table} AS l WHERE l.deleted_at IS NULL AND {paging} IS NOT NULL
             {within} ORDER BY {paging} LIMIT 1 OFFSET {skip}",
            table = rows.limits().resource.table(),
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let key = statement.query_row(params_from_iter(parameters), |row| {
            stored_key(row.get_ref(0)?)
        });
        Ok(key.optional()?.flatten())
    }

    /// Returns the number of live rows in a range whose keys can limit ranges.
    pub fn live_limits(&self, rows: RangedRows<'_>, range: &KeyRange) -> rusqlite::Result<u64> {
        let (within, parameters) = within(&rows.paging(), range);
        let sql = format!(
            "SELECT count(*) FROM {} AS l WHERE l.deleted_at IS NULL {within}",
            rows.limits().resource.table()
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement.query_row(params_from_iter(parameters), |row| row.get(0))
    }

    /// Returns whether every server puts the paging keys of the live rows in the order of the
    /// mirror: they are numbers, or texts of digits and of letters in one case. Servers order
    /// other characters by their own rules.
    pub fn has_common_order(&self, shape: &Shape) -> rusqlite::Result<bool> {
        let (table, key) = (shape.resource.table(), quoted(&shape.paging_field().name));
        let has_other = |set: &str| {
            let sql = format!(
                "SELECT 1 FROM {table} WHERE deleted_at IS NULL AND {key} GLOB '*[^0-9{set}]*'"
            );
            self.connection.prepare(&sql)?.exists([])
        };
        Ok(!has_other("A-Z")? || !has_other("a-z")?)
    }

    /// Returns whether live rows of a child belong to no listing.
    pub fn has_rows_without_listing(&self, child: Resource) -> rusqlite::Result<bool> {
        let sql = format!(
            "SELECT 1 FROM {} WHERE listing_key IS NULL AND deleted_at IS NULL",
            child.table()
        );
        self.connection.prepare(&sql)?.exists([])
    }
}
