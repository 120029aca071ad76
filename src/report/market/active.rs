//! The active listings, by city.

use std::collections::HashMap;

use serde::Serialize;

use crate::mirror::ListingNow;
use crate::report::statistics::median;

/// So many cities are told, those with most active listings.
const CITIES: usize = 20;

/// The active listings.
#[derive(Clone, Debug, Serialize)]
pub struct Active {
    /// All of them.
    pub all: Group,
    /// Those of the cities that have most of them; None without City.
    pub cities: Option<Vec<CityGroup>>,
}

/// Some active listings.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// How many.
    pub listings: u64,
    /// Their ListPrice, in the middle.
    pub median_list_price: Option<f64>,
    /// Their DaysOnMarket, in the middle, as the feed last said.
    pub median_days_on_market: Option<f64>,
}

/// The active listings of a city.
#[derive(Clone, Debug, Serialize)]
pub struct CityGroup {
    /// The city; null for those without.
    pub city: Option<String>,
    /// Its listings.
    #[serde(flatten)]
    pub group: Group,
}

/// Gathers the active listings of each city.
#[derive(Default)]
pub struct Cities(HashMap<Option<Box<str>>, Numbers>);

/// Numbers of active listings.
#[derive(Default)]
struct Numbers {
    listings: u64,
    prices: Vec<f64>,
    days_on_market: Vec<f64>,
}

impl Cities {
    /// Notes an active listing.
    pub fn add(&mut self, listing: &ListingNow<'_>) {
        let city: Option<Box<str>> = listing.city.map(Into::into);
        let numbers = self.0.entry(city).or_default();
        numbers.listings += 1;
        numbers.prices.extend(listing.list_price);
        numbers.days_on_market.extend(listing.days_on_market);
    }

    /// All of them, and those of single cities if these are known.
    pub fn told(self, by_city: bool) -> Active {
        let mut all = Numbers::default();
        let mut groups = Vec::new();
        for (city, mut numbers) in self.0 {
            all.listings += numbers.listings;
            all.prices.extend_from_slice(&numbers.prices);
            all.days_on_market
                .extend_from_slice(&numbers.days_on_market);
            groups.push(CityGroup {
                city: city.map(String::from),
                group: numbers.told(),
            });
        }
        groups.sort_by(|a, b| (b.group.listings, &a.city).cmp(&(a.group.listings, &b.city)));
        groups.truncate(CITIES);
        Active {
            all: all.told(),
            cities: by_city.then_some(groups),
        }
    }
}

impl Numbers {
    fn told(&mut self) -> Group {
        Group {
            listings: self.listings,
            median_list_price: median(&mut self.prices),
            median_days_on_market: median(&mut self.days_on_market),
        }
    }
}
