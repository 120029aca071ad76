//! Times on the command line: dates, timestamps, days and durations before now.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::local_times::LocalTimes;
use crate::config;
use crate::value::{instant, stored_second, timestamp};

/// A time on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// A time in storage form, in whole seconds.
    At(String),
    /// A time in the time zone of the feed, or the start of a day there.
    Local(NaiveDateTime),
    /// The start of the day that was this many days ago, in the time zone of the feed.
    DaysAgo(u64),
}

impl Since {
    /// Returns the day of the time in the time zone of the feed. A date is this day.
    pub fn day(&self, times: LocalTimes) -> NaiveDate {
        match self {
            Since::Local(local) => local.date(),
            other => times.day(instant(&other.stored(times)).unwrap_or_default()),
        }
    }

    /// Returns the time in storage form, in whole seconds.
    pub fn stored(&self, times: LocalTimes) -> String {
        match self {
            Since::At(stored) => stored.clone(),
            Since::Local(local) => times.stored(*local),
            Since::DaysAgo(days) => {
                let now = Utc::now();
                let start = times.start_of_day(now, *days).unwrap_or(now);
                stored_second(start)
            }
        }
    }
}

/// Parses a date, a timestamp, a day or a duration before now. The error lists the valid forms.
pub fn since(text: &str) -> Result<Since, String> {
    parse_at(Utc::now(), text).ok_or_else(|| {
        "give a date (2026-03-01), a timestamp (2026-03-01 12:00, in the time zone of the feed, or 2026-03-01T12:00:00Z), \
         how long ago (24h, 7d, 1w, 1y), today or yesterday"
            .to_owned()
    })
}

fn parse_at(now: DateTime<Utc>, text: &str) -> Option<Since> {
    match text.trim().to_ascii_lowercase().as_str() {
        "today" => return Some(Since::DaysAgo(0)),
        "yesterday" => return Some(Since::DaysAgo(1)),
        _ => {}
    }
    if let Some(then) = long_ago(now, text) {
        let then = then.max(DateTime::UNIX_EPOCH);
        return Some(Since::At(stored_second(then)));
    }
    let text = text.trim().replacen(' ', "T", 1);
    if let Some(local) = local(&text) {
        let has_year = (1..10_000).contains(&local.year());
        return has_year.then_some(Since::Local(local));
    }
    let stored = timestamp(&text)?;
    // Timestamps are compared as text, which needs years of four digits.
    let has_year = stored.starts_with(|first: char| first.is_ascii_digit());
    let second = stored.chars().take("YYYY-MM-DD HH:MM:SS".len());
    has_year.then(|| Since::At(second.collect()))
}

/// Parses a date, or a time without a zone.
fn local(text: &str) -> Option<NaiveDateTime> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d");
    let time = |form| NaiveDateTime::parse_from_str(text, form).ok();
    let start = date.map(|date| date.and_time(NaiveTime::MIN)).ok();
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    start.or_else(|| forms.into_iter().find_map(time))
}

/// Returns the time that was a duration ago: `1d12h`, or whole weeks or years. A time that is
/// too early is the earliest one.
fn long_ago(now: DateTime<Utc>, text: &str) -> Option<DateTime<Utc>> {
    let count = |unit: char| text.trim().strip_suffix(unit)?.parse::<u32>().ok();
    let then = if let Some(years) = count('y') {
        let months = years.checked_mul(12).map(Months::new);
        months.and_then(|months| now.checked_sub_months(months))
    } else if let Some(weeks) = count('w') {
        now.checked_sub_signed(TimeDelta::weeks(weeks.into()))
    } else {
        let duration = TimeDelta::from_std(config::duration(text)?);
        duration
            .ok()
            .and_then(|duration| now.checked_sub_signed(duration))
    };
    Some(then.unwrap_or(DateTime::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_timestamps_and_durations_are_parsed() {
        let now = "2026-03-08T12:30:00.987654321Z".parse().unwrap();
        let cases = [
            ("2026-03-01", Some("2026-03-01 00:00:00")),
            ("2026-03-01T12:00:00Z", Some("2026-03-01 12:00:00")),
            ("2026-03-01 12:00:00", Some("2026-03-01 12:00:00")),
            ("2026-03-01T12:00:00.5", Some("2026-03-01 12:00:00")),
            ("2026-03-01T12:00Z", Some("2026-03-01 12:00:00")),
            ("2026-03-01 12:00-07:00", Some("2026-03-01 19:00:00")),
            ("2026-03-01T12:00:00-07:00", Some("2026-03-01 19:00:00")),
            ("2026-03-01 12:00:00-07:00", Some("2026-03-01 19:00:00")),
            (" 2026-03-01 12:00 ", Some("2026-03-01 12:00:00")),
            ("24h", Some("2026-03-07 12:30:00")),
            ("500ms", Some("2026-03-08 12:30:00")),
            ("1d30m", Some("2026-03-07 12:00:00")),
            ("0", Some("2026-03-08 12:30:00")),
            ("99999999d", Some("1970-01-01 00:00:00")),
            ("2026-02-30", None),
            ("2026-03", None),
            ("+262142-12-31", None),
            ("9999-12-31T23:59:59-14:00", Some("9999-12-31 23:59:59")),
            ("-0001-01-01", None),
            ("1w", Some("2026-03-01 12:30:00")),
            ("1y", Some("2025-03-08 12:30:00")),
            ("4000000000y", Some("1970-01-01 00:00:00")),
            ("w", None),
            ("1.5w", None),
            ("-1w", None),
            ("7 days", None),
            ("7", None),
            ("", None),
        ];
        for (text, stored) in cases {
            let parsed = parse_at(now, text).map(|since| since.stored(LocalTimes::UTC));
            assert_eq!(parsed.as_deref(), stored, "{text}");
        }
        assert_eq!(parse_at(now, " Today"), Some(Since::DaysAgo(0)));
        assert_eq!(parse_at(now, "yesterday"), Some(Since::DaysAgo(1)));
    }

    #[test]
    fn a_time_without_a_zone_is_in_the_zone_of_the_feed() {
        let denver = LocalTimes(chrono_tz::Tz::America__Denver);
        let cases = [
            ("2026-03-01", "2026-03-01 07:00:00"),
            ("2026-03-01 12:00", "2026-03-01 19:00:00"),
            ("2026-07-01T12:00:30.9", "2026-07-01 18:00:30"),
            ("2026-03-01T12:00:00Z", "2026-03-01 12:00:00"),
            // The clock skips this hour, and repeats the other one.
            ("2026-03-08 02:30", "2026-03-08 09:30:00"),
            ("2026-11-01 01:30", "2026-11-01 07:30:00"),
            ("9999-12-31 23:00", "9999-12-31 23:59:59"),
        ];
        for (text, stored) in cases {
            let parsed = parse_at(Utc::now(), text);
            let day = parsed.as_ref().map(|since| since.day(denver).to_string());
            assert_eq!(day.as_deref(), text.get(..10), "{text}");
            let parsed = parsed.map(|since| since.stored(denver));
            assert_eq!(parsed.as_deref(), Some(stored), "{text}");
        }
    }
}
