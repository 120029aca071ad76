//! The photos to download, in the order of their downloads.

use chrono::{TimeDelta, Utc};
use rusqlite::{OptionalExtension, ToSql, named_params};
use serde::Serialize;

use super::file_columns::PhotoSql;
use crate::mirror::Mirror;
use crate::mirror::record_table::Table;
use crate::resource::{MODIFICATION_TIMESTAMP, Resource};
use crate::value::stored_instant;

/// Which photos to download.
#[derive(Clone, Copy, Debug)]
pub enum WantedPhotos<'a> {
    /// Photos that are due: a failed one pauses, for longer after each failure.
    Due,
    /// All photos to download, including paused ones.
    All,
    /// All photos of these listings. They are requested without conditions.
    Of(&'a [String]),
}

/// The number of photos to download.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Backlog {
    /// All photos to download.
    pub photos: u64,
    /// Those that failed before.
    pub failing: u64,
    /// Those that are paused.
    pub paused: u64,
    /// Photos in addition to these that their hosts did not have.
    pub unavailable: u64,
}

/// No pause of a photo is longer. A later time was stored while the clock was wrong.
const PAUSE_MAX: TimeDelta = TimeDelta::days(7);

impl Mirror {
    /// Ends the pauses of photos whose end is too far away. Returns their number.
    pub fn end_endless_pauses(&mut self) -> rusqlite::Result<u64> {
        if PhotoSql::of(&self.connection)?.is_none() {
            return Ok(0);
        }
        let sql = "UPDATE media SET download_after = :now
                   WHERE deleted_at IS NULL AND download_error IS NOT NULL
                     AND download_after > :latest";
        let latest = stored_instant(Utc::now() + PAUSE_MAX);
        let write = self.write()?;
        let now = write.now().to_owned();
        let ended =
            (write.transaction).execute(sql, named_params! { ":now": now, ":latest": latest })?;
        write.commit()?;
        Ok(ended as u64)
    }

    /// Queues the wanted photos: the first photo of each listing comes before all
    /// others, and newer listings come before older ones. Returns the number of queued
    /// photos. The queue is a temporary table of this connection.
    pub fn queue_photos(&self, wanted: WantedPhotos<'_>) -> anyhow::Result<u64> {
        self.connection.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS photo_queue (
                 place INTEGER PRIMARY KEY, queued_key TEXT NOT NULL, round INTEGER NOT NULL
             );
             DELETE FROM temp.photo_queue;",
        )?;
        let Some(sql) = PhotoSql::of(&self.connection)? else {
            return Ok(0);
        };
        let PhotoSql {
            to_fetch,
            unavailable,
            ..
        } = &sql;
        let order = sql.order("");
        let key = self.key(Resource::MEDIA)?;
        let from = format!(
            "SELECT {key} AS \"MediaKey\", listing_key, {order} AS own_order FROM media WHERE"
        );
        let looked_for = format!("UNION ALL {from} {unavailable} AND download_after <= :now");
        let mut keys = String::from("[]");
        let due = match wanted {
            WantedPhotos::Due => {
                format!("{from} {to_fetch} AND coalesce(download_after, '') <= :now {looked_for}")
            }
            WantedPhotos::All => format!("{from} {to_fetch} {looked_for}"),
            WantedPhotos::Of(listings) => {
                keys = serde_json::to_string(listings)?;
                let of_them = "listing_key IN (SELECT value FROM json_each(:keys))";
                let forget = format!(
                    "UPDATE media SET file_etag = NULL, file_last_modified = NULL
                     WHERE (file_etag IS NOT NULL OR file_last_modified IS NOT NULL) AND {of_them}"
                );
                (self.connection).execute(&forget, named_params! { ":keys": keys })?;
                format!(
                    "{from} {} AND file_excluded IS NULL AND {of_them}",
                    sql.photo
                )
            }
        };
        let (join, newest) = self.newest()?;
        let line_up = format!(
            "WITH due AS ({due}),
                  placed AS (
                      SELECT *, row_number() OVER (
                          PARTITION BY listing_key
                          ORDER BY own_order IS NULL, own_order, \"MediaKey\") AS own_place
                      FROM due)
             INSERT INTO temp.photo_queue (queued_key, round)
             SELECT placed.\"MediaKey\", 0 FROM placed {join}
             ORDER BY own_place = 1 AND NOT EXISTS (
                          SELECT 1 FROM media AS earlier
                          WHERE earlier.listing_key = placed.listing_key
                            AND earlier.deleted_at IS NULL AND earlier.file_path IS NOT NULL
                            AND {earlier_order} < own_order) DESC,
                      {newest} DESC, placed.listing_key DESC, own_place",
            earlier_order = sql.order("earlier.")
        );
        let now = self.now();
        let parameters: [(&str, &dyn ToSql); 1] = match wanted {
            WantedPhotos::Of(_) => [(":keys", &keys)],
            _ => [(":now", &now)],
        };
        let lined_up = self.connection.execute(&line_up, &parameters)?;
        Ok(lined_up as u64)
    }

    /// Returns the join to a photo's listing, and the expression by which listings are
    /// newer than others: the time of entry, as far as the feed has it.
    fn newest(&self) -> rusqlite::Result<(String, String)> {
        let Some(listings) = Table::of(&self.connection, Resource::PROPERTY)? else {
            return Ok((String::new(), "NULL".to_owned()));
        };
        let newest = listings.first_value(&[
            "OriginalEntryTimestamp",
            "ListingContractDate",
            MODIFICATION_TIMESTAMP,
        ]);
        let join = format!(
            "LEFT JOIN listings ON {} = placed.listing_key",
            listings.key()
        );
        Ok((join, newest))
    }

    /// Returns the number of queued photos.
    pub fn count_queued_photos(&self) -> rusqlite::Result<u64> {
        let sql = "SELECT count(*) FROM temp.photo_queue";
        self.connection.query_row(sql, [], |row| row.get(0))
    }

    /// Returns the number of photos to download.
    pub fn photo_backlog(&self) -> rusqlite::Result<Backlog> {
        let Some(sql) = PhotoSql::of(&self.connection)? else {
            return Ok(Backlog::default());
        };
        let mut backlog = self.connection.query_row(
            &format!(
                "SELECT count(*), count(nullif(download_attempts, 0)),
                        count(CASE WHEN download_after > ?1 THEN 1 END)
                 FROM media WHERE {}",
                sql.to_fetch
            ),
            [self.now()],
            |row| {
                Ok(Backlog {
                    photos: row.get(0)?,
                    failing: row.get(1)?,
                    paused: row.get(2)?,
                    unavailable: 0,
                })
            },
        )?;
        let unavailable = format!("SELECT count(*) FROM media WHERE {}", sql.unavailable);
        backlog.unavailable = self
            .connection
            .query_row(&unavailable, [], |row| row.get(0))?;
        Ok(backlog)
    }

    /// Returns when the next paused photo will be retried, and its error.
    pub fn next_paused(&self) -> rusqlite::Result<Option<(String, String)>> {
        let Some(sql) = PhotoSql::of(&self.connection)? else {
            return Ok(None);
        };
        self.connection
            .query_row(
                &format!(
                    "SELECT download_after, coalesce(download_error, '') FROM media
                     WHERE {} AND download_after > ?1 ORDER BY download_after LIMIT 1",
                    sql.to_fetch
                ),
                [self.now()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
    }
}
