//! The command line. Only this module prints, words advice and knows exit codes.
//!
//! `verbs` holds one file for each verb. The files next to it are shared by several verbs.

mod advice;
mod alert_text;
mod arguments;
mod change_csv;
mod change_table;
mod demo_folder;
mod dispatch;
mod display_text;
mod exit;
mod job_log;
mod listing_groups;
mod listing_summary;
mod local_times;
mod metrics_server;
mod moving_feed;
mod named_listing;
mod notify;
mod options;
mod output;
mod output_path;
mod photo_text;
mod progress_display;
mod report_filter;
mod session;
mod signals;
mod since;
mod system_limits;
mod verbs;
mod watch_host;
mod watchdog;
mod whole_file;

pub use dispatch::main;
