//! Collects the moves of the market from the change log and the listings.

use std::collections::HashMap;

use super::active::Cities;
use super::figures::{
    Inventory, InventoryDay, Market, MarketDay, PriceMoves, Prices, TransitionCount, is_status,
};
use super::inventory::WalkBack;
use crate::mirror::{ListingNow, MarketChange, MarketEvent, MarketFields, ReadTx};
use crate::report::days::Days;
use crate::report::statistics::median;

/// The coverage of the change log within a period.
#[derive(Clone, Copy, Debug)]
pub struct Logged {
    /// Whether the log has changes of StandardStatus.
    pub status: bool,
    /// Whether the log has changes of ListPrice.
    pub price: bool,
    /// The first day with a complete log. The report omits the changes of earlier days.
    pub from: usize,
    /// The first day with a known inventory at its end, if any.
    pub inventory_from: Option<usize>,
}

/// Returns the moves of the market since a time in storage form.
pub fn market(
    tx: &ReadTx<'_>,
    fields: MarketFields,
    since: &str,
    days: Days,
    logged: Logged,
) -> anyhow::Result<Market> {
    let mut gathering = Gathering::new(fields, logged, days);
    tx.read_market_changes(since, |change| gathering.add_change(&change))?;
    tx.read_listings(fields, |listing| gathering.add_listing(&listing))?;
    Ok(gathering.market())
}

/// The data collected so far.
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

/// Price changes by amount and by percent.
#[derive(Default)]
struct Moves {
    amounts: Vec<f64>,
    percents: Vec<f64>,
}

impl Gathering {
    fn new(fields: MarketFields, logged: Logged, span: Days) -> Gathering {
        let days = (0..span.count()).map(|place| {
            let zero_if = |is_logged: bool| (is_logged && place >= logged.from).then_some(0);
            MarketDay {
                day: span.name(place),
                new: zero_if(true),
                closed: zero_if(logged.status),
                withdrawn: zero_if(logged.status),
                deleted: zero_if(true),
                restored: zero_if(true),
                price_cuts: zero_if(logged.price),
                price_increases: zero_if(logged.price),
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

    fn add_change(&mut self, change: &MarketChange<'_>) {
        let Some(place) = self.span.place(change.recorded_at) else {
            return;
        };
        if self.logged.inventory_from.is_some() {
            self.walk.add_change(change.key, place, change.event);
        }
        // The log of this day is incomplete.
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

    fn add_listing(&mut self, listing: &ListingNow<'_>) {
        self.live += u64::from(listing.is_live);
        if self.logged.inventory_from.is_some() {
            self.walk
                .add_listing(listing.key, listing.is_live, listing.status);
        }
        if listing.is_live && is_status(listing.status, "Active") {
            self.cities.add(listing);
        }
    }

    fn market(self) -> Market {
        let (fields, logged, span) = (self.fields, self.logged, self.span);
        let inventory = logged.inventory_from.map(|first| {
            let counts = self.walk.counts(first, span.count());
            let days = counts.days.into_iter().enumerate();
            Inventory {
                statuses: counts.statuses,
                days: days
                    .map(|(index, listings)| InventoryDay {
                        day: span.name(first + index),
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
                cuts: self.cuts.summary(),
                increases: self.increases.summary(),
            }),
            active: fields.status.then(|| self.cities.active(fields.city)),
            transitions: logged.status.then(|| transitions(self.transitions)),
        }
    }
}

impl Moves {
    fn add(&mut self, from: f64, by: f64) {
        self.amounts.push(by);
        self.percents.push(by / from * 100.0);
    }

    fn summary(mut self) -> PriceMoves {
        PriceMoves {
            count: self.amounts.len() as u64,
            // The sum of an empty list is -0. Adding zero turns it into 0.
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
