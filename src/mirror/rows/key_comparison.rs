//! Compares the feed's keys and timestamps with the live rows, in a temporary table.

use std::collections::BTreeMap;

use rusqlite::types::Value as Parameter;
use rusqlite::{OptionalExtension, named_params, params_from_iter};

use super::live_ranges::{stored_key, within};
use crate::feed::{Key, KeyRange};
use crate::mirror::Mirror;
use crate::mirror::sql::{SqlValue, quoted};
use crate::record::{Record, Shape};
use crate::resource::Resource;

/// The differences between the feed's keys and timestamps and the live rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyDifferences {
    /// Records that the feed has and the mirror lacks: keys and timestamps.
    pub missing: Vec<(String, Option<String>)>,
    /// Keys of live rows that the feed does not have.
    pub extra: Vec<String>,
    /// Records whose timestamps differ: the key, the mirror's timestamp, the feed's
    /// timestamp.
    pub timestamps: TimestampDifferences,
    /// The paging keys of missing and extra records that are no children.
    pub paging: BTreeMap<String, Key>,
}

type TimestampDifferences = Vec<(String, Option<String>, Option<String>)>;

/// The live rows that a comparison covers. Every record that the feed has of them was collected.
#[derive(Clone, Copy, Debug)]
pub enum Window<'w> {
    /// None: only the collected records are compared.
    None,
    /// All rows.
    All,
    /// The rows whose paging keys are in a range.
    Keys(&'w KeyRange),
    /// The rows of listings whose paging keys are in a range. The listings have this shape.
    OfListings(&'w KeyRange, &'w Shape),
    /// The rows of the listings with these keys.
    OfEach(&'w [&'w str]),
}

impl KeyDifferences {
    /// Adds other differences.
    pub fn append(&mut self, mut other: KeyDifferences) {
        self.missing.append(&mut other.missing);
        self.extra.append(&mut other.extra);
        self.timestamps.append(&mut other.timestamps);
        self.paging.append(&mut other.paging);
    }

    /// Sorts the differences, and keeps one of those of a record: it may have been compared
    /// twice.
    pub fn settle(&mut self) {
        self.missing.sort();
        self.missing.dedup_by(|one, other| one.0 == other.0);
        self.extra.sort();
        self.extra.dedup();
        self.timestamps.sort();
        self.timestamps.dedup_by(|one, other| one.0 == other.0);
    }
}

