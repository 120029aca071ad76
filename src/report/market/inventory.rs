//! Computes the listings by status on past days: starts from the current listings and undoes
//! the logged changes, the newest first. Pure.

use std::collections::HashMap;

use super::figures::is_status;
use super::sales::ActiveCount;
use crate::mirror::{ListingNow, MarketEvent};
use crate::resource::life_cycle;

/// The index of a status in [`Statuses`].
type StatusId = u32;

/// The distinct statuses. Listings without a status and purged listings have None.
#[derive(Default)]
struct Statuses {
    names: Vec<Option<Box<str>>>,
    places: HashMap<Option<Box<str>>, StatusId>,
}

impl Statuses {
    fn id(&mut self, name: Option<&str>) -> StatusId {
        // Most lookups are for a few statuses. A short linear search is faster than a hash.
        let known = self.names.iter().take(16);
        if let Some(place) = known.into_iter().position(|own| own.as_deref() == name) {
            return place as StatusId;
        }
        let name: Option<Box<str>> = name.map(Into::into);
        let names = &mut self.names;
        *self.places.entry(name.clone()).or_insert_with(|| {
            names.push(name);
            names.len() as StatusId - 1
        })
    }
}

/// A logged change of a listing.
struct Step {
    record: u32,
    day: u32,
    kind: StepKind,
}

enum StepKind {
    /// The listing was inserted or restored.
    Added,
    Deleted,
    StatusWas(StatusId),
    PriceWas(Option<f64>),
}

#[derive(Clone, Copy)]
struct ListingState {
    is_live: bool,
    status: StatusId,
    price: Option<f64>,
    original_price: Option<f64>,
}

/// Collects the logged changes, the newest first, then the current listings.
#[derive(Default)]
pub struct WalkBack {
    statuses: Statuses,
    records: HashMap<Box<str>, u32>,
    states: Vec<ListingState>,
    steps: Vec<Step>,
    now: Vec<i64>,
    /// The active listings without a logged change.
    unchanged: ActiveCount,
}

/// The number of listings by status at the end of each day.
pub struct Counts {
    /// The statuses, in the order of a listing's life.
    pub statuses: Vec<Option<String>>,
    /// The listings of each status, for each day.
    pub days: Vec<Vec<u64>>,
    /// The active listings before the first logged change.
    pub active_before: ActiveCount,
}

impl WalkBack {
    /// Adds a logged change. The changes must come in order, the newest first.
    pub fn add_change(&mut self, key: &str, day: usize, event: MarketEvent<'_>) {
        let kind = match event {
            MarketEvent::Inserted | MarketEvent::Restored => StepKind::Added,
            MarketEvent::Deleted => StepKind::Deleted,
            MarketEvent::Status(from, _) => StepKind::StatusWas(self.statuses.id(from)),
            MarketEvent::Price(from, _) => StepKind::PriceWas(from),
        };
        let record = match self.records.get(key) {
            Some(record) => *record,
            None => {
                let record = self.states.len() as u32;
                self.records.insert(key.into(), record);
                // A purged listing keeps this state, because it has no row.
                let status = self.statuses.id(None);
                self.states.push(ListingState {
                    is_live: false,
                    status,
                    price: None,
                    original_price: None,
                });
                record
            }
        };
        let day = day as u32;
        self.steps.push(Step { record, day, kind });
    }

    /// Adds a listing in its current state.
    pub fn add_listing(&mut self, listing: &ListingNow<'_>) {
        let (key, is_live) = (listing.key, listing.is_live);
        if !is_live && self.records.is_empty() {
            return;
        }
        let status = self.statuses.id(listing.status);
        if is_live {
            let place = status as usize;
            if self.now.len() <= place {
                self.now.resize(place + 1, 0);
            }
            self.now[place] += 1;
        }
        if let Some(record) = self.records.get(key) {
            self.states[*record as usize] = ListingState {
                is_live,
                status,
                price: listing.list_price,
                original_price: listing.original_price,
            };
        } else if is_live && is_status(listing.status, "Active") {
            self.unchanged
                .add(listing.list_price, listing.original_price);
        }
    }

    /// Returns the counts of the days from `first` to the last of `days` days.
    pub fn counts(mut self, first: usize, days: usize) -> Counts {
        let deltas = self.undo();
        let active_before = self.active();
        let mut now = self.now;
        now.resize(self.statuses.names.len(), 0);

        let mut counts = Vec::new();
        for day in (first..days).rev() {
            counts.push(now.clone());
            for (status, listings) in now.iter_mut().enumerate() {
                let key = (day as u32, status as StatusId);
                *listings -= deltas.get(&key).copied().unwrap_or(0);
            }
        }
        counts.reverse();
        order(self.statuses.names, counts, active_before)
    }

    /// Returns the active listings in the current states, and those without a change.
    fn active(&self) -> ActiveCount {
        let mut active = self.unchanged;
        for state in &self.states {
            let name = self.statuses.names[state.status as usize].as_deref();
            if state.is_live && is_status(name, "Active") {
                active.add(state.price, state.original_price);
            }
        }
        active
    }

