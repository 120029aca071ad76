//! Reads response headers: dates, and pauses that a server asks for.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use reqwest::header::HeaderMap;

/// Returns a header as text.
pub fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Reads an HTTP date.
pub fn http_date(text: &str) -> Option<DateTime<Utc>> {
    httpdate::parse_http_date(text).ok().map(DateTime::from)
}

/// Reads a number that is not negative. Some vendors send counts and seconds with a
/// fraction.
pub fn number(text: &str) -> Option<f64> {
    let number: f64 = text.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// Returns the time until a reset. Vendors send it as unix seconds, as unix milliseconds
/// (Trestle), or as seconds from now.
fn until(reset: f64, feed_time: Option<DateTime<Utc>>) -> Option<Duration> {
    const FIRST_INSTANT_S: f64 = 1e9;
    const FIRST_INSTANT_MS: f64 = 1e12;
    if reset < FIRST_INSTANT_S {
        return Some(Duration::from_secs_f64(reset));
    }

    let at_s = if reset < FIRST_INSTANT_MS {
        reset
    } else {
        reset / 1_000.0
    };
    let now_s = feed_time?.timestamp_millis() as f64 / 1_000.0;
    Some(Duration::try_from_secs_f64((at_s - now_s).max(0.0)).unwrap_or(Duration::MAX))
}

/// Returns the time until a reset that a header gives as a number or as a date of the feed's
/// clock.
pub fn until_reset(text: &str, feed_time: Option<DateTime<Utc>>) -> Option<Duration> {
    if let Some(reset) = number(text) {
        return until(reset, feed_time);
    }
    let at = http_date(text).or_else(|| iso_time(text))?;
    Some((at - feed_time?).to_std().unwrap_or(Duration::ZERO))
}

/// Reads an ISO 8601 time. Without a zone it is UTC.
fn iso_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    let naive = || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
    zoned.or_else(|_| naive().map(|time| time.and_utc())).ok()
}

/// The headers in which servers ask for a pause.
const PAUSES: [&str; 3] = [
    "Retry-After",
    "X-RateLimit-RetryAfter",
    // AMPRE. Source: developer.ampre.ca.
    "X-Rate-Limit-Retry-After-Seconds",
];

/// Returns the pause that a response asks for.
pub fn asked_pause(headers: &HeaderMap, feed_time: Option<DateTime<Utc>>) -> Option<Duration> {
    let pause = |text: &str| until_reset(text, feed_time);
    PAUSES
        .into_iter()
        .find_map(|name| header(headers, name).and_then(pause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_read_in_seconds_as_an_instant_or_as_a_date() {
        let now = http_date("Fri, 02 Jan 2026 03:04:05 GMT");
        let cases = [
            ("Retry-After", "7", Some(7_000)),
            ("Retry-After", "1.5", Some(1_500)),
            ("Retry-After", "2026-01-02T03:04:15Z", Some(10_000)),
            ("X-Rate-Limit-Retry-After-Seconds", "7.0", Some(7_000)),
            ("X-RateLimit-RetryAfter", "7", Some(7_000)),
            ("Retry-After", "Fri, 02 Jan 2026 03:04:15 GMT", Some(10_000)),
            ("Retry-After", "Fri, 02 Jan 2026 03:04:00 GMT", Some(0)),
            ("Retry-After", "1767323050", Some(5_000)),
            ("Retry-After", "1767323050250", Some(5_250)),
            ("Retry-After", "soon", None),
            ("Retry-After", "-1", None),
            ("Retry-After", "inf", None),
        ];
        for (name, value, millis) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a header of a test"));
            let pause = asked_pause(&headers, now);
            assert_eq!(
                pause.map(|pause| pause.as_secs_f64() * 1_000.0),
                millis.map(f64::from),
                "{name}: {value}"
            );
        }
    }
}
