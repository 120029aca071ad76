//! The write-ahead log, which grows for as long as somebody reads.

use std::time::{Duration, Instant};

use crate::mirror::Mirror;
use crate::mirror::open::BUSY_TIMEOUT;

/// Past this the log is emptied into the database and cut to nothing, as soon as no
/// reader needs it any more.
const LOG_LIMIT_BYTES: u64 = 256 * 1024 * 1024;

/// A reader that is still there is not asked about at every page.
const TRY_EVERY: Duration = Duration::from_secs(1);

impl Mirror {
    /// Empties the log if it has grown large, unless somebody still reads from it.
    pub(in crate::mirror) fn limit_wal(&mut self) -> rusqlite::Result<()> {
        let is_soon = |at: Instant| at.elapsed() < TRY_EVERY;
        if self.wal_bytes() <= LOG_LIMIT_BYTES || self.truncated_at.is_some_and(is_soon) {
            return Ok(());
        }
        self.truncated_at = Some(Instant::now());
        self.truncate_wal()
    }

    /// Empties the write-ahead log into the database and cuts it to nothing, unless
    /// somebody reads from it.
    pub fn truncate_wal(&self) -> rusqlite::Result<()> {
        // Nobody is waited for.
        self.connection.busy_timeout(Duration::ZERO)?;
        let emptied = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        match emptied {
            Err(error) if crate::mirror::process::lock_holder::is_busy(&error) => Ok(()),
            emptied => emptied,
        }
    }

    /// The size of the write-ahead log.
    pub fn wal_bytes(&self) -> u64 {
        let log = crate::mirror::sidecar::with_suffix(&self.path, "-wal");
        std::fs::metadata(log).map_or(0, |log| log.len())
    }
}
