//! Why the database cannot be written: its disk, damage, or another program.

use std::path::Path;

use rusqlite::{Error, ErrorCode, ffi};

use super::moved_file::is_moved;
use crate::mirror::database::BUSY_TIMEOUT;

/// Returns whether another program has locked the database.
pub(in crate::mirror) fn is_busy(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Returns whether an error comes from the database's disk.
pub fn is_disk_error(error: &Error) -> bool {
    let is_of_disk = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
        )
    );
    is_of_disk && !is_moved(error)
}

/// Returns whether an error says that the file or its folder does not exist or is not
/// writable.
pub fn is_permission_error(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    )
}

/// Returns whether an error says that the database is corrupt.
pub fn is_corrupt(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt)
}

/// Adds the name of the program that holds the write lock to an error, if it can be
/// found.
pub(in crate::mirror) fn name_lock_holder(error: Error, path: &Path) -> Error {
    if !is_busy(&error) {
        return error;
    }
    let seconds = BUSY_TIMEOUT.as_secs();
    let who = match holder(path) {
        Some(holder) => holder,
        None => "another program".to_owned(),
    };
    let path = path.display();
    let words = format!(
        "{path} is locked: {who} has held a write lock for {seconds} s; wait for it or end it, and run this again"
    );
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), Some(words))
}

/// Returns the process that holds the write lock, from the system's table of locks.
#[cfg(target_os = "linux")]
fn holder(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;

    /// The offset of the write lock in the shared-memory file
    /// (https://www.sqlite.org/walformat.html#wal_locks).
    const WRITE_LOCK_BYTE: u64 = 120;
    let inode = std::fs::metadata(crate::mirror::sidecar::with_suffix(path, "-shm"))
        .ok()?
        .ino()
        .to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    // 1: POSIX  ADVISORY  WRITE 12345 fd:00:1234567 120 120
    let pid = locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, "WRITE", pid, file, first, last] = fields.as_slice() else {
            return None;
        };
        let is_of_file = file.rsplit(':').next() == Some(&inode);
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let is_lock = (first..=last).contains(&WRITE_LOCK_BYTE);
        (is_of_file && is_lock).then(|| (*pid).to_owned())
    })?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    Some(match name.as_deref().map(str::trim) {
        Some(name) if !name.is_empty() => format!("process {pid} ({name})"),
        _ => format!("process {pid}"),
    })
}

#[cfg(not(target_os = "linux"))]
fn holder(_: &Path) -> Option<String> {
    None
}
