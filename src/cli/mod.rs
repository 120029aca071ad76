//! The command line. Only this module prints, words advice and knows exit codes.
//!
//! `verbs` holds one file for each verb. The files next to it are shared by several verbs.

mod advice;
mod arguments;
mod change_table;
mod dispatch;
mod exit;
mod job_log;
mod media;
mod metrics;
mod notify;
mod options;
mod output;
mod place;
mod progress;
mod session;
mod signals;
mod since;
mod text;
mod verbs;
mod watch_host;
mod watchdog;
mod whole_file;

pub use dispatch::main;
