//! How the market moved, as values.

use serde::Serialize;

use super::active::Active;
use crate::resource::folded_status;

/// How the market moved, as far as the feed declares the fields that tell it.
#[derive(Clone, Debug, Serialize)]
pub struct Market {
    /// Listings that the mirror holds now.
    pub live: u64,
    /// Listings by StandardStatus, day by day.
    pub inventory: Option<Inventory>,
    /// What happened on each day of the span.
    pub days: Vec<MarketDay>,
    /// Changes of ListPrice.
    pub prices: Option<Prices>,
    /// The active listings now.
    pub active: Option<Active>,
    /// Changes of StandardStatus, the most frequent first.
    pub transitions: Option<Vec<TransitionCount>>,
}

/// Listings by StandardStatus, day by day.
#[derive(Clone, Debug, Serialize)]
pub struct Inventory {
    /// The statuses as the feed spells them, those with most listings now first; null
    /// for listings without one, and for those whose rows were forgotten.
    pub statuses: Vec<Option<String>>,
    /// From the day on which the mirror first held all listings.
    pub days: Vec<InventoryDay>,
}

/// The listings at the end of a day; of the last day, now.
#[derive(Clone, Debug, Serialize)]
pub struct InventoryDay {
    /// The day, UTC.
    pub day: String,
    /// How many of each of the statuses, in their order.
    pub listings: Vec<u64>,
}

/// What happened on a day, by when the mirror found it; None where the log does not tell:
/// what was recorded then was removed since, or the field is not declared or not logged.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MarketDay {
    /// The day, UTC.
    pub day: String,
    /// Listings that came.
    pub new: Option<u64>,
    /// Listings that went to Closed.
    pub closed: Option<u64>,
    /// Listings that went to Withdrawn.
    pub withdrawn: Option<u64>,
    /// Listings that were deleted.
    pub deleted: Option<u64>,
    /// Listings that came back.
    pub restored: Option<u64>,
    /// Prices that fell.
    pub price_cuts: Option<u64>,
    /// Prices that rose.
    pub price_increases: Option<u64>,
}

/// Changes of ListPrice.
#[derive(Clone, Debug, Serialize)]
pub struct Prices {
    /// Those to a lower one.
    pub cuts: PriceMoves,
    /// Those to a higher one.
    pub increases: PriceMoves,
}

/// Changes of ListPrice in one direction.
#[derive(Clone, Debug, Serialize)]
pub struct PriceMoves {
    /// How many.
    pub count: u64,
    /// By how much, in the middle.
    pub median_amount: Option<f64>,
    /// By how much, all together.
    pub total_amount: f64,
    /// By how much of the price before, in the middle, in percent.
    pub median_percent: Option<f64>,
}

/// How often listings went from one status to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransitionCount {
    /// The status before, as the feed spells it; null for none.
    pub from: Option<String>,
    /// The status after.
    pub to: Option<String>,
    /// How often.
    pub count: u64,
}

/// Whether a status is this one, in either feed's spelling.
pub fn is_status(status: Option<&str>, name: &str) -> bool {
    status.is_some_and(|status| folded_status(status).eq(folded_status(name)))
}

impl Market {
    /// Whether nothing happened, of which the log tells all.
    pub fn is_quiet(&self) -> bool {
        let is_none = |count: Option<u64>| count == Some(0);
        let mut days = self.days.iter();
        self.transitions.as_ref().is_none_or(Vec::is_empty)
            && !self.has_prices()
            && days.all(|day| is_none(day.new) && is_none(day.deleted) && is_none(day.restored))
    }

    /// Whether any price changed.
    pub fn has_prices(&self) -> bool {
        let prices = self.prices.as_ref();
        prices.is_some_and(|prices| prices.cuts.count + prices.increases.count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::is_status;

    #[test]
    fn a_status_is_the_same_in_either_spelling() {
        for spelling in ["Active Under Contract", "ActiveUnderContract"] {
            assert!(is_status(Some(spelling), "Active Under Contract"));
            assert!(!is_status(Some(spelling), "Active"));
        }
        assert!(!is_status(None, "Active"));
    }
}
