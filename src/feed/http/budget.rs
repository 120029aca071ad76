//! The rate budget of the feed, which this process can share with others.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use super::ledger::Ledger;
use super::limits::{PAUSE_LIMIT, locked};
use super::pace::{Limit, Pace};

/// The rate budget: the limits of this process, and the requests of other processes.
pub struct RateBudget {
    pace: Mutex<Pace>,
    ledger: OnceLock<Arc<dyn Ledger>>,
}

impl RateBudget {
    /// Returns an unused budget.
    pub fn new(limits: Vec<Limit>) -> RateBudget {
        RateBudget {
            pace: Mutex::new(Pace::new(limits)),
            ledger: OnceLock::new(),
        }
    }

    /// Shares the budget with other processes. Later calls have no effect.
    pub fn share(&self, ledger: Arc<dyn Ledger>) {
        let _ = self.ledger.set(ledger);
    }

    /// Takes one request, or returns the time to wait before the next attempt.
    pub fn take(&self) -> Result<(), Duration> {
        let mut pace = locked(&self.pace);
        let Some(ledger) = self.ledger.get() else {
            return pace.take(Instant::now());
        };

        let mut taken = Ok(());
        ledger.share(&mut |spent| {
            let (now, clock) = (Instant::now(), SystemTime::now());
            for sent in &spent.requests {
                // A time in the future (clock skew) counts as now.
                let ago = clock.duration_since(*sent).unwrap_or_default();
                pace.count(now.checked_sub(ago).unwrap_or(now));
            }
            if let Some(until) = spent.paused_until {
                let pause = until.duration_since(clock).unwrap_or_default();
                pace.pause(now, pause.min(PAUSE_LIMIT));
            }
            taken = pace.take(now);
            taken.is_ok()
        });
        taken
    }

    /// Stops the requests of all processes for the pause that the feed asked for.
    pub fn pause(&self, pause: Duration) {
        locked(&self.pace).pause(Instant::now(), pause);
        if let Some(ledger) = self.ledger.get() {
            ledger.pause(SystemTime::now() + pause);
        }
    }

    /// Records the number of requests that the feed still allows until its count resets.
    pub fn set_remaining(&self, remaining: u64, reset_in: Duration) {
        locked(&self.pace).set_remaining(Instant::now(), remaining, reset_in);
    }
}
