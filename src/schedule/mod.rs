//! When jobs are due, and the daemon that runs them.

mod daemon;
mod timetable;

use std::fmt;

use crate::config::{Schedule, When};
use crate::mirror::Job;

pub use daemon::{Daemon, Ended, Hangup, Household, hangups};
pub use timetable::{Outcome, Timetable};

/// A job that has a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduledJob {
    /// Everything anew.
    Full,
    /// The comparison of all keys.
    Reconcile,
    /// What changed.
    Incremental,
    /// What is announced as deleted.
    Deletions,
    /// The changes of status.
    Monitor,
    /// The files of photos.
    Media,
}

impl ScheduledJob {
    /// All of them, in the order in which they run where several are due at once: what
    /// one brings, the later ones need not ask for.
    pub const ALL: [ScheduledJob; 6] = [
        ScheduledJob::Full,
        ScheduledJob::Reconcile,
        ScheduledJob::Incremental,
        ScheduledJob::Deletions,
        ScheduledJob::Monitor,
        ScheduledJob::Media,
    ];

    /// What the configuration says of it.
    pub fn when(self, schedule: &Schedule) -> &When {
        match self {
            ScheduledJob::Full => &schedule.full,
            ScheduledJob::Reconcile => &schedule.reconcile,
            ScheduledJob::Incremental => &schedule.incremental,
            ScheduledJob::Deletions => &schedule.deletions,
            ScheduledJob::Monitor => &schedule.monitor,
            ScheduledJob::Media => &schedule.media,
        }
    }

    /// What its runs are for.
    pub fn job(self) -> Job {
        match self {
            ScheduledJob::Full => Job::Full,
            ScheduledJob::Reconcile => Job::Reconcile,
            ScheduledJob::Incremental => Job::Incremental,
            ScheduledJob::Deletions => Job::Deletions,
            ScheduledJob::Monitor => Job::Monitor,
            ScheduledJob::Media => Job::Media,
        }
    }
}

impl fmt::Display for ScheduledJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.job().fmt(f)
    }
}
