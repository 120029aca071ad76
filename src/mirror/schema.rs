//! Creates tables from `$metadata`: one column for every declared field.

use crate::mirror::WriteTx;
use crate::mirror::objects::columns;
use crate::mirror::photos::file_columns;
use crate::mirror::sql::quoted;
use crate::record::FieldShape;
use crate::resource::Resource;

/// The columns of every table of records in addition to the feed's fields.
const OWN: &str = "extra TEXT, first_seen_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL, \
                   deleted_at TIMESTAMP, deleted_reason TEXT";

impl WriteTx<'_> {
    /// Creates the table of a resource, or adds missing columns. The column of a field
    /// that is no longer declared stays.
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
            // Sweeps walk along this index: it has the live rows in the feed's order.
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

    /// Adds what tables of an earlier version lack. Migrations cannot do that, because
    /// the tables depend on the feed's fields.
    pub(super) fn complete_tables(&self) -> rusqlite::Result<()> {
        for resource in Resource::ALL {
            if self.has_table(resource)? {
                self.ensure_deleted_index(resource)?;
            }
        }
        self.ensure_photos()?;
        self.ensure_views()
    }

    /// Creates the index of the soft-deleted rows of a resource.
    fn ensure_deleted_index(&self, resource: Resource) -> rusqlite::Result<()> {
        let table = resource.table();
        self.transaction.execute_batch(&format!(
            "CREATE INDEX IF NOT EXISTS {table}_deleted ON {table} (deleted_at)
             WHERE deleted_at IS NOT NULL"
        ))
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
}