    /// Undoes all changes. Returns by how much they changed the count of each status on each
    /// day.
    fn undo(&mut self) -> HashMap<(u32, StatusId), i64> {
        let mut deltas: HashMap<(u32, StatusId), i64> = HashMap::new();
        let mut count = |day: u32, status: StatusId, by: i64| {
            *deltas.entry((day, status)).or_default() += by;
        };
        for step in &self.steps {
            let state = &mut self.states[step.record as usize];
            match step.kind {
                StepKind::Added => {
                    if state.is_live {
                        count(step.day, state.status, 1);
                    }
                    state.is_live = false;
                }
                StepKind::Deleted => {
                    if !state.is_live {
                        count(step.day, state.status, -1);
                    }
                    state.is_live = true;
                }
                StepKind::StatusWas(before) => {
                    if state.is_live {
                        count(step.day, state.status, 1);
                        count(step.day, before, -1);
                    }
                    state.status = before;
                }
                StepKind::PriceWas(before) => state.price = before,
            }
        }
        deltas
    }
}

/// Sorts the statuses by the life of a listing. Removes statuses without listings on any day.
fn order(
    names: Vec<Option<Box<str>>>,
    counts: Vec<Vec<i64>>,
    active_before: ActiveCount,
) -> Counts {
    let mut shown: Vec<usize> = (0..names.len())
        .filter(|status| counts.iter().any(|day| day[*status] > 0))
        .collect();
    shown.sort_by_key(|status| {
        let name = names[*status].as_deref();
        (life_cycle(name), name)
    });
    let days = counts.iter().map(|day| {
        let listings = shown.iter().map(|status| day[*status].max(0) as u64);
        listings.collect()
    });
    Counts {
        days: days.collect(),
        statuses: shown
            .iter()
            .map(|status| names[*status].as_deref().map(str::to_owned))
            .collect(),
        active_before,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the counts of `Active`, `Pending` and None for each day.
    fn daily_counts(
        log: &[(&str, usize, MarketEvent<'_>)],
        now: &[(&str, bool, &str)],
    ) -> Vec<[u64; 3]> {
        let mut walk = WalkBack::default();
        for (key, day, event) in log.iter().rev() {
            walk.add_change(key, *day, *event);
        }
        for (key, is_live, status) in now {
            walk.add_listing(&ListingNow {
                key,
                is_live: *is_live,
                status: Some(status),
                ..ListingNow::default()
            });
        }
        let counts = walk.counts(0, 4);
        let of = |day: &Vec<u64>, name: Option<&str>| {
            let place = counts
                .statuses
                .iter()
                .position(|own| own.as_deref() == name);
            place.map_or(0, |place| day[place])
        };
        let days = counts.days.iter();
        days.map(|day| {
            [
                of(day, Some("Active")),
                of(day, Some("Pending")),
                of(day, None),
            ]
        })
        .collect()
    }

    #[test]
    fn inserts_deletes_restores_and_status_changes_are_undone() {
        let pending = MarketEvent::Status(Some("Active"), Some("Pending"));
        let log = [
            ("a", 1, pending),
            ("b", 1, MarketEvent::Inserted),
            ("a", 2, MarketEvent::Deleted),
            ("b", 2, pending),
            ("a", 3, MarketEvent::Restored),
            ("a", 3, MarketEvent::Status(Some("Pending"), Some("Active"))),
        ];
        let now = [
            ("a", true, "Active"),
            ("b", true, "Pending"),
            ("c", true, "Active"),
        ];
        let expected = [[2, 0, 0], [2, 1, 0], [1, 1, 0], [2, 1, 0]];
        assert_eq!(daily_counts(&log, &now), expected);
    }

    #[test]
    fn a_status_change_of_a_deleted_listing_is_not_counted() {
        let log = [
            ("a", 1, MarketEvent::Deleted),
            ("a", 2, MarketEvent::Status(Some("Active"), Some("Pending"))),
            ("a", 3, MarketEvent::Restored),
        ];
        let expected = [[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0]];
        assert_eq!(daily_counts(&log, &[("a", true, "Pending")]), expected);
    }

    #[test]
    fn the_status_of_a_purged_listing_is_unknown() {
        let log = [("a", 2, MarketEvent::Deleted)];
        let expected = [[1, 0, 1], [1, 0, 1], [1, 0, 0], [1, 0, 0]];
        assert_eq!(daily_counts(&log, &[("b", true, "Active")]), expected);
    }

    #[test]
    fn an_inconsistent_log_gives_no_negative_counts() {
        let log = [
            ("a", 1, MarketEvent::Deleted),
            ("a", 2, MarketEvent::Deleted),
            ("b", 2, MarketEvent::Inserted),
            ("b", 3, MarketEvent::Inserted),
        ];
        let expected = [[1, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0]];
        let now = [("a", false, "Active"), ("b", true, "Active")];
        assert_eq!(daily_counts(&log, &now), expected);
    }
}
