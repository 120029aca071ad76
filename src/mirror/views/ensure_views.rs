//! Creates the views and the indexes that they need.

use super::{listings, log, open_houses, overview, runs};
use crate::mirror::record_table::Table;
use crate::mirror::{ReadTx, WriteTx};
use crate::resource::Resource;

impl ReadTx<'_> {
    /// Returns the tables of all resources except listings.
    fn other_tables(&self) -> rusqlite::Result<Vec<Table>> {
        let all = self.resources()?.into_iter();
        let others = all.filter(|&resource| resource != Resource::PROPERTY);
        let tables = others.map(|resource| Table::of(&self.transaction, resource).transpose());
        tables.flatten().collect()
    }
}

impl WriteTx<'_> {
    /// Creates the views whose tables exist, and the indexes that they need.
    pub(in crate::mirror) fn ensure_views(&self) -> rusqlite::Result<()> {
        self.ensure_view("sync_health", runs::SYNC_HEALTH)?;
        self.ensure_view("watermarks", runs::WATERMARKS)?;
        let Some(listings) = Table::of(&self.transaction, Resource::PROPERTY)? else {
            return Ok(());
        };
        let media = Table::of(&self.transaction, Resource::MEDIA)?;
        let houses = Table::of(&self.transaction, Resource::OPEN_HOUSE)?;
        for (name, create) in listings::indexes(&listings) {
            self.ensure("index", name, &create)?;
        }
        self.ensure_view(
            "active_listings",
            &listings::active(&listings, media.as_ref()),
        )?;
        let overview = overview::overview(&listings, media.as_ref());
        self.ensure_view("listing_overview", &overview)?;
        let displayable = overview::displayable(&listings, media.as_ref());
        self.ensure_view("displayable_listings", &displayable)?;
        self.ensure_view("new_listings", &listings::new(&listings, media.as_ref()))?;
        let others = self.other_tables()?;
        self.ensure_view("deletions", &listings::deletions(&listings, &others))?;
        self.ensure_view("price_changes", &log::price_changes(&listings))?;
        self.ensure_view("status_changes", &log::status_changes(&listings))?;
        self.ensure_view("listing_history", log::LISTING_HISTORY)?;
        if let Some(media) = &media {
            self.ensure_view("listing_photos", &listings::photos(&listings, media))?;
        }
        if let Some(houses) = &houses {
            self.ensure_view(
                "upcoming_open_houses",
                &open_houses::upcoming(houses, &listings),
            )?;
        }
        Ok(())
    }

    fn ensure_view(&self, name: &str, select: &str) -> rusqlite::Result<()> {
        self.ensure("view", name, &format!("CREATE VIEW {name} AS\n{select}"))
    }
}
