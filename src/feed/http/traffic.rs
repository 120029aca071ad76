//! Counts requests, retries, waiting time and bytes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The requests and bytes of a connection up to one point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The number of requests sent, including retries.
    pub requests: u64,
    /// The number of requests sent again after a failure.
    pub retries: u64,
    /// Time spent waiting for the rate budget or because the server asked, in milliseconds.
    pub throttled_ms: u64,
    /// Bytes of bodies received, after decompression.
    pub bytes_received: u64,
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
        }
    }
}

/// The counters of a connection.
#[derive(Default)]
pub struct Meter {
    requests: AtomicU64,
    retries: AtomicU64,
    throttled_ms: AtomicU64,
    bytes_received: AtomicU64,
}

impl Meter {
    /// Returns the traffic up to now.
    pub fn traffic(&self) -> Traffic {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic {
            requests: read(&self.requests),
            retries: read(&self.retries),
            throttled_ms: read(&self.throttled_ms),
            bytes_received: read(&self.bytes_received),
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

    /// Counts time spent waiting.
    pub fn throttled(&self, waited: Duration) {
        let waited_ms = waited.as_millis() as u64;
        self.throttled_ms.fetch_add(waited_ms, Ordering::Relaxed);
    }

    /// Counts the bytes of one chunk.
    pub fn received(&self, chunk: &[u8]) {
        let bytes = chunk.len() as u64;
        self.bytes_received.fetch_add(bytes, Ordering::Relaxed);
    }
}
