//! The active listings, by city.

use std::collections::HashMap;

use serde::Serialize;

use crate::mirror::ListingNow;
use crate::report::statistics::median;

/// The greatest number of cities in a report.
const CITIES: usize = 20;

/// The active listings.
#[derive(Clone, Debug, Serialize)]
pub struct Active {
    /// All active listings.
    pub all: Group,
    /// The cities with the most active listings; None if the feed does not declare City.
    pub cities: Option<Vec<CityGroup>>,
}

/// A group of active listings.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// The number of listings.
    pub listings: u64,
    /// The median ListPrice.
    pub median_list_price: Option<f64>,
    /// The median DaysOnMarket, as the feed last sent it.
    pub median_days_on_market: Option<f64>,
}

/// The active listings of a city.
#[derive(Clone, Debug, Serialize)]
pub struct CityGroup {
    /// The city; null for listings without one.
    pub city: Option<String>,
    /// The listings of the city.
    #[serde(flatten)]
    pub group: Group,
}

/// Collects the active listings by city.
#[derive(Default)]
pub struct Cities(HashMap<Option<Box<str>>, Numbers>);

/// The numbers of a group of active listings.
#[derive(Default)]
struct Numbers {
    listings: u64,
    prices: Vec<f64>,
    days_on_market: Vec<f64>,
}

impl Cities {
    /// Adds an active listing.
    pub fn add(&mut self, listing: &ListingNow<'_>) {
        let city: Option<Box<str>> = listing.city.map(Into::into);
        let numbers = self.0.entry(city).or_default();
        numbers.listings += 1;
        numbers.prices.extend(listing.list_price);
        numbers.days_on_market.extend(listing.days_on_market);
    }

    /// Returns the active listings, in total and, if `by_city`, for each city.
    pub fn active(self, by_city: bool) -> Active {
        let mut all = Numbers::default();
        let mut groups = Vec::new();
        for (city, mut numbers) in self.0 {
            all.listings += numbers.listings;
            all.prices.extend_from_slice(&numbers.prices);
            all.days_on_market
                .extend_from_slice(&numbers.days_on_market);
            groups.push(CityGroup {
                city: city.map(String::from),
                group: numbers.group(),
            });
        }
        groups.sort_by(|a, b| (b.group.listings, &a.city).cmp(&(a.group.listings, &b.city)));
        groups.truncate(CITIES);
        Active {
            all: all.group(),
            cities: by_city.then_some(groups),
        }
    }
}

impl Numbers {
    fn group(&mut self) -> Group {
        Group {
            listings: self.listings,
            median_list_price: median(&mut self.prices),
            median_days_on_market: median(&mut self.days_on_market),
        }
    }
}
