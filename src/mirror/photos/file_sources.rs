//! When a photo's file stays current though its URL changes, and when it does not though
//! its row stays the same.

use rusqlite::named_params;

use crate::mirror::WriteTx;
use crate::mirror::objects::columns;
use crate::resource::Resource;

impl WriteTx<'_> {
    /// Keeps the file of a photo whose URL got another signature: `before` is the URL that
    /// the row had. A photo that failed is requested with its new URL.
    pub fn keep_file(&self, key: &str, before: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(&format!("UPDATE media
                 SET file_source = substr(file_source, 1, length(file_source) - length(quote(:before)))
                                   || quote(\"MediaURL\")
                 WHERE {} = :key AND download_error IS NULL
                   AND substr(file_source, -length(quote(:before))) = quote(:before)",self.key(Resource::MEDIA)?))?
            .execute(named_params! { ":key": key, ":before": before })?;
        Ok(())
    }

    /// Marks the files of a listing's photos as out of date, except those of photos with a
    /// MediaModificationTimestamp.
    pub fn renew_files(&self, listing_key: &str) -> rusqlite::Result<()> {
        let columns = columns(&self.transaction, Resource::MEDIA.table())?;
        let has = |name: &str| columns.iter().any(|column| column == name);
        if !has("file_source") {
            return Ok(());
        }
        let own_timestamp = if has("MediaModificationTimestamp") {
            "\"MediaModificationTimestamp\""
        } else {
            "NULL"
        };
        // The source still ends with the URL, so that the host is asked whether the file
        // has changed.
        self.transaction
            .prepare_cached(&format!(
                "UPDATE media SET file_source = ' ' || file_source
                 WHERE listing_key = ?1 AND deleted_at IS NULL AND {own_timestamp} IS NULL"
            ))?
            .execute([listing_key])?;
        Ok(())
    }
}
