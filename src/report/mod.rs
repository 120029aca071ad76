//! What there is to say about a mirror, gathered and written as text and as a page.

mod active;
mod axis;
mod chart;
mod charts;
mod datasette;
mod days;
mod inventory;
mod market;
mod markup;
mod metrics;
mod outline;
mod page;
mod performance;
mod statistics;
mod status;
mod summary;
mod table;
mod tables;
mod text;
mod words;

pub use active::{Active, CityGroup, Group};
pub use datasette::datasette_metadata;
pub use market::{Inventory, InventoryDay, Market, MarketDay, PriceMoves, Prices, TransitionCount};
pub use metrics::metrics;
pub use page::page;
pub use performance::{DurationDay, Failure, JobPerformance, LagDay, Performance};
pub use status::{Budget, JobStatus, ResourceStatus, Sizes, Status, status};
pub use summary::{Report, report};
pub use text::text;
pub use words::{bytes, cut, printable, steers, thousands, time};
