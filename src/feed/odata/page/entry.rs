//! One element of `value`: a record, or the reason why it is rejected.

use crate::record::{Record, Shape};
use crate::value::Value;

/// One element of `value`.
pub struct Entry {
    /// The paging key, or null.
    pub paging: Value,
    /// The ModificationTimestamp as the server wrote it, if the entry has one.
    pub sent_timestamp: Option<Box<str>>,
    /// The record, or the reason why it is rejected.
    pub record: Result<Record, RejectReason>,
    /// The rejected children of a valid record.
    pub rejected_children: Vec<RejectedChild>,
}

/// Why a record cannot be stored.
pub struct RejectReason {
    /// The key, if the record has one.
    pub key: Option<Box<str>>,
    /// The ModificationTimestamp, if the record has one.
    pub modified: Option<Box<str>>,
    /// The reason, for people.
    pub reason: String,
}

/// A child that cannot be stored.
pub struct RejectedChild {
    /// The index of the child in the shape.
    pub child: usize,
    /// The index of the entry in the child's list.
    pub entry: usize,
    /// Why it is rejected.
    pub reason: RejectReason,
}

impl Entry {
    /// Returns an entry that is not a JSON object.
    pub fn not_an_object() -> Entry {
        Entry::rejected(
            Value::Null,
            RejectReason {
                key: None,
                modified: None,
                reason: "the record is not a JSON object".to_owned(),
            },
        )
    }

    /// Returns a rejected entry.
    pub fn rejected(paging: Value, reason: RejectReason) -> Entry {
        Entry {
            paging,
            sent_timestamp: None,
            record: Err(reason),
            rejected_children: Vec::new(),
        }
    }

    /// Returns whether the record or one of its children is rejected.
    pub fn has_rejects(&self) -> bool {
        self.record.is_err() || !self.rejected_children.is_empty()
    }

    /// Returns the ModificationTimestamp in storage form.
    pub fn modified(&self, shape: &Shape) -> Option<&str> {
        match &self.record {
            Ok(record) => shape.modified_of(&record.values),
            Err(reason) => reason.modified.as_deref(),
        }
    }
}
