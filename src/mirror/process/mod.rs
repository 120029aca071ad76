//! What several processes share: leases, the request ledger, locks, and the files of
//! the database.

mod backup;
mod lease;
mod ledger_place;
mod lock_holder;
mod moved_file;
mod request_ledger;
mod same_file;
mod wal;

pub use backup::CorruptCopy;
pub use lease::{HeldLease, Lease, LeaseHolder, LeaseTaken, NoLocks};
pub(super) use lock_holder::name_lock_holder;
pub use lock_holder::{is_corrupt, is_disk_error, is_permission_error};
pub(super) use moved_file::check_in_place;
pub use moved_file::is_moved;
pub use request_ledger::{BudgetUnit, RequestLedger};
pub use same_file::is_same_file;
