//! Counts requests, retries, waiting time and bytes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::limits::locked;

/// The requests and bytes of a connection up to one point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The number of requests sent, including retries.
    pub requests: u64,
    /// The number of requests sent again after a failure.
    pub retries: u64,
    /// Time spent waiting for the rate budget or because the server asked, in milliseconds.
    /// Waits at the same time count once.
    pub throttled_ms: u64,
    /// Bytes of bodies received, after decompression.
    pub bytes_received: u64,
    /// Bytes of bodies as they were sent, mostly compressed.
    pub bytes_sent: u64,
}

impl std::ops::Sub for Traffic {
    type Output = Traffic;

    /// Returns the traffic between two readings.
    fn sub(self, earlier: Traffic) -> Traffic {
        Traffic {
            requests: self.requests - earlier.requests,
            retries: self.retries - earlier.retries,
            throttled_ms: self.throttled_ms - earlier.throttled_ms,
            bytes_received: self.bytes_received - earlier.bytes_received,
            bytes_sent: self.bytes_sent - earlier.bytes_sent,
        }
    }
}

/// The counters of a connection.
#[derive(Default)]
pub struct Meter {
    requests: AtomicU64,
    retries: AtomicU64,
    waits: Mutex<Waits>,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
}

/// The waits of all requests.
#[derive(Default)]
struct Waits {
    /// The number of requests that wait now.
    number: u32,
    /// When the first of them began to wait.
    since: Option<Instant>,
    /// The time of the waits before.
    ended: Duration,
}

impl Waits {
    fn total(&self) -> Duration {
        let now = self.since.map(|since| since.elapsed());
        self.ended + now.unwrap_or_default()
    }
}

/// Counts a request as waiting until it is dropped.
pub struct Waiting<'m>(&'m Meter);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waits = locked(&self.0.waits);
        waits.number -= 1;
        if waits.number == 0 {
            waits.ended = waits.total();
            waits.since = None;
        }
    }
}

impl Meter {
    /// Returns the traffic up to now.
    pub fn traffic(&self) -> Traffic {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic {
            requests: read(&self.requests),
            retries: read(&self.retries),
            throttled_ms: locked(&self.waits).total().as_millis() as u64,
            bytes_received: read(&self.bytes_received),
            bytes_sent: read(&self.bytes_sent),
        }
    }

    /// Counts one request.
    pub fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one retry.
    pub fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the time until the returned value is dropped as spent waiting.
    pub fn wait(&self) -> Waiting<'_> {
        let mut waits = locked(&self.waits);
        waits.number += 1;
        waits.since.get_or_insert_with(Instant::now);
        Waiting(self)
    }

    /// Counts the bytes of one chunk before it is decompressed.
    pub fn sent(&self, bytes: u64) {
        self.bytes_sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts the bytes of one chunk.
    pub fn received(&self, chunk: &[u8]) {
        let bytes = chunk.len() as u64;
        self.bytes_received.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_at_the_same_time_count_once() {
        let meter = Meter::default();
        let started = Instant::now();
        let four = [(); 4].map(|()| meter.wait());
        std::thread::sleep(Duration::from_millis(20));
        assert!(meter.traffic().throttled_ms >= 20, "a wait that lasts");
        drop(four);
        let waited_ms = u128::from(meter.traffic().throttled_ms);
        assert!((20..=started.elapsed().as_millis()).contains(&waited_ms));
    }
}
