//! The mirror: one SQLite file, one writer, short transactions.
//!
//! The one user of the database library. Others begin a [`Writing`], apply a
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
mod transitions;
mod views;
mod wal;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::Utc;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::value::stored_instant;

use net::Logged;

pub use backup::is_same_file;
pub use blocked::{is_of_damage, is_of_disk};
pub use changes::{ChangeFilter, ChangeReader, ChangeRow, Happening, StatusChange};
pub use comparison::KeyDifferences;
pub use described::{Described, FieldNote};
pub use held_record::HeldRecord;
pub use lease::{Holder, Lease, LeaseTaken};
pub use listing::{NoListing, WholeListing};
pub use log::{ChangeCount, ChangeKind, ChangeLog};
pub use market::{ListingNow, MarketChange, MarketEvent, MarketFields};
pub use open::NotAMirror;
pub use performance::RunRow;
pub use photos::{Backlog, Fetched, FileRow, HeldFile, Leftover, Photo, WantedPhotos};
pub use requests::RequestLedger;
pub use retention::Forgotten;
pub use rows::{DeletedReason, Held, Rows};
pub use runs::{Counts, Job, Outcome, RunId, RunSummary, Status};
pub use schema::FieldRow;
pub use scope::Scope;
pub use standing::LastRun;
pub use subject::Subject;
pub use time_zone::UtcOffset;
pub use transitions::Transition;

/// An open mirror.
pub struct Mirror {
    connection: Connection,
    path: PathBuf,
    logged: RefCell<Logged>,
    /// When the write-ahead log was last tried to be emptied because of its size.
    emptied_at: Option<Instant>,
}

/// A transaction that writes. Dropped without [`Writing::commit`], it leaves no trace.
pub struct Writing<'m> {
    transaction: Transaction<'m>,
    logged: &'m RefCell<Logged>,
    /// The moment of this transaction, in storage form.
    now: String,
}

impl Mirror {
    /// Begins a transaction that writes.
    ///
    /// # Errors
    /// If another program holds the database for longer than the timeout; the error
    /// names it where it can be found.
    pub fn write(&mut self) -> rusqlite::Result<Writing<'_>> {
        self.bound_log()?;
        let path = &self.path;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| blocked::name_holder(error, path))?;
        Ok(Writing {
            transaction,
            logged: &self.logged,
            now: now(),
        })
    }
}

impl Mirror {
    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a transaction that only reads, and holds nobody up: the mirror as it
    /// is at one moment.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn look(&mut self) -> rusqlite::Result<Writing<'_>> {
        Ok(Writing {
            transaction: self.connection.transaction()?,
            logged: &self.logged,
            now: now(),
        })
    }
}

impl Writing<'_> {
    /// Makes all of it true.
    ///
    /// # Errors
    /// If it cannot be written; then none of it is true.
    pub fn commit(self) -> rusqlite::Result<()> {
        self.transaction.commit()
    }

    /// The moment of this transaction, in storage form.
    pub fn now(&self) -> &str {
        &self.now
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
pub const BESIDE_DATABASE: [&str; 5] = ["", "-wal", "-shm", "-journal", "-requests"];

/// The path of a file that stands beside a database: `mirror.db-wal` with `-wal`.
pub fn with_suffix(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
