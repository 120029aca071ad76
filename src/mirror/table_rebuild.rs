//! Rebuilds a table whose columns have other types or names than the feed declares now.

use std::collections::{BTreeSet, HashMap};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::mirror::WriteTx;
use crate::mirror::export::EXPORT_TRIGGERS;
use crate::mirror::sql::quoted;
use crate::record::FieldShape;

/// Returns the fields whose columns have another type, or a name in another case.
/// `columns` are names and declared types. Precision and scale do not matter.
pub(super) fn changed_fields(
    columns: &[(String, String)],
    fields: &[FieldShape],
) -> BTreeSet<String> {
    let columns: HashMap<String, &(String, String)> = columns
        .iter()
        .map(|column| (column.0.to_ascii_lowercase(), column))
        .collect();
    let is_changed = |field: &&FieldShape| {
        let column = columns.get(&field.name.to_ascii_lowercase());
        column.is_some_and(|(name, declared_type)| {
            *name != field.name || base(declared_type) != base(&field.declared_type)
        })
    };
    let changed = fields.iter().filter(is_changed);
    changed.map(|field| field.name.clone()).collect()
}

/// Returns a declared type without precision and scale.
fn base(declared_type: &str) -> &str {
    let end = declared_type.find('(').unwrap_or(declared_type.len());
    &declared_type[..end]
}

impl WriteTx<'_> {
    /// Creates a table again and copies the values of `columns`. `create` receives the name
    /// that the new table has until it replaces the old one. SQLite converts each value to
    /// the type of its column. Indexes, triggers and views stay, and so do rows of other
    /// tables that refer to the table. Only the triggers of the export do not stay: without
    /// them, the table is exported whole.
    pub(super) fn rebuild_table(
        &self,
        table: &str,
        columns: &[String],
        create: impl FnOnce(&str) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let db: &Connection = &self.transaction;
        // Dropping a table deletes or refuses rows that refer to it, and renaming a table
        // checks all views.
        let settings = [
            (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false),
            (DbConfig::SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, true),
        ];
        let mut before = Vec::with_capacity(settings.len());
        for (setting, value) in settings {
            before.push((setting, db.db_config(setting)?));
            db.set_db_config(setting, value)?;
        }
        let replaced = replace(db, table, columns, create);
        for (setting, value) in before {
            db.set_db_config(setting, value)?;
        }
        replaced
    }
}

fn replace(
    db: &Connection,
    table: &str,
    columns: &[String],
    create: impl FnOnce(&str) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let objects: Vec<String> = db
        .prepare_cached(
            "SELECT sql FROM sqlite_schema
             WHERE tbl_name = ?1 AND type IN ('index', 'trigger') AND sql IS NOT NULL
               AND NOT (type = 'trigger' AND instr(name, ?2) = 1)",
        )?
        .query_map([table, EXPORT_TRIGGERS], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let rebuilt = format!("_{table}_rebuilt");
    create(&rebuilt)?;

    let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let names = names.join(", ");
    // Keys that were different texts may be the same number. Live rows come first.
    for rows in ["deleted_at IS NULL", "deleted_at IS NOT NULL"] {
        db.execute_batch(&format!(
            "INSERT OR IGNORE INTO {rebuilt} ({names}) SELECT {names} FROM {table} WHERE {rows}"
        ))?;
    }
    db.execute_batch(&format!(
        "DROP TABLE {table}; ALTER TABLE {rebuilt} RENAME TO {table}"
    ))?;
    for sql in objects {
        db.execute_batch(&sql)?;
    }
    Ok(())
}
