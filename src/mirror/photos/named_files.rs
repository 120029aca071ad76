//! Files that rows name: those that are there, and those that are to go.

use rusqlite::{OptionalExtension, Row, named_params};

use super::file_columns::TO_REMOVE;
use crate::mirror::{Mirror, WriteTx};
use crate::resource::Resource;

/// A file as its row names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// The photo's key.
    pub key: String,
    /// The listing it belongs to.
    pub listing_key: Option<String>,
    /// Its path within the folder of photos.
    pub path: String,
    /// Its length; none where another hand took it out.
    pub bytes: Option<u64>,
    /// The SHA-256 of its content, in hexadecimal digits; likewise.
    pub sha256: Option<String>,
}

/// The columns of a [`FileRow`], of live photos.
const FILES: &str = "SELECT \"MediaKey\", file_path, file_bytes, file_sha256, listing_key
                     FROM media WHERE deleted_at IS NULL AND file_path IS NOT NULL";

fn file_row(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    Ok(FileRow {
        key: row.get(0)?,
        path: row.get(1)?,
        bytes: row.get::<_, Option<i64>>(2)?.map(|bytes| bytes as u64),
        sha256: row.get(3)?,
        listing_key: row.get(4)?,
    })
}

impl Mirror {
    /// Files of live photos, in the order of their keys, behind `after`; at most so
    /// many.
    pub fn files_after(&self, after: &str, most: u64) -> rusqlite::Result<Vec<FileRow>> {
        if !self.has_table(Resource::Media)? {
            return Ok(Vec::new());
        }
        self.connection
            .prepare_cached(&format!(
                "{FILES} AND \"MediaKey\" > :after ORDER BY \"MediaKey\" LIMIT :most"
            ))?
            .query_map(
                named_params! { ":after": after, ":most": most as i64 },
                file_row,
            )?
            .collect()
    }

    /// The file of a live photo, if it has one.
    pub fn file_of(&self, key: &str) -> rusqlite::Result<Option<FileRow>> {
        self.connection
            .prepare_cached(&format!("{FILES} AND \"MediaKey\" = ?1"))?
            .query_row([key], file_row)
            .optional()
    }

    /// Files of a listing's live photos.
    pub fn files_of_listing(&self, listing_key: &str) -> rusqlite::Result<Vec<FileRow>> {
        self.connection
            .prepare_cached(&format!("{FILES} AND listing_key = ?1"))?
            .query_map([listing_key], file_row)?
            .collect()
    }

    /// Keys of soft-deleted photos that still have to do with a file, and its path, in
    /// the order of the keys behind one of them; at most so many.
    pub fn files_to_remove(
        &self,
        after: &str,
        most: usize,
    ) -> rusqlite::Result<Vec<(String, Option<String>)>> {
        if !self.has_table(Resource::Media)? {
            return Ok(Vec::new());
        }
        self.connection
            .prepare_cached(&format!(
                "SELECT \"MediaKey\", file_path FROM media
                 WHERE {TO_REMOVE} AND \"MediaKey\" > :after ORDER BY \"MediaKey\" LIMIT :most"
            ))?
            .query_map(
                named_params! { ":after": after, ":most": most as i64 },
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?
            .collect()
    }

    /// Whether any row names a file.
    pub fn has_files(&self) -> rusqlite::Result<bool> {
        if !self.has_table(Resource::Media)? {
            return Ok(false);
        }
        self.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM media WHERE file_path IS NOT NULL)",
            [],
            |row| row.get(0),
        )
    }

    /// How many soft-deleted photos still have a file.
    pub fn count_files_to_remove(&self) -> rusqlite::Result<u64> {
        if !self.has_table(Resource::Media)? {
            return Ok(0);
        }
        let sql = format!("SELECT count(file_path) FROM media WHERE {TO_REMOVE}");
        self.connection
            .query_row(&sql, [], |row| row.get::<_, i64>(0))
            .map(|count| count as u64)
    }

    /// Begins to look up which files are named: gathers all paths, those of temporary
    /// files of a process that fetches photos now included.
    pub fn gather_paths(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS named_path (path TEXT PRIMARY KEY) WITHOUT ROWID;
             DELETE FROM temp.named_path;
             INSERT INTO temp.named_path SELECT folder || '/.' || stem || '.part' FROM _downloads;",
        )?;
        if self.has_table(Resource::Media)? {
            self.connection.execute_batch(
                "INSERT OR IGNORE INTO temp.named_path SELECT file_path FROM media
                 WHERE file_path IS NOT NULL",
            )?;
        }
        Ok(())
    }

    /// Whether a row names this path, among those that were gathered.
    pub fn is_named(&self, path: &str) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM temp.named_path WHERE path = ?1)")?
            .query_row([path], |row| row.get(0))
    }
}

impl WriteTx<'_> {
    /// A photo has no file any more, and is as one that never was fetched.
    pub fn clear_file(&self, key: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "UPDATE media SET file_path = NULL, file_bytes = NULL, file_sha256 = NULL,
                        downloaded_at = NULL, download_attempts = 0, download_error = NULL,
                        download_after = NULL, file_source = NULL, file_etag = NULL,
                        file_last_modified = NULL
                 WHERE \"MediaKey\" = ?1",
            )?
            .execute([key])?;
        Ok(())
    }
}
