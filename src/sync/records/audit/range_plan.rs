//! What to do with a range of keys, decided without I/O from the counts of both sides.

use crate::feed::KeyRange;
use crate::mirror::LiveRange;

/// The records of a range in the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRange {
    /// The number of records.
    pub records: u64,
    /// The newest timestamp of any record, if it is known.
    pub newest: Newest,
}

/// The newest timestamp of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Newest {
    /// It was not asked for.
    Unknown,
    /// It is this one; none if no record has a timestamp.
    Known(Option<String>),
}

/// A range with the records of both sides.
#[derive(Clone, Debug)]
pub struct ComparedRange {
    /// The range.
    pub keys: KeyRange,
    /// The records of the feed.
    pub feed: FeedRange,
    /// The live rows of the mirror.
    pub mirror: LiveRange,
    /// The number of requests that read the keys of the range.
    pub pages: u64,
    /// Whether the newest timestamps are known to differ without having been asked for.
    pub must_differ: bool,
}

/// What to do with a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Both sides seem to have the same records.
    Nothing,
    /// Read the keys of all records.
    Read,
    /// Compare the counts of two parts.
    Divide,
}

/// The number of pages up to which a range is read rather than divided.
const PAGES_READ: u64 = 2;

impl ComparedRange {
    /// Returns whether the counts or the newest timestamps differ.
    pub fn differs(&self) -> bool {
        self.must_differ
            || self.feed.records != self.mirror.records
            || self.has_other_time() == Some(true)
    }

    /// Returns whether only the counts are known to differ.
    pub fn differs_by_count(&self) -> bool {
        self.feed.records != self.mirror.records && self.has_other_time() != Some(true)
    }

    /// Returns whether the newest timestamps differ, if that is known.
    fn has_other_time(&self) -> Option<bool> {
        match &self.feed.newest {
            Newest::Unknown => self.must_differ.then_some(true),
            Newest::Known(newest) => Some(*newest != self.mirror.newest),
        }
    }

    /// Returns what to do. Dividing costs about one request for each halving that leads to a
    /// differing record, and one to read that page. If each request that divides also reads a
    /// page, as `reads_pages` says, it never takes more requests than reading all pages.
    pub fn task(&self, reads_pages: bool) -> Task {
        if !self.differs() {
            return Task::Nothing;
        }
        if reads_pages && self.pages > 1 {
            return Task::Divide;
        }
        let differing = self.feed.records.abs_diff(self.mirror.records).max(1);
        let halvings = u64::from((self.pages / differing).max(1).ilog2());
        if self.pages <= PAGES_READ || differing * (2 + halvings) >= self.pages {
            Task::Read
        } else {
            Task::Divide
        }
    }

    /// Returns the second part of the range, given the first one, and the rows and the pages of
    /// the second.
    /// Returns none if it has to be asked for: both parts may have other timestamps.
    pub fn rest(
        &self,
        first: &ComparedRange,
        mirror: LiveRange,
        pages: u64,
    ) -> Option<ComparedRange> {
        let newest = match (&self.feed.newest, &first.feed.newest) {
            (Newest::Known(whole), Newest::Known(part)) if part < whole => self.feed.newest.clone(),
            _ => Newest::Unknown,
        };
        let has_other_time = self.has_other_time() == Some(true);
        let is_explained = first.has_other_time() == Some(true);
        if has_other_time && is_explained && newest == Newest::Unknown {
            return None;
        }
        Some(ComparedRange {
            keys: self.rest_of_keys(first),
            feed: FeedRange {
                records: self.feed.records.saturating_sub(first.feed.records),
                newest,
            },
            mirror,
            pages,
            must_differ: has_other_time && !is_explained,
        })
    }

    /// Returns the keys of the second part, given the first one.
    pub fn rest_of_keys(&self, first: &ComparedRange) -> KeyRange {
        KeyRange {
            after: first.keys.up_to.clone(),
            up_to: self.keys.up_to.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(feed: u64, mirror: u64, newest: [&str; 2]) -> ComparedRange {
        let [feed_newest, mirror_newest] = newest.map(|newest| Some(newest.to_owned()));
        ComparedRange {
            keys: KeyRange::default(),
            feed: FeedRange {
                records: feed,
                newest: Newest::Known(feed_newest),
            },
            mirror: LiveRange {
                records: mirror,
                newest: mirror_newest,
            },
            pages: feed.div_ceil(200).max(1),
            must_differ: false,
        }
    }

    #[test]
    fn only_ranges_that_differ_cost_more_requests() {
        let cases = [
            (range(10_000, 10_000, ["b", "b"]), Task::Nothing),
            (range(10_000, 10_000, ["b", "a"]), Task::Divide),
            (range(10_000, 10_001, ["b", "b"]), Task::Divide),
            (range(10_000, 10_006, ["b", "b"]), Task::Divide),
            (range(10_000, 10_040, ["b", "b"]), Task::Read),
            (range(10_000, 0, ["b", "b"]), Task::Read),
            (range(400, 401, ["b", "b"]), Task::Read),
            (range(0, 1, ["b", "b"]), Task::Read),
        ];
        for (range, task) in cases {
            assert_eq!(range.task(false), task, "{range:?}");
        }
    }

    #[test]
    fn a_range_of_more_than_one_page_is_divided_if_that_reads_pages() {
        let cases = [
            (range(10_000, 10_000, ["b", "b"]), Task::Nothing),
            (range(10_000, 10_050, ["b", "b"]), Task::Divide),
            (range(10_000, 0, ["b", "b"]), Task::Divide),
            (range(400, 401, ["b", "b"]), Task::Divide),
            (range(200, 201, ["b", "b"]), Task::Read),
        ];
        for (range, task) in cases {
            assert_eq!(range.task(true), task, "{range:?}");
        }
        assert!(range(400, 401, ["b", "b"]).differs_by_count());
        assert!(!range(400, 401, ["b", "a"]).differs_by_count());
    }

    #[test]
    fn the_second_part_follows_from_the_first() {
        let whole = range(1_000, 1_001, ["c", "c"]);
        let first = range(400, 400, ["b", "b"]);
        let mirror = LiveRange {
            records: 601,
            newest: Some("c".to_owned()),
        };
        let rest = whole.rest(&first, mirror.clone(), 3).unwrap();
        assert_eq!(rest.feed.records, 600);
        assert_eq!(rest.feed.newest, Newest::Known(Some("c".to_owned())));
        assert!(rest.differs());

        // The mirror has a newer timestamp than the feed, in the second part.
        let whole = range(1_000, 1_000, ["b", "c"]);
        let mirror = LiveRange {
            records: 600,
            ..mirror
        };
        let rest = whole.rest(&first, mirror.clone(), 3).unwrap();
        assert_eq!(rest.feed.newest, Newest::Unknown);
        assert!(rest.differs(), "the first part is the same");

        // The first part explains the difference, and the second may have another one.
        let first = range(400, 400, ["b", "c"]);
        assert!(whole.rest(&first, mirror, 3).is_none());
    }
}
