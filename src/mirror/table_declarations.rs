//! Brings the declarations of existing tables up to date, without touching their rows.
//!
//! A declared type such as `NUMERIC(14,2)` and a foreign key exist only in the text of
//! `CREATE TABLE`. SQLite stores that text in `sqlite_schema`, and documents how to replace it
//! (<https://www.sqlite.org/lang_altertable.html>, "Making Other Kinds Of Table Schema
//! Changes"). A rebuilt table would take minutes for millions of rows. The new text is used
//! only if it declares the same columns with the same affinities and keys.

use rusqlite::{Connection, named_params};

use crate::mirror::WriteTx;
use crate::mirror::objects::has_parent;
use crate::mirror::sql::quoted;
use crate::mirror::stored_key::key_column;
use crate::resource::Resource;

/// The column that refers to a listing, as tables of children declare it.
const LISTING_KEY: &str = "listing_key TEXT";

impl WriteTx<'_> {
    /// Returns the foreign key of a column that refers to a listing; empty if there are no
    /// listings. The mirror does not enforce it: a child may come before its listing.
    pub(super) fn listing_reference(&self) -> rusqlite::Result<String> {
        let key = key_column(&self.transaction, Resource::PROPERTY)?;
        Ok(key.map_or(String::new(), |key| {
            let (table, key) = (Resource::PROPERTY.table(), quoted(&key));
            format!(" REFERENCES {table} ({key}) DEFERRABLE INITIALLY DEFERRED")
        }))
    }

    /// Declares decimals as `NUMERIC`, and the foreign keys of children and of the log.
    /// Earlier versions declared `DECIMAL`, which ODBC drivers read as text.
    pub(super) fn ensure_declarations(&self) -> rusqlite::Result<()> {
        let db: &Connection = &self.transaction;
        let reference = self.listing_reference()?;
        let mut changed = Vec::new();
        for resource in self.resources()? {
            let is_child = has_parent(db, resource)?;
            let reference = if is_child { reference.as_str() } else { "" };
            changed.extend(new_declaration(db, resource.table(), reference)?);
        }
        changed.extend(new_declaration(db, "changes", &reference)?);
        if changed.is_empty() {
            return Ok(());
        }

        let version: i64 = db.pragma_query_value(None, "schema_version", |row| row.get(0))?;
        db.pragma_update(None, "writable_schema", true)?;
        let written = changed.iter().try_for_each(|(table, sql)| {
            let update =
                "UPDATE sqlite_schema SET sql = :sql WHERE type = 'table' AND name = :name";
            db.execute(update, named_params! { ":sql": sql, ":name": table })
                .map(|_| ())
        });
        // The connection reads the schema again, and so do all others.
        db.pragma_update(None, "schema_version", version + 1)?;
        db.execute_batch("PRAGMA writable_schema = RESET")?;
        written
    }
}

/// Returns the name of a table and its new declaration, if it needs one.
fn new_declaration(
    db: &Connection,
    table: &str,
    reference: &str,
) -> rusqlite::Result<Option<(String, String)>> {
    let select = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    let sql: String = db
        .prepare_cached(select)?
        .query_row([table], |row| row.get(0))?;
    // All fields have quoted names.
    let mut new = sql.replace("\" DECIMAL", "\" NUMERIC");
    if !reference.is_empty() && !new.contains(" REFERENCES ") {
        new = new.replacen(LISTING_KEY, &format!("{LISTING_KEY}{reference}"), 1);
    }
    if new == sql {
        return Ok(None);
    }

    let scratch = Connection::open_in_memory()?;
    let is_same =
        scratch.execute_batch(&new).is_ok() && layout(&scratch, table)? == layout(db, table)?;
    if !is_same {
        tracing::warn!(table, "the declarations of the table stay as they are");
    }
    Ok(is_same.then(|| (table.to_owned(), new)))
}

/// Returns what the bytes of a table's rows depend on: the columns, with their affinities, and
/// the keys.
fn layout(db: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let columns = "SELECT cid || ' ' || name || ' ' || \"notnull\" || ' ' || pk || ' ' || hidden || ' '
                          || coalesce(dflt_value, '') || ' ' || replace(type, 'DECIMAL', 'NUMERIC')
                   FROM pragma_table_xinfo(?1)
                   UNION ALL
                   SELECT 'unique ' || unique_index.origin || ' ' || part.seqno || ' ' || part.name
                   FROM pragma_index_list(?1) AS unique_index, pragma_index_info(unique_index.name) AS part
                   WHERE unique_index.origin <> 'c'";
    db.prepare_cached(columns)?
        .query_map([table], |row| row.get(0))?
        .collect()
}
