//! The state of a listing at an earlier moment, from its rows and the later log.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension};

use super::change_reader::{ChangeRow, entries};
use crate::mirror::HeldRecord;
use crate::mirror::photos::is_file_column;
use crate::mirror::rows::rows_where;
use crate::mirror::stored_key::quoted_key;
use crate::resource::{MODIFICATION_TIMESTAMP, Resource, TIMESTAMPS};
use crate::value::Value;

/// Selects the entries of children that moved from one listing to another. Must equal
/// the condition of the index `changes_moved`.
const MOVED: &str = "resource <> 'Property' AND field IN \
     ('ResourceRecordKey', 'ResourceRecordKeyNumeric', 'ListingKey', 'ListingKeyNumeric')";

/// The fields in which a child can name its listing, as in [`MOVED`].
const LISTING_FIELDS: [&str; 4] = [
    "ResourceRecordKey",
    "ResourceRecordKeyNumeric",
    "ListingKey",
    "ListingKeyNumeric",
];

/// A past moment.
pub(in crate::mirror) struct Past {
    /// The moment in storage form.
    pub(in crate::mirror) at: String,
    /// The last entry of the log at that moment.
    pub(in crate::mirror) last: i64,
    /// The children that moved from one listing to another since then.
    moved: BTreeSet<(String, String)>,
}

impl Past {
    /// Returns a moment, given in storage form, for a listing.
    pub(in crate::mirror) fn at(db: &Connection, key: &str, at: &str) -> rusqlite::Result<Past> {
        let last: Option<i64> = db
            .query_row(
                "SELECT id FROM changes WHERE recorded_at <= ?1
                 ORDER BY recorded_at DESC, id DESC LIMIT 1",
                [at],
                |row| row.get(0),
            )
            .optional()?;
        let last = last.unwrap_or(0);
        let moves = entries(db, &format!("{MOVED} AND id > ?1"), &[&last])?;
        let concerns = |entry: &ChangeRow| {
            let values = [&entry.old_value, &entry.new_value];
            let mut keys = values.into_iter().filter_map(Value::to_key);
            entry.listing_key.as_deref() == Some(key) || keys.any(|named| &*named == key)
        };
        let moved = moves.into_iter().filter(concerns);
        Ok(Past {
            at: at.to_owned(),
            last,
            moved: moved
                .map(|entry| (entry.resource, entry.record_key))
                .collect(),
        })
    }

    /// Returns a record as it was, from its row and its entries of the log; None if the
    /// mirror did not hold it then.
    pub(in crate::mirror) fn of(
        &self,
        mut record: HeldRecord,
        entries: &[ChangeRow],
    ) -> Option<HeldRecord> {
        let is_its = |entry: &&ChangeRow| {
            entry.resource == record.resource.entity_set() && entry.record_key == record.key
        };
        let entries: Vec<&ChangeRow> = entries.iter().filter(is_its).collect();
        let (before, since): (Vec<&ChangeRow>, Vec<&ChangeRow>) =
            entries.iter().partition(|entry| entry.id <= self.last);
        for entry in since.iter().rev() {
            match (entry.change.as_str(), &entry.field) {
                ("insert", _) => return None,
                ("delete", _) => {
                    record.is_deleted = false;
                    record.set("deleted_at", Value::Null);
                    record.set("deleted_reason", Value::Null);
                }
                ("restore", _) => {
                    record.is_deleted = true;
                    let deleted = before.iter().rfind(|entry| entry.change == "delete");
                    // None if the entry has been purged.
                    let at = deleted.map(|entry| Value::Text(entry.recorded_at.as_str().into()));
                    record.set("deleted_at", at.unwrap_or(Value::Null));
                }
                (_, Some(field)) => record.set(field, entry.old_value.clone()),
                _ => {}
            }
        }
        if record.text("first_seen_at") > self.at {
            return None;
        }
        // The log does not cover these columns, so they are left out.
        record
            .values
            .retain(|(name, _)| name != "updated_at" && !is_file_column(name));
        let mut timestamps = TIMESTAMPS.into_iter();
        let own = timestamps.find(|name| record.value(name).is_some());
        let own = own.unwrap_or(MODIFICATION_TIMESTAMP);
        if record.text(own) > self.at || !since.is_empty() {
            let mut entries = before.iter().rev().filter(|entry| entry.change != "delete");
            let timestamp = entries.find_map(|entry| entry.source_timestamp.as_deref());
            let timestamp = timestamp.map_or(Value::Null, |text| Value::Text(text.into()));
            record.set(own, timestamp);
        }
        Some(record)
    }

    /// Returns the listing's children as they were, from its current children.
    pub(in crate::mirror) fn children(
        &self,
        db: &Connection,
        key: &str,
        now: Vec<HeldRecord>,
        history: &[ChangeRow],
    ) -> rusqlite::Result<Vec<HeldRecord>> {
        let stayed = now.into_iter().filter(|record| {
            let resource = record.resource.entity_set();
            !self.has_moved((resource, &record.key))
        });
        let mut children: Vec<HeldRecord> = stayed
            .filter_map(|record| self.of(record, history))
            .collect();
        for (resource, record_key) in &self.moved {
            let Ok(resource) = resource.parse::<Resource>() else {
                continue;
            };
            let condition = format!("{} = ?1", quoted_key(db, resource)?);
            let Some(record) = rows_where(db, resource, &condition, record_key)?.pop() else {
                continue;
            };
            let set = resource.entity_set();
            // The child's log covers several listings.
            let log = entries(
                db,
                "resource = ?1 AND record_key = ?2 ORDER BY id",
                &[&set, record_key],
            )?;
            let belonged = |record: &HeldRecord| {
                let mut parents = LISTING_FIELDS.into_iter();
                let parent = parents.find_map(|field| record.value(field)?.to_key());
                parent.as_deref() == Some(key)
            };
            children.extend(self.of(record, &log).filter(belonged));
        }
        Ok(children)
    }

    /// Returns the number of children whose rows have been purged since.
    pub(in crate::mirror) fn purged(
        &self,
        children: &[HeldRecord],
        history: &[ChangeRow],
    ) -> usize {
        let mut first = BTreeMap::new();
        for entry in history.iter().filter(|entry| entry.id > self.last) {
            let name = (entry.resource.as_str(), entry.record_key.as_str());
            first.entry(name).or_insert(entry.change.as_str());
        }
        let is_held = |name: (&str, &str)| {
            let mut held = children.iter();
            held.any(|child| (child.resource.entity_set(), child.key.as_str()) == name)
        };
        let was_there = first.into_iter().filter(|(_, change)| *change == "delete");
        was_there
            .filter(|(name, _)| name.0 != "Property" && !is_held(*name) && !self.has_moved(*name))
            .count()
    }

    fn has_moved(&self, (resource, key): (&str, &str)) -> bool {
        let name = (resource.to_owned(), key.to_owned());
        self.moved.contains(&name)
    }
}
