//! Detects pages that repeat without end.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::position::Position;
use crate::feed::http::FeedError;
use crate::feed::odata::Page;
use crate::value::Value;

/// A longer row of empty pages is treated as an error of the server.
const EMPTY_MAX: usize = 20;

/// Finds a sequence that repeats, in constant memory, by the method of Brent: each value is
/// compared with a marked one, and the marks are twice as far apart each time.
#[derive(Default)]
pub struct Circle {
    count: u64,
    marked: Option<u64>,
}

impl Circle {
    /// Adds a value of the sequence. Returns whether it is the marked one.
    pub fn closes_with(&mut self, value: &impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let value = hasher.finish();
        if self.marked == Some(value) {
            return true;
        }
        self.count += 1;
        if self.count.is_power_of_two() {
            self.marked = Some(value);
        }
        false
    }
}

/// The links that a walk has followed, and its pages.
#[derive(Default)]
pub struct FollowedLinks {
    followed: HashSet<String>,
    empty_pages: usize,
    pages: Circle,
}

impl FollowedLinks {
    /// Records a page and the position after it. Returns an error if the page or its link
    /// repeats an earlier one, or after many empty pages. The link of the page itself may
    /// repeat if each response has another page: Trestle uses one URL for all pages.
    pub fn check(
        &mut self,
        page: &Page,
        to: &Position,
        is_same_link: bool,
    ) -> Result<(), FeedError> {
        let link = to.next_link();
        let is_new = link.is_none_or(|link| self.followed.insert(link.to_owned()));
        if page.entries == 0 {
            self.empty_pages += 1;
        } else {
            self.empty_pages = 0;
        }
        // A link may be new each time, and so may the number of skipped records that have no
        // key. Other positions are part of what repeats.
        let is_by_key = link.is_none() && page.last_paging != Value::Null;
        let place = is_by_key.then(|| format!("{to:?}"));
        let repeats = page.entries > 0 && self.pages.closes_with(&(place, page.identity()));
        if repeats || self.empty_pages > EMPTY_MAX || !(is_new || is_same_link) {
            return Err(FeedError::Stuck("the pages form a circle".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Circle;

    /// Returns the number of values until a circle is found.
    fn found_after(value: impl Fn(u64) -> u64) -> Option<u64> {
        let mut circle = Circle::default();
        (0..10_000).find(|at| circle.closes_with(&value(*at)))
    }

    #[test]
    fn a_circle_of_any_length_is_found_soon_and_other_pages_are_no_circle() {
        assert_eq!(found_after(|at| at), None);
        for length in [1, 2, 3, 7, 100] {
            for before in [0, 1, 50] {
                let value = |at: u64| at.min(before + (at.saturating_sub(before)) % length);
                let found = found_after(value).expect("a circle");
                assert!(
                    found <= 2 * before + 3 * length,
                    "{length} after {before}: {found}"
                );
            }
        }
    }
}
