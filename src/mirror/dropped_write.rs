//! The error for a write that a trigger of the user's own dropped.

use rusqlite::Connection;

use crate::mirror::export::EXPORT_TRIGGERS;

/// A trigger of the user's own dropped a write.
#[derive(Debug, thiserror::Error)]
#[error(
    "a row of {table} was not written; a trigger drops it ({triggers}): remove or correct the trigger"
)]
struct DroppedWrite {
    table: &'static str,
    triggers: String,
}

/// Returns an error that names the triggers of a table, for a statement that wrote no row: only
/// a trigger of the user's own can cause that.
pub(super) fn dropped_write(connection: &Connection, table: &'static str) -> rusqlite::Error {
    match triggers(connection, table) {
        Ok(names) => {
            let triggers = names.join(", ");
            let error = DroppedWrite { table, triggers };
            rusqlite::Error::ToSqlConversionFailure(Box::new(error))
        }
        Err(error) => error,
    }
}

fn triggers(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare(
            "SELECT name FROM sqlite_schema
             WHERE type = 'trigger' AND tbl_name = ?1 AND instr(name, ?2) <> 1",
        )?
        .query_map([table, EXPORT_TRIGGERS], |row| row.get(0))?
        .collect()
}
