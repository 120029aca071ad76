//! Listings and changes for market reports, one at a time, because they may not fit in
//! memory.

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, named_params};

use super::market_filter::MarketFilter;
use crate::mirror::ReadTx;
use crate::mirror::record_table::Table;
use crate::resource::Resource;

/// Which of the fields for market reports the table of listings has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarketFields {
    /// StandardStatus.
    pub status: bool,
    /// ListPrice.
    pub price: bool,
    /// City.
    pub city: bool,
    /// DaysOnMarket.
    pub days_on_market: bool,
    /// ClosePrice and CloseDate.
    pub closings: bool,
}

/// A listing's current values.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListingNow<'r> {
    /// Its key.
    pub key: &'r str,
    /// Whether its row is live.
    pub is_live: bool,
    /// Its StandardStatus, as the feed spells it.
    pub status: Option<&'r str>,
    /// Its city.
    pub city: Option<&'r str>,
    /// Its ListPrice.
    pub list_price: Option<f64>,
    /// Its DaysOnMarket, as the feed last sent it.
    pub days_on_market: Option<f64>,
    /// Its OriginalListPrice.
    pub original_price: Option<f64>,
    /// Its ClosePrice.
    pub close_price: Option<f64>,
    /// Its CloseDate.
    pub close_date: Option<&'r str>,
    /// Its OnMarketDate, or else its ListingContractDate.
    pub listed_on: Option<&'r str>,
    /// Its PurchaseContractDate.
    pub contract_on: Option<&'r str>,
    /// Its LivingArea, if that is in square feet.
    pub square_feet: Option<f64>,
}

/// A change that matters for market reports.
#[derive(Clone, Copy, Debug)]
pub struct MarketChange<'r> {
    /// The listing's key.
    pub key: &'r str,
    /// When the mirror found it, UTC, in storage form.
    pub recorded_at: &'r str,
    /// The kind of change.
    pub event: MarketEvent<'r>,
}

/// A change of a listing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MarketEvent<'r> {
    /// The listing is new.
    Inserted,
    /// The listing was deleted.
    Deleted,
    /// The listing was restored.
    Restored,
    /// Its StandardStatus changed; None is NULL.
    Status(Option<&'r str>, Option<&'r str>),
    /// Its ListPrice changed; None is NULL or not a number.
    Price(Option<f64>, Option<f64>),
}

