//! The connection to the database.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rusqlite::Connection;

use crate::mirror::log::Logged;

/// An open mirror.
pub struct Mirror {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// The records that the current sync has logged.
    pub(super) logged: RefCell<Logged>,
    /// When the write-ahead log was last truncated because of its size.
    pub(super) truncated_at: Option<Instant>,
}

impl Mirror {
    /// Returns the path of the database.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
