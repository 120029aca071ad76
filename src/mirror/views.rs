//! Views for readers. They are made of the fields that the feed declares, and anew
//! when these change.

use rusqlite::Connection;

use super::photos::PhotoSql;
use super::schema::columns;
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
        self.ensure("view", name, &format!("CREATE VIEW {name} AS\n{select}"))
    }
}

/// A table of records, with the columns that it has.
pub(super) struct Table {
    name: &'static str,
    columns: Vec<String>,
}

impl Table {
    /// The table of a resource, if it was made.
    pub fn of(connection: &Connection, resource: Resource) -> rusqlite::Result<Option<Table>> {
        let columns = columns(connection, resource.table())?;
        Ok((!columns.is_empty()).then(|| Table {
            name: resource.table(),
            columns,
        }))
    }

    /// A column under its own name; NULL where the feed does not declare it.
    pub fn column(&self, name: &str) -> String {
        let own = quoted(name);
        match self.has(name) {
            true => format!("{}.{own}", self.name),
            false => format!("NULL AS {own}"),
        }
    }

    /// A column's value; NULL where the feed does not declare it.
    pub fn value(&self, name: &str) -> String {
        match self.has(name) {
            true => format!("{}.{}", self.name, quoted(name)),
            false => "NULL".to_owned(),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column == name)
    }

    /// A listing's address in the form that fits. In Utah a street named by a number
    /// alone is a line of the grid, and is named by its directions
    /// (UtahRealEstate.com's documentation of addresses).
    pub fn address(&self) -> String {
        let joined = |names: &[&str]| {
            let parts: Vec<String> = names
                .iter()
                .map(|name| format!("coalesce(nullif({}, '') || ' ', '')", self.value(name)))
                .collect();
            format!("trim({})", parts.join(" || "))
        };
        let name = self.value("StreetName");
        let grid = joined(&[
            "StreetNumber",
            "StreetDirPrefix",
            "CrossStreet",
            "StreetDirSuffix",
        ]);
        let street = joined(&["StreetNumber", "StreetName", "StreetSuffix", "UnitNumber"]);
        format!(
            "coalesce(nullif(CASE WHEN {name} <> '' AND {name} NOT GLOB '*[^0-9]*' \
             AND coalesce({suffix}, '') = '' AND coalesce({cross}, '') <> '' \
             THEN {grid} ELSE {street} END, ''), {unparsed})",
            suffix = self.value("StreetSuffix"),
            cross = self.value("CrossStreet"),
            unparsed = self.value("UnparsedAddress"),
        )
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
    // Where photos cannot be told from other media, none are shown.
    let is_photo =
        PhotoSql::for_columns(&media.columns).map_or("false".to_owned(), |sql| sql.is_photo);
    format!(
        "SELECT media.listing_key AS \"ListingKey\", {order}, media.file_path, media.file_bytes,\n       \
         media.downloaded_at, media.download_error, {}\n\
         FROM media JOIN listings ON listings.\"ListingKey\" = media.listing_key\n\
         WHERE media.deleted_at IS NULL AND listings.deleted_at IS NULL AND ({is_photo})\n\
         ORDER BY media.listing_key, \"Order\", media.\"MediaKey\"",
        columns.join(", ")
    )
}
