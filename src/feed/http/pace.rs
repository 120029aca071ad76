//! Computes when the next request may be sent.
//!
//! This file does no I/O: callers pass the time and receive a pause. A limit holds for
//! every window of its length. It therefore satisfies vendors that count by calendar
//! minute and vendors that count over the last sixty seconds.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// A limit of the vendor: a number of requests in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The number of requests.
    pub requests: u32,
    /// The span.
    pub span: Duration,
}

/// The number of requests that the feed still allows, from its headers.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    remaining: u64,
    until: Instant,
}

/// Compares the requests sent with the limits.
#[derive(Debug, Default)]
pub struct Pace {
    limits: Vec<Limit>,
    sent: VecDeque<Instant>,
    /// By the number of the feed's count.
    allowances: BTreeMap<usize, Allowance>,
    paused_until: Option<Instant>,
}

/// Requests can arrive closer together than they were sent. Each window is extended by
/// this part of its span, at most by [`SLACK_MAX`].
const SLACK_PART: u32 = 60;
const SLACK_MAX: Duration = Duration::from_secs(1);

impl Pace {
    /// Returns an unused budget.
    pub fn new(limits: Vec<Limit>) -> Pace {
        Pace {
            limits,
            ..Pace::default()
        }
    }

    /// Takes one request out of the budget, or returns the time to wait before the next
    /// attempt.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.allowances.retain(|_, allowance| allowance.until > now);
        let free_at = [
            self.paused_until,
            self.window_opens(now),
            self.allowance_opens(),
        ]
        .into_iter()
        .flatten()
        .max();
        if let Some(free_at) = free_at.filter(|&free_at| free_at > now) {
            return Err(free_at - now);
        }
        for allowance in self.allowances.values_mut() {
            allowance.remaining = allowance.remaining.saturating_sub(1);
        }
        let counted_max = self
            .limits
            .iter()
            .map(|limit| limit.requests as usize)
            .max()
            .unwrap_or(0);
        self.count(now);
        while self.sent.len() > counted_max {
            self.sent.pop_front();
        }
        Ok(())
    }

    /// Counts a request that was sent at this time, by this process or another one.
    pub fn count(&mut self, sent: Instant) {
        let place = self.sent.partition_point(|known| *known <= sent);
        self.sent.insert(place, sent);
    }

    fn window_opens(&self, now: Instant) -> Option<Instant> {
        let opens = |limit: &Limit| {
            let oldest = self.sent.len().checked_sub(limit.requests as usize)?;
            let slack = (limit.span / SLACK_PART).min(SLACK_MAX);
            Some(*self.sent.get(oldest)? + limit.span + slack)
        };
        self.limits
            .iter()
            .filter_map(opens)
            .filter(|&at| at > now)
            .max()
    }

    fn allowance_opens(&self) -> Option<Instant> {
        self.allowances
            .values()
            .filter(|allowance| allowance.remaining == 0)
            .map(|allowance| allowance.until)
            .max()
    }

    /// Records that the feed allows `remaining` more requests within `reset_in`, by its count
    /// of this number. A feed may have one per minute and one per hour.
    pub fn set_remaining(
        &mut self,
        count: usize,
        now: Instant,
        remaining: u64,
        reset_in: Duration,
    ) {
        let allowance = Allowance {
            remaining,
            until: now + reset_in,
        };
        // Responses can arrive out of order. Within one period the smaller count is newer.
        match self.allowances.get(&count) {
            Some(known) if known.until > now && known.remaining < remaining => {}
            _ => {
                self.allowances.insert(count, allowance);
            }
        }
    }

    /// Returns whether a pause is not over yet.
    pub fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| until > now)
    }

    /// Allows no request until the pause is over.
    pub fn pause(&mut self, now: Instant, pause: Duration) {
        let until = now + pause;
        self.paused_until = Some(self.paused_until.map_or(until, |known| known.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(requests: u32, seconds: u64) -> Limit {
        Limit {
            requests,
            span: Duration::from_secs(seconds),
        }
    }

    /// Sends as fast as the budget allows. Returns the times in milliseconds.
    fn send(pace: &mut Pace, start: Instant, count: usize) -> Vec<u128> {
        let mut now = start;
        let mut times = Vec::new();
        while times.len() < count {
            match pace.take(now) {
                Ok(()) => times.push((now - start).as_millis()),
                Err(pause) => now += pause,
            }
        }
        times
    }

    #[test]
    fn a_burst_is_sent_at_once_and_no_window_exceeds_the_limit() {
        let times = send(&mut Pace::new(vec![limit(60, 6)]), Instant::now(), 180);
        assert_eq!(times[59], 0, "the burst");
        for window in times.windows(61) {
            assert!(
                window[60] - window[0] >= 6_000,
                "61 requests within {window:?}"
            );
        }
        assert!(
            times[179] <= 13_200,
            "at most 10 % longer than the shortest time: {}",
            times[179]
        );
    }

    #[test]
    fn the_tightest_limit_decides() {
        let times = send(
            &mut Pace::new(vec![limit(2, 1), limit(3, 60)]),
            Instant::now(),
            4,
        );
        assert_eq!(times[..2], [0, 0]);
        assert!(times[2] >= 1_000 && times[3] >= 60_000, "{times:?}");
    }

    #[test]
    fn requests_of_another_process_count() {
        let start = Instant::now();
        let mut pace = Pace::new(vec![limit(3, 60)]);
        let now = start + Duration::from_secs(50);
        pace.count(start + Duration::from_secs(40));
        pace.count(start);
        assert_eq!(pace.take(now), Ok(()));
        // Until the oldest of the three is a minute old, plus one second.
        assert_eq!(pace.take(now), Err(Duration::from_secs(11)));
    }

    #[test]
    fn the_count_of_the_feed_lowers_the_budget() {
        let start = Instant::now();
        let mut pace = Pace::new(vec![limit(100, 60)]);
        pace.set_remaining(0, start, 2, Duration::from_secs(10));
        // The count of another window does not replace the first one.
        pace.set_remaining(1, start, 50, Duration::from_secs(3_600));
        assert_eq!(send(&mut pace, start, 3), [0, 0, 10_000]);
    }

    #[test]
    fn a_pause_delays_all_requests() {
        let start = Instant::now();
        let mut pace = Pace::new(Vec::new());
        pace.pause(start, Duration::from_secs(3));
        pace.pause(start, Duration::from_secs(1));
        assert_eq!(send(&mut pace, start, 2), [3_000, 3_000]);
    }
}
