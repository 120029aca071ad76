//! Times for people, in the time zone of the feed.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use chrono_tz::Tz;

use crate::config::Config;
use crate::report::first_moment;
use crate::value::{instant, stored_second};

/// Writes times in the time zone of the feed.
#[derive(Clone, Copy, Debug)]
pub struct LocalTimes(pub(super) Tz);

impl LocalTimes {
    /// Returns the times of a feed.
    pub fn of(config: &Config) -> LocalTimes {
        LocalTimes(config.schedule.timezone)
    }

    /// Returns the time zone.
    pub fn zone(self) -> Tz {
        self.0
    }

    /// Returns UTC, before a configuration was read.
    pub const UTC: LocalTimes = LocalTimes(Tz::UTC);

    /// Returns the name of the times in a heading: `UTC` or `local`.
    pub fn name(self) -> &'static str {
        if self.0 == Tz::UTC { "UTC" } else { "local" }
    }

    /// Returns a time without its zone, in whole seconds.
    pub fn plain(self, at: DateTime<Utc>) -> String {
        let local = at.with_timezone(&self.0);
        local.format("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// Returns a time with the short name of its zone.
    pub fn named(self, at: DateTime<Utc>) -> String {
        let local = at.with_timezone(&self.0);
        local.format("%Y-%m-%d %H:%M:%S %Z").to_string()
    }

    /// Returns a time in storage form as [`LocalTimes::plain`] does. Another text stays as it
    /// is.
    pub fn plain_stored(self, stored: &str) -> String {
        instant(stored).map_or_else(|| stored.to_owned(), |at| self.plain(at))
    }

    /// Returns a time in storage form as [`LocalTimes::named`] does. Another text stays as it
    /// is.
    pub fn named_stored(self, stored: &str) -> String {
        instant(stored).map_or_else(|| stored.to_owned(), |at| self.named(at))
    }

    /// Returns a text for people, in which each time in storage form with `UTC` is written as
    /// [`LocalTimes::named`] does.
    pub fn in_text(self, text: &str) -> String {
        let mut local = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(" UTC") {
            // The fraction of a second is left out.
            let whole = before.trim_end_matches(|letter: char| letter.is_ascii_digit());
            let whole = whole.strip_suffix('.').unwrap_or(before);
            let start = whole.len().saturating_sub("2026-03-08 09:00:00".len());
            let at = before.get(start..).and_then(instant);
            match at {
                Some(at) => local += &format!("{}{}", &before[..start], self.named(at)),
                None => local += &format!("{before} UTC"),
            }
            rest = after;
        }
        local + rest
    }

    /// Returns a local time in storage form, in whole seconds. SQLite knows no later year than
    /// 9999.
    pub fn stored(self, local: NaiveDateTime) -> String {
        let moment = first_moment(local, self.0).filter(|moment| moment.year() < 10_000);
        moment.map_or_else(|| "9999-12-31 23:59:59".to_owned(), stored_second)
    }

    /// Returns the day of a time.
    pub fn day(self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.0).date_naive()
    }

    /// Returns the first moment of the day that was some days ago.
    pub fn start_of_day(self, now: DateTime<Utc>, days_ago: u64) -> Option<DateTime<Utc>> {
        let today = now.with_timezone(&self.0).date_naive();
        let day = today.checked_sub_days(chrono::Days::new(days_ago))?;
        first_moment(day.and_time(NaiveTime::MIN), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_local_and_a_day_begins_at_the_local_midnight() {
        let denver = LocalTimes(Tz::America__Denver);
        assert_eq!(
            denver.plain_stored("2026-03-08 08:59:59.5"),
            "2026-03-08 01:59:59"
        );
        assert_eq!(
            denver.named_stored("2026-03-08 09:00:00"),
            "2026-03-08 03:00:00 MDT"
        );
        assert_eq!(denver.plain_stored("unknown"), "unknown");
        assert_eq!(
            denver.in_text("é until 2026-03-08 09:00:00.25 UTC, or UTC; é 1.5 UTC"),
            "é until 2026-03-08 03:00:00 MDT, or UTC; é 1.5 UTC"
        );
        assert_eq!(
            LocalTimes::UTC.named_stored("2026-03-08 09:00:00"),
            "2026-03-08 09:00:00 UTC"
        );
        let now = "2026-03-09T05:30:00Z".parse().expect("a time of a test");
        for (days, start) in [(0, "2026-03-08T07:00:00Z"), (1, "2026-03-07T07:00:00Z")] {
            let expected = start.parse().ok();
            assert_eq!(denver.start_of_day(now, days), expected);
        }
    }
}
