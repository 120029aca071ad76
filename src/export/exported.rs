//! The result of an export.

use serde::Serialize;

/// The result of an export, or its plan.
#[derive(Debug, Default, Serialize)]
pub struct Exported {
    /// The export. None if there was nothing to write.
    pub run_id: Option<String>,
    /// The tables that have a new version.
    pub tables: Vec<ExportedTable>,
    /// The number of values that their columns cannot hold.
    pub misfits: u64,
}

/// A table with a new version.
#[derive(Debug, Serialize)]
pub struct ExportedTable {
    /// The name of the table.
    pub table: String,
    /// The new version. None in a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// The number of rows of the table. None in a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Whether the table is written whole.
    pub whole: bool,
    /// The number of rows in the new data files.
    pub written_rows: u64,
    /// The size of the new data files in bytes. None in a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_bytes: Option<u64>,
    /// The number of data files that are replaced.
    pub replaced_files: usize,
}
