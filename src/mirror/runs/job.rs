//! The jobs that a run can belong to.

use std::fmt;

/// The job that a run belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Reads a whole resource.
    Full,
    /// Reads the changes since the watermark.
    Incremental,
    /// Reads the deletions that the feed announces.
    Deletions,
    /// Compares the keys and timestamps of a whole resource.
    Reconcile,
    /// Reads single listings by their keys.
    Refresh,
    /// Downloads photos.
    Media,
    /// Reports status changes.
    Monitor,
    /// Publishes the tables. It has no row in `sync_runs`: `_exports` records it.
    Export,
}

impl Job {
    /// Returns the job's name on the command line and in `sync_runs`.
    pub fn as_str(self) -> &'static str {
        match self {
            Job::Full => "full",
            Job::Incremental => "incremental",
            Job::Deletions => "deletions",
            Job::Reconcile => "reconcile",
            Job::Refresh => "refresh",
            Job::Media => "media",
            Job::Monitor => "monitor",
            Job::Export => "export",
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
