//! The tables, indexes and views of the database: which exist, and with which columns.

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::mirror::{Mirror, ReadTx, WriteTx};
use crate::resource::Resource;

impl Mirror {
    /// Returns whether the resource's table exists.
    pub fn has_table(&self, resource: Resource) -> rusqlite::Result<bool> {
        has_table(&self.connection, resource)
    }

    /// Returns the names of the columns of the resource's table; none if it does not
    /// exist.
    pub fn columns(&self, resource: Resource) -> rusqlite::Result<Vec<String>> {
        columns(&self.connection, resource.table())
    }
}

impl ReadTx<'_> {
    /// Returns whether the resource's table exists.
    pub fn has_table(&self, resource: Resource) -> rusqlite::Result<bool> {
        has_table(&self.transaction, resource)
    }
}

fn has_table(connection: &Connection, resource: Resource) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)",
        )?
        .query_row([resource.table()], |row| row.get(0))
}

impl WriteTx<'_> {
    /// Creates an index or a view, and replaces one of the same name that was created
    /// with other SQL.
    pub(super) fn ensure(&self, kind: &str, name: &str, create: &str) -> rusqlite::Result<()> {
        let existing: Option<String> = self
            .transaction
            .query_row(
                "SELECT sql FROM sqlite_schema WHERE type = :kind AND name = :name",
                named_params! { ":kind": kind, ":name": name },
                |row| row.get(0),
            )
            .optional()?;
        if existing.as_deref() == Some(create) {
            return Ok(());
        }
        self.transaction
            .execute_batch(&format!("DROP {kind} IF EXISTS {name}; {create}"))
    }
}

/// Returns the names and the declared types of a table's columns; none if the table does
/// not exist.
pub(super) fn typed_columns(
    connection: &Connection,
    table: &str,
) -> rusqlite::Result<Vec<(String, String)>> {
    connection
        .prepare_cached("SELECT name, type FROM pragma_table_info(?1)")?
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Returns the names of a table's columns; none if the table does not exist.
pub(super) fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("SELECT name FROM pragma_table_info(?1)")?
        .query_map([table], |row| row.get(0))?
        .collect()
}
