//! Which clusters changed since the last export. Triggers note them in the transaction of
//! the row, whoever changes it.

use rusqlite::{Connection, named_params};

use super::export_table::{ExportTable, Noted};
use crate::mirror::sql::stored;
use crate::mirror::{ReadTx, WriteTx};
use crate::value::Value;

/// The start of the names of the triggers.
pub(in crate::mirror) const EXPORT_TRIGGERS: &str = "_export_";

impl ExportTable {
    /// Returns the triggers that note changes: their names and SQL.
    fn triggers(&self) -> Vec<(String, String)> {
        let condition = match self.noted {
            Noted::All => "1",
            Noted::Existing(condition) => condition,
            Noted::Nothing => return Vec::new(),
        };
        let cluster = &self.cluster;
        let of_cluster = format!("UPDATE OF {cluster}");
        let is_moved = format!("OLD.{cluster} IS NOT NEW.{cluster} AND {condition}");
        let mut triggers = vec![
            self.trigger("update", "UPDATE", "NEW", condition),
            self.trigger("move", &of_cluster, "OLD", &is_moved),
            self.trigger("delete", "DELETE", "OLD", condition),
        ];
        if self.noted == Noted::All {
            triggers.push(self.trigger("insert", "INSERT", "NEW", condition));
        }
        triggers
    }

    /// Returns a trigger that notes the cluster of a row. Its statement needs no conflict
    /// clause, which the statement that fires the trigger could replace. Most rows belong to
    /// a cluster that is noted already: the condition finds that without running the body.
    fn trigger(&self, suffix: &str, event: &str, row: &str, condition: &str) -> (String, String) {
        let (table, source) = (&self.name, &self.source);
        let name = format!("{EXPORT_TRIGGERS}{source}_{suffix}");
        let condition = condition.replace("{row}", row);
        // The plus removes the type of the column, so that the comparison uses the index.
        let cluster = format!("coalesce(+{row}.{}, '')", self.cluster);
        let sql = format!(
            "CREATE TRIGGER {name} AFTER {event} ON {source}
             WHEN {condition} AND NOT EXISTS (
                 SELECT 1 FROM _export_generation AS now CROSS JOIN _export_touched AS noted
                 ON noted.table_name = '{table}' AND noted.generation = now.generation
                    AND noted.cluster_key = {cluster})
             BEGIN
                 INSERT INTO _export_touched (table_name, generation, cluster_key)
                 SELECT '{table}', generation, {cluster} FROM _export_generation;
             END"
        );
        (name, sql)
    }

    fn has_triggers(&self, db: &Connection) -> rusqlite::Result<bool> {
        let mut find = db.prepare_cached(
            "SELECT 1 FROM sqlite_schema
             WHERE type = 'trigger' AND name = ?1 AND tbl_name = ?2 AND sql = ?3",
        )?;
        for (name, sql) in self.triggers() {
            if !find.exists([&name, &self.source, &sql])? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl ReadTx<'_> {
    /// Returns whether the changes of a table are noted.
    pub fn notes_changes(&self, table: &ExportTable) -> rusqlite::Result<bool> {
        table.has_triggers(&self.transaction)
    }

    /// Calls `each` with the cluster keys that were noted up to a generation. A key can
    /// occur more than once.
    pub fn touched(
        &self,
        table: &ExportTable,
        generation: i64,
        mut each: impl FnMut(Value),
    ) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare_cached(
            "SELECT cluster_key FROM _export_touched
             WHERE table_name = :table AND generation <= :generation",
        )?;
        let mut rows =
            statement.query(named_params! { ":table": table.name, ":generation": generation })?;
        while let Some(row) = rows.next()? {
            each(stored(row, 0).to_owned());
        }
        Ok(())
    }
}

impl WriteTx<'_> {
    /// Prepares an export: creates missing triggers, forgets the exported version of their
    /// tables, and starts a new generation of notes. Returns the last generation before it.
    pub fn begin_export(&self, tables: &[ExportTable]) -> rusqlite::Result<i64> {
        for table in tables {
            if table.has_triggers(&self.transaction)? {
                continue;
            }
            for (name, sql) in table.triggers() {
                let replace = format!("DROP TRIGGER IF EXISTS {name}; {sql}");
                self.transaction.execute_batch(&replace)?;
            }
            (self.transaction).execute(
                "DELETE FROM _export_tables WHERE table_name = ?1",
                [&table.name],
            )?;
        }
        let generation = "UPDATE _export_generation SET generation = generation + 1
                          RETURNING generation - 1";
        self.transaction.query_row(generation, [], |row| row.get(0))
    }
}
