//! `sync_runs`: what each run of a job did, where it resumes, and how long it is kept.

mod job;
mod last_runs;
mod purge;
mod run;
mod run_history;
mod run_summary;
mod run_totals;
mod run_writer;
mod watermarks;

pub use job::Job;
pub use last_runs::Reading;
pub use purge::Purged;
pub use run::{RunCounts, RunId, RunOutcome, RunStatus};
pub use run_summary::RunSummary;
pub use run_totals::RunTotals;
