//! Looks up and counts single rows.

use rusqlite::{OptionalExtension, named_params};

use crate::mirror::ReadTx;
use crate::mirror::objects::columns;
use crate::mirror::sql::{quoted, stored};
use crate::record::Shape;
use crate::resource::Resource;
use crate::value::Value;

impl ReadTx<'_> {
    /// Returns the keys of the live children of a listing, for one resource.
    pub fn live_children(
        &self,
        resource: Resource,
        listing_key: &str,
    ) -> rusqlite::Result<Vec<String>> {
        self.transaction
            .prepare_cached(&format!(
                "SELECT CAST({} AS TEXT) FROM {} WHERE listing_key = :listing AND deleted_at IS NULL",
                self.key(resource)?,
                resource.table()
            ))?
            .query_map(named_params! { ":listing": listing_key }, |row| row.get(0))?
            .collect()
    }

    /// Returns the keys of at most `limit` live listings: those with the most live children of
    /// one resource.
    pub fn listings_with_most(
        &self,
        child: Resource,
        limit: usize,
    ) -> rusqlite::Result<Vec<String>> {
        let (key, table) = (self.key(Resource::PROPERTY)?, child.table());
        self.transaction
            .prepare(&format!(
                "SELECT CAST({key} AS TEXT) AS listing FROM listings WHERE deleted_at IS NULL
                 ORDER BY (SELECT count(*) FROM {table} AS child
                           WHERE child.listing_key = CAST(listings.{key} AS TEXT)
                               AND child.deleted_at IS NULL) DESC
                 LIMIT :limit"
            ))?
            .query_map(named_params! { ":limit": limit }, |row| row.get(0))?
            .collect()
    }

    /// Returns the listing key of a child's row. It is an error if there is no such
    /// row.
    pub fn listing_of(&self, resource: Resource, key: &str) -> rusqlite::Result<Option<String>> {
        self.transaction
            .prepare_cached(&format!(
                "SELECT listing_key FROM {} WHERE {} = :key",
                resource.table(),
                self.key(resource)?
            ))?
            .query_row(named_params! { ":key": key }, |row| row.get(0))
    }

    /// Returns the value of one column of a row, or None if the table has no such
    /// column.
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
        let (column, key_column) = (quoted(column), self.key(resource)?);
        self.transaction
            .query_row(
                &format!("SELECT {column} FROM {table} WHERE {key_column} = ?1"),
                [key],
                |row| Ok(stored(row, 0).to_owned()),
            )
            .map(Some)
    }

    /// Returns the timestamp of a live row, or None if there is no live row.
    pub fn live_timestamp(
        &self,
        shape: &Shape,
        key: &str,
    ) -> rusqlite::Result<Option<Option<String>>> {
        let timestamp = shape.timestamp_field().map_or("NULL".to_owned(), quoted);
        self.transaction
            .prepare_cached(&format!(
                "SELECT CAST({timestamp} AS TEXT) FROM {} WHERE {} = ?1 AND deleted_at IS NULL",
                shape.resource.table(),
                quoted(shape.key_column())
            ))?
            .query_row([key], |row| row.get(0))
            .optional()
    }

    /// Returns whether the mirror holds a live row with this key.
    pub fn is_live(&self, resource: Resource, key: &str) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached(&format!(
                "SELECT 1 FROM {} WHERE {} = ?1 AND deleted_at IS NULL",
                resource.table(),
                self.key(resource)?
            ))?
            .exists([key])
    }

    /// Returns whether the mirror holds a row with this key, live or soft-deleted.
    pub fn is_held(&self, resource: Resource, key: &str) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached(&format!(
                "SELECT 1 FROM {} WHERE {} = ?1",
                resource.table(),
                self.key(resource)?
            ))?
            .exists([key])
    }

    /// Returns whether a listing is live, or None if the mirror does not hold it.
    pub fn listing_is_live(&self, listing_key: &str) -> rusqlite::Result<Option<bool>> {
        if !self.has_table(Resource::PROPERTY)? {
            return Ok(None);
        }
        self.transaction
            .prepare_cached(&format!(
                "SELECT deleted_at IS NULL FROM listings WHERE {} = :key",
                self.key(Resource::PROPERTY)?
            ))?
            .query_row(named_params! { ":key": listing_key }, |row| row.get(0))
            .optional()
    }

    /// Returns the keys of the newest live rows whose timestamp is after a time and at or
    /// before another one, in storage form.
    pub fn live_between(
        &self,
        shape: &Shape,
        after: &str,
        up_to: &str,
        limit: u64,
    ) -> rusqlite::Result<Vec<String>> {
        let Some(timestamp) = shape.timestamp_field().map(quoted) else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "SELECT CAST({} AS TEXT) FROM {}
             WHERE {timestamp} > ?1 AND {timestamp} <= ?2
               AND deleted_at IS NULL
             ORDER BY {timestamp} DESC LIMIT {limit}",
            quoted(shape.key_column()),
            shape.resource.table()
        );
        let mut statement = self.transaction.prepare(&sql)?;
        statement
            .query_map([after, up_to], |row| row.get(0))?
            .collect()
    }

    /// Returns the numbers of live and of soft-deleted rows of a resource.
    pub fn count_rows(&self, resource: Resource) -> rusqlite::Result<(u64, u64)> {
        let table = resource.table();
        // Each count uses an index of its own.
        let deleted = format!("SELECT count(*) FROM {table} WHERE deleted_at IS NOT NULL");
        let all = format!("SELECT count(*) FROM {table}");
        let count = |sql: &str| self.transaction.query_row(sql, [], |row| row.get(0));
        let deleted: u64 = count(&deleted)?;
        Ok((count(&all)? - deleted, deleted))
    }

    /// Returns the number of live rows of a resource.
    pub fn live_rows(&self, resource: Resource) -> rusqlite::Result<u64> {
        let (live, _) = self.count_rows(resource)?;
        Ok(live)
    }
}
