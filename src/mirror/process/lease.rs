//! Leases: only one process syncs a mirror, one watches it, and one exports it.
//!
//! A lease is an operating-system lock on a file next to the database. The system releases
//! it when the process ends, however it ends. The file also names the process, for messages.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use super::same_file::is_at;
use crate::mirror::sidecar::with_suffix;
use crate::value::stored_instant;

/// How often a lock is tried, and the pause in between. A process that only asks who holds
/// the lease of a crashed process has the lock for a moment.
const TRIES: u32 = 10;
const TRY_EVERY: Duration = Duration::from_millis(20);

/// The largest content of a lease file that is read.
const HOLDER_LIMIT_BYTES: u64 = 4_096;

/// The purpose of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// Writing to the mirror while a job runs.
    Sync,
    /// Running jobs on their schedule while the daemon runs.
    Watch,
    /// Publishing the tables while an export runs.
    Export,
}

/// A lease that this process holds. Dropping it releases it.
#[derive(Debug)]
pub struct HeldLease(File);

/// The process that holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseHolder {
    /// The name of its host.
    pub host: String,
    /// Its process id there.
    pub pid: i64,
    /// When it took the lease, UTC.
    pub since: String,
}

/// Another process holds the lease.
#[derive(Debug, thiserror::Error)]
#[error("{}; wait for it or stop it", describe(*.lease, .holder.as_ref()))]
pub struct LeaseTaken {
    lease: Lease,
    holder: Option<LeaseHolder>,
}

/// The file system of the database has no locks.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: its file system does not support locks ({error}), so that two processes could write the mirror at the same time; set mirror.database to a file on a local disk",
    .path.display()
)]
pub struct NoLocks {
    path: PathBuf,
    error: io::Error,
}

fn describe(lease: Lease, holder: Option<&LeaseHolder>) -> String {
    let doing = match lease {
        Lease::Sync => "is syncing this mirror",
        Lease::Watch => "is watching this mirror",
        Lease::Export => "is exporting this mirror",
    };
    match holder {
        Some(LeaseHolder { host, pid, since }) => {
            format!("process {pid} on {host} {doing}; it began at {since} UTC")
        }
        None => format!("another process {doing}"),
    }
}

impl Lease {
    /// Takes the lease of a database for this process.
    ///
    /// # Errors
    ///
    /// [`LeaseTaken`] if another process holds it, [`NoLocks`], or the file cannot be
    /// written.
    pub fn take(self, database: &Path) -> anyhow::Result<HeldLease> {
        let path = self.file(database);
        let writing = || format!("writing {}", path.display());
        for _ in 0..TRIES {
            let file = create(&path, database).with_context(writing)?;
            match file.try_lock() {
                // Somebody may have removed the file before it was locked.
                Ok(()) if is_at(&file, &path) => {
                    let lease = HeldLease(file);
                    lease.name_holder().with_context(writing)?;
                    return Ok(lease);
                }
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => sleep(TRY_EVERY),
                Err(TryLockError::Error(error)) => return Err(NoLocks { path, error }.into()),
            }
        }
        let holder = File::open(&path).ok().and_then(|file| read_holder(&file));
        let lease = self;
        Err(LeaseTaken { lease, holder }.into())
    }

    /// Returns the process that holds the lease of a database, if there is one.
    pub fn holder(self, database: &Path) -> Option<LeaseHolder> {
        let file = File::open(self.file(database)).ok()?;
        let holder = read_holder(&file)?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(holder),
            // The process that the file names has crashed.
            _ => None,
        }
    }

    fn file(self, database: &Path) -> PathBuf {
        let suffix = match self {
            Lease::Sync => "-sync-lock",
            Lease::Watch => "-watch-lock",
            Lease::Export => "-export-lock",
        };
        with_suffix(database, suffix)
    }
}

/// Opens the file, and creates it with the permissions of the database.
fn create(path: &Path, database: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    if let Ok(database) = database.metadata() {
        use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
        options.mode(database.mode() & 0o777);
    }
    #[cfg(not(unix))]
    let _ = database;
    options.open(path)
}

fn read_holder(file: &File) -> Option<LeaseHolder> {
    let mut text = String::new();
    let read = file.take(HOLDER_LIMIT_BYTES).read_to_string(&mut text);
    read.ok().and_then(|_| serde_json::from_str(&text).ok())
}

impl HeldLease {
    /// Writes this process into the file.
    fn name_holder(&self) -> io::Result<()> {
        let holder = LeaseHolder {
            host: host(),
            pid: std::process::id().into(),
            since: stored_instant(Utc::now().trunc_subsecs(0)),
        };
        let mut file = &self.0;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(serde_json::to_string(&holder)?.as_bytes())
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        // Closing the file releases the lock.
        let _ = self.0.set_len(0);
    }
}

fn host() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}
