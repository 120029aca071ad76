//! Collects the moves of the market from the change log and the listings.

use std::collections::HashMap;

use super::active::Cities;
use super::figures::{
    Figures, Headline, Inventory, InventoryDay, Market, MarketDay, PriceCut, PriceMoves, Prices,
    TransitionCount, is_status, sum,
};
use super::inventory::WalkBack;
use super::sales::{ActiveCount, Sales};
use crate::mirror::{
    ListingCard, ListingNow, MarketChange, MarketCounts, MarketEvent, MarketFields, MarketFilter,
    ReadTx,
};
use crate::report::days::Days;
use crate::report::statistics::median;
use crate::value::stored_instant;

/// The number of listings in a list of a report.
const SHOWN: usize = 10;

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
    /// Whether the log has every change of the period, so that the listings before it are
    /// known.
    pub covers_period: bool,
    /// Whether the log also has every change of the previous period.
    pub covers_previous: bool,
}

/// Returns the moves of the market in a period. `logged_days` are the days of the period since
/// the first run of the mirror.
pub fn market(
    tx: &ReadTx<'_>,
    fields: MarketFields,
    filter: &MarketFilter,
    period: Days,
    logged_days: Days,
    logged: Logged,
) -> anyhow::Result<Market> {
    let since = stored_instant(period.start(0));
    let before = stored_instant(period.previous().start(0));
    let mut gathering = Gathering::new(fields, logged, period, logged_days);
    tx.read_market_changes(filter, &since, |change| gathering.add_change(&change))?;
    tx.read_listings(filter, |listing| gathering.add_listing(&listing))?;
    if logged.covers_previous {
        gathering.before = Some(tx.count_market_changes(filter, &before, &since)?);
    }
    let largest_cuts = gathering.largest_cuts(tx)?;
    let newest = tx.newest_active(filter, SHOWN)?;
    Ok(gathering.market(largest_cuts, newest))
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
    largest: Vec<Cut>,
    live: u64,
    cities: Cities,
    active: ActiveCount,
    sales: Sales,
    sales_before: Sales,
    before: Option<MarketCounts>,
}

/// A price cut.
struct Cut {
    key: String,
    from: f64,
    to: f64,
    recorded_at: String,
}

/// Price changes by amount and by percent.
#[derive(Default)]
struct Moves {
    amounts: Vec<f64>,
    percents: Vec<f64>,
}

impl Gathering {
    fn new(fields: MarketFields, logged: Logged, period: Days, span: Days) -> Gathering {
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
            largest: Vec::new(),
            live: 0,
            cities: Cities::default(),
            active: ActiveCount::default(),
            sales: Sales::of(period),
            sales_before: Sales::of(period.previous()),
            before: None,
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
                self.add_cut(change, from, to);
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
            self.walk.add_listing(listing);
        }
        if listing.is_live && is_status(listing.status, "Active") {
            self.cities.add(listing);
            self.active.add(listing.list_price, listing.original_price);
        }
        if listing.is_live && is_status(listing.status, "Closed") {
            self.sales.add(listing);
            self.sales_before.add(listing);
        }
    }

    /// Keeps a price cut if it is one of the largest. Of equal ones, the newest comes first.
    fn add_cut(&mut self, change: &MarketChange<'_>, from: f64, to: f64) {
        let place = self
            .largest
            .partition_point(|cut| cut.from - cut.to >= from - to);
        if place < SHOWN {
            let cut = Cut {
                key: change.key.to_owned(),
                from,
                to,
                recorded_at: change.recorded_at.to_owned(),
            };
            self.largest.insert(place, cut);
            self.largest.truncate(SHOWN);
        }
    }

    fn largest_cuts(&mut self, tx: &ReadTx<'_>) -> anyhow::Result<Vec<PriceCut>> {
        let cuts = std::mem::take(&mut self.largest).into_iter();
        cuts.map(|cut| {
            let purged = || ListingCard {
                listing_key: cut.key.clone(),
                ..ListingCard::default()
            };
            Ok(PriceCut {
                listing: tx.listing_card(&cut.key)?.unwrap_or_else(purged),
                old_price: cut.from,
                new_price: cut.to,
                recorded_at: cut.recorded_at,
            })
        })
        .collect()
    }

    fn market(self, largest_cuts: Vec<PriceCut>, newest: Vec<ListingCard>) -> Market {
        let (fields, logged, span) = (self.fields, self.logged, self.span);
        let mut active_before = None;
        let inventory = logged.inventory_from.map(|first| {
            let counts = self.walk.counts(first, span.count());
            active_before = logged.covers_period.then_some(counts.active_before);
            let days = counts.days.into_iter().zip(first..);
            let days = days.map(|(listings, place)| InventoryDay {
                day: span.name(place),
                listings,
            });
            Inventory {
                statuses: counts.statuses,
                days: days.collect(),
            }
        });
        let active = fields.status.then_some(self.active);
        let has_sales = fields.status && fields.closings;
        Market {
            live: self.live,
            headline: Headline {
                current: Figures {
                    new: sum(&self.days, |day| day.new),
                    price_cuts: sum(&self.days, |day| day.price_cuts),
                    ..self.sales.figures(active, has_sales)
                },
                previous: Figures {
                    new: self.before.map(|before| before.new),
                    price_cuts: (self.before.filter(|_| logged.price))
                        .map(|before| before.price_cuts),
                    ..self.sales_before.figures(active_before, has_sales)
                },
            },
            largest_cuts,
            newest,
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
