//! The jobs that have a schedule.

use std::fmt;

use crate::config::{Schedule, When};
use crate::mirror::Job;

/// A job that has a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduledJob {
    /// The full sync.
    Full,
    /// The comparison of all keys with the feed.
    Reconcile,
    /// The incremental sync.
    Incremental,
    /// The announced deletions.
    Deletions,
    /// The status changes.
    Monitor,
    /// The photo downloads.
    Media,
    /// The export of Delta tables.
    Export,
}

impl ScheduledJob {
    /// All jobs, in the order in which they run if several are due at once. Later jobs
    /// need not fetch again the records that earlier ones fetched.
    pub const ALL: [ScheduledJob; 7] = [
        ScheduledJob::Full,
        ScheduledJob::Reconcile,
        ScheduledJob::Incremental,
        ScheduledJob::Deletions,
        ScheduledJob::Monitor,
        ScheduledJob::Media,
        ScheduledJob::Export,
    ];

    /// Returns the configured times of the job.
    pub fn when(self, schedule: &Schedule) -> &When {
        match self {
            ScheduledJob::Full => &schedule.full,
            ScheduledJob::Reconcile => &schedule.reconcile,
            ScheduledJob::Incremental => &schedule.incremental,
            ScheduledJob::Deletions => &schedule.deletions,
            ScheduledJob::Monitor => &schedule.monitor,
            ScheduledJob::Media => &schedule.media,
            ScheduledJob::Export => &schedule.export,
        }
    }

    /// Returns the job that its runs are recorded as.
    pub fn job(self) -> Job {
        match self {
            ScheduledJob::Full => Job::Full,
            ScheduledJob::Reconcile => Job::Reconcile,
            ScheduledJob::Incremental => Job::Incremental,
            ScheduledJob::Deletions => Job::Deletions,
            ScheduledJob::Monitor => Job::Monitor,
            ScheduledJob::Media => Job::Media,
            ScheduledJob::Export => Job::Export,
        }
    }
}

impl fmt::Display for ScheduledJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.job().fmt(f)
    }
}
