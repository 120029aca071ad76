//! A database that another program removes or replaces while this process has it open.

use std::fs::Metadata;
use std::path::Path;

use rusqlite::{Error, ffi};

use super::same_file::is_same_file;

/// Fails if a path no longer names the file that was opened there. Only Unix allows other
/// programs to remove an open database.
pub(in crate::mirror) fn check_in_place(
    path: &Path,
    opened: Option<&Metadata>,
) -> rusqlite::Result<()> {
    let Some(opened) = opened.filter(|_| cfg!(unix)) else {
        return Ok(());
    };
    let there = std::fs::metadata(path);
    if there.is_ok_and(|there| is_same_file(&there, opened)) {
        return Ok(());
    }
    let path = path.display();
    let words = format!("{path} was removed or replaced while this process wrote it");
    let code = ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED);
    Err(Error::SqliteFailure(code, Some(words)))
}

/// Returns whether an error says that the database was removed or replaced.
pub fn is_moved(error: &Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(ffi::SQLITE_READONLY_DBMOVED)
}
