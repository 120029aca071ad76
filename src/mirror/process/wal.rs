//! The write-ahead log, which grows while a reader uses it.

use std::time::{Duration, Instant};

use crate::mirror::Mirror;
use crate::mirror::database::BUSY_TIMEOUT;
use crate::mirror::process::lock_holder::is_busy;
use crate::mirror::sidecar::with_suffix;

/// A larger log is copied into the database and truncated as soon as no reader needs
/// it.
const LOG_LIMIT_BYTES: u64 = 256 * 1024 * 1024;

/// How long to wait between two attempts while a reader is active.
const TRY_EVERY: Duration = Duration::from_secs(1);

impl Mirror {
    /// Truncates the log if it is large and no reader uses it.
    pub(in crate::mirror) fn limit_wal(&mut self) -> rusqlite::Result<()> {
        let is_soon = |at: Instant| at.elapsed() < TRY_EVERY;
        if self.wal_bytes() <= LOG_LIMIT_BYTES || self.truncated_at.is_some_and(is_soon) {
            return Ok(());
        }
        self.truncated_at = Some(Instant::now());
        self.truncate_wal()
    }

    /// Copies the write-ahead log into the database and truncates it, unless a reader
    /// uses it.
    pub fn truncate_wal(&self) -> rusqlite::Result<()> {
        // Do not wait for a reader.
        self.connection.busy_timeout(Duration::ZERO)?;
        let truncated =
            self.connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        match truncated {
            Err(error) if is_busy(&error) => Ok(()),
            truncated => truncated,
        }
    }

    /// Returns the size of the write-ahead log in bytes.
    pub fn wal_bytes(&self) -> u64 {
        let log = with_suffix(&self.path, "-wal");
        std::fs::metadata(log).map_or(0, |log| log.len())
    }
}
