//! In what the mirror is not what the feed is.

use serde::Serialize;

use super::verify_files::VerifiedFiles;
use crate::value::Value;

/// What a verify found.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// One entry a resource.
    pub resources: Vec<VerifiedResource>,
    /// The files of photos, where there are any.
    pub files: Option<VerifiedFiles>,
    /// How many requests it took.
    pub requests: u64,
}

/// What a verify found of one resource.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedResource {
    /// Its entity set.
    pub resource: &'static str,
    /// How many records the feed has that the mirror is to hold; none if it did
    /// not tell.
    pub feed: Option<u64>,
    /// How many live rows the mirror holds.
    pub mirror: u64,
    /// How many records were compared field by field.
    pub sampled: u64,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// One thing in which the mirror is not what the feed is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Difference {
    /// The resource was never read to its end.
    NeverRead,
    /// It was read with another filter or other fields than are wanted now.
    Scope {
        /// In what.
        what: String,
    },
    /// The feed did not answer.
    Unanswered {
        /// Its words, or what happened.
        error: String,
    },
    /// The feed counts another number of records than its pages gave.
    Count {
        /// What it counts.
        counted: u64,
        /// What its pages gave.
        read: u64,
    },
    /// A record of the feed is not live in the mirror.
    Missing {
        /// Its key.
        key: String,
        /// Whether it changed after the last sync.
        since_last_sync: bool,
    },
    /// A live row is not in the feed.
    Extra {
        /// Its key.
        key: String,
    },
    /// The ModificationTimestamps differ.
    Timestamp {
        /// The record's key.
        key: String,
        /// In storage form.
        mirror: Option<String>,
        /// In storage form.
        feed: Option<String>,
        /// Whether it changed after the last sync.
        since_last_sync: bool,
    },
    /// A field's values differ.
    Field {
        /// The record's key.
        key: String,
        /// The field; `extra` for those that are not declared.
        field: String,
        /// In storage form.
        mirror: Value,
        /// In storage form.
        feed: Value,
    },
    /// A record could not be stored.
    Rejected {
        /// Its key, if it has one.
        key: Option<String>,
        /// Why.
        reason: String,
    },
}

impl Difference {
    /// Whether the next sync can be expected to end it.
    pub fn is_behind(&self) -> bool {
        match self {
            Difference::Missing {
                since_last_sync, ..
            }
            | Difference::Timestamp {
                since_last_sync, ..
            } => *since_last_sync,
            Difference::NeverRead | Difference::Scope { .. } => true,
            _ => false,
        }
    }
}
