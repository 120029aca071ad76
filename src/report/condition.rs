//! The conditions that need attention.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::sync::UnusableFolder;
use crate::value::stored_instant;

/// A condition that does not resolve without the user.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The feed refuses the credentials.
    CredentialsRefused,
    /// The last completed sync of the resource is in the future.
    InFuture(&'static str, DateTime<Utc>),
    /// The resource has not completed its first full sync.
    NeverSynced(&'static str),
    /// The resource was not brought up to date for several intervals.
    Late {
        /// The resource.
        resource: &'static str,
        /// The time since it was brought up to date, in seconds.
        lag_seconds: u64,
        /// The tolerated number of intervals.
        intervals: u32,
    },
    /// The resource has this number of unresolved rejects.
    OpenRejects(&'static str, u64),
    /// The folder of photos cannot be used.
    MediaFolder(UnusableFolder),
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::CredentialsRefused => f.write_str("the feed refuses the credentials"),
            Condition::InFuture(resource, at) => write!(
                f,
                "{resource} was last brought up to date in the future, at {} UTC",
                stored_instant(*at)
            ),
            Condition::NeverSynced(resource) => {
                write!(f, "{resource} has not completed its first full sync")
            }
            Condition::Late {
                resource,
                lag_seconds,
                intervals,
            } => write!(
                f,
                "{resource} was last brought up to date {:.1} hours ago, more than {intervals} intervals",
                *lag_seconds as f64 / 3_600.0
            ),
            Condition::MediaFolder(unusable) => unusable.fmt(f),
            Condition::OpenRejects(resource, 1) => {
                write!(f, "{resource}: 1 record could not be stored")
            }
            Condition::OpenRejects(resource, count) => {
                write!(f, "{resource}: {count} records could not be stored")
            }
        }
    }
}
