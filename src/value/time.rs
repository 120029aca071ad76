//! Dates and timestamps in storage form.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};

/// Returns a date of the feed in storage form, or None if the text is not a date.
pub(super) fn date(text: &str) -> Option<Box<str>> {
    let date = text
        .get(..10)
        .filter(|text| day(text.as_bytes()).is_some())?;
    match &text[10..] {
        "" => Some(date.into()),
        // Midnight after the date adds nothing to it.
        _ => timestamp(text)?.ends_with(" 00:00:00").then(|| date.into()),
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

/// Parses a date in storage form, `YYYY-MM-DD`.
pub fn day(stored: &[u8]) -> Option<NaiveDate> {
    let year = fits(stored, b"dddd-dd-dd").then(|| two(stored, 0) * 100 + two(stored, 2))?;
    NaiveDate::from_ymd_opt(year as i32, two(stored, 5), two(stored, 8))
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

/// Parses an instant in storage form. Digits after the ninth one of the fraction are cut.
pub fn instant(stored: &str) -> Option<DateTime<Utc>> {
    let stored = stored.as_bytes();
    let date = day(stored.get(..10)?)?;
    let time = stored.get(10..19)?;
    let nanoseconds = match &stored[19..] {
        [] => 0,
        [b'.', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
            let digits = digits.iter().chain(b"000000000").take(9);
            digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
        }
        _ => return None,
    };
    if !fits(time, b" dd:dd:dd") {
        return None;
    }
    let (hour, minute, second) = (two(time, 1), two(time, 4), two(time, 7));
    // The second 60 is a leap second.
    let leap = second / 60;
    let nanoseconds = nanoseconds + leap * 1_000_000_000;
    let instant = date.and_hms_nano_opt(hour, minute, second - leap, nanoseconds)?;
    Some(instant.and_utc())
}

/// Converts the usual spelling, `2026-01-02T03:04:05[.678]Z`, without a full parse.
fn plain_utc(text: &str) -> Option<Box<str>> {
    let bytes = text.as_bytes();
    let (&last, body) = bytes.split_last()?;
    if last != b'Z' || body.len() < 19 || body.len() > 29 {
        return None;
    }
    let (date, time) = (&body[..10], &body[10..19]);
    if day(date).is_none() || !fits(time, b"Tdd:dd:dd") {
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
