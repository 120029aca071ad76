//! Whether two names are of one file.

use std::fs::{File, Metadata};
use std::path::Path;

/// Returns whether a path names an open file, not through a link.
pub fn is_at(file: &File, path: &Path) -> bool {
    if !cfg!(unix) {
        return path.exists();
    }
    let there = std::fs::symlink_metadata(path);
    let pair = file.metadata().ok().zip(there.ok());
    pair.is_some_and(|(file, there)| is_same_file(&file, &there))
}

/// Returns whether two files are the same. They are not opened: closing a file of a
/// database would release SQLite's locks on it (SQLite, "How To Corrupt An SQLite
/// Database File").
#[cfg(unix)]
pub fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Returns false: on other systems the standard library does not identify files.
#[cfg(not(unix))]
pub fn is_same_file(_: &Metadata, _: &Metadata) -> bool {
    false
}