impl ReadTx<'_> {
    /// Returns the fields that the table of listings has, or None if there is no table
    /// yet.
    pub fn market_fields(&self) -> rusqlite::Result<Option<MarketFields>> {
        let listings = Table::of(&self.transaction, Resource::PROPERTY)?;
        Ok(listings.map(|listings| MarketFields {
            status: listings.has("StandardStatus"),
            price: listings.has("ListPrice"),
            city: listings.has("City"),
            days_on_market: listings.has("DaysOnMarket"),
            closings: listings.has("ClosePrice") && listings.has("CloseDate"),
        }))
    }

    /// Returns when the first full sync of all listings finished, UTC. Since then the
    /// log has every new and deleted listing.
    pub fn listings_complete_since(&self) -> rusqlite::Result<Option<String>> {
        self.transaction
            .query_row(
                "SELECT coalesce(finished_at, started_at) FROM sync_runs
                 WHERE resource = 'Property' AND job = 'full'
                   AND status IN ('succeeded', 'partial') AND checkpoint IS NULL
                 ORDER BY id LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()
    }

    /// Passes every listing of a filter to `each`, including deleted ones.
    pub fn read_listings(
        &self,
        filter: &MarketFilter,
        mut each: impl FnMut(ListingNow<'_>),
    ) -> anyhow::Result<()> {
        let Some(listings) = Table::of(&self.transaction, Resource::PROPERTY)? else {
            return Ok(());
        };
        let text_of = |names: &[&str]| format!("CAST({} AS TEXT)", listings.first_value(names));
        let mut statement = self.transaction.prepare(&format!(
            "SELECT CAST({} AS TEXT), deleted_at IS NULL, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}
             FROM listings WHERE {}",
            listings.key(),
            text_of(&["StandardStatus"]),
            text_of(&["City"]),
            listings.value("ListPrice"),
            listings.value("DaysOnMarket"),
            listings.value("OriginalListPrice"),
            listings.value("ClosePrice"),
            text_of(&["CloseDate"]),
            text_of(&["OnMarketDate", "ListingContractDate"]),
            text_of(&["PurchaseContractDate"]),
            square_feet(&listings),
            filter.condition(&listings),
        ))?;
        let mut rows = statement.query(named_params! { ":types": filter.types() })?;
        while let Some(row) = rows.next()? {
            each(ListingNow {
                key: text(row, 0)?.unwrap_or_default(),
                is_live: row.get(1)?,
                status: text(row, 2)?,
                city: text(row, 3)?,
                list_price: number(row, 4)?,
                days_on_market: number(row, 5)?,
                original_price: number(row, 6)?,
                close_price: number(row, 7)?,
                close_date: text(row, 8)?,
                listed_on: text(row, 9)?,
                contract_on: text(row, 10)?,
                square_feet: number(row, 11)?,
            });
        }
        Ok(())
    }

    /// Passes the changes of a filter's listings that were recorded at a time in storage form
    /// or later to `each`, newest first.
    pub fn read_market_changes(
        &self,
        filter: &MarketFilter,
        since: &str,
        mut each: impl FnMut(MarketChange<'_>),
    ) -> rusqlite::Result<()> {
        let Some(listings) = Table::of(&self.transaction, Resource::PROPERTY)? else {
            return Ok(());
        };
        // The query follows the log itself, which needs no sorting; the index on
        // `recorded_at` finds the start. The clock may have been set back, so the whole
        // range of the index is searched.
        let mut statement = self.transaction.prepare(&format!(
            "SELECT record_key, recorded_at, change, field, old_value, new_value FROM changes
             WHERE id >= (SELECT min(+id) FROM changes WHERE recorded_at >= :since)
               AND +recorded_at >= :since AND resource = 'Property'
               AND (change <> 'update' OR field IN ('StandardStatus', 'ListPrice'))
               AND {}
             ORDER BY id DESC",
            filter.of_changes(&listings)
        ))?;
        let mut rows =
            statement.query(named_params! { ":since": since, ":types": filter.types() })?;
        while let Some(row) = rows.next()? {
            let event = match (text(row, 2)?, text(row, 3)?) {
                (Some("insert"), _) => MarketEvent::Inserted,
                (Some("delete"), _) => MarketEvent::Deleted,
                (Some("restore"), _) => MarketEvent::Restored,
                (_, Some("StandardStatus")) => MarketEvent::Status(text(row, 4)?, text(row, 5)?),
                _ => MarketEvent::Price(number(row, 4)?, number(row, 5)?),
            };
            each(MarketChange {
                key: text(row, 0)?.unwrap_or_default(),
                recorded_at: text(row, 1)?.unwrap_or_default(),
                event,
            });
        }
        Ok(())
    }
}

/// Returns the expression for the living area in square feet.
fn square_feet(listings: &Table) -> String {
    let area = listings.value("LivingArea");
    if !listings.has("LivingAreaUnits") {
        return area;
    }
    let units = listings.value("LivingAreaUnits");
    format!(
        "CASE WHEN {units} IS NULL OR lower(replace({units}, ' ', '')) = 'squarefeet' THEN {area} END"
    )
}

/// Returns a text that is not empty.
fn text<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Option<&'r str>> {
    let value = row.get_ref(column)?;
    Ok(value.as_str().ok().filter(|text| !text.is_empty()))
}

/// Returns a finite number.
fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<f64>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(number) => Some(number as f64),
        ValueRef::Real(number) => Some(number).filter(|number| number.is_finite()),
        _ => None,
    })
}
