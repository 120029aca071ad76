//! The figures of a headline and the single listings of a report, as tables.

use super::market::{Figures, Market};
use super::table::Table;
use super::tables::known;
use super::words::{dollars, rounded};
use crate::mirror::ListingCard;

/// A figure in words, and its value in a period.
type Figure = (&'static str, fn(&Figures) -> Option<f64>, fn(f64) -> String);

/// The figures of a headline.
const HEADLINE: [Figure; 10] = [
    ("sold", |one| one.sold.map(|sold| sold as f64), rounded),
    ("median sold price", |one| one.median_sold_price, dollars),
    (
        "price per square foot",
        |one| one.median_price_per_square_foot,
        dollars,
    ),
    (
        "sale price to list price",
        |one| one.median_sale_to_list,
        percent,
    ),
    (
        "days to contract",
        |one| one.median_days_to_contract,
        rounded,
    ),
    ("months of supply", |one| one.months_of_supply, one_decimal),
    (
        "active with a price cut",
        |one| one.share_with_price_cuts,
        percent,
    ),
    (
        "active listings",
        |one| one.active.map(|active| active as f64),
        rounded,
    ),
    ("new listings", |one| one.new.map(|new| new as f64), rounded),
    (
        "price cuts",
        |one| one.price_cuts.map(|cuts| cuts as f64),
        rounded,
    ),
];

/// A figure of a headline, ready to be shown.
pub struct Compared {
    /// Its name.
    pub name: &'static str,
    /// Its value in the period.
    pub current: String,
    /// Its value in the previous period.
    pub previous: String,
}

/// Returns the figures of both periods. An unknown one is `-`.
pub fn headline(market: &Market) -> Vec<Compared> {
    let headline = &market.headline;
    let figures = HEADLINE.iter().map(|(name, value, form)| Compared {
        name,
        current: known(value(&headline.current).map(form)),
        previous: known(value(&headline.previous).map(form)),
    });
    figures.collect()
}

/// Returns the figures of both periods as a table.
pub fn headline_table(market: &Market) -> Table {
    let mut table = Table::new(&["figure", "this period", "before"]);
    let figures = headline(market).into_iter();
    table.rows = figures
        .map(|one| vec![one.name.to_owned(), one.current, one.previous])
        .collect();
    table
}

/// Formats a share of 1.
pub fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

fn one_decimal(number: f64) -> String {
    format!("{number:.1}")
}

/// Returns the largest price cuts.
pub fn largest_cuts(market: &Market) -> Table {
    let mut table = Table::new(&["listing", "city", "from", "to", "cut"]);
    table.names = 2;
    table.rows = (market.largest_cuts.iter())
        .map(|cut| {
            vec![
                place(&cut.listing),
                cut.listing.city.clone().unwrap_or_default(),
                dollars(cut.old_price),
                dollars(cut.new_price),
                percent(cut.share()),
            ]
        })
        .collect();
    table
}

/// Returns the newest active listings.
pub fn newest(market: &Market) -> Table {
    let mut table = Table::new(&["listing", "city", "price", "beds", "baths", "listed"]);
    table.names = 2;
    table.rows = (market.newest.iter())
        .map(|listing| {
            vec![
                place(listing),
                listing.city.clone().unwrap_or_default(),
                known(listing.list_price.map(dollars)),
                known(listing.bedrooms.map(rounded)),
                known(listing.bathrooms.map(rounded)),
                known(listing.listed_on.clone()),
            ]
        })
        .collect();
    table
}

/// Returns the address of a listing, or else its MLS number or key.
pub fn place(listing: &ListingCard) -> String {
    let names = [&listing.address, &listing.listing_id]
        .into_iter()
        .flatten();
    let mut names = names.filter(|name| !name.is_empty());
    names.next().unwrap_or(&listing.listing_key).clone()
}
