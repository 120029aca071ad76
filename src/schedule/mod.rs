//! When jobs are due, and the daemon that runs them.

mod daemon;
mod daemon_host;
mod scheduled_job;
mod timetable;

pub use daemon::{Daemon, connect};
pub use daemon_host::{DaemonHost, EndedJob, ReloadSender, reload_requests};
pub use scheduled_job::ScheduledJob;
pub use timetable::{JobOutcome, Timetable};
