//! Remembers which records the current sync has logged.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::resource::Resource;

/// The records that the current sync has logged.
#[derive(Debug, Default)]
pub(in crate::mirror) struct LoggedRecords {
    /// The newest change of earlier syncs.
    pub(super) before: i64,
    /// The newest change of each record in this sync, by a hash of the record. A hash takes
    /// little memory, and a sync may log a million changes. A collision costs one query.
    newest: HashMap<u64, i64>,
}

impl LoggedRecords {
    /// Starts a sync, in which all changes have greater ids than `before`.
    pub(super) fn after(before: i64) -> LoggedRecords {
        LoggedRecords {
            before,
            newest: HashMap::new(),
        }
    }

    /// Notes a change of a record.
    pub(super) fn insert(&mut self, resource: Resource, key: &str, id: i64) {
        self.newest.insert(hash(resource, key), id);
    }

    /// Returns the newest change of a record, which may be deleted from the log since.
    pub(super) fn newest(&self, resource: Resource, key: &str) -> Option<i64> {
        self.newest.get(&hash(resource, key)).copied()
    }
}

fn hash(resource: Resource, key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (resource, key).hash(&mut hasher);
    hasher.finish()
}
