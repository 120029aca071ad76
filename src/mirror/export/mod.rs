//! The tables that an export publishes: their rows in the order of their keys, and which
//! of them changed since the last export.

mod export_rows;
mod export_state;
mod export_table;
mod last_export;
mod touched;

pub use export_rows::{ExportRow, KeyRange};
pub use export_state::{ExportedVersion, PublishedTable};
pub use export_table::ExportTable;
pub use last_export::LastExport;
pub(super) use touched::EXPORT_TRIGGERS;
