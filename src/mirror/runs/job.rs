//! The jobs that a run can belong to.

use std::fmt;

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// The whole of a resource.
    Full,
    /// What changed since the watermark.
    Incremental,
    /// What the feed announces as deleted.
    Deletions,
    /// Keys and stamps of the whole of a resource.
    Reconcile,
    /// Single listings, by their keys.
    Refresh,
    /// The files of photos.
    Media,
    /// The changes of status that somebody wants to be told.
    Monitor,
}

impl Job {
    /// Its name on the command line and in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Job::Full => "full",
            Job::Incremental => "incremental",
            Job::Deletions => "deletions",
            Job::Reconcile => "reconcile",
            Job::Refresh => "refresh",
            Job::Media => "media",
            Job::Monitor => "monitor",
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
