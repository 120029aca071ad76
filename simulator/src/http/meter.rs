//! The service's rate limits.

use std::time::{Duration, Instant};

use crate::behaviour::Limits;

/// The state of the limits after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub limit: u64,
    pub remaining: u64,
    /// The time until the window nearest to its limit ends, rounded up.
    pub reset_seconds: u64,
    pub is_over: bool,
}

/// Counts requests in fixed windows. It uses real time, like a client that waits.
#[derive(Debug, Default)]
pub struct Meter {
    windows: Vec<Window>,
    limits: Limits,
}

#[derive(Debug)]
struct Window {
    limit: u64,
    length: Duration,
    began: Instant,
    used: u64,
}

impl Meter {
    /// Counts a request unless it exceeds a limit. Returns `None` if there are no limits.
    pub fn count(&mut self, limits: Limits, now: Instant) -> Option<Reading> {
        if limits != self.limits {
            self.limits = limits;
            self.windows = windows(limits, now);
        }
        for window in &mut self.windows {
            if now.duration_since(window.began) >= window.length {
                window.began = now;
                window.used = 0;
            }
        }
        let is_over = self
            .windows
            .iter()
            .any(|window| window.used >= window.limit);
        if !is_over {
            self.windows.iter_mut().for_each(|window| window.used += 1);
        }
        let tightest = self
            .windows
            .iter()
            .min_by_key(|window| (window.limit - window.used, u64::MAX - window.limit))?;
        let left = tightest
            .length
            .saturating_sub(now.duration_since(tightest.began));
        Some(Reading {
            limit: tightest.limit,
            remaining: tightest.limit - tightest.used,
            reset_seconds: left.as_secs() + u64::from(left.subsec_nanos() > 0),
            is_over,
        })
    }
}

fn windows(limits: Limits, now: Instant) -> Vec<Window> {
    let all = [
        (limits.per_minute, Duration::from_secs(60)),
        (limits.per_hour, Duration::from_secs(3_600)),
        (limits.per_day, Duration::from_secs(86_400)),
        (limits.per_window, Duration::from_millis(limits.window_ms)),
    ];
    all.into_iter()
        .filter(|(limit, length)| *limit > 0 && !length.is_zero())
        .map(|(limit, length)| Window {
            limit,
            length,
            began: now,
            used: 0,
        })
        .collect()
}
