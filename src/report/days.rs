//! The days of a period, in the time zone of the feed.

use std::ops::Range;

use chrono::{DateTime, Days as CountOfDays, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::value::instant;

/// The possible widths of a bin, in days.
const BIN_WIDTHS: [usize; 6] = [1, 7, 28, 91, 364, 3_640];

/// Consecutive days in a time zone, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    first: NaiveDate,
    count: usize,
    zone: Tz,
}

impl Days {
    /// Returns the days from `first` to `last`, both included. If `last` is earlier, it is
    /// the only day.
    pub fn between(first: NaiveDate, last: NaiveDate, zone: Tz) -> Days {
        let days = (last - first).num_days();
        Days {
            first: first.min(last),
            count: usize::try_from(days).unwrap_or(0) + 1,
            zone,
        }
    }

    /// Returns the same number of days before these.
    pub fn previous(self) -> Days {
        let first = self
            .first
            .checked_sub_days(CountOfDays::new(self.count as u64));
        Days {
            first: first.unwrap_or(NaiveDate::MIN),
            ..self
        }
    }

    /// Returns the time zone.
    pub fn zone(self) -> Tz {
        self.zone
    }

    /// Returns the number of days.
    pub fn count(self) -> usize {
        self.count
    }

    /// Returns the index of the day of a stored time; None for an earlier time. A later time
    /// counts to the last day, because the clock may have been set back.
    pub fn place(self, stored: &str) -> Option<usize> {
        let place = usize::try_from(self.offset(instant(stored)?)).ok()?;
        Some(place.min(self.count - 1))
    }

    /// Returns the number of days from the first day to the day of a time. It is negative for
    /// an earlier time.
    pub fn offset(self, at: DateTime<Utc>) -> i64 {
        (at.with_timezone(&self.zone).date_naive() - self.first).num_days()
    }

    /// Returns whether a stored date is one of the days.
    pub fn has(self, date: &str) -> bool {
        date_of(date).is_some_and(|date| self.first <= date && date <= self.day(self.count - 1))
    }

    /// Returns the first moment of the day at an index.
    pub fn start(self, place: usize) -> DateTime<Utc> {
        let midnight = self.day(place).and_time(NaiveTime::MIN);
        first_moment(midnight, self.zone).unwrap_or(DateTime::<Utc>::MIN_UTC)
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

/// Returns the day of a stored time in a time zone.
pub fn local_day(stored: &str, zone: Tz) -> Option<NaiveDate> {
    Some(instant(stored)?.with_timezone(&zone).date_naive())
}

/// Returns the date of a text that begins with `YYYY-MM-DD`.
pub fn date_of(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()
}

/// Returns the first moment at which clocks in a time zone show a time, or an hour later if they
/// skip that time.
pub fn first_moment(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    (0..24).find_map(|hours| {
        let later = local.checked_add_signed(TimeDelta::hours(hours))?;
        let moment = later.and_local_timezone(zone).earliest();
        moment.map(|moment| moment.to_utc())
    })
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
    fn days_are_those_of_the_time_zone() {
        let at = |text| date_of(text).unwrap_or_default();
        let zone = Tz::America__Denver;
        let days = Days::between(at("2026-02-27"), at("2026-03-02"), zone);
        assert_eq!(days.count(), 4);
        assert_eq!(days.place("2026-02-27 06:59:59"), None);
        assert_eq!(days.place("2026-02-27 07:00:00"), Some(0));
        assert_eq!(days.place("2026-03-02 06:59:59"), Some(2));
        // A time after the last day counts to the last day.
        assert_eq!(days.place("2026-03-09 00:00:00"), Some(3));
        assert_eq!(days.place("odd"), None);
        assert_eq!(days.name(1), "2026-02-28");
        assert_eq!(days.start(3).to_string(), "2026-03-02 07:00:00 UTC");
        assert!(days.has("2026-03-02") && !days.has("2026-03-03") && !days.has("odd"));
        let previous = days.previous();
        assert_eq!(
            (previous.name(0), previous.name(3)),
            ("2026-02-23".to_owned(), "2026-02-26".to_owned())
        );
        assert_eq!(
            Days::between(at("2026-03-02"), at("2026-03-01"), zone).count(),
            1
        );
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
