//! The rate budget of the feed, which this process can share with others.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use chrono::{SubsecRound as _, Utc};
use chrono_tz::Tz;

use super::error::FeedError;
use super::ledger::Ledger;
use super::limits::{PAUSE_LIMIT, locked};
use super::pace::{ByteLimit, Limit, Pace};
use super::quota_headers::Quota;
use super::traffic::Meter;
use crate::value::stored_instant;

/// The longest pause that is kept. No vendor counts requests in a longer window.
const PAUSE_MAX: Duration = Duration::from_secs(86_400);

/// A wait for the configured limits is announced if it is longer.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(5);

/// A long wait for the rate budget is counted in steps of this length, so that it shows as
/// progress.
const WAIT_STEP: Duration = Duration::from_secs(60);

/// The rate budget: the limits of this process, and the requests of other processes.
pub struct RateBudget {
    pace: Mutex<Pace>,
    ledger: OnceLock<Arc<dyn Ledger>>,
    /// The longest configured window.
    window: Option<Duration>,
    /// The bytes that were received and not counted yet.
    received: AtomicU64,
    /// Whether a reset by another clock was logged.
    has_logged_reset: AtomicBool,
    /// The end of the wait that was announced last.
    announced: Mutex<Option<Instant>>,
    /// Shows that requests wait, and until when.
    show_wait: OnceLock<ShowWait>,
    /// The time zone in which waits are shown.
    timezone: Tz,
}

/// Shows a sentence about a wait to the user.
pub type ShowWait = Box<dyn Fn(&str) + Send + Sync>;

/// A wait before the next attempt to take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Its length.
    pub pause: Duration,
    /// Whether the feed asked for it.
    pub is_asked: bool,
    /// Whether it only spreads the requests evenly.
    pub is_spread: bool,
}

impl RateBudget {
    /// Returns an unused budget.
    pub fn new(limits: Vec<Limit>, byte_limits: Vec<ByteLimit>) -> RateBudget {
        let spans = limits.iter().map(|limit| limit.span);
        let of_bytes = byte_limits.iter().map(|limit| limit.span);
        RateBudget {
            window: spans.chain(of_bytes).max(),
            received: AtomicU64::new(0),
            pace: Mutex::new(Pace::new(limits).with_byte_limits(byte_limits)),
            ledger: OnceLock::new(),
            has_logged_reset: AtomicBool::new(false),
            announced: Mutex::new(None),
            show_wait: OnceLock::new(),
            timezone: Tz::UTC,
        }
    }

    /// Shows waits in this time zone instead of in UTC.
    pub fn with_timezone(self, timezone: Tz) -> RateBudget {
        RateBudget { timezone, ..self }
    }

    /// Returns the longest pause that a run waits for: the longest configured window, or
    /// [`PAUSE_LIMIT`] if that is longer.
    pub fn pause_limit(&self) -> Duration {
        self.window.unwrap_or_default().max(PAUSE_LIMIT)
    }

    /// Shares the budget with other processes. Later calls have no effect.
    pub fn share(&self, ledger: Arc<dyn Ledger>) {
        let _ = self.ledger.set(ledger);
    }

    /// Passes the end and the cause of each long wait to `show`. Later calls have no effect.
    pub fn show_waits(&self, show: ShowWait) {
        let _ = self.show_wait.set(show);
    }

    /// Takes one request, or returns the wait before the next attempt.
    pub fn take(&self) -> Result<(), Wait> {
        let mut pace = locked(&self.pace);
        let taken = self.take_of(&mut pace);
        taken.map_err(|pause| Wait {
            pause,
            is_asked: pace.is_paused(Instant::now()),
            is_spread: !pace.is_closed(Instant::now()),
        })
    }

