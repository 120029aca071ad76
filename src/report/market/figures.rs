//! The values of the market section of a report.

use serde::Serialize;

use super::active::Active;
use crate::mirror::ListingCard;
use crate::resource::folded_name;

/// The moves of the market. A part is None if the feed does not declare its field.
#[derive(Clone, Debug, Serialize)]
pub struct Market {
    /// The number of live listings now.
    pub live: u64,
    /// The figures of the period, and of the period before it.
    pub headline: Headline,
    /// The listings by StandardStatus and day.
    pub inventory: Option<Inventory>,
    /// The changes of each day.
    pub days: Vec<MarketDay>,
    /// The changes of ListPrice.
    pub prices: Option<Prices>,
    /// The active listings now.
    pub active: Option<Active>,
    /// The changes of StandardStatus, the most frequent first.
    pub transitions: Option<Vec<TransitionCount>>,
    /// The ten largest price cuts of the period by amount, the largest first.
    pub largest_cuts: Vec<PriceCut>,
    /// The ten active listings that were entered last, the newest first.
    pub newest: Vec<ListingCard>,
}

/// The figures of two periods with the same number of days.
#[derive(Clone, Debug, Serialize)]
pub struct Headline {
    /// The period of the report.
    pub current: Figures,
    /// The days before it.
    pub previous: Figures,
}

/// The figures of a period. The sales are those of live listings with the status Closed and
/// a CloseDate in the period.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// The first day.
    pub first_day: String,
    /// The last day.
    pub last_day: String,
    /// The new listings that the mirror found.
    pub new: Option<u64>,
    /// The price cuts that the mirror found.
    pub price_cuts: Option<u64>,
    /// The active listings at the end of the period.
    pub active: Option<u64>,
    /// The number of sales.
    pub sold: Option<u64>,
    /// The median ClosePrice.
    pub median_sold_price: Option<f64>,
    /// The median ratio of ClosePrice to ListPrice.
    pub median_sale_to_list: Option<f64>,
    /// The median number of days from OnMarketDate (or else ListingContractDate) to
    /// PurchaseContractDate, of the sales.
    pub median_days_to_contract: Option<f64>,
    /// The median ratio of ClosePrice to LivingArea, if that is in square feet.
    pub median_price_per_square_foot: Option<f64>,
    /// The active listings at the end of the period, divided by the sales per month of 30.4
    /// days.
    pub months_of_supply: Option<f64>,
    /// The share of the active listings at the end of the period whose ListPrice is below
    /// OriginalListPrice, from 0 to 1.
    pub share_with_price_cuts: Option<f64>,
}

/// A price cut of a listing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PriceCut {
    /// The price before.
    pub old_price: f64,
    /// The price after.
    pub new_price: f64,
    /// When the mirror found it, UTC.
    pub recorded_at: String,
    /// The listing as it is now.
    pub listing: ListingCard,
}

impl PriceCut {
    /// Returns the cut as a share of the price before.
    pub fn share(&self) -> f64 {
        (self.old_price - self.new_price) / self.old_price
    }
}

/// The listings by StandardStatus and day.
#[derive(Clone, Debug, Serialize)]
pub struct Inventory {
    /// The statuses in the feed's spelling, in the order of a listing's life. Listings without
    /// a status and purged listings have null.
    pub statuses: Vec<Option<String>>,
    /// The days since the first full sync of the listings.
    pub days: Vec<InventoryDay>,
}

/// The listings at the end of a day. The last day has the current listings.
#[derive(Clone, Debug, Serialize)]
pub struct InventoryDay {
    /// The day, in the feed's time zone.
    pub day: String,
    /// The number of listings of each status, in the order of the statuses.
    pub listings: Vec<u64>,
}

/// The number of changes that the mirror found on a day. A count is None if retention removed
/// the log of that day, or if the field is not declared or not logged.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MarketDay {
    /// The day, in the feed's time zone.
    pub day: String,
    /// New listings.
    pub new: Option<u64>,
    /// Status changes to Closed.
    pub closed: Option<u64>,
    /// Status changes to Withdrawn.
    pub withdrawn: Option<u64>,
    /// Deleted listings.
    pub deleted: Option<u64>,
    /// Restored listings.
    pub restored: Option<u64>,
    /// Price cuts.
    pub price_cuts: Option<u64>,
    /// Price increases.
    pub price_increases: Option<u64>,
}

/// The changes of ListPrice.
#[derive(Clone, Debug, Serialize)]
pub struct Prices {
    /// Changes to a lower price.
    pub cuts: PriceMoves,
    /// Changes to a higher price.
    pub increases: PriceMoves,
}

/// The changes of ListPrice in one direction.
#[derive(Clone, Debug, Serialize)]
pub struct PriceMoves {
    /// The number of changes.
    pub count: u64,
    /// The median amount.
    pub median_amount: Option<f64>,
    /// The total amount.
    pub total_amount: f64,
    /// The median amount in percent of the old price.
    pub median_percent: Option<f64>,
}

/// The number of changes from one status to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransitionCount {
    /// The old status in the feed's spelling; null for none.
    pub from: Option<String>,
    /// The new status.
    pub to: Option<String>,
    /// The number of changes.
    pub count: u64,
}

/// Returns whether two statuses are the same, with or without spaces between the words.
pub fn is_status(status: Option<&str>, name: &str) -> bool {
    status.is_some_and(|status| folded_name(status).eq(folded_name(name)))
}

impl Market {
    /// Returns whether the log is complete and has no change.
    pub fn is_quiet(&self) -> bool {
        let is_none = |count: Option<u64>| count == Some(0);
        let mut days = self.days.iter();
        self.transitions.as_ref().is_none_or(Vec::is_empty)
            && !self.has_prices()
            && days.all(|day| is_none(day.new) && is_none(day.deleted) && is_none(day.restored))
    }

    /// Returns whether a price changed.
    pub fn has_prices(&self) -> bool {
        let prices = self.prices.as_ref();
        prices.is_some_and(|prices| prices.cuts.count + prices.increases.count > 0)
    }
}

/// Returns the sum of a count over days; None if the count of every day is unknown.
pub fn sum(days: &[MarketDay], count: fn(&MarketDay) -> Option<u64>) -> Option<u64> {
    days.iter().filter_map(count).reduce(|sum, more| sum + more)
}

#[cfg(test)]
mod tests {
    use super::is_status;

    #[test]
    fn the_spelling_of_a_status_does_not_matter() {
        for spelling in ["Active Under Contract", "ActiveUnderContract"] {
            assert!(is_status(Some(spelling), "Active Under Contract"));
            assert!(!is_status(Some(spelling), "Active"));
        }
        assert!(!is_status(None, "Active"));
    }
}
