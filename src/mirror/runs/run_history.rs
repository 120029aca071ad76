//! The history of runs, for reports.

use rusqlite::named_params;

use crate::mirror::ReadTx;
use crate::resource::Resource;

/// A run, its counts and its duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// The job.
    pub job: String,
    /// The entity set.
    pub resource: String,
    /// The run's status.
    pub status: String,
    /// When it started, UTC.
    pub started_at: String,
    /// Its duration in milliseconds; None while it runs.
    pub duration_ms: Option<u64>,
    /// Records received.
    pub records_seen: u64,
    /// Requests sent, including retries.
    pub requests: u64,
    /// Retries.
    pub retries: u64,
    /// Time spent waiting for the rate budget, in milliseconds.
    pub throttled_ms: u64,
    /// Bytes of bodies received, after decompression.
    pub bytes_received: u64,
    /// The error, if any.
    pub error: Option<String>,
}

impl ReadTx<'_> {
    /// Passes the runs that started at a time in storage form or later to `each`,
    /// newest first.
    pub fn read_runs(&self, since: &str, mut each: impl FnMut(RunRow)) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare(
            "SELECT job, resource, status, started_at, duration_ms, records_seen, requests,
                    retries, throttled_ms, bytes_received, error
             FROM sync_runs WHERE started_at >= :since ORDER BY id DESC",
        )?;
        let mut rows = statement.query(named_params! { ":since": since })?;
        while let Some(row) = rows.next()? {
            // The counts were stored from unsigned numbers.
            let count = |column: usize| row.get::<_, i64>(column).map(|count| count.max(0) as u64);
            let duration_ms: Option<i64> = row.get(4)?;
            each(RunRow {
                job: row.get(0)?,
                resource: row.get(1)?,
                status: row.get(2)?,
                started_at: row.get(3)?,
                duration_ms: duration_ms.map(|duration| duration.max(0) as u64),
                records_seen: count(5)?,
                requests: count(6)?,
                retries: count(7)?,
                throttled_ms: count(8)?,
                bytes_received: count(9)?,
                error: row.get(10)?,
            });
        }
        Ok(())
    }

    /// Returns when the oldest stored run started, UTC.
    pub fn first_run_at(&self) -> rusqlite::Result<Option<String>> {
        self.transaction
            .query_row("SELECT min(started_at) FROM sync_runs", [], |row| {
                row.get(0)
            })
    }

    /// Returns when a resource was brought up to date, UTC, oldest first: the times at
    /// or after `since` (in storage form), and the last one before it.
    /// [`crate::mirror::Mirror::current_as_of`] returns the newest of these times.
    pub fn up_to_date_times(
        &self,
        resource: Resource,
        since: &str,
    ) -> rusqlite::Result<Vec<String>> {
        let is_moment = "resource = :resource AND job IN ('full', 'incremental') \
                         AND status IN ('succeeded', 'partial') \
                         AND (watermark_after IS NOT NULL OR job = 'full' AND checkpoint IS NULL)";
        self.transaction
            .prepare(&format!(
                "SELECT started_at FROM sync_runs WHERE {is_moment} AND started_at >= coalesce(
                     (SELECT max(started_at) FROM sync_runs
                      WHERE {is_moment} AND started_at < :since), '')
                 ORDER BY started_at"
            ))?
            .query_map(
                named_params! { ":resource": resource.entity_set(), ":since": since },
                |row| row.get(0),
            )?
            .collect()
    }
}
