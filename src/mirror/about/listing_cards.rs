//! Single listings of a report.

use rusqlite::{Row, named_params};
use serde::Serialize;

use super::market_filter::MarketFilter;
use crate::mirror::ReadTx;
use crate::mirror::record_table::Table;
use crate::mirror::views::{entered, photo_file};
use crate::resource::Resource;

/// The values of a listing that a report shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ListingCard {
    /// Its ListingKey.
    pub listing_key: String,
    /// Its ListingId: the MLS number.
    pub listing_id: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// Its City.
    pub city: Option<String>,
    /// Its StandardStatus.
    pub status: Option<String>,
    /// Its ListPrice.
    pub list_price: Option<f64>,
    /// Its BedroomsTotal.
    pub bedrooms: Option<f64>,
    /// Its BathroomsTotalInteger.
    pub bathrooms: Option<f64>,
    /// Its OnMarketDate, or else its ListingContractDate.
    pub listed_on: Option<String>,
    /// The file of its first photo, below `mirror.media_dir`.
    pub photo_file: Option<String>,
}

impl ReadTx<'_> {
    /// Returns a listing by its key; None if the mirror has no row of it.
    pub fn listing_card(&self, key: &str) -> rusqlite::Result<Option<ListingCard>> {
        let Some(listings) = Table::of(&self.transaction, Resource::PROPERTY)? else {
            return Ok(None);
        };
        let sql = format!(
            "{} WHERE {} = :key",
            self.select(&listings)?,
            listings.key()
        );
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let mut cards = statement.query_map(named_params! { ":key": key }, card)?;
        cards.next().transpose()
    }

    /// Returns the active listings of a filter that were entered last, the newest first.
    pub fn newest_active(
        &self,
        filter: &MarketFilter,
        most: usize,
    ) -> rusqlite::Result<Vec<ListingCard>> {
        let listings = Table::of(&self.transaction, Resource::PROPERTY)?;
        let Some(listings) = listings.filter(|listings| listings.has("StandardStatus")) else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "{} WHERE listings.deleted_at IS NULL AND listings.\"StandardStatus\" = 'Active' AND {}
             ORDER BY listings.{} DESC, {} DESC LIMIT :most",
            self.select(&listings)?,
            filter.condition(&listings),
            entered(&listings),
            listings.key(),
        );
        self.transaction
            .prepare(&sql)?
            .query_map(
                named_params! { ":types": filter.types(), ":most": most },
                card,
            )?
            .collect()
    }

    fn select(&self, listings: &Table) -> rusqlite::Result<String> {
        let media = Table::of(&self.transaction, Resource::MEDIA)?;
        Ok(format!(
            "SELECT CAST({} AS TEXT), CAST({} AS TEXT), {}, {}, {}, {}, {}, {}, {}, {} FROM listings",
            listings.key(),
            listings.value("ListingId"),
            listings.address(),
            listings.value("City"),
            listings.value("StandardStatus"),
            listings.value("ListPrice"),
            listings.value("BedroomsTotal"),
            listings.value("BathroomsTotalInteger"),
            listings.first_value(&["OnMarketDate", "ListingContractDate"]),
            photo_file(listings, media.as_ref()),
        ))
    }
}

fn card(row: &Row<'_>) -> rusqlite::Result<ListingCard> {
    // Values of an unexpected type are left out.
    let number = |column| row.get::<_, Option<f64>>(column).unwrap_or(None);
    let text = |column| row.get::<_, Option<String>>(column).unwrap_or(None);
    Ok(ListingCard {
        listing_key: row.get(0)?,
        listing_id: text(1),
        address: text(2),
        city: text(3),
        status: text(4),
        list_price: number(5),
        bedrooms: number(6),
        bathrooms: number(7),
        listed_on: text(8),
        photo_file: text(9),
    })
}
