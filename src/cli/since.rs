//! Times on the command line: dates, timestamps and durations before now.

use chrono::{DateTime, TimeDelta, Utc};

use crate::config;
use crate::value::{stored_instant, timestamp};

/// A time in storage form, in whole seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since(pub String);

/// Parses a date, a timestamp or a duration before now. The error lists the valid forms.
pub fn since(text: &str) -> Result<Since, String> {
    parse_at(Utc::now(), text).ok_or_else(|| {
        "give a date (2026-03-01), a timestamp (2026-03-01T12:00:00Z; UTC without a zone), \
         or how long ago (24h, 7d)"
            .to_owned()
    })
}

fn parse_at(now: DateTime<Utc>, text: &str) -> Option<Since> {
    if let Some(duration) = config::duration(text) {
        let earliest = DateTime::UNIX_EPOCH;
        let then = TimeDelta::from_std(duration)
            .ok()
            .and_then(|duration| now.checked_sub_signed(duration))
            .map_or(earliest, |then| then.max(earliest));
        return Some(Since(whole_second(&stored_instant(then))));
    }
    let text = text.trim().replacen(' ', "T", 1);
    // A full timestamp, one without seconds, or a date.
    let zone = text.get(16..).unwrap_or_default();
    let without_seconds = text.get(..16).map(|minute| format!("{minute}:00{zone}"));
    let day = format!("{text}T00:00:00");
    let spellings = [Some(text), without_seconds, Some(day)];
    let stored = (spellings.iter().flatten()).find_map(|spelling| timestamp(spelling))?;
    // Timestamps are compared as text, which needs years of four digits.
    let has_year = stored.starts_with(|first: char| first.is_ascii_digit());
    has_year.then(|| Since(whole_second(&stored)))
}

fn whole_second(stored: &str) -> String {
    stored.chars().take("YYYY-MM-DD HH:MM:SS".len()).collect()
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
            ("yesterday", None),
            ("7 days", None),
            ("7", None),
            ("", None),
        ];
        for (text, stored) in cases {
            let expected = stored.map(|stored| Since(stored.to_owned()));
            assert_eq!(parse_at(now, text), expected, "{text}");
        }
    }
}
