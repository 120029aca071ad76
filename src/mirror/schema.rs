//! Creates tables from `$metadata`: one column for every declared field.

use std::collections::{BTreeSet, HashSet};

use crate::mirror::WriteTx;
use crate::mirror::objects::{columns, typed_columns};
use crate::mirror::photos::{file_columns, is_file_column};
use crate::mirror::sql::quoted;
use crate::mirror::table_rebuild::changed_fields;
use crate::record::{FieldShape, RECORD_KEY, Shape};
use crate::resource::Resource;
use crate::value::ValueForm;

/// The columns of every table of records in addition to the feed's fields.
const OWN: [(&str, &str); 5] = [
    ("extra", "TEXT"),
    ("first_seen_at", "TIMESTAMP NOT NULL"),
    ("updated_at", "TIMESTAMP NOT NULL"),
    ("deleted_at", "TIMESTAMP"),
    ("deleted_reason", "TEXT"),
];

impl WriteTx<'_> {
    /// Creates the table of a resource, adds missing columns, or rebuilds the table if
    /// fields have another type than their columns. The column of a field that is no
    /// longer declared stays. Returns the fields whose columns have another type now.
    pub fn ensure_table(
        &self,
        shape: &Shape,
        fields: &[FieldShape],
    ) -> rusqlite::Result<BTreeSet<String>> {
        let resource = shape.resource;
        let table = resource.table();
        let existing = typed_columns(&self.transaction, table)?;
        let changed = changed_fields(&existing, fields);
        if existing.is_empty() {
            self.create_table(table, shape, fields)?;
        } else if changed.is_empty() {
            self.add_columns(table, &existing, fields)?;
        } else {
            self.rebuild(shape, fields, existing)?;
        }
        self.ensure_declarations()?;
        self.ensure_range_indexes(shape)?;
        self.ensure_deleted_index(resource)?;
        if resource == Resource::MEDIA {
            self.ensure_photos()?;
        }
        self.ensure_views()?;
        Ok(changed)
    }

    /// Adds what tables of an earlier version lack. Migrations cannot do that, because
    /// the tables depend on the feed's fields.
    pub(super) fn complete_tables(&self) -> rusqlite::Result<()> {
        self.ensure_declarations()?;
        for resource in self.resources()? {
            self.ensure_deleted_index(resource)?;
        }
        self.ensure_photos()?;
        self.ensure_views()
    }

    /// Empties columns that are no longer filled. Names without a column are ignored.
    pub fn empty_columns(&self, resource: Resource, names: &[&str]) -> rusqlite::Result<()> {
        let table = resource.table();
        let existing = columns(&self.transaction, table)?;
        let existing: HashSet<&str> = existing.iter().map(String::as_str).collect();
        let names: Vec<String> = (names.iter())
            .filter(|name| existing.contains(**name))
            .map(|name| quoted(name))
            .collect();
        // SQLite limits the depth of expressions.
        for names in names.chunks(100) {
            let sql = format!(
                "UPDATE {table} SET {} = NULL, updated_at = ?1 WHERE {} IS NOT NULL",
                names.join(" = NULL, "),
                names.join(" IS NOT NULL OR "),
            );
            self.transaction.execute(&sql, [&self.now])?;
        }
        Ok(())
    }

    /// Creates the indexes from which an audit counts the live rows of a range of keys, with
    /// their timestamps. Sweeps walk along the index of the paging keys.
    fn ensure_range_indexes(&self, shape: &Shape) -> rusqlite::Result<()> {
        let table = shape.resource.table();
        let timestamp = shape.timestamp_field().map(quoted);
        let (paging, key) = (&shape.paging_field().name, shape.key_column());
        if shape.is_child() {
            let columns = ["listing_key".to_owned(), "deleted_at".to_owned()];
            let columns: Vec<String> = columns.into_iter().chain(timestamp.clone()).collect();
            let name = format!("{table}_by_listing");
            let create = format!("CREATE INDEX {name} ON {table} ({})", columns.join(", "));
            self.ensure("index", &name, &create)?;
        }
        let has_own_order = paging != key;
        if (has_own_order || !shape.is_child()) && !shape.has_composite_key() {
            let key = has_own_order.then_some(key).map(quoted);
            let columns = [Some(quoted(paging)), key, timestamp];
            let columns: Vec<String> = columns.into_iter().flatten().collect();
            let name = format!("{table}_live");
            let create = format!(
                "CREATE INDEX {name} ON {table} ({}) WHERE deleted_at IS NULL",
                columns.join(", ")
            );
            self.ensure("index", &name, &create)?;
        }
        Ok(())
    }

    /// Creates the index of the soft-deleted rows of a resource.
    fn ensure_deleted_index(&self, resource: Resource) -> rusqlite::Result<()> {
        let table = resource.table();
        self.transaction.execute_batch(&format!(
            "CREATE INDEX IF NOT EXISTS {table}_deleted ON {table} (deleted_at)
             WHERE deleted_at IS NOT NULL"
        ))
    }

    fn create_table(
        &self,
        table: &str,
        shape: &Shape,
        fields: &[FieldShape],
    ) -> rusqlite::Result<()> {
        let resource = shape.resource;
        let mut columns: Vec<String> = fields
            .iter()
            .map(|field| {
                let constraint = match field.declared_type.as_str() {
                    _ if field.name != shape.key_column() => "",
                    // A rebuilt table may have keys that are no numbers. An integer
                    // primary key would refuse them.
                    "INTEGER" if table != resource.table() => " NOT NULL UNIQUE",
                    _ => " NOT NULL PRIMARY KEY",
                };
                format!(
                    "{} {}{constraint}",
                    quoted(&field.name),
                    field.declared_type
                )
            })
            .collect();
        if shape.has_composite_key() {
            columns.push(format!("{RECORD_KEY} TEXT NOT NULL PRIMARY KEY"));
        }
        if shape.is_child() {
            columns.push(format!("listing_key TEXT{}", self.listing_reference()?));
        }
        columns.extend(OWN.map(|(name, declared_type)| format!("{name} {declared_type}")));
        if resource == Resource::MEDIA {
            columns.push(file_columns());
        }
        let columns = columns.join(",\n  ");
        let sql = format!("CREATE TABLE {table} (\n  {columns}\n)");
        self.transaction.execute_batch(&sql)
    }

    fn add_columns(
        &self,
        table: &str,
        existing: &[(String, String)],
        fields: &[FieldShape],
    ) -> rusqlite::Result<()> {
        let names = existing.iter().map(|(name, _)| name.to_ascii_lowercase());
        let known: HashSet<String> = names.collect();
        let is_new = |field: &&FieldShape| !known.contains(&field.name.to_ascii_lowercase());
        for field in fields.iter().filter(is_new) {
            self.transaction.execute_batch(&format!(
                "ALTER TABLE {table} ADD COLUMN {} {}",
                quoted(&field.name),
                field.declared_type
            ))?;
        }
        Ok(())
    }

    /// Rebuilds a table with the columns of `fields` and its other existing columns.
    fn rebuild(
        &self,
        shape: &Shape,
        fields: &[FieldShape],
        existing: Vec<(String, String)>,
    ) -> rusqlite::Result<()> {
        let names = existing.iter().map(|(name, _)| name.clone());
        let names: Vec<String> = names.collect();
        let is_declared = |name: &str| {
            let mut declared = fields.iter().map(|field| &field.name);
            declared.any(|declared| declared.eq_ignore_ascii_case(name))
        };
        let others = existing.into_iter().filter(|(name, _)| {
            let is_key = [RECORD_KEY, "listing_key"].contains(&name.as_str());
            !is_declared(name) && !is_own(name) && !is_key && !is_file_column(name)
        });
        let mut columns = fields.to_vec();
        columns.extend(others.map(|(name, declared_type)| FieldShape {
            name,
            form: ValueForm::Text,
            declared_type,
            is_guid: false,
            is_declared: false,
        }));
        self.rebuild_table(shape.resource.table(), &names, |table| {
            self.create_table(table, shape, &columns)
        })
    }
}

fn is_own(name: &str) -> bool {
    OWN.iter().any(|(own, _)| *own == name)
}
