//! One syncing process at a time.

use rusqlite::{OptionalExtension, named_params};

use super::{Mirror, now};

/// Another process is syncing this mirror.
#[derive(Debug, thiserror::Error)]
#[error(
    "process {pid} on {host} is syncing this mirror since {since} (UTC); wait for it or stop it"
)]
pub struct LeaseTaken {
    host: String,
    pid: i64,
    since: String,
}

/// A process, told apart from a later one with the same number.
#[derive(PartialEq)]
struct Process {
    host: String,
    pid: i64,
    started: i64,
}

impl Mirror {
    /// Takes the lease for this process; a dead process's is taken over at once.
    ///
    /// # Errors
    /// [`LeaseTaken`] if another living process holds it.
    pub fn take_lease(&mut self) -> anyhow::Result<()> {
        let own = Process::own();
        let writing = self.write()?;
        let held = writing
            .transaction
            .query_row(
                "SELECT host, pid, process_started, since FROM _lease WHERE id = 1",
                [],
                |row| {
                    let holder = Process {
                        host: row.get(0)?,
                        pid: row.get(1)?,
                        started: row.get(2)?,
                    };
                    Ok((holder, row.get::<_, String>(3)?))
                },
            )
            .optional()?;
        if let Some((holder, since)) = held
            && holder != own
            && holder.may_live(&own.host)
        {
            return Err(LeaseTaken {
                host: holder.host,
                pid: holder.pid,
                since,
            }
            .into());
        }
        writing.transaction.execute(
            "INSERT OR REPLACE INTO _lease (id, host, pid, process_started, since)
             VALUES (1, :host, :pid, :started, :since)",
            named_params! {
                ":host": own.host, ":pid": own.pid, ":started": own.started, ":since": now(),
            },
        )?;
        writing.commit()?;
        Ok(())
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// If the database cannot be written; then the next process finds this one dead.
    pub fn release_lease(&mut self) -> rusqlite::Result<()> {
        let own = Process::own();
        self.connection.execute(
            "DELETE FROM _lease WHERE host = :host AND pid = :pid AND process_started = :started",
            named_params! { ":host": own.host, ":pid": own.pid, ":started": own.started },
        )?;
        Ok(())
    }
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
