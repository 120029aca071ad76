//! The rows of the feed's records, and the notes about records that are
//! rejected, filtered out or missing.

mod due_children;
mod held_record;
mod key_comparison;
mod listing_places;
mod listing_search;
mod live_ranges;
mod rejects;
mod row_comparison;
mod row_deletion;
mod row_lookup;
mod row_writer;
mod saved_scope;
mod sweep_staging;

pub use held_record::HeldRecord;
pub(super) use held_record::rows_where;
pub use key_comparison::{KeyDifferences, Window};
pub use listing_places::{ListingPlace, ListingPlaces};
pub use listing_search::{FoundListing, NamedListing};
pub use live_ranges::{LiveRange, RangedRows};
pub use rejects::OpenReject;
pub use row_comparison::{RowReader, StoredRow};
pub use row_deletion::DeletedReason;
pub use row_writer::Rows;
pub use saved_scope::Scope;
