//! The state of the export in the mirror: the versions of the published tables, and the
//! values that did not fit.

use rusqlite::{named_params, params};

use super::export_rows::{ExportRow, KeyRange};
use super::export_table::ExportTable;
use crate::mirror::sql::SqlValue;
use crate::mirror::{Mirror, ReadTx, WriteTx};
use crate::value::ValueRef;

/// A version of a published table, and the export that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedVersion {
    /// The version of the Delta table.
    pub version: i64,
    /// The export.
    pub run_id: String,
}

/// A table whose new version is published.
#[derive(Clone, Debug)]
pub struct PublishedTable {
    /// The name of the table.
    pub name: String,
    /// Its new version.
    pub version: i64,
    /// The number of its rows.
    pub rows: u64,
    /// The ranges that were written.
    pub ranges: Vec<KeyRange>,
}

impl Mirror {
    /// Creates the table that collects the values that do not fit, or empties it. It belongs
    /// to this connection.
    pub fn collect_misfits(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS found_misfits (
                 table_name TEXT, cluster_key, record_key TEXT, field TEXT, text TEXT);
             DELETE FROM temp.found_misfits",
        )
    }

    /// Returns the number of values that did not fit.
    pub fn count_misfits(&self) -> rusqlite::Result<u64> {
        let count = "SELECT count(*) FROM _export_misfits";
        let count: i64 = self.connection.query_row(count, [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}

impl ReadTx<'_> {
    /// Returns whether this mirror published a version last.
    pub fn has_published(
        &self,
        table: &ExportTable,
        found: &ExportedVersion,
    ) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached(
                "SELECT 1 FROM _export_tables WHERE table_name = :table
                 AND ((version = :version AND run_id = :run)
                      OR (pending_version = :version AND pending_run_id = :run))",
            )?
            .exists(named_params! {
                ":table": table.name, ":version": found.version, ":run": found.run_id,
            })
    }

    /// Ends the transaction and keeps the noted misfits. If it is only dropped, they are
    /// lost.
    pub fn keep_misfits(self) -> rusqlite::Result<()> {
        self.transaction.commit()
    }

    /// Notes a value that its column cannot hold.
    pub fn note_misfit(
        &self,
        table: &ExportTable,
        row: &ExportRow<'_>,
        field: &str,
        value: ValueRef<'_>,
    ) -> rusqlite::Result<()> {
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO temp.found_misfits (table_name, cluster_key, record_key, field, text)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let (cluster, key) = (SqlValue(row.cluster()), SqlValue(row.record_key()));
        insert.execute(params![table.name, cluster, key, field, SqlValue(value)])?;
        Ok(())
    }
}

impl WriteTx<'_> {
    /// Stores which version of a table is about to be published.
    pub fn plan_version(&self, table: &str, planned: &ExportedVersion) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT INTO _export_tables (table_name, pending_version, pending_run_id)
             VALUES (:table, :version, :run)
             ON CONFLICT (table_name) DO UPDATE
             SET pending_version = :version, pending_run_id = :run",
            named_params! { ":table": table, ":version": planned.version, ":run": planned.run_id },
        )?;
        Ok(())
    }

    /// Stores that the new version of a table is published, and which of its values did not
    /// fit. The notes of changes up to a generation are done.
    pub fn finish_version(
        &self,
        run_id: &str,
        table: &PublishedTable,
        generation: i64,
    ) -> rusqlite::Result<()> {
        let db = &self.transaction;
        db.execute(
            "UPDATE _export_tables SET version = :version, run_id = :run,
                    pending_version = NULL, pending_run_id = NULL
             WHERE table_name = :table",
            named_params! { ":table": table.name, ":version": table.version, ":run": run_id },
        )?;
        self.finish_notes(&table.name, generation)?;
        for KeyRange { from, to } in &table.ranges {
            let [from, to] =
                [from, to].map(|bound| bound.as_ref().map(|key| SqlValue(key.as_ref())));
            db.execute(
                "DELETE FROM _export_misfits WHERE table_name = :table
                 AND (:from IS NULL OR cluster_key >= :from)
                 AND (:to IS NULL OR cluster_key IS NULL OR cluster_key < :to)",
                named_params! { ":table": table.name, ":from": from, ":to": to },
            )?;
        }
        db.execute(
            "INSERT INTO _export_misfits (table_name, cluster_key, record_key, field, text)
             SELECT * FROM temp.found_misfits WHERE table_name = ?1",
            [&table.name],
        )?;
        Ok(())
    }

    /// Removes the notes of changes of a table up to a generation.
    pub fn finish_notes(&self, table: &str, generation: i64) -> rusqlite::Result<()> {
        self.transaction.execute(
            "DELETE FROM _export_touched WHERE table_name = ?1 AND generation <= ?2",
            params![table, generation],
        )?;
        Ok(())
    }

    /// Records that an export published a table.
    pub fn record_export(&self, run_id: &str, table: &PublishedTable) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT INTO _exports (run_id, exported_at, table_name, delta_version, rows)
             VALUES (:run, :now, :table, :version, :rows)",
            named_params! {
                ":run": run_id, ":now": self.now, ":table": table.name,
                ":version": table.version, ":rows": table.rows,
            },
        )?;
        Ok(())
    }
}
