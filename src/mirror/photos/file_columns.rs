//! The columns of `media` about files, and their indexes.

use rusqlite::Connection;

use crate::mirror::WriteTx;
use crate::mirror::objects::columns;
use crate::mirror::sql::quoted;
use crate::resource::{MODIFICATION_TIMESTAMP, Resource};

/// The columns of `media` about files.
const COLUMNS: [(&str, &str); 11] = [
    ("file_path", "TEXT"),
    ("file_bytes", "INTEGER"),
    ("file_sha256", "TEXT"),
    ("downloaded_at", "TIMESTAMP"),
    ("download_attempts", "INTEGER NOT NULL DEFAULT 0"),
    ("download_error", "TEXT"),
    ("download_after", "TIMESTAMP"),
    ("file_source", "TEXT"),
    ("file_etag", "TEXT"),
    ("file_last_modified", "TEXT"),
    ("file_excluded", "BOOLEAN"),
];

/// Values of MediaType, in addition to `image/…`, that are images: the names of the
/// RESO Data Dictionary, and the names that servers use.
const IMAGE_TYPES: &str =
    "'jpeg', 'jpg', 'png', 'gif', 'webp', 'bmp', 'tiff', 'tif', 'heic', 'avif'";

/// SQL expressions over the columns of `media`.
pub(in crate::mirror) struct PhotoSql {
    /// The source of a photo's file: its listing, its URL and its timestamp.
    pub source: String,
    /// The condition that a live row has the URL of a photo.
    pub photo: String,
    /// The condition that a photo has to be downloaded. Must equal the condition of the
    /// index `media_to_fetch`.
    pub to_fetch: String,
    /// The condition that a photo's host answered last that the file does not exist.
    /// Must equal the condition of the index `media_unavailable`.
    pub unavailable: String,
    has_order: bool,
}

/// The condition that a photo without a right to a file still has a file or an unfinished
/// download: it is soft-deleted, or `[media]` excludes it.
/// Must equal the condition of the index `media_to_remove`.
pub(in crate::mirror) const TO_REMOVE: &str = "(deleted_at IS NOT NULL OR file_excluded) AND (file_source IS NOT NULL OR download_error IS NOT NULL)";

impl PhotoSql {
    /// Returns None if there is no `media`, or the feed has no URLs.
    pub fn of(connection: &Connection) -> rusqlite::Result<Option<PhotoSql>> {
        let columns = columns(connection, Resource::MEDIA.table())?;
        Ok(PhotoSql::for_columns(&columns))
    }

    /// Returns None if there is no column for URLs.
    pub fn for_columns(columns: &[String]) -> Option<PhotoSql> {
        let has = |name: &str| columns.iter().any(|column| column == name);
        if !has("MediaURL") || !has("file_source") {
            return None;
        }
        let timestamps = ["MediaModificationTimestamp", MODIFICATION_TIMESTAMP];
        let timestamps: Vec<String> = timestamps
            .into_iter()
            .filter(|name| has(name))
            .map(quoted)
            .collect();
        let timestamp = match timestamps.len() {
            0 => "NULL".to_owned(),
            1 => timestamps.concat(),
            _ => format!("coalesce({})", timestamps.join(", ")),
        };
        let source = format!(
            "quote(listing_key) || ' ' || quote({timestamp}) || ' ' || quote(\"MediaURL\")"
        );
        let is_photo = is_photo(columns, "");
        Some(PhotoSql {
            photo: format!("deleted_at IS NULL AND \"MediaURL\" <> '' AND ({is_photo})"),
            to_fetch: format!(
                "deleted_at IS NULL AND file_excluded IS NULL AND file_source IS NOT {source} AND \"MediaURL\" <> '' AND ({is_photo})"
            ),
            unavailable: format!(
                "deleted_at IS NULL AND file_source IS {source} AND download_error IS NOT NULL"
            ),
            source,
            has_order: has("Order"),
        })
    }

    /// Returns a photo's position among its listing's photos. `table` is a prefix with
    /// a dot.
    pub fn order(&self, table: &str) -> String {
        if self.has_order {
            format!("{table}\"Order\"")
        } else {
            // A number would be the number of a column in ORDER BY.
            "NULL".to_owned()
        }
    }
}

/// Returns the condition that a row of `media` is a photo. If no column shows which rows are
/// photos, every row with a URL is one. `table` is a prefix with a dot.
pub(in crate::mirror) fn is_photo(columns: &[String], table: &str) -> String {
    let has = |name: &str| columns.iter().any(|column| column == name);
    // Several categories are one text, or a JSON list.
    let plain = format!(
        "lower(replace(replace(replace(replace({table}\"MediaCategory\", '[', ''), ']', ''), '\"', ''), ', ', ','))"
    );
    let category = format!("instr(',' || {plain} || ',', ',photo,') > 0");
    let media_type = format!(
        "lower({table}\"MediaType\") IN ({IMAGE_TYPES}) OR lower(substr({table}\"MediaType\", 1, 6)) = 'image/'"
    );
    match (has("MediaCategory"), has("MediaType")) {
        (true, true) => format!("{category} OR {media_type}"),
        (true, false) => category,
        (false, true) => media_type,
        (false, false) if has("MediaURL") => format!("{table}\"MediaURL\" <> ''"),
        (false, false) => "false".to_owned(),
    }
}

/// Returns whether a column of `media` is about its file.
pub(in crate::mirror) fn is_file_column(name: &str) -> bool {
    COLUMNS.iter().any(|(column, _)| *column == name)
}

/// Returns the declarations of the file columns.
pub(in crate::mirror) fn file_columns() -> String {
    COLUMNS
        .map(|(name, kind)| format!("{name} {kind}"))
        .join(", ")
}

impl WriteTx<'_> {
    /// Adds what `media` lacks for its files: columns that an earlier version did not
    /// have, and indexes that depend on the feed's fields.
    pub(in crate::mirror) fn ensure_photos(&self) -> rusqlite::Result<()> {
        let existing = columns(&self.transaction, Resource::MEDIA.table())?;
        if existing.is_empty() {
            return Ok(());
        }
        for (name, kind) in COLUMNS {
            if !existing.iter().any(|column| column == name) {
                let sql = format!("ALTER TABLE media ADD COLUMN {name} {kind}");
                self.transaction.execute_batch(&sql)?;
            }
        }
        self.ensure_index("media_to_remove", &self.key(Resource::MEDIA)?, TO_REMOVE)?;
        let failed = "deleted_at IS NULL AND download_error IS NOT NULL";
        self.ensure_index("media_failed", "download_error, download_after", failed)?;
        let Some(sql) = PhotoSql::of(&self.transaction)? else {
            return Ok(());
        };
        self.ensure_index("media_to_fetch", "listing_key", &sql.to_fetch)?;
        self.ensure_index("media_unavailable", "download_after", &sql.unavailable)
    }

    pub(super) fn ensure_index(
        &self,
        name: &str,
        column: &str,
        condition: &str,
    ) -> rusqlite::Result<()> {
        let wanted = format!("CREATE INDEX {name} ON media ({column}) WHERE {condition}");
        self.ensure("index", name, &wanted)
    }
}
