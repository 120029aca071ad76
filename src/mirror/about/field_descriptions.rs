//! Descriptions of the feed's fields and of the database's tables.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, named_params};

use crate::mirror::objects::columns;
use crate::mirror::{Mirror, ReadTx, WriteTx};
use crate::resource::Resource;

/// A field to describe in `_fields`.
#[derive(Clone, Debug)]
pub struct FieldRow<'a> {
    /// Its name.
    pub field: &'a str,
    /// Its declared type.
    pub edm_type: &'a str,
    /// Its description, from the feed or from the glossary, if either has one.
    pub description: Option<&'a str>,
    /// The enumeration of its values.
    pub enumeration: Option<&'a str>,
    /// Why its column is not filled, if it is not.
    pub left_out: Option<&'a str>,
}

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
    /// Its description, if there is one.
    pub description: Option<String>,
    /// The display names of its enumeration, if it has one.
    pub members: Vec<String>,
}

impl Mirror {
    /// Returns all tables and views, without SQLite's own.
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

    /// Returns whether SQLite can run a query on the tables and views that exist.
    pub fn can_run(&self, sql: &str) -> bool {
        self.connection.prepare(sql).is_ok()
    }

    /// Returns the descriptions of the feed's fields.
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

impl Mirror {
    /// Returns the feed's `$metadata` as it was last stored, and when.
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

/// What `_fields` says about a field.
#[derive(Clone, Debug)]
pub struct DescribedField {
    /// Its declared type.
    pub edm_type: String,
    /// Why its column is not filled, if it is not.
    pub left_out: Option<String>,
}

impl ReadTx<'_> {
    /// Returns the described fields of a resource by their names.
    pub fn described_fields(
        &self,
        resource: Resource,
    ) -> rusqlite::Result<BTreeMap<String, DescribedField>> {
        let described = |row: &rusqlite::Row<'_>| {
            let field = DescribedField {
                edm_type: row.get(1)?,
                left_out: row.get(2)?,
            };
            Ok((row.get(0)?, field))
        };
        self.transaction
            .prepare_cached("SELECT field, edm_type, left_out FROM _fields WHERE resource = ?1")?
            .query_map([resource.entity_set()], described)?
            .collect()
    }
}

impl WriteTx<'_> {
    /// Stores why the column of a field is no longer filled.
    pub fn leave_out(&self, resource: Resource, field: &str, reason: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("UPDATE _fields SET left_out = ?3 WHERE resource = ?1 AND field = ?2")?
            .execute([resource.entity_set(), field, reason])?;
        Ok(())
    }

    /// Stores the feed's `$metadata` in the caller's format.
    pub fn save_metadata(&self, document: &str) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT INTO _metadata (id, fetched_at, document) VALUES (1, :now, :document)
             ON CONFLICT (id) DO UPDATE SET fetched_at = :now, document = :document",
            named_params! { ":now": self.now, ":document": document },
        )?;
        Ok(())
    }

    /// Stores the descriptions of a resource's fields.
    pub fn describe_fields(
        &self,
        resource: Resource,
        fields: &[FieldRow<'_>],
    ) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare_cached(
            "INSERT OR REPLACE INTO _fields
                 (resource, field, edm_type, description, enumeration, left_out)
             VALUES (:resource, :field, :edm_type, :description, :enumeration, :left_out)",
        )?;
        for field in fields {
            statement.execute(named_params! {
                ":resource": resource.entity_set(),
                ":field": field.field,
                ":edm_type": field.edm_type,
                ":description": field.description,
                ":enumeration": field.enumeration,
                ":left_out": field.left_out,
            })?;
        }
        Ok(())
    }

    /// Replaces the members of all enumerations: (enumeration, member, display name).
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
