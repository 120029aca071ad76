//! Remembers which records the current sync has logged.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::resource::Resource;

/// The records that the current sync has logged.
#[derive(Debug, Default)]
pub(in crate::mirror) struct LoggedRecords {
    /// The newest change of earlier syncs.
    pub(super) before: i64,
    /// Hashes of the records with changes of this sync. A hash takes little memory, and
    /// a sync may log a million changes. A collision costs one query.
    hashes: HashSet<u64>,
}

impl LoggedRecords {
    /// Starts a sync, in which all changes have greater ids than `before`.
    pub(super) fn after(before: i64) -> LoggedRecords {
        LoggedRecords {
            before,
            hashes: HashSet::new(),
        }
    }

    /// Adds a record. Returns whether it is new.
    pub(super) fn insert(&mut self, resource: Resource, key: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        (resource, key).hash(&mut hasher);
        self.hashes.insert(hasher.finish())
    }
}
