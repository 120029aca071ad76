//! Photo downloads: which come next, and how each ended.

use rusqlite::{OptionalExtension, ToSql, named_params};

use super::file_columns::PhotoSql;
use crate::mirror::dropped_write::dropped_write;
use crate::mirror::{Mirror, ReadTx, WriteTx};
use crate::resource::Resource;

/// A photo to download.
#[derive(Clone, Debug)]
pub struct Photo {
    /// Its key.
    pub key: String,
    /// The listing it belongs to.
    pub listing_key: Option<String>,
    /// The URL of its file.
    pub url: String,
    /// When the row was last written, in storage form: the URL is at least as old.
    pub updated_at: String,
    /// The source of the file to download; see `file_source`.
    pub source: String,
    /// The file that exists already.
    pub held: Option<HeldFile>,
    /// The number of failed attempts so far.
    pub attempts: u32,
    /// Whether its host answered last that the file does not exist.
    pub was_missing: bool,
    /// Whether its row was read again after its host refused the URL.
    pub is_renewed: bool,
    /// Whether a photo exists whose file could have the same name.
    pub has_rival: bool,
    /// The round in which it is tried; the first one is 0.
    pub round: u32,
}

/// A photo's file, as its row describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldFile {
    /// Its path within the media folder.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The `ETag` of the response, if it came from the same URL.
    pub etag: Option<String>,
    /// The `Last-Modified` of the response, if it came from the same URL.
    pub last_modified: Option<String>,
}

/// A downloaded file.
#[derive(Clone, Copy, Debug)]
pub struct FetchedFile<'a> {
    /// Its path within the media folder.
    pub path: &'a str,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256 as hexadecimal digits.
    pub sha256: &'a str,
    /// The `ETag` of the response.
    pub etag: Option<&'a str>,
    /// The `Last-Modified` of the response.
    pub last_modified: Option<&'a str>,
}

/// A photo whose download was interrupted by a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterruptedDownload {
    /// Its key.
    pub key: String,
    /// The folder for its file.
    pub folder: String,
    /// The name of its file without the extension.
    pub stem: String,
    /// The path of the file that it had before.
    pub path_before: Option<String>,
    /// The path and the hash of the file that its row names.
    pub named: Option<(String, String)>,
}

impl Mirror {
    /// Returns the photos whose downloads were interrupted by a crash.
    pub fn interrupted_downloads(&self) -> rusqlite::Result<Vec<InterruptedDownload>> {
        let mut any = self.connection.prepare("SELECT 1 FROM _downloads")?;
        if !any.exists([])? {
            return Ok(Vec::new());
        }
        self.connection
            .prepare(&format!(
                "SELECT d.media_key, d.folder, d.stem, d.file_path, m.file_path, m.file_sha256
                 FROM _downloads AS d LEFT JOIN media AS m ON m.{} = d.media_key",
                self.key(Resource::MEDIA)?
            ))?
            .query_map([], |row| {
                let (path, sha256): (Option<String>, Option<String>) = (row.get(4)?, row.get(5)?);
                Ok(InterruptedDownload {
                    key: row.get(0)?,
                    folder: row.get(1)?,
                    stem: row.get(2)?,
                    path_before: row.get(3)?,
                    named: path.zip(sha256),
                })
            })?
            .collect()
    }
}

impl ReadTx<'_> {
    /// Returns a photo as its row is now, or None if the row is not live.
    pub fn photo(&self, key: &str) -> rusqlite::Result<Option<Photo>> {
        let Some(sql) = PhotoSql::of(&self.transaction)? else {
            return Ok(None);
        };
        self.transaction
            .prepare_cached(&photo_sql(&sql, &self.key(Resource::MEDIA)?))?
            .query_row([key], photo)
            .optional()
    }
}

