//! The sales of a period, and the figures of both periods.

use super::figures::Figures;
use crate::mirror::ListingNow;
use crate::report::days::{Days, date_of};
use crate::report::statistics::median;

/// The mean length of a month, in days.
const MONTH_DAYS: f64 = 30.4375;

/// The sales of a period, collected listing by listing.
pub struct Sales {
    days: Days,
    count: u64,
    prices: Vec<f64>,
    ratios: Vec<f64>,
    days_to_contract: Vec<f64>,
    per_square_foot: Vec<f64>,
}

/// The active listings at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActiveCount {
    /// The number of listings.
    pub listings: u64,
    /// Those whose price is below the original one.
    pub with_cuts: u64,
}

impl ActiveCount {
    /// Adds an active listing with these prices.
    pub fn add(&mut self, price: Option<f64>, original: Option<f64>) {
        self.listings += 1;
        let is_cut = price
            .zip(original)
            .is_some_and(|(price, original)| price < original);
        self.with_cuts += u64::from(is_cut);
    }
}

impl Sales {
    /// Creates an empty collection for these days.
    pub fn of(days: Days) -> Sales {
        Sales {
            days,
            count: 0,
            prices: Vec::new(),
            ratios: Vec::new(),
            days_to_contract: Vec::new(),
            per_square_foot: Vec::new(),
        }
    }

    /// Adds a closed listing if its CloseDate is one of the days.
    pub fn add(&mut self, listing: &ListingNow<'_>) {
        if !listing.close_date.is_some_and(|date| self.days.has(date)) {
            return;
        }
        self.count += 1;
        let above_zero = |number: Option<f64>| number.filter(|number| *number > 0.0);
        if let Some(price) = above_zero(listing.close_price) {
            self.prices.push(price);
            self.ratios
                .extend(above_zero(listing.list_price).map(|asked| price / asked));
            let feet = above_zero(listing.square_feet);
            self.per_square_foot.extend(feet.map(|feet| price / feet));
        }
        let dates = listing
            .listed_on
            .and_then(date_of)
            .zip(listing.contract_on.and_then(date_of));
        if let Some((listed, contract)) = dates.filter(|(listed, contract)| listed <= contract) {
            self.days_to_contract
                .push((contract - listed).num_days() as f64);
        }
    }

    /// Returns the figures of the period with these active listings at its end, where known.
    /// Without `has_sales`, the feed does not declare the fields of sales.
    pub fn figures(mut self, active: Option<ActiveCount>, has_sales: bool) -> Figures {
        let months = self.days.count() as f64 / MONTH_DAYS;
        let sold = has_sales.then_some(self.count);
        let known = active.filter(|active| active.listings > 0);
        Figures {
            first_day: self.days.name(0),
            last_day: self.days.name(self.days.count() - 1),
            active: active.map(|active| active.listings),
            sold,
            median_sold_price: median(&mut self.prices),
            median_sale_to_list: median(&mut self.ratios),
            median_days_to_contract: median(&mut self.days_to_contract),
            median_price_per_square_foot: median(&mut self.per_square_foot),
            months_of_supply: active
                .zip(sold.filter(|sold| *sold > 0))
                .map(|(active, sold)| active.listings as f64 / (sold as f64 / months)),
            share_with_price_cuts: known
                .map(|active| active.with_cuts as f64 / active.listings as f64),
            ..Figures::default()
        }
    }
}
