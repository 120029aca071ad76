//! The rate budget: how many requests may go out, and when the next one may.
//!
//! Pure: it is told the time and answers with a pause. Every limit holds over
//! any window of its length, so that a vendor who counts by the clock's minute
//! and one who counts over the last sixty seconds are both kept.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A limit of the vendor: so many requests in any such span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many requests.
    pub requests: u32,
    /// In how long.
    pub span: Duration,
}

/// What the feed's headers said of its own count.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    remaining: u64,
    until: Instant,
}

/// The requests that went out, held against the limits.
#[derive(Debug, Default)]
pub struct Pace {
    limits: Vec<Limit>,
    sent: VecDeque<Instant>,
    allowance: Option<Allowance>,
    paused_until: Option<Instant>,
}

/// Requests may arrive closer together than they left; a window is kept this
/// much longer (a part of its span, at most [`SLACK_MAX`]).
const SLACK_PART: u32 = 60;
const SLACK_MAX: Duration = Duration::from_secs(1);

impl Pace {
    /// A budget with nothing spent.
    pub fn new(limits: Vec<Limit>) -> Pace {
        Pace {
            limits,
            ..Pace::default()
        }
    }

    /// Takes one request out of the budget, or says how long to wait before
    /// asking again.
    ///
    /// # Errors
    /// The pause, where the budget has nothing left at `now`.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.allowance = self.allowance.filter(|allowance| allowance.until > now);
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
        if let Some(allowance) = &mut self.allowance {
            allowance.remaining = allowance.remaining.saturating_sub(1);
        }
        let longest = self
            .limits
            .iter()
            .map(|limit| limit.requests as usize)
            .max()
            .unwrap_or(0);
        self.note(now);
        while self.sent.len() > longest {
            self.sent.pop_front();
        }
        Ok(())
    }

    /// Another process took a request out of the same budget, at that moment.
    pub fn note(&mut self, sent: Instant) {
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
        self.allowance
            .filter(|allowance| allowance.remaining == 0)
            .map(|allowance| allowance.until)
    }

    /// The feed said that `remaining` requests are left for the next `reset_in`.
    pub fn told_remaining(&mut self, now: Instant, remaining: u64, reset_in: Duration) {
        let told = Allowance {
            remaining,
            until: now + reset_in,
        };
        // Answers overtake each other: within one period the smaller count is the newer.
        match self.allowance {
            Some(known) if known.until > now && known.remaining < remaining => {}
            _ => self.allowance = Some(told),
        }
    }

    /// The feed asked for a pause: nobody sends before it is over.
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

    /// Sends as fast as the budget lets it; the times in milliseconds.
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
    fn a_burst_goes_at_once_and_no_window_holds_more_than_the_limit() {
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
            "no more than 10 % over the least time: {}",
            times[179]
        );
    }

    #[test]
    fn the_tightest_limit_rules() {
        let times = send(
            &mut Pace::new(vec![limit(2, 1), limit(3, 60)]),
            Instant::now(),
            4,
        );
        assert_eq!(times[..2], [0, 0]);
        assert!(times[2] >= 1_000 && times[3] >= 60_000, "{times:?}");
    }

    #[test]
    fn what_another_process_sent_counts() {
        let start = Instant::now();
        let mut pace = Pace::new(vec![limit(3, 60)]);
        let now = start + Duration::from_secs(50);
        pace.note(start + Duration::from_secs(40));
        pace.note(start);
        assert_eq!(pace.take(now), Ok(()));
        // Until the oldest of the three is a minute old, and a second more.
        assert_eq!(pace.take(now), Err(Duration::from_secs(11)));
    }

    #[test]
    fn what_the_feed_says_lowers_the_budget() {
        let start = Instant::now();
        let mut pace = Pace::new(vec![limit(100, 60)]);
        pace.told_remaining(start, 2, Duration::from_secs(10));
        assert_eq!(send(&mut pace, start, 3), [0, 0, 10_000]);
    }

    #[test]
    fn a_pause_holds_everybody_back() {
        let start = Instant::now();
        let mut pace = Pace::new(Vec::new());
        pace.pause(start, Duration::from_secs(3));
        pace.pause(start, Duration::from_secs(1));
        assert_eq!(send(&mut pace, start, 2), [3_000, 3_000]);
    }
}
