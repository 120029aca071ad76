//! The change log: writing it, reading it, and reconstructing the past from it.

mod change_log;
mod change_reader;
mod changed_record;
mod logged_records;
mod netting;
mod past;
mod transitions;
mod whole_listing;

pub use change_log::{ChangeCount, ChangeKind, ChangeLog};
pub use change_reader::{ChangeCategory, ChangeFilter, ChangeReader, ChangeRow, StatusChange};
pub use changed_record::ChangedRecord;
pub(super) use logged_records::LoggedRecords;
pub use transitions::Transition;
pub use whole_listing::{NoListing, WholeListing};
