//! The photos that `[media]` excludes: they have no files.

use std::time::Duration;

use rusqlite::named_params;

use super::file_columns::PhotoSql;
use crate::config::KeptPhotos;
use crate::mirror::{Mirror, WrongCondition};
use crate::resource::Resource;

/// How long it may take to find the listings that meet the condition.
const EVALUATION_TIMEOUT: Duration = Duration::from_secs(600);

/// The number of rows that are updated in one transaction.
const ROWS_AT_ONCE: i64 = 10_000;

/// The key in `_state` that is set while photos may be excluded.
const EXCLUDES: &str = "excludes_photos";

/// The index of the photos in their places.
const INDEX: &str = "media_kept";

/// The photos that `[media]` keeps, and the files that it removes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptFiles {
    /// Live photos of the mirror.
    pub of_photos: u64,
    /// Photos of these that have files, or will have.
    pub photos: u64,
    /// Kept photos without a file yet.
    pub to_fetch: u64,
    /// Files of excluded photos.
    pub to_remove: u64,
    /// Bytes of these files.
    pub bytes_to_remove: u64,
}

impl Mirror {
    /// Marks the photos that `[media]` excludes, and unmarks photos that it no longer excludes.
    /// Does not remove or download files.
    pub fn mark_excluded_photos(
        &mut self,
        kept: &KeptPhotos,
    ) -> rusqlite::Result<Result<(), WrongCondition>> {
        let excludes = *kept != KeptPhotos::default();
        let has_excluded = self.state(EXCLUDES)?.is_some_and(|value| value == "1");
        if !excludes && !has_excluded {
            return Ok(Ok(()));
        }
        let select = match self.kept_photos(kept)? {
            Ok(Some(select)) => select,
            Ok(None) => return Ok(Ok(())),
            Err(wrong) => return Ok(Err(wrong)),
        };
        if excludes {
            self.begin_to_exclude()?;
        }
        // The changes are found without the write lock.
        self.connection.execute_batch(&format!(
            "CREATE TEMP TABLE IF NOT EXISTS excluded_photo (
                 place INTEGER PRIMARY KEY, photo_key, excluded BOOLEAN);
             DELETE FROM temp.excluded_photo;
             INSERT INTO temp.excluded_photo (photo_key, excluded)
             SELECT photo_key, excluded FROM ({select}) WHERE excluded IS NOT was_excluded;"
        ))?;
        self.update_excluded_photos()?;
        if !excludes {
            let tx = self.write()?;
            (tx.transaction).execute_batch(&format!("DROP INDEX IF EXISTS {INDEX}"))?;
            tx.set_state(EXCLUDES, "0")?;
            tx.commit()?;
        }
        Ok(Ok(()))
    }

    /// Counts the photos and files that `[media]` keeps and excludes. Changes nothing.
    pub fn count_kept_photos(
        &mut self,
        kept: &KeptPhotos,
    ) -> rusqlite::Result<Result<KeptFiles, WrongCondition>> {
        let select = match self.kept_photos(kept)? {
            Ok(Some(select)) => select,
            Ok(None) => return Ok(Ok(KeptFiles::default())),
            Err(wrong) => return Ok(Err(wrong)),
        };
        let sql = format!(
            "SELECT count(*), count(*) - count(excluded),
                    count(CASE WHEN excluded IS NULL AND file_path IS NULL THEN 1 END),
                    count(CASE WHEN excluded THEN file_path END),
                    coalesce(sum(CASE WHEN excluded THEN file_bytes END), 0)
             FROM ({select})"
        );
        self.connection
            .query_row(&sql, [], |row| {
                Ok(KeptFiles {
                    of_photos: row.get(0)?,
                    photos: row.get(1)?,
                    to_fetch: row.get(2)?,
                    to_remove: row.get(3)?,
                    bytes_to_remove: row.get(4)?,
                })
            })
            .map(Ok)
    }

    /// Returns the query for all live photos, and whether they are and were excluded. None if
    /// there are no photos. Photos without a listing are never excluded.
    fn kept_photos(
        &mut self,
        kept: &KeptPhotos,
    ) -> rusqlite::Result<Result<Option<String>, WrongCondition>> {
        let Some(sql) = PhotoSql::of(&self.connection)? else {
            return Ok(Ok(None));
        };
        let is_of_other = match &kept.condition {
            None => "false",
            Some(condition) => {
                if let Err(wrong) = self.find_listings(condition)? {
                    return Ok(Err(wrong));
                }
                "listing_key NOT IN (SELECT listing_key FROM temp.kept_listing)"
            }
        };
        let key = self.key(Resource::MEDIA)?;
        let is_later = if kept.only_first {
            format!(
                "row_number() OVER (PARTITION BY listing_key ORDER BY {}) > 1",
                place(&sql, &key)
            )
        } else {
            "false".to_owned()
        };
        Ok(Ok(Some(format!(
            "SELECT {key} AS photo_key, file_excluded AS was_excluded, file_path, file_bytes,
                    CASE WHEN listing_key IS NOT NULL AND ({is_of_other} OR {is_later})
                         THEN 1 END AS excluded
             FROM media WHERE {}",
            sql.photo
        ))))
    }

    /// Collects the live listings that meet a condition.
    fn find_listings(&mut self, condition: &str) -> rusqlite::Result<Result<(), WrongCondition>> {
        if !self.has_table(Resource::PROPERTY)? {
            return Ok(Err(WrongCondition::without_listings()));
        }
        if let Err(wrong) = self.check_condition(condition)? {
            return Ok(Err(wrong));
        }
        let key = self.key(Resource::PROPERTY)?;
        self.limit_statements(Some(EVALUATION_TIMEOUT))?;
        let found = self.connection.execute_batch(&format!(
            "CREATE TEMP TABLE IF NOT EXISTS kept_listing (listing_key TEXT PRIMARY KEY) WITHOUT ROWID;
             DELETE FROM temp.kept_listing;
             INSERT INTO temp.kept_listing SELECT CAST({key} AS TEXT) FROM listings
             WHERE deleted_at IS NULL AND (\n{condition}\n);"
        ));
        self.limit_statements(None)?;
        Ok(Ok(found?))
    }

    /// Updates the rows of the collected photos.
    fn update_excluded_photos(&mut self) -> rusqlite::Result<()> {
        let key = self.key(Resource::MEDIA)?;
        let last = "SELECT coalesce(max(place), 0) FROM temp.excluded_photo";
        let last: i64 = self.connection.query_row(last, [], |row| row.get(0))?;
        for after in (0..last).step_by(ROWS_AT_ONCE as usize) {
            let tx = self.write()?;
            tx.transaction.execute(
                &format!(
                    "UPDATE media SET file_excluded = changed.excluded
                     FROM temp.excluded_photo AS changed
                     WHERE media.{key} = changed.photo_key
                       AND changed.place > :after AND changed.place <= :last"
                ),
                named_params! { ":after": after, ":last": after + ROWS_AT_ONCE },
            )?;
            tx.commit()?;
        }
        Ok(())
    }

    /// Creates the index of the photos in their places, without which every sync would read
    /// all rows of `media`.
    fn begin_to_exclude(&mut self) -> rusqlite::Result<()> {
        let tx = self.write()?;
        let Some(sql) = PhotoSql::of(&tx.transaction)? else {
            return Ok(());
        };
        let place = place(&sql, &tx.key(Resource::MEDIA)?);
        let columns = format!("listing_key, {place}, file_excluded");
        tx.ensure_index(INDEX, &columns, &sql.photo)?;
        if tx.state(EXCLUDES)?.is_none_or(|value| value != "1") {
            tx.set_state(EXCLUDES, "1")?;
        }
        tx.commit()
    }
}

/// Returns the expressions by which the photos of a listing are sorted.
fn place(sql: &PhotoSql, key: &str) -> String {
    let order = sql.order("");
    format!("{order} IS NULL, {order}, {key}")
}
