//! Writing the change log.

use rusqlite::{CachedStatement, ToSql, named_params};

use super::change_reader::ChangeRow;
use super::changed_record::ChangedRecord;
use super::netting::Net;
use crate::mirror::dropped_write::dropped_write;
use crate::mirror::sql::SqlValue;
use crate::mirror::{Mirror, RunId, WriteTx};
use crate::value::Value;
use serde::Serialize;

/// A change of a whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The record is new.
    Insert,
    /// The record was deleted.
    Delete,
    /// The record was restored.
    Restore,
}

impl ChangeKind {
    fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Insert => "insert",
            ChangeKind::Delete => "delete",
            ChangeKind::Restore => "restore",
        }
    }
}

/// The number of changes of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeCount {
    /// The resource.
    pub resource: String,
    /// `insert`, `update`, `delete` or `restore`.
    pub change: String,
    /// For `update`, the field.
    pub field: Option<String>,
    /// The number of changes.
    pub count: i64,
}

impl Mirror {
    /// Counts the changes that the runs from `since` on found, by kind.
    pub fn count_changes(&self, since: i64) -> rusqlite::Result<Vec<ChangeCount>> {
        self.connection
            .prepare(
                "SELECT resource, change, field, count(*) FROM changes WHERE run_id >= :since
                 GROUP BY resource, change, field ORDER BY count(*) DESC, resource, change, field",
            )?
            .query_map(named_params! { ":since": since }, |row| {
                Ok(ChangeCount {
                    resource: row.get(0)?,
                    change: row.get(1)?,
                    field: row.get(2)?,
                    count: row.get(3)?,
                })
            })?
            .collect()
    }

    /// Returns a few notable changes of listings that the runs from `since` on found:
    /// price changes, status changes, and new, deleted or restored listings.
    pub fn notable_changes(&self, since: i64, limit: u32) -> rusqlite::Result<Vec<ChangeRow>> {
        self.connection
            .prepare(&format!(
                "SELECT {}
                 FROM (SELECT *, row_number() OVER (PARTITION BY change, field ORDER BY id) AS place
                       FROM changes
                       WHERE run_id >= :since AND resource = 'Property'
                         AND (field IS NULL OR field IN ('ListPrice', 'StandardStatus')))
                 ORDER BY place, id LIMIT :limit",
                ChangeRow::COLUMNS.join(", ")
            ))?
            .query_map(
                named_params! { ":since": since, ":limit": limit },
                ChangeRow::from_row,
            )?
            .collect()
    }
}

/// Writes the changes of one run, within one transaction.
pub struct ChangeLog<'w> {
    insert: CachedStatement<'w>,
    run: RunId,
    tx: &'w WriteTx<'w>,
}

impl WriteTx<'_> {
    /// Prepares to log the changes of a run.
    pub fn changes(&self, run: RunId) -> rusqlite::Result<ChangeLog<'_>> {
        let insert = self.transaction.prepare_cached(
            "INSERT INTO changes (run_id, resource, record_key, listing_key, change, field,
                                  old_value, new_value, source_timestamp, recorded_at)
             VALUES (:run, :resource, :key, :listing, :change, :field,
                     :old, :new, :source, :now)",
        )?;
        Ok(ChangeLog {
            insert,
            run,
            tx: self,
        })
    }
}

impl ChangeLog<'_> {
    /// Logs that a record was inserted, deleted or restored. Returns by how many
    /// entries the log grew.
    pub fn record(
        &mut self,
        subject: ChangedRecord<'_>,
        kind: ChangeKind,
    ) -> rusqlite::Result<i64> {
        self.write(subject, kind.as_str(), None, &Value::Null, &Value::Null)
    }

    /// Logs that a field changed. Returns by how many entries the log grew.
    pub fn field(
        &mut self,
        subject: ChangedRecord<'_>,
        field: &str,
        old: &Value,
        new: &Value,
    ) -> rusqlite::Result<i64> {
        self.write(subject, "update", Some(field), old, new)
    }

    fn write(
        &mut self,
        subject: ChangedRecord<'_>,
        change: &str,
        field: Option<&str>,
        old: &Value,
        new: &Value,
    ) -> rusqlite::Result<i64> {
        if let Net::Merged(fewer) = self.tx.net(subject, change, field, new)? {
            return Ok(-(fewer as i64));
        }
        let (old, new) = (SqlValue(old.as_ref()), SqlValue(new.as_ref()));
        let inserted = self.insert.execute(named_params! {
            ":run": self.run.0,
            ":resource": subject.resource.entity_set(),
            ":key": subject.key,
            ":listing": subject.listing_key,
            ":change": change,
            ":field": field,
            ":old": &old as &dyn ToSql,
            ":new": &new as &dyn ToSql,
            ":source": subject.source_timestamp,
            ":now": self.tx.now,
        })?;
        if inserted == 0 {
            return Err(dropped_write(&self.tx.transaction, "changes"));
        }
        let id = self.tx.transaction.last_insert_rowid();
        let mut logged = self.tx.logged.borrow_mut();
        logged.insert(subject.resource, subject.key, id);
        Ok(1)
    }
}
