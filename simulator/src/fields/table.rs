//! The entity types of the feed, read from `fixtures/fields.tsv`.

use std::collections::HashMap;

use super::field::{Field, Kind};
use super::set::Set;
use super::tsv::cells;
use crate::behaviour::DeletedNames;

/// The field with the time of a record's last change.
pub const MODIFICATION_TIMESTAMP: &str = "ModificationTimestamp";

/// The field that is false in deleted records. Source: docs.mlsgrid.com
pub const CAN_VIEW: &str = "MlgCanView";

const FIELDS: &str = include_str!("../../fixtures/fields.tsv");

/// An entity type.
#[derive(Clone, Debug)]
pub struct Table {
    pub set: Set,
    pub fields: Vec<Field>,
    by_name: HashMap<String, usize>,
    /// The position of `ModificationTimestamp`.
    pub timestamp: Option<usize>,
    /// The position of `MlgCanView`, on a server that marks deleted records.
    pub can_view: Option<usize>,
}

impl Table {
    pub fn new(set: Set, fields: Vec<Field>) -> Table {
        let by_name = fields
            .iter()
            .enumerate()
            .map(|(at, f)| (f.name.clone(), at))
            .collect();
        let timestamp = fields.iter().position(|f| f.name == MODIFICATION_TIMESTAMP);
        Table {
            set,
            fields,
            by_name,
            timestamp,
            can_view: None,
        }
    }

    /// Returns the field's position, whether or not `$metadata` declares it.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Returns the field's position if `$metadata` declares it.
    pub fn declared(&self, name: &str) -> Option<usize> {
        self.position(name)
            .filter(|&at| self.fields[at].is_declared)
    }

    /// Adds a field, or declares an existing one again. Returns whether the field is new.
    pub fn declare(&mut self, name: &str, kind: Kind) -> bool {
        if let Some(at) = self.position(name) {
            self.fields[at].is_declared = true;
            return false;
        }

        if name == CAN_VIEW {
            self.can_view = Some(self.fields.len());
        }
        self.by_name.insert(name.to_owned(), self.fields.len());
        self.fields.push(Field::new(name, kind));
        true
    }

    /// Removes a field from `$metadata`. Returns whether the table has the field.
    pub fn undeclare(&mut self, name: &str) -> bool {
        let at = self.position(name);
        if let Some(at) = at {
            self.fields[at].is_declared = false;
        }
        at.is_some()
    }

    /// Returns the entity type of the Deleted feed with the given field names.
    pub fn deleted(names: DeletedNames) -> Table {
        let fields: &[(&str, Kind)] = match names {
            DeletedNames::Live | DeletedNames::Absent => &[
                ("resource", Kind::Text),
                ("primary_key", Kind::Text),
                ("ts", Kind::Timestamp),
            ],
            DeletedNames::Guide => &[
                ("ListingId", Kind::Text),
                ("DeletedDate", Kind::Timestamp),
                ("DeletedReason", Kind::Text),
            ],
            DeletedNames::Resource => &[
                ("ResourceName", Kind::Text),
                ("ResourceRecordKey", Kind::Text),
                ("DeletedDateTime", Kind::Timestamp),
            ],
        };
        let fields = fields.iter().map(|(name, kind)| Field::new(name, *kind));
        Table::new(Set::Deleted, fields.collect())
    }
}

/// Returns the entity types that the service starts with, in the order of [`Set::ALL`].
pub fn tables() -> Vec<Table> {
    let mut fields: HashMap<Set, Vec<Field>> = HashMap::new();
    for line in FIELDS.lines().skip(1) {
        let [entity, name, kind, precision, scale, max_length, key] = cells(line);
        if let (Some(set), Some(kind)) = (Set::named(entity), Kind::named(kind)) {
            fields.entry(set).or_default().push(Field {
                precision,
                scale,
                max_length,
                is_key: key == "key",
                ..Field::new(name, kind)
            });
        }
    }
    Set::ALL
        .into_iter()
        .map(|set| Table::new(set, fields.remove(&set).unwrap_or_default()))
        .collect()
}
