//! The time that requests and bytes take at rate limits.

use std::num::NonZeroU64;
use std::time::Duration;

/// Returns the time that a number of requests or bytes takes at limits per span, and the limit
/// that decides it, with its unit: no time if they are within all of them. `None` without
/// limits.
pub fn time_at<N: Copy + Into<NonZeroU64>>(
    amount: u64,
    unit: &str,
    limits: &[(N, Duration)],
) -> Option<(Duration, String)> {
    let times = limits.iter().map(|(limit, span)| {
        let limit: NonZeroU64 = (*limit).into();
        let span_ms = span.as_millis() as u64;
        let time_ms = if amount > limit.get() {
            amount.saturating_mul(span_ms) / limit
        } else {
            0
        };
        let period = match span.as_secs() {
            1 => "a second",
            60 => "a minute",
            3_600 => "an hour",
            _ => "a day",
        };
        (time_ms, format!("{limit} {unit}{period}"))
    });
    let times = times.map(|(time_ms, limit)| (Duration::from_millis(time_ms), limit));
    times.reduce(longer)
}

/// Returns the longer one of two times. Of equal ones, the first is named.
pub fn longer(first: (Duration, String), other: (Duration, String)) -> (Duration, String) {
    if other.0 > first.0 { other } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_limit_decides_the_time() {
        let config = crate::config::Config::parse("", std::path::Path::new("mlsmirror.toml"))
            .expect("an empty configuration has defaults");
        let cases = [
            (8_656, 5_193, "100 a minute"),
            (50, 0, "100 a minute"),
            (100_000, 172_800, "50000 a day"),
        ];
        for (requests, seconds, rate) in cases {
            let limits = config.feed.limits();
            let (time, limit) = time_at(requests, "", &limits).expect("there are limits");
            assert_eq!((time.as_secs(), limit.as_str()), (seconds, rate));
        }
    }
}
