//! What there is in the file, and what the feed says of it.

use super::Mirror;
use super::schema::columns;

/// A table or a view, with its columns.
#[derive(Clone, Debug)]
pub struct TableOrView {
    /// Its name.
    pub name: String,
    /// The names of its columns.
    pub columns: Vec<String>,
}

/// A field as `_fields` describes it.
#[derive(Clone, Debug)]
pub struct FieldDescription {
    /// The entity set.
    pub resource: String,
    /// Its name.
    pub field: String,
    /// Its declared type.
    pub edm_type: String,
    /// What it means, if that is known.
    pub description: Option<String>,
    /// The display names of its enumeration, if it has one.
    pub members: Vec<String>,
}

impl Mirror {
    /// Every table and view but SQLite's own.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn tables_and_views(&self) -> rusqlite::Result<Vec<TableOrView>> {
        let names: Vec<String> = self
            .connection
            .prepare(
                "SELECT name FROM sqlite_schema
                 WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                 ORDER BY name",
            )?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let described = names.into_iter().map(|name| {
            let columns = columns(&self.connection, &name)?;
            Ok(TableOrView { name, columns })
        });
        described.collect()
    }

    /// What is known of the feed's fields.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn field_descriptions(&self) -> rusqlite::Result<Vec<FieldDescription>> {
        let mut members = self.connection.prepare(
            "SELECT display_name FROM _lookups WHERE enumeration = ?1 ORDER BY display_name",
        )?;
        let mut fields = self.connection.prepare(
            "SELECT resource, field, edm_type, description, enumeration FROM _fields
             ORDER BY resource, field",
        )?;
        let notes = fields.query_map([], |row| {
            let enumeration: Option<String> = row.get(4)?;
            let members = members.query_map([enumeration], |row| row.get(0))?;
            Ok(FieldDescription {
                resource: row.get(0)?,
                field: row.get(1)?,
                edm_type: row.get(2)?,
                description: row.get(3)?,
                members: members.collect::<Result<_, _>>()?,
            })
        })?;
        notes.collect()
    }
}
