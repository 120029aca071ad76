//! The rows of the feed's records, and what the mirror notes about records that are
//! rejected, filtered out or missing.

mod held_record;
mod key_comparison;
mod rejects;
mod row_writer;
mod saved_scope;
mod sweep_staging;

pub use held_record::HeldRecord;
pub(super) use held_record::rows_where;
pub use key_comparison::KeyDifferences;
pub use row_writer::{DeletedReason, RowReader, Rows, StoredRow};
pub use saved_scope::Scope;
