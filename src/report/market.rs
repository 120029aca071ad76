//! How the market moved.

use std::collections::HashMap;

use serde::Serialize;

use super::active::{Active, Cities};
use super::days::Days;
use super::inventory::WalkBack;
use super::statistics::median;
use crate::mirror::{ListingNow, MarketChange, MarketEvent, MarketFields, Writing};

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

/// What happened on a day, by when the mirror found it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MarketDay {
    /// The day, UTC.
    pub day: String,
    /// Listings that came.
    pub new: u64,
    /// Listings that went to Closed; None without StandardStatus.
    pub closed: Option<u64>,
    /// Listings that went to Withdrawn; None without StandardStatus.
    pub withdrawn: Option<u64>,
    /// Listings that were deleted.
    pub deleted: u64,
    /// Listings that came back.
    pub restored: u64,
    /// Prices that fell; None without ListPrice.
    pub price_cuts: Option<u64>,
    /// Prices that rose; None without ListPrice.
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
    let letters = |text: &str| -> String {
        let letters = text.chars().filter(|letter| *letter != ' ');
        letters.flat_map(char::to_lowercase).collect()
    };
    status.is_some_and(|status| letters(status) == letters(name))
}

/// Reads how the market moved since a time in storage form; on which days the inventory
/// is known is told by `known_from`.
///
/// # Errors
/// If the mirror cannot be read.
pub fn market(
    looking: &Writing<'_>,
    fields: MarketFields,
    since: &str,
    days: Days,
    known_from: Option<usize>,
) -> anyhow::Result<Market> {
    let mut gathering = Gathering::new(fields, days);
    looking.read_market_changes(since, |change| gathering.note(&change))?;
    looking.read_listings(fields, |listing| gathering.see(&listing))?;
    Ok(gathering.market(known_from))
}

/// What is gathered of the log and the listings.
struct Gathering {
    fields: MarketFields,
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
    fn new(fields: MarketFields, span: Days) -> Gathering {
        let days = (0..span.count()).map(|place| MarketDay {
            day: span.name(place),
            closed: fields.status.then_some(0),
            withdrawn: fields.status.then_some(0),
            price_cuts: fields.price.then_some(0),
            price_increases: fields.price.then_some(0),
            ..MarketDay::default()
        });
        Gathering {
            fields,
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
        if self.fields.status {
            self.walk.note(change.key, place, change.event);
        }
        let day = &mut self.days[place];
        let more = |count: &mut Option<u64>| *count = count.map(|count| count + 1);
        match change.event {
            MarketEvent::Came => day.new += 1,
            MarketEvent::Went => day.deleted += 1,
            MarketEvent::Returned => day.restored += 1,
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
        if self.fields.status {
            self.walk.see(listing.key, listing.is_live, listing.status);
        }
        if !listing.is_live || !is_status(listing.status, "Active") {
            return;
        }
        self.cities.add(listing);
    }

    fn market(self, known_from: Option<usize>) -> Market {
        let (fields, span) = (self.fields, self.span);
        let inventory = known_from.filter(|_| fields.status).map(|first| {
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
            prices: fields.price.then(|| Prices {
                cuts: self.cuts.told(),
                increases: self.increases.told(),
            }),
            active: fields.status.then(|| self.cities.told(fields.city)),
            transitions: fields.status.then(|| transitions(self.transitions)),
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
