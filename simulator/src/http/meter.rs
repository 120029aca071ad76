//! The service's rate limits.

use crate::behaviour::{Counts, Limit};

/// The state of a limit after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub limit: Limit,
    pub remaining: u64,
    /// The time until its window ends.
    pub reset_ms: u64,
}

/// Counts requests and bytes in windows. It uses real time, like a client that waits.
#[derive(Debug, Default)]
pub struct Meter {
    windows: Vec<Window>,
}

#[derive(Debug)]
struct Window {
    limit: Limit,
    /// In milliseconds since 1970.
    began: u64,
    used: u64,
}

impl Meter {
    /// Counts a request at `now`, in milliseconds since 1970, unless a limit is reached. Returns
    /// whether one is reached, and the state of each limit, the one nearest to its end last.
    pub fn count(&mut self, limits: &[Limit], now: u64) -> (bool, Vec<Reading>) {
        if !self.windows.iter().map(|window| &window.limit).eq(limits) {
            let limits = limits.iter().filter(|limit| limit.window_ms > 0);
            self.windows = limits.map(|limit| Window::new(*limit, now)).collect();
        }
        for window in &mut self.windows {
            if now >= window.began + window.limit.window_ms {
                *window = Window::new(window.limit, now);
            }
        }
        let mut windows = self.windows.iter();
        let is_over = windows.any(|window| window.used >= window.limit.number);
        if !is_over {
            self.add(Counts::Requests, 1);
        }
        let mut readings: Vec<Reading> = self.windows.iter().map(|one| one.read(now)).collect();
        readings.sort_by_key(|reading| (reading.remaining, u64::MAX - reading.limit.number));
        readings.reverse();
        (is_over, readings)
    }

    /// Counts requests, or bytes of answers.
    pub fn add(&mut self, counts: Counts, number: u64) {
        let windows = self.windows.iter_mut();
        let counting = windows.filter(|window| window.limit.counts == counts);
        counting.for_each(|window| window.used += number);
    }
}

impl Window {
    fn new(limit: Limit, now: u64) -> Window {
        let late = if limit.is_aligned {
            now % limit.window_ms
        } else {
            0
        };
        Window {
            limit,
            began: now - late,
            used: 0,
        }
    }

    fn read(&self, now: u64) -> Reading {
        Reading {
            limit: self.limit,
            remaining: self.limit.number.saturating_sub(self.used),
            reset_ms: (self.began + self.limit.window_ms).saturating_sub(now),
        }
    }
}
