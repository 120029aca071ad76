//! The status of the mirror, the report (values, text and HTML), Prometheus metrics, and the
//! metadata for Datasette.
//!
//! Every function that reads the mirror fails if the database cannot be read.

mod condition;
mod datasette;
mod days;
mod headline_tables;
mod market;
mod metrics;
mod omission;
mod page;
mod performance;
mod problem;
mod recipes;
mod report_scope;
mod resource_status;
mod statistics;
mod status;
mod status_facts;
mod summary;
mod table;
mod tables;
mod terminal_text;
mod text;
mod words;

pub use condition::Condition;
pub use datasette::datasette_metadata;
pub use days::first_moment;
pub use market::{
    Active, CityGroup, Figures, Group, Headline, Inventory, InventoryDay, Market, MarketDay,
    PriceCut, PriceMoves, Prices, TransitionCount,
};
pub use metrics::metrics;
pub use omission::Omission;
pub use page::{is_page, page};
pub use performance::{DurationDay, Failure, JobPerformance, LagDay, Performance, ProvenResource};
pub use problem::{Problem, unsettled};
pub use report_scope::Scope;
pub use resource_status::ResourceStatus;
pub use status::{Budget, JobStatus, PhotoFiles, Sizes, Status, status};
pub use status_facts::{AlertFacts, Facts, conditions};
pub use summary::{Report, report};
pub use terminal_text::{at_left, cut, end, printable, start, steers, width};
pub use text::text;
pub use words::{bytes, dollars, rounded, thousands, time};
