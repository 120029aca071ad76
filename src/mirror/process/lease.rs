//! Leases: only one process syncs a mirror, one watches it, and one exports it.

use rusqlite::{Connection, OptionalExtension, named_params};
use serde::Serialize;

use crate::mirror::Mirror;
use crate::mirror::transaction::now;

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

impl Lease {
    fn name(self) -> &'static str {
        match self {
            Lease::Sync => "sync",
            Lease::Watch => "watch",
            Lease::Export => "export",
        }
    }
}

/// The process that holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[error(
    "process {} on {} {doing} since {} (UTC); wait for it or stop it",
    .holder.pid,
    .holder.host,
    .holder.since
)]
pub struct LeaseTaken {
    holder: LeaseHolder,
    doing: &'static str,
}

/// A process. Its start time distinguishes it from a later process with the same id.
#[derive(PartialEq)]
struct Process {
    host: String,
    pid: i64,
    started: i64,
}

impl Mirror {
    /// Takes a lease for this process. The lease of a crashed process is replaced.
    ///
    /// # Errors
    ///
    /// [`LeaseTaken`] if another running process holds it.
    pub fn take_lease(&mut self, lease: Lease) -> anyhow::Result<()> {
        let own = Process::own();
        let tx = self.write()?;
        if let Some((process, holder)) = held(&tx.transaction, lease)?
            && process != own
            && process.may_live(&own.host)
        {
            let doing = match lease {
                Lease::Sync => "is syncing this mirror",
                Lease::Watch => "is watching this mirror",
                Lease::Export => "is exporting this mirror",
            };
            return Err(LeaseTaken { holder, doing }.into());
        }
        tx.transaction.execute(
            "INSERT OR REPLACE INTO _leases (name, host, pid, process_started, since)
             VALUES (:name, :host, :pid, :started, :since)",
            named_params! {
                ":name": lease.name(), ":host": own.host, ":pid": own.pid,
                ":started": own.started, ":since": now(),
            },
        )?;
        tx.commit()?;
        Ok(())
    }

    /// Releases a lease. If that fails, the next process finds this one ended.
    pub fn release_lease(&mut self, lease: Lease) -> rusqlite::Result<()> {
        let own = Process::own();
        self.connection.execute(
            "DELETE FROM _leases
             WHERE name = :name AND host = :host AND pid = :pid AND process_started = :started",
            named_params! {
                ":name": lease.name(), ":host": own.host, ":pid": own.pid,
                ":started": own.started,
            },
        )?;
        Ok(())
    }

    /// Returns the running process that holds a lease, if there is one. A process on
    /// another host counts as running.
    pub fn lease_holder(&self, lease: Lease) -> rusqlite::Result<Option<LeaseHolder>> {
        let found = held(&self.connection, lease)?;
        let living = found.filter(|(process, _)| process.may_live(&host()));
        Ok(living.map(|(_, holder)| holder))
    }
}

fn held(connection: &Connection, lease: Lease) -> rusqlite::Result<Option<(Process, LeaseHolder)>> {
    connection
        .query_row(
            "SELECT host, pid, process_started, since FROM _leases WHERE name = ?1",
            [lease.name()],
            |row| {
                let process = Process {
                    host: row.get(0)?,
                    pid: row.get(1)?,
                    started: row.get(2)?,
                };
                let holder = LeaseHolder {
                    host: process.host.clone(),
                    pid: process.pid,
                    since: row.get(3)?,
                };
                Ok((process, holder))
            },
        )
        .optional()
}

impl Process {
    fn own() -> Process {
        let pid = std::process::id();
        Process {
            host: host(),
            pid: pid.into(),
            started: started(pid.into()).unwrap_or(0),
        }
    }

    /// Returns whether the process may still run. A process on another host may.
    fn may_live(&self, own_host: &str) -> bool {
        if self.host != own_host {
            return true;
        }
        match started(self.pid) {
            Some(started) => started == self.started,
            // Without /proc it is unknown whether the process runs.
            None => !std::path::Path::new("/proc/self").exists(),
        }
    }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let name = name
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

/// Returns when a process started, in clock ticks since boot (proc(5), field 22 of
/// stat).
fn started(pid: i64) -> Option<i64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything; the fields after it are plain.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?.parse().ok()?;
    // A zombie has ended; its parent has not collected it yet.
    (state != "Z").then_some(started)
}
