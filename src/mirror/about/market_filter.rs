//! Which listings a market report covers.

use rusqlite::named_params;

use crate::mirror::ReadTx;
use crate::mirror::record_table::Table;
use crate::resource::{Resource, folded_name};

/// The listings of a market report: those with one of these property types and for which a
/// condition holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarketFilter {
    /// The values of PropertyType, with or without spaces between the words; empty for all.
    pub property_types: Vec<String>,
    /// A condition over `listings` that [`crate::mirror::Mirror::check_condition`] accepts.
    pub condition: Option<String>,
}

impl MarketFilter {
    /// Returns the condition of a query over `listings`. It has the parameter `:types`.
    pub(super) fn condition(&self, listings: &Table) -> String {
        let types = if listings.has("PropertyType") {
            "lower(replace(listings.\"PropertyType\", ' ', '')) IN (SELECT value FROM json_each(:types))"
        } else {
            "false"
        };
        let condition = self.condition.as_deref().unwrap_or("true");
        format!("(:types = '[]' OR {types}) AND (\n{condition}\n)")
    }

    /// Returns the condition of a query over `changes` of listings. A purged listing has no
    /// values, so only a filter that selects all listings includes it.
    pub(super) fn of_changes(&self, listings: &Table) -> String {
        if *self == MarketFilter::default() {
            return "(:types = '[]')".to_owned();
        }
        format!(
            "EXISTS (SELECT 1 FROM listings WHERE {} = changes.record_key AND {})",
            listings.key(),
            self.condition(listings)
        )
    }

    /// Returns the value of the parameter `:types`: a JSON list.
    pub(super) fn types(&self) -> String {
        let types = self.property_types.iter();
        let types: Vec<String> = types.map(|name| folded_name(name).collect()).collect();
        serde_json::json!(types).to_string()
    }
}

impl ReadTx<'_> {
    /// Returns the distinct PropertyType of all live listings.
    pub fn property_types(&self) -> rusqlite::Result<Vec<String>> {
        let listings = Table::of(&self.transaction, Resource::PROPERTY)?;
        if !listings.is_some_and(|listings| listings.has("PropertyType")) {
            return Ok(Vec::new());
        }
        self.transaction
            .prepare(
                "SELECT DISTINCT CAST(\"PropertyType\" AS TEXT) FROM listings
                 WHERE deleted_at IS NULL AND \"PropertyType\" <> '' ORDER BY 1",
            )?
            .query_map([], |row| row.get(0))?
            .collect()
    }

    /// Counts the changes of a filter's listings that the log has between two times in storage
    /// form.
    pub fn count_market_changes(
        &self,
        filter: &MarketFilter,
        since: &str,
        before: &str,
    ) -> rusqlite::Result<MarketCounts> {
        let Some(listings) = Table::of(&self.transaction, Resource::PROPERTY)? else {
            return Ok(MarketCounts::default());
        };
        let sql = format!(
            "SELECT count(*) FILTER (WHERE change = 'insert'),
                    count(*) FILTER (WHERE field = 'ListPrice' AND old_value > 0 AND new_value < old_value)
             FROM changes
             WHERE recorded_at >= :since AND recorded_at < :before AND resource = 'Property'
               AND (change = 'insert' OR field = 'ListPrice') AND {}",
            filter.of_changes(&listings)
        );
        let parameters =
            named_params! { ":since": since, ":before": before, ":types": filter.types() };
        self.transaction.query_row(&sql, parameters, |row| {
            Ok(MarketCounts {
                new: row.get(0)?,
                price_cuts: row.get(1)?,
            })
        })
    }
}

/// The number of changes in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarketCounts {
    /// New listings.
    pub new: u64,
    /// Price cuts.
    pub price_cuts: u64,
}
