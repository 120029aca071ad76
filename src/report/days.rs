//! The days of a period, in UTC.

use std::ops::Range;

use chrono::{Days as CountOfDays, NaiveDate};

/// The possible widths of a bin, in days.
const BIN_WIDTHS: [usize; 6] = [1, 7, 28, 91, 364, 3_640];

/// Consecutive days, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    first: NaiveDate,
    count: usize,
}

impl Days {
    /// Returns the days from `first` to `last`, both included. If `last` is earlier, it is
    /// the only day.
    pub fn between(first: NaiveDate, last: NaiveDate) -> Days {
        let days = (last - first).num_days();
        Days {
            first: first.min(last),
            count: usize::try_from(days).unwrap_or(0) + 1,
        }
    }

    /// Returns the number of days.
    pub fn count(self) -> usize {
        self.count
    }

    /// Returns the index of the day of a stored time; None for an earlier time. A later time
    /// counts to the last day, because the clock may have been set back.
    pub fn place(self, stored: &str) -> Option<usize> {
        let day = day(stored)?;
        let place = usize::try_from((day - self.first).num_days()).ok()?;
        Some(place.min(self.count - 1))
    }

    /// Returns the day at an index as `YYYY-MM-DD`.
    pub fn name(self, place: usize) -> String {
        self.day(place).to_string()
    }

    /// Returns the day at an index.
    pub fn day(self, place: usize) -> NaiveDate {
        let day = self.first.checked_add_days(CountOfDays::new(place as u64));
        day.unwrap_or(NaiveDate::MAX)
    }
}

/// Returns the day of a stored time.
pub fn day(stored: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(stored.get(..10)?, "%Y-%m-%d").ok()
}

/// Groups days into at most `most` bins of equal width. Only the first bin can be shorter.
pub fn bins(days: usize, most: usize) -> Vec<Range<usize>> {
    let fits = |width: &&usize| days.div_ceil(**width) <= most;
    let width = BIN_WIDTHS.iter().find(fits).copied().unwrap_or(days);
    let mut bins: Vec<Range<usize>> = (0..days.div_ceil(width))
        .map(|back| days.saturating_sub((back + 1) * width)..days - back * width)
        .collect();
    bins.reverse();
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_after_the_last_day_counts_to_the_last_day() {
        let at = |text| day(text).unwrap_or_default();
        let days = Days::between(at("2026-02-27"), at("2026-03-02"));
        assert_eq!(days.count(), 4);
        assert_eq!(days.place("2026-02-26 23:59:59"), None);
        assert_eq!(days.place("2026-03-01 00:00:00"), Some(2));
        assert_eq!(days.place("2026-03-09 00:00:00"), Some(3));
        assert_eq!(days.place("odd"), None);
        assert_eq!(days.name(1), "2026-02-28");
        assert_eq!(Days::between(at("2026-03-02"), at("2026-03-01")).count(), 1);
    }

    #[test]
    fn bins_contain_each_day_once_and_respect_the_limit() {
        for (days, most, widths) in [(1, 32, 1), (31, 32, 1), (33, 32, 7), (4_000, 32, 364)] {
            let bins = bins(days, most);
            assert!(bins.len() <= most, "{days}");
            assert_eq!(bins.last().map(|bin| bin.end), Some(days));
            assert_eq!(bins.last().map(|bin| bin.len()), Some(widths));
            let all: Vec<usize> = bins.into_iter().flatten().collect();
            assert_eq!(all, (0..days).collect::<Vec<_>>());
        }
    }
}
