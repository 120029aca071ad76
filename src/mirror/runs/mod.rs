//! `sync_runs`: what each run of a job did, where it stands, and how long it is kept.

mod last_runs;
mod purge;
mod run;
mod run_history;

pub use last_runs::LastRun;
pub use purge::Purged;
pub use run::{Job, RunCounts, RunId, RunOutcome, RunStatus, RunSummary};
pub use run_history::RunRow;
