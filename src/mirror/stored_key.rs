//! The key columns of the tables. A table keeps the key with which it was created.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension};

use crate::mirror::sql::quoted;
use crate::record::RECORD_KEY;
use crate::resource::Resource;

/// The quoted key columns of the tables that were asked for.
pub(super) type StoredKeys = RefCell<HashMap<Resource, Rc<str>>>;

/// Returns the key column of a resource's table; none if there is no table.
pub(super) fn key_column(
    connection: &Connection,
    resource: Resource,
) -> rusqlite::Result<Option<String>> {
    // The number keys of a rebuilt table are not its primary key.
    connection
        .prepare_cached(
            "SELECT name FROM pragma_table_info(:table) WHERE pk = 1
             UNION ALL
             SELECT part.name
             FROM pragma_index_list(:table) AS unique_index, pragma_index_info(unique_index.name) AS part
             WHERE unique_index.origin = 'u'
             LIMIT 1",
        )?
        .query_row([resource.table()], |row| row.get(0))
        .optional()
}

/// Returns the quoted key column of a resource's table. A table that does not exist has the
/// key of the Data Dictionary.
pub(super) fn quoted_key(connection: &Connection, resource: Resource) -> rusqlite::Result<String> {
    let found = key_column(connection, resource)?;
    let usual = || resource.reso_key().unwrap_or(RECORD_KEY);
    Ok(quoted(found.as_deref().unwrap_or_else(usual)))
}

/// Returns the quoted key column of a resource's table, as [`quoted_key`] does. Asks the
/// database once.
pub(super) fn known_key(
    connection: &Connection,
    keys: &StoredKeys,
    resource: Resource,
) -> rusqlite::Result<Rc<str>> {
    if let Some(known) = keys.borrow().get(&resource) {
        return Ok(known.clone());
    }
    let key: Rc<str> = quoted_key(connection, resource)?.into();
    if key_column(connection, resource)?.is_some() {
        keys.borrow_mut().insert(resource, key.clone());
    }
    Ok(key)
}
