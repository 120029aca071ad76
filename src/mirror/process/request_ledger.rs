//! The requests of all processes that share an account, so that the rate limits hold across
//! them.
//!
//! The ledger is a small database of its own. Every request writes to it, also a request of a
//! process that only reads the mirror, and must not wait while a page is applied.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, named_params};
use serde::Serialize;

use super::ledger_place;
use crate::feed::{Ledger, Spent};

/// The longest limit covers a day; older requests do not count.
const KEPT: Duration = Duration::from_secs(86_400 + 3_600);

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How long to wait for another process, which holds the file only briefly.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The unit of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetUnit {
    /// Requests sent.
    Requests,
    /// Bytes received, before they are decompressed.
    Bytes,
}

/// The ledger, opened by one process.
pub struct RequestLedger {
    path: PathBuf,
    open: Mutex<Open>,
}

struct Open {
    connection: Connection,
    /// A random id of this process.
    own: i64,
    /// The newest request that this process has read.
    seen: i64,
    /// The newest bytes of others that this process has read.
    seen_received: i64,
    /// Whether a failure was logged before.
    has_logged: bool,
}

impl RequestLedger {
    /// Opens the ledger that only the mirror of this database uses.
    pub fn of_database(database: &Path) -> rusqlite::Result<RequestLedger> {
        RequestLedger::open(&ledger_place::next_to(database))
    }

    /// Opens the ledger of an account, or else of a database if there is one.
    pub fn of(account: &str, database: Option<&Path>) -> rusqlite::Result<Option<RequestLedger>> {
        let opened = match ledger_place::shared(account) {
            Ok(Some(path)) => RequestLedger::open(&path).map_err(|error| error.to_string()),
            Ok(None) => Err("the user has no folder for state".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        match opened {
            Ok(ledger) => return Ok(Some(ledger)),
            Err(error) => tracing::warn!(
                %error,
                "the rate budget is not shared with other mirrors of the account"
            ),
        }
        let path = database.map(ledger_place::next_to);
        path.map(|path| RequestLedger::open(&path)).transpose()
    }

    /// Opens a ledger, and creates it if it does not exist.
    fn open(path: &Path) -> rusqlite::Result<RequestLedger> {
        let connection = open(path).or_else(|error| match error.sqlite_error_code() {
            // A power failure can damage the file; only the requests of the last day
            // are lost.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) if is_damaged(path) => {
                let _ = std::fs::remove_file(path);
                open(path)
            }
            _ => Err(error),
        })?;
        Ok(RequestLedger {
            path: path.to_owned(),
            open: Mutex::new(Open {
                connection,
                own: fastrand::i64(1..),
                seen: 0,
                seen_received: 0,
                has_logged: false,
            }),
        })
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how much was spent within a span until now, and when a limit allows the next
    /// request, if it allows none now. Nothing is spent if there is no ledger.
    pub fn spent_within(
        path: &Path,
        unit: BudgetUnit,
        limit: u64,
        span: Duration,
    ) -> rusqlite::Result<(u64, Option<SystemTime>)> {
        if !path.is_file() {
            return Ok((0, None));
        }
        let connection = open(path)?;
        let now = millis(SystemTime::now());
        let within = (now - span.as_millis() as i64, now);
        let (table, amount) = match unit {
            BudgetUnit::Requests => ("requests", "1"),
            BudgetUnit::Bytes => ("received", "bytes"),
        };
        let spent: u64 = connection.query_row(
            &format!(
                "SELECT coalesce(sum({amount}), 0) FROM {table} WHERE at_ms BETWEEN ?1 AND ?2"
            ),
            within,
            |row| row.get(0),
        )?;
        if spent < limit {
            return Ok((spent, None));
        }
        let at_ms: Option<i64> = connection
            .prepare(&format!(
                "SELECT at_ms FROM (
                     SELECT at_ms, sum({amount}) OVER (ORDER BY at_ms DESC, id DESC) AS total
                     FROM {table} WHERE at_ms BETWEEN ?1 AND ?2
                 ) WHERE total >= ?3 ORDER BY at_ms DESC LIMIT 1"
            ))?
            .query_row((within.0, within.1, limit), |row| row.get(0))
            .optional()?;
        let opens = at_ms.map(|at_ms| moment(at_ms) + span);
        Ok((spent, opens.filter(|opens| *opens > SystemTime::now())))
    }

    /// Returns the end of the pause that the feed asked for, if it is not over.
    pub fn paused_until(path: &Path) -> rusqlite::Result<Option<SystemTime>> {
        if !path.is_file() {
            return Ok(None);
        }
        paused_until(&open(path)?, millis(SystemTime::now()))
    }
}

impl Ledger for RequestLedger {
    fn share(&self, received: u64, take: &mut dyn FnMut(&Spent) -> bool) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut has_decided = false;
        let shared = open.share(received, &mut |spent| {
            has_decided = true;
            take(spent)
        });
        if let Err(error) = shared {
            open.log_once(&error);
            if !has_decided {
                take(&Spent::default());
            }
        }
    }

    fn pause(&self, until: SystemTime) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = open.connection.execute(
            "INSERT INTO pauses (id, until_ms, set_ms) VALUES (1, :until, :now)
             ON CONFLICT (id) DO UPDATE SET until_ms = max(until_ms, :until), set_ms = :now",
            named_params! { ":until": millis(until), ":now": millis(SystemTime::now()) },
        );
        if let Err(error) = noted {
            open.log_once(&error);
        }
    }
}

