//! How to export, and the steps of an export.

use std::path::Path;
use std::time::Duration;

/// How to export.
#[derive(Clone, Copy, Debug)]
pub struct ExportSettings<'s> {
    /// The folder of the tables.
    pub dir: &'s Path,
    /// How long the files of past versions stay. None = for ever.
    pub keep: Option<Duration>,
    /// The number of rows in a data file.
    pub rows_per_file: RowsPerFile,
}

/// The number of rows in a data file. A file with more than twice that number
/// is split.
#[derive(Clone, Copy, Debug)]
pub struct RowsPerFile {
    /// Of listings and other records that belong to no listing.
    pub parents: u64,
    /// Of photos and other parts of listings, and of logs.
    pub others: u64,
}

impl Default for RowsPerFile {
    fn default() -> RowsPerFile {
        RowsPerFile {
            parents: 64_000,
            others: 256_000,
        }
    }
}

/// A step of an export. It can be stopped before each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportStep<'s> {
    /// Notes of changes go to a new generation.
    Begin,
    /// Some rows of a table are read, and written to a data file.
    Rows(&'s str),
    /// A data file is complete and gets its name.
    File(&'s str),
    /// The versions to publish are stored.
    Plan,
    /// The commit of a table is published.
    Commit(&'s str),
    /// The published versions are stored.
    Finish,
    /// A checkpoint may be written, and unused files are removed.
    Cleanup(&'s str),
}
