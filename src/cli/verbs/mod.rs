//! The verbs of the command line: one file for each.

pub mod backup;
pub mod changes;
pub mod check;
pub mod completions;
pub mod demo;
#[cfg(feature = "export")]
pub mod export;
pub mod init;
pub mod listing;
pub mod man;
mod reconcile_plan;
pub mod refresh;
pub mod report;
pub mod simulate;
pub mod status;
pub mod sync;
pub mod verify;
pub mod watch;
