//! The time that requests take at the configured limits.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config;

/// Returns the time that a number of requests takes at the configured limits, and the
/// limit that decides it: no time if they are within all of them. `None` without limits.
pub fn time_at(requests: u64, feed: &config::Feed) -> Option<(Duration, String)> {
    let limits = [
        (feed.requests_per_second, 1_u64, "a second"),
        (feed.requests_per_minute, 60, "a minute"),
        (feed.requests_per_hour, 3_600, "an hour"),
        (feed.requests_per_day, 86_400, "a day"),
    ];
    let times =
        limits
            .into_iter()
            .filter_map(|(limit, seconds, unit): (Option<NonZeroU32>, _, _)| {
                let limit = u64::from(limit?.get());
                let time_ms = if requests > limit {
                    requests.saturating_mul(seconds * 1_000) / limit
                } else {
                    0
                };
                Some((time_ms, format!("{limit} {unit}")))
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
            let (time, limit) = time_at(requests, &config.feed).expect("there are limits");
            assert_eq!((time.as_secs(), limit.as_str()), (seconds, rate));
        }
    }
}
