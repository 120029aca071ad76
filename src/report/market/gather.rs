//! Gathers how the market moved from the change log and the listings.

use std::collections::HashMap;

use super::active::Cities;
use super::figures::{
    Inventory, InventoryDay, Market, MarketDay, PriceMoves, Prices, TransitionCount, is_status,
};
use super::inventory::WalkBack;
use crate::mirror::{ListingNow, MarketChange, MarketEvent, MarketFields, ReadTx};
use crate::report::days::Days;
use crate::report::statistics::median;

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
