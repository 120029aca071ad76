//! Divides the records of a walk by next links into windows of timestamps, where the server
//! refuses links that skip many records.

use super::position::Position;
use crate::feed::odata::Page;
use crate::record::Shape;

/// The number of timestamps at which every second one is dropped.
const SAMPLE_MAX: usize = 1_000;

/// A sample of the timestamps that the pages of a window have.
#[derive(Default)]
pub struct SeenTimes {
    times: Vec<String>,
    /// How often every second timestamp was dropped.
    drops: u32,
    records: usize,
    /// Whether a record has no timestamp, so that it is in no window.
    has_untimed: bool,
}

impl SeenTimes {
    /// Adds the timestamps of a page.
    pub fn add(&mut self, shape: &Shape, page: &Page) {
        for record in &page.records {
            self.records += 1;
            let is_kept = self.records.is_multiple_of(1 << self.drops);
            let time = shape.modified_of(&record.values);
            self.has_untimed |= time.is_none();
            self.times
                .extend(time.filter(|_| is_kept).map(str::to_owned));
            if self.times.len() == SAMPLE_MAX {
                self.times = self.times.drain(..).step_by(2).collect();
                self.drops += 1;
            }
        }
    }

    /// Divides the window of a position whose link the server refuses, and returns the start of
    /// the first part. It ends in the middle of the seen timestamps, or near their end if they
    /// came in order. Returns none if no seen timestamp is within the window, or a record has none.
    pub fn divide(&self, refused: &Position) -> Option<Position> {
        if self.has_untimed {
            return None;
        }
        let (since, until) = match refused {
            Position::NextLink { next_link: Some(_) } => (&None, &[][..]),
            Position::ChangeLinks {
                since,
                until,
                next_link: Some(_),
            } => (since, until.as_slice()),
            _ => return None,
        };
        let end = until.last();
        let is_within = |time: &&String| {
            since.as_ref().is_none_or(|since| since < *time) && end.is_none_or(|end| *time < end)
        };
        let mut within: Vec<&String> = self.times.iter().filter(is_within).collect();
        let at = if within.is_sorted() {
            within.len() * 9 / 10
        } else {
            within.len() / 2
        };
        within.sort();
        let middle = (*within.get(at)?).clone();
        Some(Position::ChangeLinks {
            since: since.clone(),
            until: [until, &[middle]].concat(),
            next_link: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, SeenTimes};

    fn window(since: Option<&str>, until: &[&str], next_link: Option<&str>) -> Position {
        Position::ChangeLinks {
            since: since.map(str::to_owned),
            until: until.iter().map(|end| (*end).to_owned()).collect(),
            next_link: next_link.map(str::to_owned),
        }
    }

    #[test]
    fn a_window_is_divided_strictly_within_it() {
        let seen = |times: &[&str]| SeenTimes {
            times: times.iter().map(|time| (*time).to_owned()).collect(),
            ..SeenTimes::default()
        };
        let link = Position::NextLink {
            next_link: Some("a".to_owned()),
        };
        let in_order = seen(&["1", "2", "3", "4", "5"]);
        assert_eq!(
            in_order.divide(&link),
            Some(window(None, &["5"], None)),
            "near the end"
        );
        let first = window(None, &["5"], Some("b"));
        let second = Some(window(None, &["5", "2"], None));
        assert_eq!(seen(&["4", "2", "1", "5"]).divide(&first), second);
        let last = window(Some("2"), &["5", "4"], Some("c"));
        assert_eq!(seen(&["2", "2", "4"]).divide(&last), None);
        assert_eq!(
            in_order.divide(&window(None, &["5"], None)),
            None,
            "no link"
        );
    }
}
