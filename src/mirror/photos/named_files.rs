//! The files that rows name: those of live rows, and those to remove.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::file_columns::TO_REMOVE;
use crate::mirror::{Mirror, WriteTx};
use crate::resource::Resource;

/// A file that a row names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// The photo's key.
    pub key: String,
    /// The listing it belongs to.
    pub listing_key: Option<String>,
    /// Its path within the media folder.
    pub path: String,
    /// Its length in bytes; None if another program cleared it.
    pub bytes: Option<u64>,
    /// Its SHA-256 as hexadecimal digits; None if another program cleared it.
    pub sha256: Option<String>,
}

/// Selects the columns of a [`FileRow`] for live photos.
fn files(key: &str) -> String {
    format!(
        "SELECT CAST({key} AS TEXT), file_path, file_bytes, file_sha256, listing_key
         FROM media WHERE deleted_at IS NULL AND file_path IS NOT NULL"
    )
}

/// Returns the condition of the rows after a key. Number keys do not come after an empty text.
fn is_after(key: &str, after: &str) -> String {
    match after {
        "" => ":after = ''".to_owned(),
        _ => format!("{key} > :after"),
    }
}

fn file_row(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    Ok(FileRow {
        key: row.get(0)?,
        path: row.get(1)?,
        bytes: row.get(2)?,
        sha256: row.get(3)?,
        listing_key: row.get(4)?,
    })
}

impl Mirror {
    /// Returns up to `most` files of live photos, in the order of their keys, after the
    /// key `after`.
    pub fn files_after(&self, after: &str, most: u64) -> rusqlite::Result<Vec<FileRow>> {
        if !self.has_table(Resource::MEDIA)? {
            return Ok(Vec::new());
        }
        let key = self.key(Resource::MEDIA)?;
        self.connection
            .prepare_cached(&format!(
                "{} AND {} ORDER BY {key} LIMIT :most",
                files(&key),
                is_after(&key, after)
            ))?
            .query_map(named_params! { ":after": after, ":most": most }, file_row)?
            .collect()
    }

    /// Returns the file of a live photo, if it has one.
    pub fn file_of(&self, key: &str) -> rusqlite::Result<Option<FileRow>> {
        let column = self.key(Resource::MEDIA)?;
        self.connection
            .prepare_cached(&format!("{} AND {column} = ?1", files(&column)))?
            .query_row([key], file_row)
            .optional()
    }

    /// Returns whether a photo with one of these keys exists, and names a file at `path`
    /// unless that is None.
    pub fn has_photo(&self, keys: &[String], path: Option<&str>) -> anyhow::Result<bool> {
        has_photo(&self.connection, &self.key(Resource::MEDIA)?, keys, path)
    }

    /// Returns the files of a listing's live photos.
    pub fn files_of_listing(&self, listing_key: &str) -> rusqlite::Result<Vec<FileRow>> {
        self.connection
            .prepare_cached(&format!(
                "{} AND listing_key = ?1",
                files(&self.key(Resource::MEDIA)?)
            ))?
            .query_map([listing_key], file_row)?
            .collect()
    }

    /// Returns the keys and paths of up to `most` soft-deleted photos that still have a
    /// file or an unfinished download, in the order of their keys, after the key
    /// `after`.
    pub fn files_to_remove(
        &self,
        after: &str,
        most: usize,
    ) -> rusqlite::Result<Vec<(String, Option<String>)>> {
        if !self.has_table(Resource::MEDIA)? {
            return Ok(Vec::new());
        }
        let key = self.key(Resource::MEDIA)?;
        self.connection
            .prepare_cached(&format!(
                "SELECT CAST({key} AS TEXT), file_path FROM media
                 WHERE {TO_REMOVE} AND {} ORDER BY {key} LIMIT :most",
                is_after(&key, after)
            ))?
            .query_map(named_params! { ":after": after, ":most": most }, |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect()
    }

    /// Returns whether any row names a file.
    pub fn has_files(&self) -> rusqlite::Result<bool> {
        if !self.has_table(Resource::MEDIA)? {
            return Ok(false);
        }
        self.connection
            .prepare("SELECT 1 FROM media WHERE file_path IS NOT NULL")?
            .exists([])
    }

    /// Returns the number of soft-deleted photos that still have a file.
    pub fn count_files_to_remove(&self) -> rusqlite::Result<u64> {
        if !self.has_table(Resource::MEDIA)? {
            return Ok(0);
        }
        let sql = format!("SELECT count(file_path) FROM media WHERE {TO_REMOVE}");
        self.connection.query_row(&sql, [], |row| row.get(0))
    }

    /// Collects all paths that rows name, and the temporary files of downloads in
    /// progress, for [`Mirror::is_named`].
    pub fn gather_paths(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS named_path (path TEXT PRIMARY KEY) WITHOUT ROWID;
             DELETE FROM temp.named_path;
             INSERT INTO temp.named_path SELECT folder || '/.' || stem || '.part' FROM _downloads;",
        )?;
        if self.has_table(Resource::MEDIA)? {
            self.connection.execute_batch(
                "INSERT OR IGNORE INTO temp.named_path SELECT file_path FROM media
                 WHERE file_path IS NOT NULL",
            )?;
        }
        Ok(())
    }

    /// Returns whether a row names this path, among the collected ones.
    pub fn is_named(&self, path: &str) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached("SELECT 1 FROM temp.named_path WHERE path = ?1")?
            .exists([path])
    }
}

fn has_photo(
    db: &Connection,
    key: &str,
    keys: &[String],
    path: Option<&str>,
) -> anyhow::Result<bool> {
    let keys = serde_json::to_string(keys)?;
    let found = db
        .prepare_cached(&format!(
            "SELECT 1 FROM media WHERE {key} IN (SELECT value FROM json_each(:keys))
               AND (:path IS NULL OR file_path = :path)"
        ))?
        .exists(named_params! { ":keys": keys, ":path": path })?;
    Ok(found)
}

impl WriteTx<'_> {
    /// Returns whether a photo with one of these keys exists.
    pub fn has_photo(&self, keys: &[String]) -> anyhow::Result<bool> {
        let key = self.key(Resource::MEDIA)?;
        has_photo(&self.transaction, &key, keys, None)
    }

    /// Stores that a photo's file has another name now.
    pub fn rename_file(&self, key: &str, new_path: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(&format!(
                "UPDATE media SET file_path = ?2 WHERE {} = ?1 AND file_path IS NOT NULL",
                self.key(Resource::MEDIA)?
            ))?
            .execute([key, new_path])?;
        Ok(())
    }

    /// Clears a photo's file columns, so that it is downloaded again.
    pub fn clear_file(&self, key: &str) -> rusqlite::Result<()> {
        self.update_photo(
            key,
            "file_path = NULL, file_bytes = NULL, file_sha256 = NULL, downloaded_at = NULL,
             download_attempts = 0, download_error = NULL, download_after = NULL,
             file_source = NULL, file_etag = NULL, file_last_modified = NULL",
            &[],
        )
    }
}
