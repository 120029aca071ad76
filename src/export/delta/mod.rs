//! The log of a Delta table: protocol reader 1, writer 2.
//!
//! Source: the Delta transaction log protocol,
//! <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>.

mod action;
mod checkpoint_columns;
mod checkpoint_file;
mod log_files;
mod table_log;
mod table_state;

pub(super) use action::{Action, Add, CommitInfo, Metadata, Protocol, Remove};
pub(super) use log_files::{flush_folder, names};
pub(super) use table_log::TableLog;
pub(super) use table_state::TableState;
