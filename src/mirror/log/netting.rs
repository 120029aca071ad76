//! The net changes of one sync: two changes of a field become one, and a record that is
//! inserted and deleted again leaves no change.

use rusqlite::{Transaction, named_params};

use super::changed_record::ChangedRecord;
use super::logged_records::LoggedRecords;
use crate::mirror::sql::{SqlValue, stored};
use crate::mirror::{Mirror, WriteTx};
use crate::value::Value;

/// How a change is logged.
pub(in crate::mirror) enum Net {
    /// As a new entry.
    New,
    /// Merged into an earlier entry, or dropped. Holds the number of entries that were
    /// deleted from the log.
    Merged(u64),
}

impl Mirror {
    /// Starts a sync: the changes from now on are netted.
    pub fn begin_sync(&mut self) -> rusqlite::Result<()> {
        let before = self.newest_change()?;
        self.logged.replace(LoggedRecords::after(before));
        Ok(())
    }
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
        let newest = self.logged.borrow().newest(subject.resource, subject.key);
        let Some(newest) = newest else {
            return Ok(Net::New);
        };

        let entries = self.entries_of(subject, newest)?;
        let of_kind = |kind: &str| entries.iter().find(|entry| entry.change == kind);
        let has_updates = of_kind("update").is_some();
        let inserted = of_kind("insert");

        match change {
            "update" if inserted.is_some() => Ok(Net::Merged(0)),
            "update" => {
                let earlier = entries.iter().find(|entry| entry.field.as_deref() == field);
                match earlier {
                    None => Ok(Net::New),
                    Some(earlier) if earlier.old == *new => self.drop_entries(&[earlier]),
                    Some(earlier) => self.merge_into(earlier, new, subject),
                }
            }
            "delete" if inserted.is_some() => {
                self.drop_entries(&entries.iter().collect::<Vec<_>>())
            }
            "delete" if !has_updates => self.cancel(of_kind("restore")),
            "restore" => self.cancel(of_kind("delete")),
            _ => Ok(Net::New),
        }
    }

    /// Returns the entries of a record. `newest` is the id of its newest one.
    fn entries_of(&self, subject: ChangedRecord<'_>, newest: i64) -> rusqlite::Result<Vec<Entry>> {
        // There is an index by listing, and a record may move to another listing. Without a
        // listing, all entries of this sync are searched.
        let by_listing = match subject.listing_key {
            Some(_) => {
                "listing_key IN (:listing, (SELECT listing_key FROM changes WHERE id = :newest)) AND"
            }
            None => ":listing IS NULL AND :newest > 0 AND",
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
                    ":newest": newest,
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

    fn merge_into(
        &self,
        earlier: &Entry,
        new: &Value,
        subject: ChangedRecord<'_>,
    ) -> rusqlite::Result<Net> {
        self.transaction
            .prepare_cached(
                "UPDATE changes SET new_value = :new, source_timestamp = :source WHERE id = :id",
            )?
            .execute(named_params! {
                ":new": SqlValue(new.as_ref()), ":source": subject.source_timestamp, ":id": earlier.id,
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