    /// Counts received bytes of an answer, before they are decompressed.
    pub fn receive(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Expects this number of requests.
    pub fn expect(&self, requests: u64) {
        locked(&self.pace).expect(requests);
    }

    /// Returns the time until the limits allow the last of this number of requests.
    pub fn time_for(&self, requests: u64) -> Duration {
        locked(&self.pace).time_for(Instant::now(), requests)
    }

    fn take_of(&self, pace: &mut Pace) -> Result<(), Duration> {
        let received = self.received.swap(0, Ordering::Relaxed);
        pace.receive(Instant::now(), received);
        let Some(ledger) = self.ledger.get() else {
            return pace.take(Instant::now());
        };

        let mut taken = Ok(());
        ledger.share(received, &mut |spent| {
            let (now, clock) = (Instant::now(), SystemTime::now());
            for sent in &spent.requests {
                // A time in the future (clock skew) counts as now.
                let ago = clock.duration_since(*sent).unwrap_or_default();
                pace.count(now.checked_sub(ago).unwrap_or(now));
            }
            for (at, bytes) in &spent.received {
                let ago = clock.duration_since(*at).unwrap_or_default();
                pace.receive(now.checked_sub(ago).unwrap_or(now), *bytes);
            }
            if let Some(until) = spent.paused_until {
                let pause = until.duration_since(clock).unwrap_or_default();
                pace.pause(now, pause.min(PAUSE_MAX));
            }
            taken = pace.take(now);
            taken.is_ok()
        });
        taken
    }

    /// Returns whether a wait has to be announced: once, if the feed asked for it or it is
    /// long.
    pub fn announces(&self, wait: Wait) -> bool {
        let end = Instant::now() + wait.pause;
        let mut announced = locked(&self.announced);
        let is_known = announced.is_some_and(|known| known + Duration::from_secs(1) >= end);
        let is_quiet = wait.is_spread || wait.pause <= QUIET_WAIT_MAX;
        if is_known || !wait.is_asked && is_quiet {
            return false;
        }
        *announced = Some(end);
        true
    }

    /// Stops the requests of all processes for the pause that the feed asked for.
    pub fn pause(&self, pause: Duration) {
        let pause = pause.min(PAUSE_MAX);
        locked(&self.pace).pause(Instant::now(), pause);
        if let Some(ledger) = self.ledger.get() {
            ledger.pause(SystemTime::now() + pause);
        }
    }

    /// Records the number of requests that the feed still allows until its count resets.
    /// A reset that lies after the longest configured window comes from another clock.
    pub fn set_remaining(&self, quota: Quota) {
        let Quota {
            index,
            remaining,
            reset_in,
        } = quota;
        let longest = self.window.unwrap_or(PAUSE_LIMIT);
        let waits_less = remaining == 0 && reset_in > longest;
        if waits_less && !self.has_logged_reset.swap(true, Ordering::Relaxed) {
            let seconds = longest.as_secs();
            tracing::warn!(
                "the time at which the feed's count of requests starts again is too far in the future; waiting at most {seconds} s for it"
            );
        }
        let reset_in = reset_in.min(longest);
        locked(&self.pace).set_remaining(index, Instant::now(), remaining, reset_in);
    }
}

/// The turn of a request, which takes it from a budget.
#[derive(Clone, Copy)]
pub struct Turn<'a> {
    pub budget: &'a RateBudget,
    pub meter: &'a Meter,
}

impl Turn<'_> {
    /// Waits until the rate budget has a request left, and takes it.
    pub async fn wait(self) -> Result<(), FeedError> {
        let mut waiting = None;
        while let Err(wait) = self.budget.take() {
            let until = (Utc::now() + wait.pause).trunc_subsecs(0);
            let limit = self.budget.pause_limit();
            if wait.is_asked && wait.pause > limit {
                let limit_seconds = limit.as_secs();
                return Err(FeedError::PauseTooLong {
                    until: stored_instant(until),
                    limit_seconds,
                });
            }
            if self.budget.announces(wait) {
                let cause = if wait.is_asked {
                    "the feed asked for a pause"
                } else {
                    "the rate limits allow no request now"
                };
                let until = until.with_timezone(&self.budget.timezone);
                let until = until.format("%Y-%m-%d %H:%M:%S %Z");
                tracing::warn!("{cause}; waiting until {until}");
                if let Some(show) = self.budget.show_wait.get() {
                    show(&format!("waiting until {until}: {cause}"));
                }
            }
            waiting.get_or_insert_with(|| self.meter.wait());
            tokio::time::sleep(wait.pause.min(WAIT_STEP)).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(spans: &[u64]) -> RateBudget {
        let limit = |&seconds: &u64| Limit {
            requests: 1_000,
            span: Duration::from_secs(seconds),
        };
        RateBudget::new(spans.iter().map(limit).collect(), Vec::new())
    }

    #[test]
    fn a_reset_by_another_clock_delays_requests_by_the_longest_window() {
        for (spans, longest) in [(&[60][..], 60), (&[60, 86_400], 86_400), (&[], 3_600)] {
            let budget = budget(spans);
            budget.set_remaining(Quota {
                index: 0,
                remaining: 0,
                reset_in: Duration::MAX,
            });
            let wait = budget.take().expect_err("nothing remains");
            assert!(wait.pause <= Duration::from_secs(longest), "{wait:?}");
            assert!(wait.pause > Duration::from_secs(longest - 1), "{wait:?}");
        }
    }

    #[test]
    fn a_wait_is_announced_once() {
        let budget = budget(&[60]);
        assert_eq!(budget.pause_limit(), PAUSE_LIMIT);
        budget.pause(Duration::from_secs(3));
        let wait = budget.take().expect_err("the feed asked for a pause");
        assert!(wait.is_asked);
        assert!(budget.announces(wait));
        assert!(!budget.announces(wait));
        let own = |seconds, is_spread| Wait {
            pause: Duration::from_secs(seconds),
            is_asked: false,
            is_spread,
        };
        assert!(!budget.announces(own(4, false)));
        assert!(!budget.announces(own(60, true)));
        assert!(budget.announces(own(60, false)));
    }
}
