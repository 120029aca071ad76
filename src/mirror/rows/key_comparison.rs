//! Compares the feed's keys and timestamps with the live rows, in a temporary table.

use rusqlite::named_params;

use crate::mirror::Mirror;
use crate::mirror::sql::quoted;
use crate::record::{Record, Shape};
use crate::resource::Resource;

/// The differences between the feed's keys and timestamps and the live rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KeyDifferences {
    /// Records that the feed has and the mirror lacks: keys and timestamps.
    pub missing: Vec<(String, Option<String>)>,
    /// Keys of live rows that the feed does not have.
    pub extra: Vec<String>,
    /// Records whose timestamps differ: the key, the mirror's timestamp, the feed's
    /// timestamp.
    pub timestamps: TimestampDifferences,
}

type TimestampDifferences = Vec<(String, Option<String>, Option<String>)>;

impl Mirror {
    /// Starts to collect the feed's keys of a resource.
    pub fn begin_comparison(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS in_feed (
                 record_key TEXT NOT NULL PRIMARY KEY, timestamp TEXT, listing_key TEXT
             ) WITHOUT ROWID;
             DELETE FROM temp.in_feed;",
        )
    }

    /// Adds records that the feed has.
    pub fn note_in_feed<'r>(
        &mut self,
        shape: &Shape,
        records: impl Iterator<Item = &'r Record>,
        rejected_keys: impl Iterator<Item = &'r str>,
    ) -> rusqlite::Result<()> {
        let noting = self.connection.transaction()?;
        let mut statement = noting.prepare_cached(
            "INSERT INTO temp.in_feed (record_key, timestamp, listing_key) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE
             SET timestamp = excluded.timestamp, listing_key = excluded.listing_key
             WHERE coalesce(excluded.timestamp >= in_feed.timestamp, TRUE)",
        )?;
        for record in records {
            let timestamp = shape.modified_of(&record.values);
            statement.execute((&record.key, timestamp, record.listing_key.as_deref()))?;
        }
        let mut unread = noting.prepare_cached(
            "INSERT OR IGNORE INTO temp.in_feed (record_key, timestamp) VALUES (?1, NULL)",
        )?;
        for key in rejected_keys {
            unread.execute([key])?;
        }
        drop((statement, unread));
        noting.commit()
    }

    /// Returns the number of collected records that belong into the mirror. A child
    /// does if its listing is live. `has_listings` is whether the mirror holds listings.
    pub fn wanted_in_feed(&self, resource: Resource, has_listings: bool) -> rusqlite::Result<u64> {
        let wanted = self.wanted(resource, has_listings)?;
        let sql = format!("SELECT count(*) FROM temp.in_feed AS f WHERE {wanted}");
        self.connection
            .query_row(&sql, [], |row| row.get::<_, i64>(0))
            .map(|count| count as u64)
    }

    /// Compares the collected keys and timestamps with the live rows.
    pub fn compare_keys(
        &self,
        shape: &Shape,
        has_listings: bool,
    ) -> rusqlite::Result<KeyDifferences> {
        let resource = shape.resource;
        let table = resource.table();
        let key = quoted(shape.key_column());
        let wanted = self.wanted(resource, has_listings)?;
        let missing = format!(
            "SELECT f.record_key, f.timestamp FROM temp.in_feed AS f
             WHERE {wanted} AND NOT EXISTS (
                 SELECT 1 FROM {table} AS t WHERE t.{key} = f.record_key AND t.deleted_at IS NULL)
             ORDER BY f.record_key"
        );
        let extra = format!(
            "SELECT CAST(t.{key} AS TEXT) FROM {table} AS t
             WHERE t.deleted_at IS NULL AND NOT EXISTS (
                 SELECT 1 FROM temp.in_feed AS f WHERE f.record_key = CAST(t.{key} AS TEXT))
             ORDER BY t.{key}"
        );
        Ok(KeyDifferences {
            missing: self
                .connection
                .prepare(&missing)?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?,
            extra: self
                .connection
                .prepare(&extra)?
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?,
            timestamps: self.compare_timestamps(shape)?,
        })
    }

    /// Returns the records whose timestamps differ, as in [`KeyDifferences::timestamps`].
    fn compare_timestamps(&self, shape: &Shape) -> rusqlite::Result<TimestampDifferences> {
        let Some(timestamp) = shape.timestamp_field() else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "SELECT f.record_key, CAST(t.{timestamp} AS TEXT), f.timestamp
             FROM temp.in_feed AS f JOIN {table} AS t ON t.{key} = f.record_key
             WHERE t.deleted_at IS NULL AND t.{timestamp} IS NOT f.timestamp
             ORDER BY f.record_key",
            timestamp = quoted(timestamp),
            table = shape.resource.table(),
            key = quoted(shape.key_column()),
        );
        self.connection
            .prepare(&sql)?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect()
    }

    /// Returns the keys of up to `count` random live rows that the feed has, too; for
    /// children also their listings' keys.
    pub fn sample_keys(
        &self,
        resource: Resource,
        count: u64,
    ) -> rusqlite::Result<Vec<(String, Option<String>)>> {
        let table = resource.table();
        let key = self.key(resource)?;
        let listing = if self.has_parent(resource)? {
            "t.listing_key"
        } else {
            "NULL"
        };
        let sql = format!(
            "SELECT f.record_key, {listing}
             FROM temp.in_feed AS f JOIN {table} AS t ON t.{key} = f.record_key
             WHERE t.deleted_at IS NULL ORDER BY random() LIMIT :count"
        );
        self.connection
            .prepare(&sql)?
            .query_map(named_params! { ":count": count as i64 }, |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect()
    }

    /// Returns the SQL condition for the collected records `f` that belong into the
    /// mirror.
    fn wanted(&self, resource: Resource, has_listings: bool) -> rusqlite::Result<String> {
        if !self.has_parent(resource)? {
            return Ok("true".to_owned());
        }
        let otherwise = !has_listings;
        let listings: bool = self.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'listings')",
            [],
            |row| row.get(0),
        )?;
        Ok(if listings {
            format!(
                "(f.listing_key IS NULL OR coalesce(
                     (SELECT l.deleted_at IS NULL FROM listings AS l
                      WHERE l.{} = f.listing_key), {otherwise}))",
                self.key(Resource::PROPERTY)?
            )
        } else {
            format!("(f.listing_key IS NULL OR {otherwise})")
        })
    }
}
