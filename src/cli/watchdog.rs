//! The watchdog of systemd: it restarts a daemon that makes no progress.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::feed::Feed;

/// How long a daemon may make no progress before the notifications to systemd stop.
const HANG_TIMEOUT: Duration = Duration::from_secs(900);

/// The progress of the daemon.
#[derive(Default)]
pub struct Pulse {
    /// The number of events so far.
    beats: AtomicU64,
    feed: Mutex<Weak<Feed>>,
    /// The last reading that differed from the one before, and when it was taken.
    changed: Mutex<Option<((u64, u64), Instant)>>,
}

impl Pulse {
    /// Counts an event.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the traffic of this feed from now on.
    pub fn set_feed(&self, feed: &Arc<Feed>) {
        *self.feed() = Arc::downgrade(feed);
    }

    fn feed(&self) -> MutexGuard<'_, Weak<Feed>> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the daemon has made progress within [`HANG_TIMEOUT`], as far as this
    /// was asked before.
    pub fn is_alive(&self) -> bool {
        let reading = self.reading();
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        match *changed {
            Some((last, at)) if last == reading => at.elapsed() < HANG_TIMEOUT,
            _ => {
                *changed = Some((reading, Instant::now()));
                true
            }
        }
    }

    /// Returns numbers that change while the daemon makes progress. A wait for the rate
    /// budget is progress.
    fn reading(&self) -> (u64, u64) {
        let feed = self.feed().upgrade();
        let traffic = feed.map(|feed| feed.traffic()).unwrap_or_default();
        let feed_beats = traffic.requests + traffic.throttled_ms + traffic.bytes_received;
        (self.beats.load(Ordering::Relaxed), feed_beats)
    }
}

/// Notifies the watchdog of systemd while the daemon makes progress. Does nothing if no
/// watchdog is enabled.
pub fn notify_watchdog(pulse: Arc<Pulse>) -> std::io::Result<()> {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        return Ok(());
    };
    std::thread::Builder::new().spawn(move || {
        loop {
            if pulse.is_alive() {
                let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            }
            // The manual of sd_watchdog_enabled advises half the interval.
            std::thread::sleep(interval / 2);
        }
    })?;
    Ok(())
}
