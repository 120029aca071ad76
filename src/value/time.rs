//! Dates and timestamps in storage form.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};

/// Returns a date of the feed in storage form, or None if the text is not a date.
pub(super) fn date(text: &str) -> Option<Box<str>> {
    let day = text.get(..10).filter(|day| is_date(day.as_bytes()))?;
    match &text[10..] {
        "" => Some(day.into()),
        // Midnight after the date adds nothing to it.
        _ => timestamp(text)?.ends_with(" 00:00:00").then(|| day.into()),
    }
}

/// Returns whether `bytes` matches `pattern`, in which `d` is any digit.
fn fits(bytes: &[u8], pattern: &[u8]) -> bool {
    bytes.len() == pattern.len()
        && bytes
            .iter()
            .zip(pattern)
            .all(|(byte, wanted)| match wanted {
                b'd' => byte.is_ascii_digit(),
                _ => byte == wanted,
            })
}

/// Returns the number that the two digits at a position form.
fn two(digits: &[u8], at: usize) -> u32 {
    u32::from(digits[at] - b'0') * 10 + u32::from(digits[at + 1] - b'0')
}

/// Returns whether the text is a valid date of the form `YYYY-MM-DD`.
fn is_date(text: &[u8]) -> bool {
    fits(text, b"dddd-dd-dd") && {
        let year = two(text, 0) * 100 + two(text, 2);
        NaiveDate::from_ymd_opt(year as i32, two(text, 5), two(text, 8)).is_some()
    }
}

/// Returns a timestamp of the feed in storage form: UTC, a space between date and
/// time, and the fraction if it is not zero. An instant outside the years 0000 to 9999, which
/// SQLite does not know, becomes the first or last second of them. None if the text is not a
/// timestamp.
pub fn timestamp(text: &str) -> Option<Box<str>> {
    if let Some(stored) = plain_utc(text) {
        return Some(stored);
    }
    let text = with_seconds(text);
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let instant = DateTime::parse_from_rfc3339(&text)
        .map(|instant| instant.with_timezone(&Utc))
        .or_else(|_| {
            // A timestamp without an offset is in UTC, the default of OData.
            NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f")
                .map(|naive| naive.and_utc())
        })
        .ok()?;
    Some(match instant.year() {
        ..0 => "0000-01-01 00:00:00".into(),
        0..=9999 => stored_instant(instant).into(),
        // Only an offset can lead to this year. Feeds write this date for "never".
        10_000.. => "9999-12-31 23:59:59".into(),
    })
}

/// Returns a timestamp with the seconds that OData allows to omit.
fn with_seconds(text: &str) -> Cow<'_, str> {
    match text.split_at_checked(16) {
        Some((minutes, offset)) if fits(minutes.as_bytes(), b"dddd-dd-ddTdd:dd") => {
            if offset.starts_with(':') {
                return text.into();
            }
            format!("{minutes}:00{offset}").into()
        }
        _ => text.into(),
    }
}

/// Returns an instant in storage form.
pub fn stored_instant(instant: DateTime<Utc>) -> String {
    let text = instant.format("%Y-%m-%d %H:%M:%S%.9f").to_string();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Returns an instant in storage form, in whole seconds.
pub fn stored_second(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Parses an instant in storage form.
pub fn instant(stored: &str) -> Option<DateTime<Utc>> {
    let instant = NaiveDateTime::parse_from_str(stored, "%Y-%m-%d %H:%M:%S%.f");
    instant.ok().map(|instant| instant.and_utc())
}

/// Converts the usual spelling, `2026-01-02T03:04:05[.678]Z`, without a full parse.
fn plain_utc(text: &str) -> Option<Box<str>> {
    let bytes = text.as_bytes();
    let (&last, body) = bytes.split_last()?;
    if last != b'Z' || body.len() < 19 || body.len() > 29 {
        return None;
    }
    let (day, time) = (&body[..10], &body[10..19]);
    if !is_date(day) || !fits(time, b"Tdd:dd:dd") {
        return None;
    }
    if two(time, 1) > 23 || two(time, 4) > 59 || two(time, 7) > 59 {
        return None;
    }
    let fraction = match &body[19..] {
        [] => "",
        [b'.', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => text
            [19..text.len() - 1]
            .trim_end_matches('0')
            .trim_end_matches('.'),
        _ => return None,
    };
    Some(format!("{} {}{fraction}", &text[..10], &text[11..19]).into())
}
