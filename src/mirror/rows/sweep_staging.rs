//! The records that an unfinished sweep has seen or found missing, stored with each
//! page.

use rusqlite::{named_params, params_from_iter};

use super::live_ranges::within;
use crate::feed::KeyRange;
use crate::mirror::sql::quoted;
use crate::mirror::{Job, Mirror, ReadTx, WriteTx};
use crate::record::Shape;
use crate::resource::Resource;

impl Mirror {
    /// Returns the keys of the live rows without a number to page by: no page covers them, and
    /// the feed sends no such record.
    pub fn live_keys_out_of_order(&self, shape: &Shape) -> rusqlite::Result<Vec<String>> {
        // Each part uses the index of the paging keys. A condition with OR reads all rows.
        let sql = format!(
            "SELECT CAST({key} AS TEXT) FROM {table}
             WHERE deleted_at IS NULL AND {paging} IS NULL
             UNION ALL
             SELECT CAST({key} AS TEXT) FROM {table}
             WHERE deleted_at IS NULL AND {paging} >= ''",
            key = quoted(shape.key_column()),
            table = shape.resource.table(),
            paging = quoted(&shape.paging_field().name)
        );
        let mut statement = self.connection.prepare(&sql)?;
        statement.query_map([], |row| row.get(0))?.collect()
    }

    /// Returns the number of records that a sweep has marked as seen.
    pub fn count_seen(&self, job: Job, resource: Resource) -> rusqlite::Result<u64> {
        self.connection.query_row(
            "SELECT count(*) FROM _sweep_seen WHERE job = ?1 AND resource = ?2",
            [job.as_str(), resource.entity_set()],
            |row| row.get(0),
        )
    }
}

impl ReadTx<'_> {
    /// Returns whether any job has marked records of the resource as missing.
    pub fn has_missing(&self, resource: Resource) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached("SELECT 1 FROM _sweep_missing WHERE resource = ?1")?
            .exists([resource.entity_set()])
    }

    /// Returns the keys that a sweep marked as missing and whose rows are still live.
    pub fn missing(&self, job: Job, resource: Resource) -> rusqlite::Result<Vec<String>> {
        self.transaction
            .prepare(&format!(
                "SELECT record_key FROM _sweep_missing AS missing
                 WHERE job = :job AND resource = :resource AND EXISTS (
                     SELECT 1 FROM {} WHERE {} = missing.record_key AND deleted_at IS NULL)
                 ORDER BY record_key",
                resource.table(),
                self.key(resource)?
            ))?
            .query_map(
                named_params! { ":job": job.as_str(), ":resource": resource.entity_set() },
                |row| row.get(0),
            )?
            .collect()
    }

    /// Returns the keys of the live rows whose paging key is in a range.
    pub fn live_keys_in(&self, shape: &Shape, range: &KeyRange) -> rusqlite::Result<Vec<String>> {
        let (within, parameters) = within(&quoted(&shape.paging_field().name), range);
        self.transaction
            .prepare_cached(&format!(
                "SELECT CAST({key} AS TEXT) FROM {table}
                 WHERE deleted_at IS NULL AND {paging} IS NOT NULL {within}",
                key = quoted(shape.key_column()),
                table = shape.resource.table(),
                paging = quoted(&shape.paging_field().name)
            ))?
            .query_map(params_from_iter(parameters), |row| row.get(0))?
            .collect()
    }
}

impl WriteTx<'_> {
    /// Clears the marks of an earlier sweep of the resource.
    pub fn clear_sweep(&self, job: Job, resource: Resource) -> rusqlite::Result<()> {
        for table in ["_sweep_seen", "_sweep_missing"] {
            self.transaction.execute(
                &format!("DELETE FROM {table} WHERE job = ?1 AND resource = ?2"),
                [job.as_str(), resource.entity_set()],
            )?;
        }
        Ok(())
    }

    /// Marks a record as seen by a sweep.
    pub fn mark_seen(&self, job: Job, resource: Resource, key: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO _sweep_seen (job, resource, record_key) VALUES (?1, ?2, ?3)",
            )?
            .execute([job.as_str(), resource.entity_set(), key])?;
        Ok(())
    }

    /// Marks a record that the mirror holds as missing from the feed.
    pub fn mark_missing(&self, job: Job, resource: Resource, key: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO _sweep_missing (job, resource, record_key) VALUES (?1, ?2, ?3)",
            )?
            .execute([job.as_str(), resource.entity_set(), key])?;
        Ok(())
    }

    /// Removes a record's mark as missing, whichever job set it.
    pub fn unmark_missing(&self, resource: Resource, key: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("DELETE FROM _sweep_missing WHERE resource = ?1 AND record_key = ?2")?
            .execute([resource.entity_set(), key])?;
        Ok(())
    }

    /// Marks the live rows that a sweep has not seen as missing.
    pub fn mark_unseen_missing(&self, job: Job, resource: Resource) -> rusqlite::Result<()> {
        self.transaction.execute(
            &format!(
                "INSERT OR IGNORE INTO _sweep_missing (job, resource, record_key)
                 SELECT :job, :resource, {key} FROM {table} AS held
                 WHERE deleted_at IS NULL AND NOT EXISTS (
                     SELECT 1 FROM _sweep_seen
                     WHERE job = :job AND resource = :resource
                       AND record_key = CAST(held.{key} AS TEXT))",
                key = self.key(resource)?,
                table = resource.table()
            ),
            named_params! { ":job": job.as_str(), ":resource": resource.entity_set() },
        )?;
        Ok(())
    }
}
