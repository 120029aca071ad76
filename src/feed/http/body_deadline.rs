//! The time limit of a body. A read timeout ends a silent connection; this limit ends one
//! that keeps sending, but too slowly.

use std::time::{Duration, Instant};

/// A body that is slower than this for longer than the timeout is abandoned.
const SLOWEST_BYTES_PER_SECOND: f64 = 4_096.0;

/// The time limit of one body.
pub struct BodyDeadline {
    started_at: Instant,
    timeout: Option<Duration>,
}

impl BodyDeadline {
    /// Starts the clock. Without a timeout there is no limit.
    pub fn start(timeout: Option<Duration>) -> BodyDeadline {
        BodyDeadline {
            started_at: Instant::now(),
            timeout,
        }
    }

    /// Returns whether a body with this number of bytes is too slow.
    pub fn has_passed(&self, bytes: u64) -> bool {
        let expected = Duration::from_secs_f64(bytes as f64 / SLOWEST_BYTES_PER_SECOND);
        let is_late = |timeout: Duration| self.started_at.elapsed() > expected + timeout;
        self.timeout.is_some_and(is_late)
    }
}

/// Returns the message for a body that is too slow.
pub fn too_slow(bytes: u64) -> String {
    format!("timed out: only {bytes} bytes received")
}
