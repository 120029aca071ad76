//! How long an answer may take: each silence has its own timeout, and this is for
//! one that never ends and never falls silent.

use std::time::{Duration, Instant};

/// What comes more slowly than this, beyond the timeout, is given up.
const SLOWEST_BYTES_PER_SECOND: f64 = 4_096.0;

/// The patience with one answer.
pub struct Patience {
    begun_at: Instant,
    timeout: Option<Duration>,
}

impl Patience {
    /// From now on, with the configured timeout; without one it never ends.
    pub fn begin(timeout: Option<Duration>) -> Patience {
        Patience {
            begun_at: Instant::now(),
            timeout,
        }
    }

    /// Whether it is over when so many bytes came.
    pub fn is_over(&self, bytes: u64) -> bool {
        let due = Duration::from_secs_f64(bytes as f64 / SLOWEST_BYTES_PER_SECOND);
        let is_late = |timeout: Duration| self.begun_at.elapsed() > due + timeout;
        self.timeout.is_some_and(is_late)
    }
}

/// What is said of an answer when the patience with it is over.
pub fn too_slow(bytes: u64) -> String {
    format!("timed out: only {bytes} bytes came until now")
}