impl Mirror {
    /// Starts to collect the feed's keys of a resource.
    pub fn begin_comparison(&self, resource: Resource) -> rusqlite::Result<()> {
        self.connection.execute_batch(&format!(
            "CREATE TEMP TABLE IF NOT EXISTS in_feed (
                 resource TEXT NOT NULL, record_key TEXT NOT NULL, timestamp TEXT,
                 listing_key TEXT, paging, PRIMARY KEY (resource, record_key)
             ) WITHOUT ROWID;
             DELETE FROM temp.in_feed WHERE resource = '{}'",
            resource.entity_set()
        ))
    }

    /// Adds records that the feed has.
    pub fn note_in_feed<'r>(
        &mut self,
        shape: &Shape,
        records: impl Iterator<Item = &'r Record>,
        rejected_keys: impl Iterator<Item = &'r str>,
    ) -> rusqlite::Result<()> {
        let resource = shape.resource.entity_set();
        let noting = self.connection.transaction()?;
        let mut statement = noting.prepare_cached(
            "INSERT INTO temp.in_feed (resource, record_key, timestamp, listing_key, paging)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE
             SET timestamp = excluded.timestamp, listing_key = excluded.listing_key
             WHERE coalesce(excluded.timestamp >= in_feed.timestamp, TRUE)",
        )?;
        for record in records {
            let timestamp = shape.modified_of(&record.values);
            let listing = record.listing_key.as_deref();
            let paging = (!shape.is_child()).then(|| shape.paging_value(&record.values));
            let paging = paging.map(|value| SqlValue(value.as_ref()));
            statement.execute((resource, &record.key, timestamp, listing, paging))?;
        }
        let mut unread = noting.prepare_cached(
            "INSERT OR IGNORE INTO temp.in_feed (resource, record_key) VALUES (?1, ?2)",
        )?;
        for key in rejected_keys {
            unread.execute([resource, key])?;
        }
        drop((statement, unread));
        noting.commit()
    }

    /// Returns the number of records that were collected.
    pub fn count_in_feed(&self, resource: Resource) -> rusqlite::Result<u64> {
        let sql = "SELECT count(*) FROM temp.in_feed WHERE resource = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.query_row([resource.entity_set()], |row| row.get(0))
    }

    /// Compares the collected keys and timestamps with the live rows. `has_listings` is
    /// whether the mirror holds listings.
    pub fn compare_keys(
        &self,
        shape: &Shape,
        has_listings: bool,
        window: Window<'_>,
    ) -> rusqlite::Result<KeyDifferences> {
        let resource = shape.resource;
        let table = resource.table();
        let key = quoted(shape.key_column());
        let wanted = self.wanted(resource, has_listings)?;
        let missing = format!(
            "SELECT f.record_key, f.timestamp FROM temp.in_feed AS f
             WHERE f.resource = ?1 AND {wanted} AND NOT EXISTS (
                 SELECT 1 FROM {table} AS t WHERE t.{key} = f.record_key AND t.deleted_at IS NULL)
             ORDER BY f.record_key"
        );
        let mut found = KeyDifferences {
            missing: self
                .connection
                .prepare_cached(&missing)?
                .query_map([resource.entity_set()], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect::<Result<_, _>>()?,
            extra: self.extra_keys(shape, window)?,
            timestamps: self.compare_timestamps(shape)?,
            ..KeyDifferences::default()
        };
        if !shape.is_child() {
            found.paging = self.paging_keys(shape, &found)?;
        }
        Ok(found)
    }

    /// Returns the paging keys of missing and extra records.
    fn paging_keys(
        &self,
        shape: &Shape,
        found: &KeyDifferences,
    ) -> rusqlite::Result<BTreeMap<String, Key>> {
        let in_feed = format!(
            "SELECT paging FROM temp.in_feed WHERE resource = '{}' AND record_key = ?1",
            shape.resource.entity_set()
        );
        let in_mirror = format!(
            "SELECT {} FROM {} WHERE {} = ?1 AND deleted_at IS NULL",
            quoted(&shape.paging_field().name),
            shape.resource.table(),
            quoted(shape.key_column())
        );
        let missing = found.missing.iter().map(|(key, _)| (&in_feed, key));
        let extra = found.extra.iter().map(|key| (&in_mirror, key));
        let mut paging = BTreeMap::new();
        for (sql, key) in missing.chain(extra) {
            let mut statement = self.connection.prepare_cached(sql)?;
            let found = statement.query_row([key], |row| stored_key(row.get_ref(0)?));
            paging.extend(
                found
                    .optional()?
                    .flatten()
                    .map(|found| (key.clone(), found)),
            );
        }
        Ok(paging)
    }

    /// Returns the keys of the live rows in a window that were not collected.
    fn extra_keys(&self, shape: &Shape, window: Window<'_>) -> rusqlite::Result<Vec<String>> {
        let key = quoted(shape.key_column());
        let paging =
            |shape: &Shape, rows: &str| format!("{rows}.{}", quoted(&shape.paging_field().name));
        let (window, parameters): (String, Vec<Parameter>) = match window {
            Window::None => return Ok(Vec::new()),
            Window::All => (String::new(), Vec::new()),
            Window::Keys(range) => within(&paging(shape, "t"), range),
            Window::OfListings(range, listings) => {
                let (sql, keys) = within(&paging(listings, "l"), range);
                let sql = format!(
                    "AND t.listing_key IN (SELECT l.{} FROM {} AS l WHERE l.deleted_at IS NULL {sql})",
                    quoted(listings.key_column()),
                    listings.resource.table()
                );
                (sql, keys)
            }
            Window::OfEach(listings) => {
                let marks = vec!["?"; listings.len()].join(", ");
                let keys = listings
                    .iter()
                    .map(|key| Parameter::Text((*key).to_owned()));
                let keys = keys.collect();
                (format!("AND t.listing_key IN ({marks})"), keys)
            }
        };
        let sql = format!(
            "SELECT CAST(t.{key} AS TEXT) FROM {table} AS t
             WHERE t.deleted_at IS NULL {window} AND NOT EXISTS (
                 SELECT 1 FROM temp.in_feed AS f
                 WHERE f.resource = '{resource}' AND f.record_key = CAST(t.{key} AS TEXT))
             ORDER BY t.{key}",
            table = shape.resource.table(),
            resource = shape.resource.entity_set()
        );
        self.connection
            .prepare_cached(&sql)?
            .query_map(params_from_iter(parameters), |row| row.get(0))?
            .collect()
    }

    /// Returns the records whose timestamps differ, as in [`KeyDifferences::timestamps`].
    fn compare_timestamps(&self, shape: &Shape) -> rusqlite::Result<TimestampDifferences> {
        let Some(timestamp) = shape.timestamp_field() else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "SELECT f.record_key, CAST(t.{timestamp} AS TEXT), f.timestamp
             FROM temp.in_feed AS f CROSS JOIN {table} AS t ON t.{key} = f.record_key
             WHERE f.resource = ?1 AND t.deleted_at IS NULL AND t.{timestamp} IS NOT f.timestamp
             ORDER BY f.record_key",
            timestamp = quoted(timestamp),
            table = shape.resource.table(),
            key = quoted(shape.key_column()),
        );
        self.connection
            .prepare_cached(&sql)?
            .query_map([shape.resource.entity_set()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect()
    }

    /// Returns the keys of up to `count` random live rows; for children also their listings'
    /// keys.
    pub fn sample_keys(
        &self,
        resource: Resource,
        count: u64,
    ) -> rusqlite::Result<Vec<(String, Option<String>)>> {
        let table = resource.table();
        let key = self.key(resource)?;
        let listing = if self.has_parent(resource)? {
            "listing_key"
        } else {
            "NULL"
        };
        // The inner query reads only an index.
        let sql = format!(
            "SELECT CAST({key} AS TEXT), {listing} FROM {table} WHERE rowid IN (
                 SELECT rowid FROM {table} WHERE deleted_at IS NULL
                 ORDER BY random() LIMIT :count)"
        );
        self.connection
            .prepare(&sql)?
            .query_map(named_params! { ":count": count }, |row| {
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
        Ok(if self.has_table(Resource::PROPERTY)? {
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
