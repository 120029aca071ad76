//! The time that requests take at rate limits.

use std::num::NonZeroU32;
use std::time::Duration;

/// Returns the time that a number of requests takes at limits of requests per span, and the
/// limit that decides it: no time if they are within all of them. `None` without limits.
pub fn time_at(requests: u64, limits: &[(NonZeroU32, Duration)]) -> Option<(Duration, String)> {
    let times = limits.iter().map(|(limit, span)| {
        let limit = u64::from(limit.get());
        let span_ms = span.as_millis() as u64;
        let time_ms = if requests > limit {
            requests.saturating_mul(span_ms) / limit
        } else {
            0
        };
        let unit = match span.as_secs() {
            1 => "a second",
            60 => "a minute",
            3_600 => "an hour",
            _ => "a day",
        };
        (time_ms, format!("{limit} {unit}"))
    });
    // Of equal times, the shorter window is named.
    let (time_ms, limit) = times.reduce(
        |longest, other| {
            if other.0 > longest.0 { other } else { longest }
        },
    )?;
    Some((Duration::from_millis(time_ms), limit))
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
            let (time, limit) = time_at(requests, &limits).expect("there are limits");
            assert_eq!((time.as_secs(), limit.as_str()), (seconds, rate));
        }
    }
}