impl WriteTx<'_> {
    /// Takes up to `most` photos of a round from the queue, as their rows are now.
    /// Photos whose rows are no longer live are skipped. Returns none if the queue is
    /// empty.
    pub fn next_photos(&self, round: u32, most: usize) -> rusqlite::Result<Vec<Photo>> {
        let Some(sql) = PhotoSql::of(&self.transaction)? else {
            return Ok(Vec::new());
        };
        let mut next = self.transaction.prepare_cached(
            "SELECT place, queued_key FROM temp.photo_queue WHERE round = ?1
             ORDER BY place LIMIT ?2",
        )?;
        let mut delete = self
            .transaction
            .prepare_cached("DELETE FROM temp.photo_queue WHERE round = ?1 AND place <= ?2")?;
        let mut row_of = self
            .transaction
            .prepare_cached(&photo_sql(&sql, &self.key(Resource::MEDIA)?))?;
        let mut photos = Vec::new();
        loop {
            let line: Vec<(i64, String)> = next
                .query_map((round, most), |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            let Some((taken, _)) = line.last() else {
                return Ok(photos);
            };
            delete.execute((round, taken))?;
            for (_, key) in &line {
                let photo = row_of.query_row([key], photo).optional()?;
                photos.extend(photo.map(|photo| Photo { round, ..photo }));
            }
            if !photos.is_empty() {
                return Ok(photos);
            }
        }
    }

    /// Appends a photo to the queue, for a later round.
    pub fn requeue_photo(&self, key: &str, round: u32) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("INSERT INTO temp.photo_queue (queued_key, round) VALUES (?1, ?2)")?
            .execute((key, round))?;
        Ok(())
    }

    /// Stores that a photo is being downloaded, and where its file will be.
    pub fn begin_download(&self, photo: &Photo, folder: &str, stem: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO _downloads (media_key, folder, stem, file_path)
                 VALUES (:key, :folder, :stem, :path)",
            )?
            .execute(named_params! {
                ":key": photo.key,
                ":folder": folder,
                ":stem": stem,
                ":path": photo.held.as_ref().map(|held| &held.path),
            })?;
        Ok(())
    }

    /// Removes a photo from the downloads in progress.
    pub fn end_download(&self, key: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("DELETE FROM _downloads WHERE media_key = ?1")?
            .execute([key])?;
        Ok(())
    }

    /// Stores the file of a downloaded photo.
    pub fn photo_fetched(&self, photo: &Photo, file: FetchedFile<'_>) -> rusqlite::Result<()> {
        self.update_photo(
            &photo.key,
            "file_path = :path, file_bytes = :bytes, file_sha256 = :sha256,
             downloaded_at = :now, download_attempts = 0, download_error = NULL,
             download_after = NULL, file_source = :source, file_etag = :etag,
             file_last_modified = :modified",
            named_params! {
                ":path": file.path,
                ":bytes": file.bytes,
                ":sha256": file.sha256,
                ":now": self.now,
                ":source": photo.source,
                ":etag": file.etag,
                ":modified": file.last_modified,
            },
        )
    }

    /// Stores that a photo's file is unchanged on its host.
    pub fn photo_unchanged(&self, photo: &Photo) -> rusqlite::Result<()> {
        self.update_photo(
            &photo.key,
            "download_attempts = 0, download_error = NULL, download_after = NULL,
             file_source = :source",
            named_params! { ":source": photo.source },
        )
    }

    /// Stores that a photo could not be downloaded, and whether it was requested. It is
    /// tried again after a moment in storage form.
    pub fn photo_failed(
        &self,
        key: &str,
        error: &str,
        after: &str,
        was_asked: bool,
    ) -> rusqlite::Result<()> {
        self.update_photo(
            key,
            "download_attempts = download_attempts + :asked, download_error = :error,
             download_after = :after",
            named_params! { ":asked": was_asked, ":error": error, ":after": after },
        )
    }

    /// Stores that a photo's host does not have the file. It is tried again after a
    /// moment in storage form; without one, only when the feed changes its source.
    pub fn photo_missing(
        &self,
        photo: &Photo,
        error: &str,
        after: Option<&str>,
    ) -> rusqlite::Result<()> {
        self.update_photo(
            &photo.key,
            "download_attempts = :attempts, download_error = :error, download_after = :after,
             file_source = :source, file_etag = NULL, file_last_modified = NULL",
            named_params! {
                ":attempts": photo.missing_count() + 1, ":error": error, ":after": after,
                ":source": photo.source,
            },
        )
    }

    /// Postpones the next check of a missing photo to a moment in storage form.
    pub fn photo_postponed(&self, key: &str, after: &str) -> rusqlite::Result<()> {
        self.update_photo(
            key,
            "download_after = :after",
            named_params! { ":after": after },
        )
    }

    /// Sets columns of a photo's row.
    pub(super) fn update_photo(
        &self,
        key: &str,
        set: &str,
        values: &[(&str, &dyn ToSql)],
    ) -> rusqlite::Result<()> {
        let column = self.key(Resource::MEDIA)?;
        let updated = self
            .transaction
            .prepare_cached(&format!("UPDATE media SET {set} WHERE {column} = :key"))?
            .execute(&*[values, named_params! { ":key": key }].concat())?;
        // Another program may have removed the row.
        let is_there = || {
            let sql = format!("SELECT 1 FROM media WHERE {column} = ?1");
            self.transaction.prepare_cached(&sql)?.exists([key])
        };
        if updated == 0 && is_there()? {
            return Err(dropped_write(&self.transaction, Resource::MEDIA.table()));
        }
        Ok(())
    }
}

impl Photo {
    /// Returns how often its host answered that the file does not exist.
    pub fn missing_count(&self) -> u32 {
        if self.was_missing { self.attempts } else { 0 }
    }
}

/// Returns the query for a photo's row by its key. `ETag` and `Last-Modified` are only
/// valid for the same URL, with which `file_source` ends.
fn photo_sql(sql: &PhotoSql, key: &str) -> String {
    let source = &sql.source;
    let url = "' ' || quote(\"MediaURL\")";
    format!(
        "SELECT CAST({key} AS TEXT), listing_key, \"MediaURL\", {source}, file_path, file_bytes,
                CASE WHEN is_same_url THEN file_etag END,
                CASE WHEN is_same_url THEN file_last_modified END,
                download_attempts, file_source IS {source}, updated_at
         FROM (SELECT *, substr(file_source, -length({url})) = {url} AS is_same_url FROM media
               WHERE {key} = ?1 AND deleted_at IS NULL AND \"MediaURL\" <> '')"
    )
}

fn photo(row: &rusqlite::Row<'_>) -> rusqlite::Result<Photo> {
    let (path, bytes): (Option<String>, Option<u64>) = (row.get(4)?, row.get(5)?);
    let (etag, last_modified) = (row.get(6)?, row.get(7)?);
    Ok(Photo {
        key: row.get(0)?,
        listing_key: row.get(1)?,
        url: row.get(2)?,
        source: row.get(3)?,
        held: path.zip(bytes).map(|(path, bytes)| HeldFile {
            path,
            bytes,
            etag,
            last_modified,
        }),
        attempts: row.get::<_, i64>(8)?.clamp(0, i64::from(u32::MAX)) as u32,
        was_missing: row.get(9)?,
        updated_at: row.get(10)?,
        is_renewed: false,
        has_rival: false,
        round: 0,
    })
}
