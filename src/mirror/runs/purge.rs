//! Purges rows, changes and runs that are older than their retention.

use rusqlite::named_params;
use serde::Serialize;

use crate::mirror::{Mirror, ReadTx, WriteTx};
use crate::resource::Resource;

/// The number of rows in one transaction, which keeps it short for other writers.
const ROWS_AT_ONCE: usize = 1_000;

/// The fact that stores since when the change log is complete, once entries were
/// purged.
const LOG_BEGINS: &str = "log_begins";

/// The numbers of purged rows, changes and runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// Soft-deleted rows.
    pub rows: u64,
    /// Changes.
    pub changes: u64,
    /// Runs.
    pub runs: u64,
}

impl Mirror {
    /// Removes the rows that were soft-deleted before a moment in storage form, with
    /// their field changes and rejects. Their entries about inserts, deletions and
    /// restores stay in the log. The removed data is overwritten on the disk.
    pub fn purge_deleted(&mut self, before: &str) -> rusqlite::Result<Purged> {
        let mut purged = Purged::default();
        self.overwrite_removed(true)?;
        for resource in self.resources()? {
            loop {
                let tx = self.write()?;
                let (rows, changes) = tx.purge_some(resource, before)?;
                tx.commit()?;
                purged.rows += rows as u64;
                purged.changes += changes as u64;
                if rows < ROWS_AT_ONCE {
                    break;
                }
            }
        }
        self.overwrite_removed(false)?;
        if purged.rows > 0 {
            // The write-ahead log would keep the data until it is overwritten.
            self.truncate_wal()?;
        }
        Ok(purged)
    }

    /// Removes changes that were recorded before a moment in storage form.
    pub fn purge_changes(&mut self, before: &str) -> rusqlite::Result<u64> {
        let mut purged = 0;
        loop {
            let tx = self.write()?;
            let removed = tx.transaction.execute(
                "DELETE FROM changes WHERE id IN (
                     SELECT id FROM changes WHERE recorded_at < :before LIMIT :most)",
                named_params! { ":before": before, ":most": ROWS_AT_ONCE },
            )?;
            if removed > 0 {
                tx.set_state(LOG_BEGINS, before)?;
            }
            tx.commit()?;
            purged += removed as u64;
            if removed < ROWS_AT_ONCE {
                return Ok(purged);
            }
        }
    }

    /// Removes runs that started before a moment in storage form. Kept are the newest
    /// run of each job, runs that hold a watermark or a checkpoint, and runs with open
    /// rejects.
    pub fn purge_runs(&mut self, before: &str) -> rusqlite::Result<u64> {
        let tx = self.write()?;
        let removed = tx.keeping_totals(|| {
            tx.transaction.execute(
                "DELETE FROM sync_runs
             WHERE started_at < :before AND status <> 'running' AND checkpoint IS NULL
               AND id NOT IN (SELECT max(id) FROM sync_runs GROUP BY resource, job)
               AND id NOT IN (SELECT max(id) FROM sync_runs WHERE watermark_after IS NOT NULL
                              GROUP BY resource, job = 'deletions')
               AND id NOT IN (SELECT min(id) FROM sync_runs WHERE watermark_after IS NOT NULL
                              GROUP BY resource)
               AND id NOT IN (SELECT max(id) FROM sync_runs
                              WHERE job = 'full' AND status IN ('succeeded', 'partial')
                                AND checkpoint IS NULL GROUP BY resource)
               AND id NOT IN (SELECT run_id FROM rejects WHERE resolved_at IS NULL)",
                named_params! { ":before": before },
            )
        })?;
        tx.transaction.execute(
            "DELETE FROM rejects WHERE resolved_at < :before",
            named_params! { ":before": before },
        )?;
        tx.commit()?;
        Ok(removed as u64)
    }

    /// Sets whether SQLite overwrites removed data with zeros.
    fn overwrite_removed(&self, on: bool) -> rusqlite::Result<()> {
        let sql = format!("PRAGMA secure_delete = {}", if on { "ON" } else { "OFF" });
        self.connection.query_row(&sql, [], |_| Ok(()))
    }
}

impl ReadTx<'_> {
    /// Returns since when the change log is complete, in storage form, if entries were
    /// purged.
    pub fn log_begins(&self) -> rusqlite::Result<Option<String>> {
        self.state(LOG_BEGINS)
    }
}

impl WriteTx<'_> {
    /// Removes some rows of a resource, with their changes and rejects. Returns the
    /// numbers of removed rows and changes.
    fn purge_some(&self, resource: Resource, before: &str) -> rusqlite::Result<(usize, usize)> {
        let (table, key) = (resource.table(), self.key(resource)?);
        let listing_key = match resource {
            Resource::PROPERTY => &*key,
            child if self.has_parent(child)? => "listing_key",
            _ => "NULL",
        };
        // A row whose file still exists is kept, because the file is found by its row.
        let has_no_file = match resource {
            Resource::MEDIA => "AND file_source IS NULL",
            _ => "",
        };
        let some: Vec<(String, Option<String>)> = self
            .transaction
            .prepare_cached(&format!(
                "SELECT CAST({key} AS TEXT), CAST({listing_key} AS TEXT) FROM {table}
                 WHERE deleted_at IS NOT NULL AND deleted_at < :before {has_no_file} LIMIT :most"
            ))?
            .query_map(
                named_params! { ":before": before, ":most": ROWS_AT_ONCE },
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?
            .collect::<Result<_, _>>()?;
        let delete = format!("DELETE FROM {table} WHERE {key} = ?1");
        let mut delete = self.transaction.prepare_cached(&delete)?;
        let mut purge_changes = self.transaction.prepare_cached(
            "DELETE FROM changes
             WHERE listing_key IS ?1 AND resource = ?2 AND record_key = ?3 AND change = 'update'",
        )?;
        let mut forget_rejects = self
            .transaction
            .prepare_cached("DELETE FROM rejects WHERE resource = ?1 AND record_key = ?2")?;
        let set = resource.entity_set();
        let mut changes = 0;
        for (key, listing) in &some {
            delete.execute([key])?;
            changes += purge_changes.execute((listing, set, key))?;
            forget_rejects.execute((set, key))?;
        }
        Ok((some.len(), changes))
    }
}
