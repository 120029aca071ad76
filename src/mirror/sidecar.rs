//! The names of the files that belong to the database.

use std::path::{Path, PathBuf};

/// The suffixes of the database file and of the files that belong to it.
pub const DATABASE_SUFFIXES: [&str; 8] = [
    "",
    "-wal",
    "-shm",
    "-journal",
    "-requests",
    "-sync-lock",
    "-watch-lock",
    "-export-lock",
];

/// Returns the path of a file that belongs to the database: `mirror.db-wal` for `-wal`.
pub fn with_suffix(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
