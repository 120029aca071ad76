//! The net changes of one sync: two changes of a field become one, and a record that is
//! inserted and deleted again leaves no change.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use rusqlite::{Transaction, named_params};

use super::changed_record::ChangedRecord;
use crate::mirror::sql::{SqlValue, stored};
use crate::mirror::{Mirror, WriteTx};
use crate::resource::Resource;
use crate::value::Value;

/// The records that the current sync has logged.
#[derive(Debug, Default)]
pub(in crate::mirror) struct Logged {
    /// The newest change of earlier syncs.
    before: i64,
    /// Hashes of the records with changes of this sync. A hash takes little memory, and
    /// a sync may log a million changes. A collision costs one query.
    records: HashSet<u64>,
}

/// How a change is logged.
pub(in crate::mirror) enum Net {
    /// As a new entry.
    New,
    /// Merged into an earlier entry, or dropped; the number says how many entries fewer
    /// the log has.
    Merged(u64),
}

impl Mirror {
    /// Starts a sync: the changes from now on are netted.
    pub fn begin_sync(&mut self) -> rusqlite::Result<()> {
        let before =
            self.connection
                .query_row("SELECT coalesce(max(id), 0) FROM changes", [], |row| {
                    row.get(0)
                })?;
        self.logged.replace(Logged {
            before,
            records: HashSet::new(),
        });
        Ok(())
    }
}

fn hash(resource: Resource, key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (resource, key).hash(&mut hasher);
    hasher.finish()
}

/// An entry of the current sync.
struct Entry {
    id: i64,
    change: String,
    field: Option<String>,
    old: Value,
}

impl WriteTx<'_> {
    /// Nets a change with the entries of the same record in this sync.
    pub(in crate::mirror) fn net(
        &self,
        subject: ChangedRecord<'_>,
        change: &str,
        field: Option<&str>,
        new: &Value,
    ) -> rusqlite::Result<Net> {
        let is_first = {
            let mut logged = self.logged.borrow_mut();
            logged.records.insert(hash(subject.resource, subject.key))
        };
        if is_first {
            return Ok(Net::New);
        }
        let entries = self.entries_of(subject)?;
        let of_kind = |kind: &str| entries.iter().find(|entry| entry.change == kind);
        let has_updates = of_kind("update").is_some();
        let came = of_kind("insert");
        match change {
            "update" if came.is_some() => Ok(Net::Merged(0)),
            "update" => {
                let earlier = entries.iter().find(|entry| entry.field.as_deref() == field);
                match earlier {
                    None => Ok(Net::New),
                    Some(earlier) if earlier.old == *new => self.drop_entries(&[earlier]),
                    Some(earlier) => self.lead_to(earlier, new, subject),
                }
            }
            "delete" if came.is_some() => self.drop_entries(&entries.iter().collect::<Vec<_>>()),
            "delete" if !has_updates => self.cancel(of_kind("restore")),
            "restore" => self.cancel(of_kind("delete")),
            _ => Ok(Net::New),
        }
    }

    fn entries_of(&self, subject: ChangedRecord<'_>) -> rusqlite::Result<Vec<Entry>> {
        // There is an index by listing. Without a listing, all entries of this sync are
        // searched.
        let by_listing = match subject.listing_key {
            Some(_) => "listing_key = :listing AND",
            None => ":listing IS NULL AND",
        };
        self.transaction
            .prepare_cached(&format!(
                "SELECT id, change, field, old_value FROM changes
                 WHERE {by_listing} id > :before AND resource = :resource AND record_key = :key
                 ORDER BY id"
            ))?
            .query_map(
                named_params! {
                    ":listing": subject.listing_key,
                    ":before": self.logged.borrow().before,
                    ":resource": subject.resource.entity_set(),
                    ":key": subject.key,
                },
                |row| {
                    Ok(Entry {
                        id: row.get(0)?,
                        change: row.get(1)?,
                        field: row.get(2)?,
                        old: stored(row, 3).to_owned(),
                    })
                },
            )?
            .collect()
    }

    fn cancel(&self, opposite: Option<&Entry>) -> rusqlite::Result<Net> {
        match opposite {
            Some(entry) => self.drop_entries(&[entry]),
            None => Ok(Net::New),
        }
    }

    fn drop_entries(&self, entries: &[&Entry]) -> rusqlite::Result<Net> {
        for entry in entries {
            delete_entry(&self.transaction, entry.id)?;
        }
        Ok(Net::Merged(entries.len() as u64))
    }

    fn lead_to(
        &self,
        earlier: &Entry,
        new: &Value,
        to: ChangedRecord<'_>,
    ) -> rusqlite::Result<Net> {
        self.transaction
            .prepare_cached(
                "UPDATE changes SET new_value = :new, source_timestamp = :source WHERE id = :id",
            )?
            .execute(named_params! {
                ":new": SqlValue(new.as_ref()), ":source": to.source_timestamp, ":id": earlier.id,
            })?;
        Ok(Net::Merged(0))
    }
}

fn delete_entry(transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM changes WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}
