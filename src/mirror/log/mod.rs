//! The change log: writing it, reading it, and reconstructing the past from it.

mod alert_changes;
mod change_log;
mod change_reader;
mod changed_record;
mod logged_records;
mod netting;
mod past;
mod whole_listing;

pub use alert_changes::{AlertBatch, ChangedListing, ChangedOpenHouse, ReportedChange};
pub use change_log::{ChangeCount, ChangeKind, ChangeLog};
pub use change_reader::{ChangeCategory, ChangeFilter, ChangeReader, ChangeRow, StatusChange};
pub use changed_record::ChangedRecord;
pub(super) use logged_records::LoggedRecords;
pub use whole_listing::{NoListing, WholeListing};
