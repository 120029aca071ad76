//! The headers with which servers report their rate limits, as data.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;

use super::headers::{header, number, until_reset};

/// A count of the requests that remain, and the header that says when it starts again.
struct QuotaHeaders {
    remaining: &'static str,
    reset: Option<&'static str>,
    /// The length of the window, if the name says it.
    window: Option<Duration>,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// One row per header. Servers send the same count under several names at most once.
const QUOTAS: [QuotaHeaders; 7] = [
    // WFRMLS and many others.
    QuotaHeaders {
        remaining: "X-RateLimit-Remaining",
        reset: Some("X-RateLimit-Reset"),
        window: None,
    },
    // draft-ietf-httpapi-ratelimit-headers.
    QuotaHeaders {
        remaining: "RateLimit-Remaining",
        reset: Some("RateLimit-Reset"),
        window: None,
    },
    // Bridge, per hour and per burst. Source: clients; the reset is an ISO time in one and
    // unix seconds in another.
    QuotaHeaders {
        remaining: "Application-RateLimit-Remaining",
        reset: Some("Application-RateLimit-Reset"),
        window: Some(HOUR),
    },
    QuotaHeaders {
        remaining: "Burst-RateLimit-Remaining",
        reset: Some("Burst-RateLimit-Reset"),
        window: Some(MINUTE),
    },
    // Trestle. Values can be fractions, such as `4920.0`. Source: clients.
    QuotaHeaders {
        remaining: "Minute-Quota-Available",
        reset: None,
        window: Some(MINUTE),
    },
    QuotaHeaders {
        remaining: "Hour-Quota-Available",
        reset: Some("Hour-Quota-ResetTime"),
        window: Some(HOUR),
    },
    // AMPRE. Source: developer.ampre.ca.
    QuotaHeaders {
        remaining: "X-Rate-Limit-Remaining",
        reset: Some("X-Rate-Limit-Retry-After-Seconds"),
        window: Some(MINUTE),
    },
];

/// The requests that a server still allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The number of the server's count.
    pub index: usize,
    /// The number of requests.
    pub remaining: u64,
    /// The time until the count starts again.
    pub reset_in: Duration,
}

/// Reads what the server says about its limits. A count whose end is unknown matters only
/// when nothing remains: then it lasts for its window.
pub fn quotas(headers: &HeaderMap, feed_time: Option<DateTime<Utc>>) -> Vec<Quota> {
    let read = |(index, row): (usize, &QuotaHeaders)| {
        let remaining = header(headers, row.remaining).and_then(number)? as u64;
        let reset = row.reset.and_then(|name| header(headers, name));
        let reset_in = reset.and_then(|text| until_reset(text, feed_time));
        if reset_in.is_none() && remaining > 0 {
            return None;
        }
        Some(Quota {
            index,
            remaining,
            reset_in: reset_in.or(row.window)?,
        })
    };
    QUOTAS.iter().enumerate().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::http::headers::http_date;

    /// Headers, and the count with its seconds that they mean.
    type Case = (&'static [(&'static str, &'static str)], Option<(u64, u64)>);

    #[test]
    fn each_vendors_count_is_read_in_its_own_format() {
        let now = http_date("Fri, 02 Jan 2026 03:04:05 GMT");
        let cases: [Case; 11] = [
            (
                &[("X-RateLimit-Remaining", "7"), ("X-RateLimit-Reset", "30")],
                Some((7, 30)),
            ),
            (
                &[
                    ("Hour-Quota-Available", "4920.0"),
                    ("Hour-Quota-ResetTime", "1767323050000"),
                ],
                Some((4_920, 5)),
            ),
            (&[("Minute-Quota-Available", "0.0")], Some((0, 60))),
            (&[("Minute-Quota-Available", "12")], None),
            (
                &[
                    ("Application-RateLimit-Remaining", "3"),
                    ("Application-RateLimit-Reset", "2026-01-02T03:04:15Z"),
                ],
                Some((3, 10)),
            ),
            (
                &[
                    ("Application-RateLimit-Remaining", "3"),
                    ("Application-RateLimit-Reset", "2026-01-02T03:04:15.000"),
                ],
                Some((3, 10)),
            ),
            (
                &[
                    ("Burst-RateLimit-Remaining", "0"),
                    ("Burst-RateLimit-Reset", "1767323055"),
                ],
                Some((0, 10)),
            ),
            (
                &[
                    ("Burst-RateLimit-Remaining", "0"),
                    ("Burst-RateLimit-Reset", "soon"),
                ],
                Some((0, 60)),
            ),
            (
                &[
                    ("X-Rate-Limit-Remaining", "0"),
                    ("X-Rate-Limit-Retry-After-Seconds", "8"),
                ],
                Some((0, 8)),
            ),
            (&[("X-RateLimit-Remaining", "7")], None),
            (&[("Minute-Quota-Available", "-1")], None),
        ];
        for (pairs, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                let name: reqwest::header::HeaderName = name.parse().expect("a name");
                headers.insert(name, value.parse().expect("a value"));
            }
            let found: Vec<(u64, u64)> = quotas(&headers, now)
                .into_iter()
                .map(|quota| (quota.remaining, quota.reset_in.as_secs()))
                .collect();
            assert_eq!(found, Vec::from_iter(expected), "{pairs:?}");
        }
    }
}
