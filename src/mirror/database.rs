//! The connection to the database.

use std::cell::RefCell;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::mirror::log::LoggedRecords;
use crate::mirror::process::{HeldLease, Lease};
use crate::mirror::stored_key::StoredKeys;

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

    /// Returns the path of the database.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
