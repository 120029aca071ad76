//! Facts about the feed, its market and the mirror itself.

mod capability_rows;
mod field_descriptions;
mod market_log;
mod state;
mod utc_offsets;

pub use field_descriptions::{DescribedField, FieldDescription, FieldRow, TableOrView};
pub use market_log::{ListingNow, MarketChange, MarketEvent, MarketFields};
pub use utc_offsets::UtcOffset;
