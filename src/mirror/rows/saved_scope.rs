//! The filter and the fields with which the live rows of a resource were read.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::mirror::{Mirror, ReadTx, WriteTx};
use crate::resource::Resource;

/// The filter and the fields with which a resource was last read completely. If the
/// configured ones differ, the resource must be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The configured filter.
    pub filter: Option<String>,
    /// The fields that are mirrored, in columns or in `extra`.
    pub fields: BTreeSet<String>,
}

impl Mirror {
    /// Returns the scope with which a resource was last read, if it ever was.
    pub fn scope(&self, resource: Resource) -> rusqlite::Result<Option<Scope>> {
        scope(&self.connection, resource)
    }
}

fn scope(db: &Connection, resource: Resource) -> rusqlite::Result<Option<Scope>> {
    let found = db
        .query_row(
            "SELECT filter, fields FROM _scope WHERE resource = ?1",
            [resource.entity_set()],
            |row| Ok((row.get(0)?, row.get::<_, String>(1)?)),
        )
        .optional()?;
    Ok(found.map(|(filter, fields)| Scope {
        filter,
        fields: serde_json::from_str(&fields).unwrap_or_default(),
    }))
}

impl ReadTx<'_> {
    /// Returns the scope with which a resource was last read, if it ever was.
    pub fn scope(&self, resource: Resource) -> rusqlite::Result<Option<Scope>> {
        scope(&self.transaction, resource)
    }
}

impl WriteTx<'_> {
    /// Stores the scope with which a resource was read.
    pub fn save_scope(&self, resource: Resource, scope: &Scope) -> rusqlite::Result<()> {
        let fields = serde_json::Value::from_iter(scope.fields.iter().cloned());
        self.transaction.execute(
            "INSERT INTO _scope (resource, filter, fields) VALUES (:resource, :filter, :fields)
             ON CONFLICT (resource) DO UPDATE SET filter = :filter, fields = :fields",
            named_params! {
                ":resource": resource.entity_set(),
                ":filter": scope.filter,
                ":fields": fields.to_string(),
            },
        )?;
        Ok(())
    }
}
