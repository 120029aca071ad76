//! The tables that an export publishes.

use crate::mirror::objects::{resources, typed_columns};
use crate::mirror::sql::quoted;
use crate::mirror::stored_key::quoted_key;
use crate::mirror::{ReadTx, objects};
use crate::resource::Resource;

/// A table that an export publishes.
#[derive(Clone, Debug)]
pub struct ExportTable {
    /// The name of the published table.
    pub name: String,
    /// The names and the declared types of its columns.
    pub columns: Vec<(String, String)>,
    /// The position of the column with the key of a row, if it is published.
    pub key: Option<usize>,
    /// Whether rows are only appended, in the order of their ids. Rows can still be removed
    /// by retention.
    pub is_log: bool,
    /// Whether each row describes one listing, one member and the like, and not a part of it.
    pub is_parent: bool,
    /// The name of the table in the database.
    pub(super) source: String,
    /// The quoted column that orders the rows: the key of the row, or of its listing.
    pub(super) cluster: String,
    /// The SQL expression for the key of a row, as text.
    pub(super) record_key: String,
    /// Which rows are published.
    pub(super) condition: &'static str,
    /// Which changes of rows the triggers note.
    pub(super) noted: Noted,
}

/// Which changes of rows the triggers of a table note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// All changes.
    All,
    /// Changes of rows that exist, under a condition on the row `{row}`. New rows have larger
    /// ids than all before.
    Existing(&'static str),
    /// No changes: rows are never changed.
    Nothing,
}

impl ReadTx<'_> {
    /// Returns the tables of the resources, the change log and the runs.
    pub fn export_tables(&self) -> rusqlite::Result<Vec<ExportTable>> {
        let mut tables = Vec::new();
        for resource in resources(&self.transaction)? {
            tables.push(self.export_table_of(resource)?);
        }
        let changes = self.log_table("changes", "changes", "1", Noted::Existing("1"), &[])?;
        let is_finished = Noted::Existing("{row}.status <> 'running'");
        let runs = "status <> 'running'";
        let runs = self.log_table("sync_runs", "sync_runs", runs, is_finished, &[])?;
        tables.extend([changes, runs]);
        Ok(tables)
    }

    /// Returns the tables that describe the exports themselves. An export changes them when
    /// it has published the other tables.
    pub fn export_records(&self) -> rusqlite::Result<Vec<ExportTable>> {
        let hidden = ["id", "cluster_key"];
        let misfits = ExportTable {
            is_log: false,
            ..self.log_table("misfits", "_export_misfits", "1", Noted::All, &hidden)?
        };
        let exports = self.log_table("exports", "_exports", "1", Noted::Nothing, &hidden)?;
        Ok(vec![misfits, exports])
    }

    fn export_table_of(&self, resource: Resource) -> rusqlite::Result<ExportTable> {
        let table = resource.table();
        let key = quoted_key(&self.transaction, resource)?;
        let columns = typed_columns(&self.transaction, table)?;
        let is_child = objects::has_parent(&self.transaction, resource)?;
        Ok(ExportTable {
            name: table.to_owned(),
            key: columns.iter().position(|(name, _)| quoted(name) == key),
            columns,
            is_log: false,
            is_parent: !is_child,
            source: table.to_owned(),
            cluster: if is_child {
                quoted("listing_key")
            } else {
                key.clone()
            },
            record_key: key,
            condition: "1",
            noted: Noted::All,
        })
    }

    /// Returns a table that has ids as keys.
    fn log_table(
        &self,
        name: &str,
        source: &str,
        condition: &'static str,
        noted: Noted,
        hidden: &[&str],
    ) -> rusqlite::Result<ExportTable> {
        let mut columns = typed_columns(&self.transaction, source)?;
        columns.retain(|(column, _)| !hidden.contains(&column.as_str()));
        Ok(ExportTable {
            name: name.to_owned(),
            key: columns.iter().position(|(column, _)| column == "id"),
            columns,
            is_log: true,
            is_parent: false,
            source: source.to_owned(),
            cluster: quoted("id"),
            record_key: quoted("id"),
            condition,
            noted,
        })
    }
}
