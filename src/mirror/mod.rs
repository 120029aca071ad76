//! The mirror: one SQLite file, one writer, short transactions.
//!
//! The one user of the database library. Others begin a [`WriteTx`], apply a
//! page to it, and commit; a page's rows, its changes and where its run stands
//! become true together or not at all.

mod backup;
mod blocked;
mod changes;
mod comparison;
mod described;
mod held_record;
mod learned;
mod lease;
mod listing;
mod log;
mod market;
mod net;
mod open;
mod past;
mod performance;
mod photos;
mod rejects;
mod requests;
mod retention;
mod rows;
mod runs;
mod schema;
mod scope;
mod standing;
mod subject;
mod sweep;
mod time_zone;
mod transaction;
mod transitions;
mod views;
mod wal;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::Utc;
use rusqlite::Connection;

use crate::value::stored_instant;

use net::Logged;

pub use backup::is_same_file;
pub use blocked::{is_corrupt, is_disk_error};
pub use changes::{ChangeCategory, ChangeFilter, ChangeReader, ChangeRow, StatusChange};
pub use comparison::KeyDifferences;
pub use described::{FieldDescription, TableOrView};
pub use held_record::HeldRecord;
pub use lease::{Lease, LeaseHolder, LeaseTaken};
pub use listing::{NoListing, WholeListing};
pub use log::{ChangeCount, ChangeKind, ChangeLog};
pub use market::{ListingNow, MarketChange, MarketEvent, MarketFields};
pub use open::NotAMirror;
pub use performance::RunRow;
pub use photos::{
    Backlog, FetchedFile, FileRow, HeldFile, InterruptedDownload, Photo, WantedPhotos,
};
pub use requests::RequestLedger;
pub use retention::Purged;
pub use rows::{DeletedReason, Rows, StoredRow};
pub use runs::{Job, RunCounts, RunId, RunOutcome, RunStatus, RunSummary};
pub use schema::FieldRow;
pub use scope::Scope;
pub use standing::LastRun;
pub use subject::ChangedRecord;
pub use time_zone::UtcOffset;
pub use transaction::{ReadTx, WriteTx};
pub use transitions::Transition;

/// An open mirror.
pub struct Mirror {
    connection: Connection,
    path: PathBuf,
    logged: RefCell<Logged>,
    /// When the write-ahead log was last tried to be emptied because of its size.
    truncated_at: Option<Instant>,
}

impl Mirror {
    /// Returns the path of the database.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The local clock in storage form. It says when the mirror did something, and
/// plays no part in what it asks for.
fn now() -> String {
    let seconds = Utc::now().timestamp();
    stored_instant(chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default())
}

/// A name as SQL takes it, whatever stands in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What stands beside the mirror, by the ends of the names, the mirror itself included.
pub const DATABASE_SUFFIXES: [&str; 5] = ["", "-wal", "-shm", "-journal", "-requests"];

/// The path of a file that stands beside a database: `mirror.db-wal` with `-wal`.
pub fn with_suffix(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
