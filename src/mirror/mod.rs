//! The mirror: one SQLite file, one writer, short transactions.
//!
//! Only this module uses the database library. A caller starts a [`WriteTx`], applies
//! one page and commits: the rows of the page, its changes and the state of its run
//! become visible together or not at all. A [`ReadTx`] sees one consistent snapshot.
//!
//! Every function that returns a [`rusqlite::Result`] passes on SQLite's own errors, of
//! which [`is_disk_error`] and [`is_corrupt`] recognize two causes.

mod about;
mod database;
mod dropped_write;
mod export;
mod log;
mod objects;
mod open;
mod photos;
mod process;
mod record_table;
mod rows;
mod runs;
mod schema;
mod sidecar;
mod sql;
mod stored_key;
mod table_declarations;
mod table_rebuild;
mod transaction;
mod views;

pub use about::{
    AlertProgress, DescribedField, FieldDescription, FieldRow, ListingCard, ListingNow,
    MarketChange, MarketCounts, MarketEvent, MarketFields, MarketFilter, Proof, Statuses,
    TableOrView, UtcOffset, WrongCondition,
};
pub use database::Mirror;
pub use export::{ExportRow, ExportTable, ExportedVersion, KeyRange, LastExport, PublishedTable};
pub use log::{
    AlertBatch, ChangeCategory, ChangeCount, ChangeFilter, ChangeKind, ChangeLog, ChangeReader,
    ChangeRow, ChangedListing, ChangedOpenHouse, ChangedRecord, NoListing, ReportedChange,
    StatusChange, WholeListing,
};
pub use open::{MirrorProblem, NotAMirror};
pub use photos::{
    Backlog, FetchedFile, FileRow, HeldFile, InterruptedDownload, KeptFiles, Photo, WantedPhotos,
};
pub use process::{
    BudgetUnit, CorruptCopy, HeldLease, Lease, LeaseHolder, LeaseTaken, NoLocks, RequestLedger,
    is_corrupt, is_disk_error, is_moved, is_permission_error, is_same_file,
};
pub use rows::{
    DeletedReason, FoundListing, HeldRecord, KeyDifferences, ListingPlace, ListingPlaces,
    LiveRange, NamedListing, OpenReject, RangedRows, RowReader, Rows, Scope, StoredRow, Window,
};
pub use runs::{
    Job, Purged, Reading, RunCounts, RunId, RunOutcome, RunStatus, RunSummary, RunTotals,
};
pub use sidecar::{DATABASE_SUFFIXES, with_suffix};
pub use transaction::{ReadTx, WriteTx};
