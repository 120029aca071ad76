//! Differences between the mirror and the feed.

use serde::Serialize;

use crate::mirror::FileRow;
use crate::sync::media_folder::UnusableFolder;
use crate::value::Value;

/// The result of a verify.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// One entry per resource.
    pub resources: Vec<VerifiedResource>,
    /// The files of photos, if the mirror has photos.
    pub files: Option<VerifiedFiles>,
    /// The number of requests sent.
    pub requests: u64,
}

/// The result for one resource.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedResource {
    /// Its entity set.
    pub resource: &'static str,
    /// The number of the feed's records within the filter; `None` if the feed did not
    /// answer.
    pub feed: Option<u64>,
    /// The number of live rows.
    pub mirror: u64,
    /// Whether counts were compared, and keys only where they differ.
    pub by_counts: bool,
    /// Whether its records were read with their listings, because they come only so.
    #[serde(skip)]
    pub with_listings: bool,
    /// The number of records compared field by field.
    pub sampled: u64,
    /// The differences.
    pub differences: Vec<Difference>,
}

impl VerifiedResource {
    /// Returns the number of records if the mirror has all that the feed had at the last sync.
    pub(super) fn proven(&self) -> Option<u64> {
        let is_field = |found: &Difference| matches!(found, Difference::Field { .. });
        let mut found = self.differences.iter();
        self.feed
            .filter(|_| found.all(|one| one.is_pending() || is_field(one)))
    }
}

/// One difference between the mirror and the feed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Difference {
    /// The resource has never completed a full sync.
    NeverRead,
    /// It was read with another filter or other fields than are configured now.
    Scope {
        /// How they differ.
        what: String,
    },
    /// The feed did not answer.
    Unanswered {
        /// The error.
        error: String,
    },
    /// The feed's count differs from the number of records in its pages.
    Count {
        /// The count.
        counted: u64,
        /// The number of records in its pages.
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
        /// The field; `extra` for fields that are not declared.
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
    /// Returns whether the next sync is expected to remove the difference.
    pub fn is_pending(&self) -> bool {
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

/// The result of comparing files.
#[derive(Clone, Debug, Default, Serialize)]
pub struct VerifiedFiles {
    /// The number of files read.
    pub checked: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The number of photos still to download.
    pub to_fetch: u64,
    /// The number of photos that their hosts did not have at the last request.
    pub unavailable: u64,
    /// Why the files were not compared: the folder cannot be used.
    pub unusable: Option<UnusableFolder>,
    /// The differences.
    pub differences: Vec<FileDifference>,
}

/// A file that differs from its photo's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileDifference {
    /// The photo's key.
    pub key: String,
    /// The key of its listing.
    pub listing_key: Option<String>,
    /// Its path within the media folder.
    pub path: String,
    /// How it differs.
    #[serde(flatten)]
    pub kind: FileDifferenceKind,
}

impl FileDifference {
    /// Returns a difference of a file.
    pub(super) fn of(file: &FileRow, kind: FileDifferenceKind) -> FileDifference {
        FileDifference {
            key: file.key.clone(),
            listing_key: file.listing_key.clone(),
            path: file.path.clone(),
            kind,
        }
    }
}

/// How a file differs from its photo's row, or from the photo of its host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FileDifferenceKind {
    /// It does not exist.
    Missing,
    /// Its content differs.
    Changed,
    /// Its host has another photo.
    Outdated,
    /// Its host does not send the photo.
    Unanswered {
        /// The error of the request.
        error: String,
    },
    /// It cannot be read.
    Unreadable {
        /// The error of the system.
        error: String,
    },
}
