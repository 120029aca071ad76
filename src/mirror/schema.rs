//! Tables from `$metadata`: a column for every declared field.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::photos::file_columns;
use super::{Mirror, WriteTx, quoted};
use crate::record::FieldShape;
use crate::resource::Resource;

/// The columns that every table of records has besides the feed's fields.
const OWN: &str = "extra TEXT, first_seen_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL, \
                   deleted_at TIMESTAMP, deleted_reason TEXT";

/// A field as `_fields` describes it.
#[derive(Clone, Debug)]
pub struct FieldRow<'a> {
    /// Its name.
    pub field: &'a str,
    /// Its declared type.
    pub edm_type: &'a str,
    /// What it means, by the feed's own words or the glossary's, if either has any.
    pub description: Option<&'a str>,
    /// The enumeration its values come from.
    pub enumeration: Option<&'a str>,
}

impl WriteTx<'_> {
    /// Makes the table of a resource, or adds the columns that it lacks. A
    /// column whose field is no longer declared stays.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn ensure_table(
        &self,
        resource: Resource,
        fields: &[FieldShape],
        paging_field: Option<&str>,
    ) -> rusqlite::Result<()> {
        let table = resource.table();
        let existing = columns(&self.transaction, table)?;
        if existing.is_empty() {
            self.create_table(resource, fields)?;
        } else {
            for field in fields {
                let known = existing
                    .iter()
                    .any(|column| column.eq_ignore_ascii_case(&field.name));
                if !known {
                    self.transaction.execute_batch(&format!(
                        "ALTER TABLE {table} ADD COLUMN {} {}",
                        quoted(&field.name),
                        field.declared_type
                    ))?;
                }
            }
        }
        if let Some(paging_field) = paging_field.filter(|field| *field != resource.key()) {
            // Holds the live rows in the feed's order, for sweeps to walk along.
            self.transaction.execute_batch(&format!(
                "CREATE INDEX IF NOT EXISTS {table}_live ON {table} ({}, {}) WHERE deleted_at IS NULL",
                quoted(paging_field),
                quoted(resource.key())
            ))?;
        }
        self.ensure_deleted_index(resource)?;
        if resource == Resource::Media {
            self.ensure_photos()?;
        }
        self.ensure_views()
    }

    /// Gives tables of records that an earlier version made what they lack. No
    /// migration can: they are made of the feed's fields.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn complete_tables(&self) -> rusqlite::Result<()> {
        for resource in Resource::ALL {
            if self.has_table(resource)? {
                self.ensure_deleted_index(resource)?;
            }
        }
        self.ensure_photos()?;
        self.ensure_views()
    }

    /// Makes an index or a view as `create` has it, or anew if it was another.
    ///
    /// # Errors
    /// If it cannot be written.
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

    fn create_table(&self, resource: Resource, fields: &[FieldShape]) -> rusqlite::Result<()> {
        let (table, key) = (resource.table(), resource.key());
        let mut columns: Vec<String> = fields
            .iter()
            .map(|field| {
                let constraint = if field.name == key {
                    " NOT NULL PRIMARY KEY"
                } else {
                    ""
                };
                format!(
                    "{} {}{constraint}",
                    quoted(&field.name),
                    field.declared_type
                )
            })
            .collect();
        if resource.is_child() {
            columns.push("listing_key TEXT".to_owned());
        }
        columns.push(OWN.to_owned());
        if resource == Resource::Media {
            columns.push(file_columns());
        }
        let mut sql = format!("CREATE TABLE {table} (\n  {}\n);", columns.join(",\n  "));
        if resource.is_child() {
            sql += &format!("CREATE INDEX {table}_by_listing ON {table} (listing_key);");
        }
        self.transaction.execute_batch(&sql)
    }

    /// Keeps the feed's `$metadata`, as the caller writes it down.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save_metadata(&self, document: &str) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT INTO _metadata (id, fetched_at, document) VALUES (1, :now, :document)
             ON CONFLICT (id) DO UPDATE SET fetched_at = :now, document = :document",
            named_params! { ":now": self.now, ":document": document },
        )?;
        Ok(())
    }

    /// Writes down what the fields of a resource are.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn describe_fields(
        &self,
        resource: Resource,
        fields: &[FieldRow<'_>],
    ) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare_cached(
            "INSERT OR REPLACE INTO _fields (resource, field, edm_type, description, enumeration)
             VALUES (:resource, :field, :edm_type, :description, :enumeration)",
        )?;
        for field in fields {
            statement.execute(named_params! {
                ":resource": resource.entity_set(),
                ":field": field.field,
                ":edm_type": field.edm_type,
                ":description": field.description,
                ":enumeration": field.enumeration,
            })?;
        }
        Ok(())
    }

    /// Writes down the members of enumerations, anew: (enumeration, member, display name).
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn describe_lookups<'a>(
        &self,
        lookups: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
    ) -> rusqlite::Result<()> {
        self.transaction.execute("DELETE FROM _lookups", [])?;
        let mut statement = self.transaction.prepare_cached(
            "INSERT OR REPLACE INTO _lookups (enumeration, member, display_name)
             VALUES (:enumeration, :member, :display)",
        )?;
        for (enumeration, member, display) in lookups {
            statement.execute(named_params! {
                ":enumeration": enumeration, ":member": member, ":display": display,
            })?;
        }
        Ok(())
    }
}

/// The names of a table's columns; none if there is no such table.
pub(super) fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("SELECT name FROM pragma_table_info(?1)")?
        .query_map([table], |row| row.get(0))?
        .collect()
}

impl Mirror {
    /// The feed's `$metadata` as it was last kept, and when.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn saved_metadata(&self) -> rusqlite::Result<Option<(String, String)>> {
        self.connection
            .query_row(
                "SELECT document, fetched_at FROM _metadata WHERE id = 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
    }
}
