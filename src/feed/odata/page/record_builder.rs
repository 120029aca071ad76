//! Builds a record from its decoded members.

use std::collections::BTreeMap;

use super::entry::{Entry, RejectReason, RejectedChild};
use crate::record::{Children, Record, Shape};
use crate::value::Value;

/// The members of a record that is being decoded.
pub struct RecordBuilder {
    /// The values of the declared fields.
    pub values: Vec<Value>,
    /// The values of undeclared fields.
    pub extra: BTreeMap<String, serde_json::Value>,
    /// The expanded lists of children.
    pub children: Vec<Option<Vec<Entry>>>,
    /// The next links of those lists.
    pub next_links: Vec<Option<String>>,
    /// The counts of those lists.
    pub counts: Vec<Option<u64>>,
    /// The ModificationTimestamp as the server wrote it.
    pub sent_timestamp: Option<Box<str>>,
    /// The first value with a wrong type.
    pub problem: Option<String>,
}

impl RecordBuilder {
    /// Returns a record without members.
    pub fn new(shape: &Shape) -> RecordBuilder {
        RecordBuilder {
            values: vec![Value::Null; shape.fields.len()],
            extra: BTreeMap::new(),
            children: shape.children.iter().map(|_| None).collect(),
            next_links: vec![None; shape.children.len()],
            counts: vec![None; shape.children.len()],
            sent_timestamp: None,
            problem: None,
        }
    }

    /// Returns the record, or the reason why it is rejected.
    pub fn build(mut self, shape: &Shape) -> Entry {
        let sent_timestamp = self.sent_timestamp.take();
        Entry {
            sent_timestamp,
            ..self.entry(shape)
        }
    }

    fn entry(mut self, shape: &Shape) -> Entry {
        let key = shape.key_of(&self.values);
        let paging = shape.paging_value(&self.values).clone();
        let missing = |name: &str| format!("the record has no {name}");
        let (key, reason) = match (key, self.problem.take()) {
            (key, Some(problem)) => (key, problem),
            (None, None) => (None, missing(&shape.roles.key.join(" or "))),
            (key, None) if matches!(paging, Value::Null) => {
                (key, missing(&shape.paging_field().name))
            }
            (Some(key), None) => return self.valid(shape, key, paging),
        };
        let reason = RejectReason {
            key,
            modified: shape.modified_of(&self.values).map(Box::from),
            reason,
        };
        Entry::rejected(paging, reason)
    }

    fn valid(self, shape: &Shape, key: Box<str>, paging: Value) -> Entry {
        let mut rejected_children = Vec::new();
        let children = self
            .children
            .into_iter()
            .zip(self.next_links.into_iter().zip(self.counts))
            .enumerate()
            .map(|(child, (entries, (next_link, count)))| {
                let (list, rejected) = child_list(child, &key, entries?);
                rejected_children.extend(rejected);
                Some(Children {
                    next_link,
                    count,
                    ..list
                })
            })
            .collect();
        let extra = (!self.extra.is_empty())
            .then(|| serde_json::Value::from_iter(self.extra).to_string().into());
        let record = Record {
            listing_key: shape.parent_of(&self.values),
            key,
            values: self.values,
            extra,
            children,
        };
        Entry {
            paging,
            sent_timestamp: None,
            record: Ok(record),
            rejected_children,
        }
    }
}

/// Separates the entries of one list of children into records and rejects.
fn child_list(
    child: usize,
    listing_key: &str,
    entries: Vec<Entry>,
) -> (Children, Vec<RejectedChild>) {
    let mut list = Children::default();
    let mut rejected = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        match entry.record {
            Ok(mut record) => {
                record.listing_key.get_or_insert_with(|| listing_key.into());
                list.records.push(record);
            }
            Err(reason) => {
                list.note_reject(reason.key.as_deref());
                rejected.push(RejectedChild {
                    child,
                    entry: index,
                    reason,
                });
            }
        }
    }
    (list, rejected)
}
