//! The connection to the database.

use std::cell::RefCell;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use rusqlite::Connection;

use crate::mirror::log::LoggedRecords;
use crate::mirror::process::{HeldLease, Lease};
use crate::mirror::stored_key::StoredKeys;
use crate::value::stored_second;

/// How long to wait for another program's lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// An open mirror.
pub struct Mirror {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// The file that the connection has open. A database in memory has none.
    pub(super) opened: Option<Metadata>,
    /// The key columns of the tables.
    pub(super) keys: StoredKeys,
    /// The records that the current sync has logged.
    pub(super) logged: RefCell<LoggedRecords>,
    /// When the write-ahead log was last truncated because of its size.
    pub(super) truncated_at: Option<Instant>,
    /// How far its clock is ahead of the system's.
    pub(super) clock_offset: TimeDelta,
    /// The lease of this process, which is released after the connection is closed.
    pub(super) lease: Option<HeldLease>,
}

impl Mirror {
    /// Takes a lease for this process, until the mirror is closed.
    ///
    /// # Errors
    ///
    /// As [`Lease::take`].
    pub fn take_lease(&mut self, lease: Lease) -> anyhow::Result<()> {
        self.lease = Some(lease.take(&self.path)?);
        Ok(())
    }

    /// Sets how far the clock that dates what the mirror does is ahead of the system's. It is
    /// behind if the offset is negative, as in a demo of past days.
    pub fn set_clock_offset(&mut self, offset: TimeDelta) {
        self.clock_offset = offset;
    }

    /// Returns the time in storage form, in whole seconds. It dates what the mirror did;
    /// requests to the feed never depend on it.
    pub(super) fn now(&self) -> String {
        stored_second(Utc::now() + self.clock_offset)
    }

    /// Returns the path of the database.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
