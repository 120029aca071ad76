//! One process at a time: one that syncs, and one that watches.

use rusqlite::{Connection, OptionalExtension, named_params};
use serde::Serialize;

use crate::mirror::Mirror;
use crate::mirror::transaction::now;

/// What a process holds the mirror for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// WriteTx to it, while a job runs.
    Sync,
    /// Running jobs on their schedule, for as long as the daemon lives.
    Watch,
}

impl Lease {
    fn name(self) -> &'static str {
        match self {
            Lease::Sync => "sync",
            Lease::Watch => "watch",
        }
    }
}

/// The process that holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeaseHolder {
    /// The name of its host.
    pub host: String,
    /// Its number there.
    pub pid: i64,
    /// Since when it holds the lease, UTC.
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

/// A process, told apart from a later one with the same number.
#[derive(PartialEq)]
struct Process {
    host: String,
    pid: i64,
    started: i64,
}

impl Mirror {
    /// Takes a lease for this process; a dead process's is taken over at once.
    ///
    /// # Errors
    /// [`LeaseTaken`] if another living process holds it.
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

    /// Gives a lease back.
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

    /// The living process that holds a lease, if there is one. Of another host's it is
    /// not known whether it lives.
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

    /// Whether it may still run. Of another host's nothing is known.
    fn may_live(&self, own_host: &str) -> bool {
        if self.host != own_host {
            return true;
        }
        match started(self.pid) {
            Some(started) => started == self.started,
            // Without /proc only the number is known to be there or not.
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

/// When a process started, in clock ticks since boot (proc(5), field 22 of stat).
fn started(pid: i64) -> Option<i64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the fields behind it are plain.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?.parse().ok()?;
    // A zombie has ended; only its parent has not looked.
    (state != "Z").then_some(started)
}
