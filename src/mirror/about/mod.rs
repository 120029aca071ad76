//! Facts about the feed, its market and the mirror itself.

mod alert_progress;
mod capability_rows;
mod field_descriptions;
mod known_names;
mod listing_cards;
mod listing_condition;
mod market_filter;
mod market_log;
mod proof;
mod state;
mod utc_offsets;

pub use alert_progress::AlertProgress;
pub use field_descriptions::{DescribedField, FieldDescription, FieldRow, TableOrView};
pub use known_names::Statuses;
pub use listing_cards::ListingCard;
pub use listing_condition::WrongCondition;
pub use market_filter::{MarketCounts, MarketFilter};
pub use market_log::{ListingNow, MarketChange, MarketEvent, MarketFields};
pub use proof::Proof;
pub use utc_offsets::UtcOffset;