impl Open {
    fn share(
        &mut self,
        received: u64,
        take: &mut dyn FnMut(&Spent) -> bool,
    ) -> rusqlite::Result<()> {
        let (own, seen) = (self.own, self.seen);
        let mut newest_received = self.seen_received;
        let deciding = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let now = millis(SystemTime::now());
        count_from_now(&deciding, now)?;
        let mut newest = seen;
        let mut spent = Spent::default();
        {
            let mut others = deciding.prepare_cached(
                "SELECT id, at_ms FROM requests WHERE id > :seen AND process <> :own ORDER BY id",
            )?;
            let mut rows = others.query(named_params! { ":seen": seen, ":own": own })?;
            while let Some(row) = rows.next()? {
                newest = row.get(0)?;
                spent.requests.push(moment(row.get(1)?));
            }
            let mut others = deciding.prepare_cached(
                "SELECT id, at_ms, bytes FROM received
                 WHERE id > :seen AND process <> :own ORDER BY id",
            )?;
            let seen = newest_received;
            let mut rows = others.query(named_params! { ":seen": seen, ":own": own })?;
            while let Some(row) = rows.next()? {
                newest_received = row.get(0)?;
                spent.received.push((moment(row.get(1)?), row.get(2)?));
            }
            spent.paused_until = paused_until(&deciding, now)?;
        }
        if received > 0 {
            deciding
                .prepare_cached("INSERT INTO received (at_ms, process, bytes) VALUES (?1, ?2, ?3)")?
                .execute((now, own, received))?;
        }
        if take(&spent) {
            deciding
                .prepare_cached("INSERT INTO requests (at_ms, process) VALUES (?1, ?2)")?
                .execute([now, own])?;
        }
        deciding.commit()?;
        (self.seen, self.seen_received) = (newest, newest_received);
        Ok(())
    }

    fn log_once(&mut self, error: &rusqlite::Error) {
        if !self.has_logged {
            tracing::warn!(%error, "the rate limits are not shared with other processes");
        }
        self.has_logged = true;
    }
}

/// Returns whether a file that SQLite cannot read was a ledger: it begins as a database, or as
/// a file whose content was never written. No other file is removed.
fn is_damaged(path: &Path) -> bool {
    let mut start = [0; 16];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && (start == *b"SQLite format 3\0" || start == [0; 16])
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // The ledger need not survive a power failure.
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS requests (
             id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, process INTEGER NOT NULL
         );
         CREATE INDEX IF NOT EXISTS requests_by_time ON requests (at_ms);
         CREATE TABLE IF NOT EXISTS received (
             id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL,
             process INTEGER NOT NULL, bytes INTEGER NOT NULL
         );
         CREATE INDEX IF NOT EXISTS received_by_time ON received (at_ms);
         CREATE TABLE IF NOT EXISTS pauses (id INTEGER PRIMARY KEY, until_ms INTEGER NOT NULL);",
    )?;
    let now = millis(SystemTime::now());
    if connection.prepare("SELECT set_ms FROM pauses").is_err() {
        // An earlier version did not store when a pause began. Its longest one was an hour.
        let hour = now + HOUR_MS;
        connection.execute_batch(&format!(
            "ALTER TABLE pauses ADD COLUMN set_ms INTEGER NOT NULL DEFAULT {now};
             UPDATE pauses SET until_ms = min(until_ms, {hour});"
        ))?;
    }
    count_from_now(&connection, now)?;
    let kept = KEPT.as_millis() as i64;
    for table in ["requests", "received"] {
        let old = format!("DELETE FROM {table} WHERE at_ms < ?1");
        connection.execute(&old, [now - kept])?;
    }
    Ok(connection)
}

/// Lets requests and a pause from the future begin now: they were stored before the clock
/// was set back.
fn count_from_now(connection: &Connection, now: i64) -> rusqlite::Result<()> {
    let corrected = connection
        .prepare_cached(
            "UPDATE pauses SET until_ms = until_ms - set_ms + :now, set_ms = :now
             WHERE set_ms > :now",
        )?
        .execute(named_params! { ":now": now })?;
    if corrected > 0 {
        tracing::warn!(
            "the end of a pause was stored while the clock was ahead; it counts from now"
        );
    }
    let mut later = 0;
    for update in [
        "UPDATE requests SET at_ms = ?1 WHERE at_ms > ?1",
        "UPDATE received SET at_ms = ?1 WHERE at_ms > ?1",
    ] {
        later += connection.prepare_cached(update)?.execute([now])?;
    }
    if later > 0 {
        tracing::warn!("requests were stored while the clock was ahead; they count from now");
    }
    Ok(())
}

/// Returns the end of a pause that is not over. No pause lasts longer than a day.
fn paused_until(connection: &Connection, now: i64) -> rusqlite::Result<Option<SystemTime>> {
    let until: Option<i64> = connection
        .prepare_cached("SELECT max(min(until_ms, set_ms + :day)) FROM pauses")?
        .query_row(named_params! { ":day": DAY_MS }, |row| row.get(0))?;
    Ok(until.filter(|until| *until > now).map(moment))
}

fn millis(moment: SystemTime) -> i64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn moment(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis.max(0) as u64)
}
