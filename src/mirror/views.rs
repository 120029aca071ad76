//! Views for readers. They are made of the fields that the feed declares, and anew
//! when these change.

use rusqlite::{Connection, OptionalExtension};

use super::{Writing, quoted};
use crate::resource::Resource;

impl Writing<'_> {
    /// Makes the views whose tables are there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn ensure_views(&self) -> rusqlite::Result<()> {
        let media = Table::of(&self.transaction, Resource::Media)?;
        let listings = Table::of(&self.transaction, Resource::Property)?;
        if let (Some(media), Some(_)) = (media, listings) {
            self.ensure_view("listing_photos", &listing_photos(&media))?;
        }
        Ok(())
    }

    fn ensure_view(&self, name: &str, select: &str) -> rusqlite::Result<()> {
        let wanted = format!("CREATE VIEW {name} AS\n{select}");
        let existing: Option<String> = self
            .transaction
            .query_row(
                "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?1",
                [name],
                |row| row.get(0),
            )
            .optional()?;
        if existing.as_ref() == Some(&wanted) {
            return Ok(());
        }
        self.transaction
            .execute_batch(&format!("DROP VIEW IF EXISTS {name}; {wanted}"))
    }
}

/// A table of records, with the columns that it has.
struct Table {
    alias: &'static str,
    columns: Vec<String>,
}

impl Table {
    fn of(connection: &Connection, resource: Resource) -> rusqlite::Result<Option<Table>> {
        let columns: Vec<String> = connection
            .prepare("SELECT name FROM pragma_table_info(?1)")?
            .query_map([resource.table()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        Ok((!columns.is_empty()).then(|| Table {
            alias: resource.table(),
            columns,
        }))
    }

    /// A column under its own name; NULL where the feed does not declare it.
    fn column(&self, name: &str) -> String {
        let own = quoted(name);
        match self.columns.iter().any(|column| column == name) {
            true => format!("{}.{own}", self.alias),
            false => format!("NULL AS {own}"),
        }
    }
}

/// Each live listing's photos in their order, with their files.
fn listing_photos(media: &Table) -> String {
    let order = media.column("Order");
    let columns = [
        "MediaKey",
        "ShortDescription",
        "LongDescription",
        "MediaURL",
    ];
    let columns: Vec<String> = columns.iter().map(|name| media.column(name)).collect();
    format!(
        "SELECT media.listing_key AS \"ListingKey\", {order}, media.file_path, media.file_bytes,\n       \
         media.downloaded_at, media.download_error, {}\n\
         FROM media JOIN listings ON listings.\"ListingKey\" = media.listing_key\n\
         WHERE media.deleted_at IS NULL AND listings.deleted_at IS NULL\n\
         ORDER BY media.listing_key, \"Order\", media.\"MediaKey\"",
        columns.join(", ")
    )
}
