//! Reads response headers: dates, and pauses that a server asks for.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Returns a header as text.
pub fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Reads an HTTP date.
pub fn http_date(text: &str) -> Option<DateTime<Utc>> {
    httpdate::parse_http_date(text).ok().map(DateTime::from)
}

/// Returns the time until a reset. Vendors send it as unix seconds, as unix milliseconds
/// (Trestle), or as seconds from now.
pub fn until(reset: u64, feed_time: Option<DateTime<Utc>>) -> Option<Duration> {
    const FIRST_INSTANT_S: u64 = 1_000_000_000;
    const FIRST_INSTANT_MS: u64 = 1_000_000_000_000;
    let at_ms = match reset {
        0..FIRST_INSTANT_S => return Some(Duration::from_secs(reset)),
        FIRST_INSTANT_S..FIRST_INSTANT_MS => reset.checked_mul(1_000)?,
        _ => reset,
    };
    let now_ms = u64::try_from(feed_time?.timestamp_millis()).ok()?;
    Some(Duration::from_millis(at_ms.saturating_sub(now_ms)))
}

/// Returns the pause that a response asks for, in seconds or as a date of the feed's clock.
pub fn asked_pause(headers: &HeaderMap, feed_time: Option<DateTime<Utc>>) -> Option<Duration> {
    let pause = |text: &str| match text.trim().parse::<u64>() {
        Ok(seconds) => until(seconds, feed_time),
        Err(_) => (http_date(text)? - feed_time?)
            .to_std()
            .ok()
            .or(Some(Duration::ZERO)),
    };
    [RETRY_AFTER.as_str(), "X-RateLimit-RetryAfter"]
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
            ("Retry-After", "7", Some(7)),
            ("X-RateLimit-RetryAfter", "7", Some(7)),
            ("Retry-After", "Fri, 02 Jan 2026 03:04:15 GMT", Some(10)),
            ("Retry-After", "Fri, 02 Jan 2026 03:04:00 GMT", Some(0)),
            ("Retry-After", "1767323050", Some(5)),
            ("Retry-After", "1767323050000", Some(5)),
            ("Retry-After", "soon", None),
        ];
        for (name, value, seconds) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a header of a test"));
            let pause = asked_pause(&headers, now);
            assert_eq!(
                pause.map(|pause| pause.as_secs()),
                seconds,
                "{name}: {value}"
            );
        }
    }
}
