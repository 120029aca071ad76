//! The tables, indexes and views of the database: which exist, and with which columns.

use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::mirror::stored_key::{key_column, known_key};
use crate::mirror::{Mirror, ReadTx, WriteTx};
use crate::record::HeldTable;
use crate::resource::Resource;

impl Mirror {
    /// Returns the quoted key column of a resource's table.
    pub(super) fn key(&self, resource: Resource) -> rusqlite::Result<Rc<str>> {
        known_key(&self.connection, &self.keys, resource)
    }

    /// Returns whether the resource's table exists.
    pub fn has_table(&self, resource: Resource) -> rusqlite::Result<bool> {
        has_table(&self.connection, resource)
    }

    /// Returns the columns and the key of the resource's table; none if it does not exist.
    pub fn table(&self, resource: Resource) -> rusqlite::Result<Option<HeldTable>> {
        let Some(key) = key_column(&self.connection, resource)? else {
            return Ok(None);
        };
        let columns = columns(&self.connection, resource.table())?;
        Ok(Some(HeldTable { columns, key }))
    }

    /// Returns the resources that have a table, in the order of jobs.
    pub fn resources(&self) -> rusqlite::Result<Vec<Resource>> {
        resources(&self.connection)
    }

    /// Returns whether the rows of a resource belong to listings.
    pub fn has_parent(&self, resource: Resource) -> rusqlite::Result<bool> {
        has_parent(&self.connection, resource)
    }
}

impl ReadTx<'_> {
    /// Returns the quoted key column of a resource's table.
    pub(super) fn key(&self, resource: Resource) -> rusqlite::Result<Rc<str>> {
        known_key(&self.transaction, self.keys, resource)
    }

    /// Returns whether the resource's table exists.
    pub fn has_table(&self, resource: Resource) -> rusqlite::Result<bool> {
        has_table(&self.transaction, resource)
    }

    /// Returns the resources that have a table, in the order of jobs.
    pub fn resources(&self) -> rusqlite::Result<Vec<Resource>> {
        resources(&self.transaction)
    }

    /// Returns the resources whose rows belong to listings.
    pub fn child_resources(&self) -> rusqlite::Result<Vec<Resource>> {
        let mut children = Vec::new();
        for resource in resources(&self.transaction)? {
            if self.has_parent(resource)? {
                children.push(resource);
            }
        }
        Ok(children)
    }

    /// Returns whether the rows of a resource belong to listings.
    pub fn has_parent(&self, resource: Resource) -> rusqlite::Result<bool> {
        has_parent(&self.transaction, resource)
    }
}

/// Returns the resources that have a table. `_fields` has the names of those without
/// names of their own.
pub(super) fn resources(connection: &Connection) -> rusqlite::Result<Vec<Resource>> {
    let described: Vec<String> = connection
        .prepare_cached("SELECT DISTINCT resource FROM _fields")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let described = described.iter().filter_map(|name| Resource::named(name));
    let mut resources: Vec<Resource> = described.chain(Resource::NAMED).collect();
    resources.sort_unstable();
    resources.dedup();
    let mut existing = Vec::with_capacity(resources.len());
    for resource in resources {
        if has_table(connection, resource)? {
            existing.push(resource);
        }
    }
    Ok(existing)
}

/// Returns whether the rows of a resource belong to listings.
pub(super) fn has_parent(connection: &Connection, resource: Resource) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM pragma_table_info(?1) WHERE name = 'listing_key'")?
        .exists([resource.table()])
}

fn has_table(connection: &Connection, resource: Resource) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")?
        .exists([resource.table()])
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
