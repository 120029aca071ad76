//! How many listings had which status, day by day: today's counts, walked back
//! through the log. Pure.

use std::collections::HashMap;

use crate::mirror::MarketEvent;

/// A status by its place among [`Statuses`].
type StatusId = u32;

/// The statuses that were met, each once. None is that of a listing without one, and of
/// one whose row was forgotten.
#[derive(Default)]
struct Statuses {
    names: Vec<Option<Box<str>>>,
    places: HashMap<Option<Box<str>>, StatusId>,
}

impl Statuses {
    fn id(&mut self, name: Option<&str>) -> StatusId {
        // There are few, and most are looked for often.
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

/// What the log says of a record.
struct Step {
    record: u32,
    day: u32,
    what: What,
}

enum What {
    Came,
    Went,
    Returned,
    StatusWas(StatusId),
}

#[derive(Clone, Copy)]
struct Standing {
    is_live: bool,
    status: StatusId,
}

/// Gathers what is needed to walk back: first the log, newest first, then the listings.
#[derive(Default)]
pub struct WalkBack {
    statuses: Statuses,
    records: HashMap<Box<str>, u32>,
    standings: Vec<Standing>,
    steps: Vec<Step>,
    now: Vec<i64>,
}

/// How many listings had which status at the end of each day.
pub struct Counts {
    /// The statuses, those with most listings now first.
    pub statuses: Vec<Option<String>>,
    /// For each day, the listings of each status.
    pub days: Vec<Vec<u64>>,
}

impl WalkBack {
    /// Notes an entry of the log, of a day. Each is to be older than the one before.
    pub fn note(&mut self, key: &str, day: usize, event: MarketEvent<'_>) {
        let what = match event {
            MarketEvent::Inserted => What::Came,
            MarketEvent::Deleted => What::Went,
            MarketEvent::Restored => What::Returned,
            MarketEvent::Status(from, _) => What::StatusWas(self.statuses.id(from)),
            MarketEvent::Price(..) => return,
        };
        let record = match self.records.get(key) {
            Some(record) => *record,
            None => {
                let record = self.standings.len() as u32;
                self.records.insert(key.into(), record);
                // Unless the listings say otherwise: it was forgotten for good.
                let status = self.statuses.id(None);
                self.standings.push(Standing {
                    is_live: false,
                    status,
                });
                record
            }
        };
        let day = day as u32;
        self.steps.push(Step { record, day, what });
    }

    /// Notes how a listing stands now.
    pub fn see(&mut self, key: &str, is_live: bool, status: Option<&str>) {
        if !is_live && self.records.is_empty() {
            return;
        }
        let status = self.statuses.id(status);
        if is_live {
            let place = status as usize;
            if self.now.len() <= place {
                self.now.resize(place + 1, 0);
            }
            self.now[place] += 1;
        }
        if let Some(record) = self.records.get(key) {
            self.standings[*record as usize] = Standing { is_live, status };
        }
    }

    /// Walks back from the end of the last of so many days to the end of the one at
    /// `first`.
    pub fn counts(mut self, first: usize, days: usize) -> Counts {
        let mut moved: HashMap<(u32, StatusId), i64> = HashMap::new();
        let mut count = |day: u32, status: StatusId, by: i64| {
            *moved.entry((day, status)).or_default() += by;
        };
        for step in &self.steps {
            let standing = &mut self.standings[step.record as usize];
            match step.what {
                What::Came | What::Returned => {
                    if standing.is_live {
                        count(step.day, standing.status, 1);
                    }
                    standing.is_live = false;
                }
                What::Went => {
                    if !standing.is_live {
                        count(step.day, standing.status, -1);
                    }
                    standing.is_live = true;
                }
                What::StatusWas(before) => {
                    if standing.is_live {
                        count(step.day, standing.status, 1);
                        count(step.day, before, -1);
                    }
                    standing.status = before;
                }
            }
        }
        let mut now = self.now;
        now.resize(self.statuses.names.len(), 0);
        let mut counts = Vec::new();
        for day in (first..days).rev() {
            counts.push(now.clone());
            for (status, listings) in now.iter_mut().enumerate() {
                let key = (day as u32, status as StatusId);
                *listings -= moved.get(&key).copied().unwrap_or(0);
            }
        }
        counts.reverse();
        order(self.statuses.names, counts)
    }
}

/// Leaves out what never was, and puts what is most first.
fn order(names: Vec<Option<Box<str>>>, counts: Vec<Vec<i64>>) -> Counts {
    let last = counts.last().cloned().unwrap_or_default();
    let mut shown: Vec<usize> = (0..names.len())
        .filter(|status| counts.iter().any(|day| day[*status] > 0))
        .collect();
    shown.sort_by(|a, b| (last[*b], &names[*a]).cmp(&(last[*a], &names[*b])));
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counts of `Active`, `Pending` and none, for each day.
    fn walked(log: &[(&str, usize, MarketEvent<'_>)], now: &[(&str, bool, &str)]) -> Vec<[u64; 3]> {
        let mut walk = WalkBack::default();
        for (key, day, event) in log.iter().rev() {
            walk.note(key, *day, *event);
        }
        for (key, is_live, status) in now {
            walk.see(key, *is_live, Some(status));
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
    fn what_came_went_came_back_and_changed_is_undone() {
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
        assert_eq!(walked(&log, &now), expected);
    }

    #[test]
    fn a_status_that_changes_while_a_listing_is_gone_counts_nowhere() {
        let log = [
            ("a", 1, MarketEvent::Deleted),
            ("a", 2, MarketEvent::Status(Some("Active"), Some("Pending"))),
            ("a", 3, MarketEvent::Restored),
        ];
        let expected = [[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0]];
        assert_eq!(walked(&log, &[("a", true, "Pending")]), expected);
    }

    #[test]
    fn a_forgotten_listing_had_no_status_that_is_known() {
        let log = [("a", 2, MarketEvent::Deleted)];
        let expected = [[1, 0, 1], [1, 0, 1], [1, 0, 0], [1, 0, 0]];
        assert_eq!(walked(&log, &[("b", true, "Active")]), expected);
    }

    #[test]
    fn an_odd_log_gives_no_negative_counts() {
        let log = [
            ("a", 1, MarketEvent::Deleted),
            ("a", 2, MarketEvent::Deleted),
            ("b", 2, MarketEvent::Inserted),
            ("b", 3, MarketEvent::Inserted),
        ];
        let expected = [[1, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0]];
        let now = [("a", false, "Active"), ("b", true, "Active")];
        assert_eq!(walked(&log, &now), expected);
    }
}
