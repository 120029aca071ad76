//! A table of records with the columns that the feed declares.

use rusqlite::Connection;

use crate::mirror::objects::columns;
use crate::mirror::sql::quoted;
use crate::mirror::stored_key::quoted_key;
use crate::resource::Resource;

/// A table of records, with the columns that it has.
pub(in crate::mirror) struct Table {
    resource: Resource,
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Its key column, quoted.
    key: String,
}

impl Table {
    /// Returns the table of a resource, if it exists.
    pub fn of(connection: &Connection, resource: Resource) -> rusqlite::Result<Option<Table>> {
        let columns = columns(connection, resource.table())?;
        if columns.is_empty() {
            return Ok(None);
        }
        Ok(Some(Table {
            resource,
            columns,
            key: quoted_key(connection, resource)?,
        }))
    }

    /// Returns the table's resource.
    pub fn resource(&self) -> Resource {
        self.resource
    }

    /// Returns the table's name.
    pub fn name(&self) -> &'static str {
        self.resource.table()
    }

    /// Returns the name of the key column, quoted.
    pub fn key_column(&self) -> String {
        self.key.clone()
    }

    /// Returns the value of the key.
    pub fn key(&self) -> String {
        format!("{}.{}", self.name(), self.key)
    }

    /// Returns the key under the name that it has by the RESO Data Dictionary.
    pub fn named_key(&self) -> String {
        match self.resource.reso_key().map(quoted) {
            Some(name) if name != self.key => format!("{} AS {name}", self.key()),
            _ => self.key(),
        }
    }

    /// Returns a column under its own name; NULL if the feed does not declare it.
    pub fn column(&self, name: &str) -> String {
        let own = quoted(name);
        if self.has(name) {
            format!("{}.{own}", self.name())
        } else {
            format!("NULL AS {own}")
        }
    }

    /// Returns several columns under their own names.
    pub fn columns(&self, names: &[&str]) -> String {
        let columns: Vec<String> = names.iter().map(|name| self.column(name)).collect();
        columns.join(", ")
    }

    /// Returns a column's value; NULL if the feed does not declare it.
    pub fn value(&self, name: &str) -> String {
        if self.has(name) {
            format!("{}.{}", self.name(), quoted(name))
        } else {
            "NULL".to_owned()
        }
    }

    /// Returns the first of several columns' values that is not NULL.
    pub fn first_value(&self, names: &[&str]) -> String {
        let values: Vec<String> = (names.iter())
            .filter(|name| self.has(name))
            .map(|name| self.value(name))
            .collect();
        match values.as_slice() {
            [] => "NULL".to_owned(),
            [one] => one.clone(),
            more => format!("coalesce({})", more.join(", ")),
        }
    }

    /// Returns whether the feed declares a column.
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column == name)
    }

    /// Returns the expression for a listing's address. In Utah a street whose name is a
    /// number is part of the grid, and its address consists of two directions
    /// (UtahRealEstate.com's documentation of addresses).
    pub fn address(&self) -> String {
        let joined = |names: &[&str]| {
            let parts: Vec<String> = names
                .iter()
                .map(|name| format!("coalesce(nullif({}, '') || ' ', '')", self.value(name)))
                .collect();
            format!("ltrim(rtrim({}))", parts.join(" || "))
        };
        let name = self.value("StreetName");
        let grid = joined(&[
            "StreetNumber",
            "StreetDirPrefix",
            "CrossStreet",
            "StreetDirSuffix",
        ]);
        let street = joined(&["StreetNumber", "StreetName", "StreetSuffix", "UnitNumber"]);
        format!(
            "coalesce(nullif(CASE WHEN {name} <> '' AND ltrim({name}, '0123456789') = '' \
             AND coalesce({suffix}, '') = '' AND coalesce({cross}, '') <> '' \
             THEN {grid} ELSE {street} END, ''), {unparsed})",
            suffix = self.value("StreetSuffix"),
            cross = self.value("CrossStreet"),
            unparsed = self.value("UnparsedAddress"),
        )
    }
}
