//! How the market moved.

use std::collections::HashMap;

use serde::Serialize;

use super::active::{Active, Cities};
use super::days::Days;
use super::inventory::WalkBack;
use super::statistics::median;
use crate::mirror::{ListingNow, MarketChange, MarketEvent, MarketFields, ReadTx};
use crate::value::folded_status;

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

/// What the change log tells of a span.
#[derive(Clone, Copy, Debug)]
pub struct Logged {
    /// Changes of StandardStatus.
    pub status: bool,
    /// Changes of ListPrice.
    pub price: bool,
    /// The first day of which it tells all; those before it are left out.
    pub from: usize,
    /// The first day at whose end the inventory is known, if any is.
    pub inventory_from: Option<usize>,
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

/// Reads how the market moved since a time in storage form, as far as the log tells.
///
/// # Errors
/// If the mirror cannot be read.
pub fn market(
    tx: &ReadTx<'_>,
    fields: MarketFields,
    since: &str,
    days: Days,
    logged: Logged,
) -> anyhow::Result<Market> {
    let mut gathering = Gathering::new(fields, logged, days);
    tx.read_market_changes(since, |change| gathering.note(&change))?;
    tx.read_listings(fields, |listing| gathering.see(&listing))?;
    Ok(gathering.market())
}

/// What is gathered of the log and the listings.
struct Gathering {
    fields: MarketFields,
    logged: Logged,
    span: Days,
    walk: WalkBack,
    days: Vec<MarketDay>,
    transitions: HashMap<(Option<String>, Option<String>), u64>,
    cuts: Moves,
    increases: Moves,
    live: u64,
    cities: Cities,
}

/// Changes of price, each by amount and percent.
#[derive(Default)]
struct Moves {
    amounts: Vec<f64>,
    percents: Vec<f64>,
}

impl Gathering {
    fn new(fields: MarketFields, logged: Logged, span: Days) -> Gathering {
        let days = (0..span.count()).map(|place| {
            let none_yet = |is_logged: bool| (is_logged && place >= logged.from).then_some(0);
            MarketDay {
                day: span.name(place),
                new: none_yet(true),
                closed: none_yet(logged.status),
                withdrawn: none_yet(logged.status),
                deleted: none_yet(true),
                restored: none_yet(true),
                price_cuts: none_yet(logged.price),
                price_increases: none_yet(logged.price),
            }
        });
        Gathering {
            fields,
            logged,
            span,
            walk: WalkBack::default(),
            days: days.collect(),
            transitions: HashMap::new(),
            cuts: Moves::default(),
            increases: Moves::default(),
            live: 0,
            cities: Cities::default(),
        }
    }

    fn note(&mut self, change: &MarketChange<'_>) {
        let Some(place) = self.span.place(change.recorded_at) else {
            return;
        };
        if self.logged.inventory_from.is_some() {
            self.walk.note(change.key, place, change.event);
        }
        // Of a day that is not told as a whole nothing is.
        if place < self.logged.from {
            return;
        }
        let day = &mut self.days[place];
        let more = |count: &mut Option<u64>| *count = count.map(|count| count + 1);
        match change.event {
            MarketEvent::Inserted => more(&mut day.new),
            MarketEvent::Deleted => more(&mut day.deleted),
            MarketEvent::Restored => more(&mut day.restored),
            MarketEvent::Status(from, to) => {
                if is_status(to, "Closed") {
                    more(&mut day.closed);
                } else if is_status(to, "Withdrawn") {
                    more(&mut day.withdrawn);
                }
                let ends = (from.map(str::to_owned), to.map(str::to_owned));
                *self.transitions.entry(ends).or_default() += 1;
            }
            MarketEvent::Price(Some(from), Some(to)) if from > 0.0 && to < from => {
                more(&mut day.price_cuts);
                self.cuts.add(from, from - to);
            }
            MarketEvent::Price(Some(from), Some(to)) if from > 0.0 && to > from => {
                more(&mut day.price_increases);
                self.increases.add(from, to - from);
            }
            MarketEvent::Price(..) => {}
        }
    }

    fn see(&mut self, listing: &ListingNow<'_>) {
        self.live += u64::from(listing.is_live);
        if self.logged.inventory_from.is_some() {
            self.walk.see(listing.key, listing.is_live, listing.status);
        }
        if !listing.is_live || !is_status(listing.status, "Active") {
            return;
        }
        self.cities.add(listing);
    }

    fn market(self) -> Market {
        let (fields, logged, span) = (self.fields, self.logged, self.span);
        let inventory = logged.inventory_from.map(|first| {
            let counts = self.walk.counts(first, span.count());
            let days = counts.days.into_iter().enumerate();
            Inventory {
                statuses: counts.statuses,
                days: days
                    .map(|(behind, listings)| InventoryDay {
                        day: span.name(first + behind),
                        listings,
                    })
                    .collect(),
            }
        });
        Market {
            live: self.live,
            inventory,
            days: self.days,
            prices: logged.price.then(|| Prices {
                cuts: self.cuts.told(),
                increases: self.increases.told(),
            }),
            active: fields.status.then(|| self.cities.told(fields.city)),
            transitions: logged.status.then(|| transitions(self.transitions)),
        }
    }
}

impl Moves {
    fn add(&mut self, from: f64, by: f64) {
        self.amounts.push(by);
        self.percents.push(by / from * 100.0);
    }

    fn told(mut self) -> PriceMoves {
        PriceMoves {
            count: self.amounts.len() as u64,
            // The sum of none is -0.
            total_amount: self.amounts.iter().sum::<f64>() + 0.0,
            median_amount: median(&mut self.amounts),
            median_percent: median(&mut self.percents),
        }
    }
}

fn transitions(counts: HashMap<(Option<String>, Option<String>), u64>) -> Vec<TransitionCount> {
    let transition = |((from, to), count)| TransitionCount { from, to, count };
    let mut transitions: Vec<TransitionCount> = counts.into_iter().map(transition).collect();
    transitions.sort_by(|a, b| (b.count, &a.from, &a.to).cmp(&(a.count, &b.from, &b.to)));
    transitions
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
