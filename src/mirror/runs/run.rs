//! `sync_runs`: what each run of a job did, where it stands, and where it goes on.

use std::fmt;
use std::time::Duration;

use rusqlite::{OptionalExtension, named_params};
use serde::Serialize;

use crate::feed::Traffic;
use crate::mirror::{Mirror, WriteTx};
use crate::resource::Resource;

/// A row of `sync_runs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(pub(in crate::mirror) i64);

impl RunId {
    /// Its `id`.
    pub fn number(self) -> i64 {
        self.0
    }

    /// The run with an `id`.
    pub fn from_number(id: i64) -> RunId {
        RunId(id)
    }
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// The whole of a resource.
    Full,
    /// What changed since the watermark.
    Incremental,
    /// What the feed announces as deleted.
    Deletions,
    /// Keys and stamps of the whole of a resource.
    Reconcile,
    /// Single listings, by their keys.
    Refresh,
    /// The files of photos.
    Media,
    /// The changes of status that somebody wants to be told.
    Monitor,
}

/// How a run stands or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// It is under way, or its process died.
    Running,
    /// It did all that it was for.
    Succeeded,
    /// It ended with something left out, which its error names.
    Partial,
    /// It could not go on.
    Failed,
    /// It was stopped.
    Interrupted,
}

impl Job {
    /// Its name on the command line and in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Job::Full => "full",
            Job::Incremental => "incremental",
            Job::Deletions => "deletions",
            Job::Reconcile => "reconcile",
            Job::Refresh => "refresh",
            Job::Media => "media",
            Job::Monitor => "monitor",
        }
    }
}

impl RunStatus {
    /// Its name in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Succeeded => "succeeded",
            RunStatus::Partial => "partial",
            RunStatus::Failed => "failed",
            RunStatus::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a run did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// Pages applied.
    pub pages: u64,
    /// Requests sent, retries among them.
    pub requests: u64,
    /// Requests sent again.
    pub retries: u64,
    /// Time spent waiting for the rate budget, in milliseconds.
    pub throttled_ms: u64,
    /// Bytes of bodies received, after decompression.
    pub bytes_received: u64,
    /// Records that came.
    pub records_seen: u64,
    /// Records that were new.
    pub inserted: u64,
    /// Records of which something changed.
    pub updated: u64,
    /// Records that were the same.
    pub unchanged: u64,
    /// Rows that were soft-deleted.
    pub deleted: u64,
    /// Rows that came back.
    pub restored: u64,
    /// Records that could not be stored.
    pub rejected: u64,
    /// Rows added to `changes`.
    pub changes_logged: u64,
}

impl RunCounts {
    /// Notes what went over the wire.
    pub fn set_traffic(&mut self, traffic: Traffic) {
        self.requests = traffic.requests;
        self.retries = traffic.retries;
        self.throttled_ms = traffic.throttled_ms;
        self.bytes_received = traffic.bytes_received;
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// How.
    pub status: RunStatus,
    /// The feed's time up to which the resource is mirrored now.
    pub watermark_after: Option<String>,
    /// How long it took.
    pub duration: Duration,
    /// The most memory that the process held so far, in bytes.
    pub peak_rss_bytes: Option<u64>,
    /// What went wrong, in one line.
    pub error: Option<String>,
}

/// A run as it is reported.
#[derive(Clone, Debug, Serialize)]
#[expect(
    missing_docs,
    reason = "the columns of `sync_runs`, documented in docs/database.md"
)]
pub struct RunSummary {
    pub id: i64,
    pub job: String,
    pub resource: String,
    pub status: String,
    pub started_at: String,
    pub finished_at: Option<String>,
    pub duration_ms: Option<i64>,
    pub watermark_before: Option<String>,
    pub watermark_after: Option<String>,
    pub pages: i64,
    pub requests: i64,
    pub retries: i64,
    pub throttled_ms: i64,
    pub bytes_received: i64,
    pub records_seen: i64,
    pub inserted: i64,
    pub updated: i64,
    pub unchanged: i64,
    pub deleted: i64,
    pub restored: i64,
    pub rejected: i64,
    pub changes_logged: i64,
    pub records_per_second: Option<f64>,
    pub peak_rss_bytes: Option<i64>,
    pub error: Option<String>,
}

impl Mirror {
    /// Marks the runs of dead processes; to be called with the lease held.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn mark_abandoned_runs(&mut self) -> rusqlite::Result<usize> {
        self.connection.execute(
            "UPDATE sync_runs SET status = 'interrupted', finished_at = :now,
                    error = 'the process ended before the run did'
             WHERE status = 'running'",
            named_params! { ":now": crate::mirror::transaction::now() },
        )
    }

    /// The newest run of a job on a resource that left a checkpoint, and the checkpoint.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn unfinished_run(
        &self,
        job: Job,
        resource: Resource,
    ) -> rusqlite::Result<Option<(RunId, String)>> {
        self.connection
            .query_row(
                "SELECT id, checkpoint FROM sync_runs
                 WHERE resource = :resource AND job = :job AND checkpoint IS NOT NULL
                 ORDER BY id DESC LIMIT 1",
                named_params! { ":resource": resource.entity_set(), ":job": job.as_str() },
                |row| Ok((RunId(row.get(0)?), row.get(1)?)),
            )
            .optional()
    }

    /// The feed's time up to which a resource is mirrored.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn watermark(&self, resource: Resource) -> rusqlite::Result<Option<String>> {
        self.connection
            .query_row(
                "SELECT watermark_after FROM sync_runs
                 WHERE resource = :resource AND watermark_after IS NOT NULL AND job <> 'deletions'
                 ORDER BY id DESC LIMIT 1",
                named_params! { ":resource": resource.entity_set() },
                |row| row.get(0),
            )
            .optional()
    }

    /// The feed's time up to which its announced deletions of a resource were
    /// read; where none were read yet, where its first full sync began.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn deletions_watermark(&self, resource: Resource) -> rusqlite::Result<Option<String>> {
        self.connection
            .query_row(
                "SELECT watermark_after FROM sync_runs
                 WHERE resource = :resource AND watermark_after IS NOT NULL
                 ORDER BY job = 'deletions' DESC, CASE job WHEN 'deletions' THEN -id ELSE id END
                 LIMIT 1",
                named_params! { ":resource": resource.entity_set() },
                |row| row.get(0),
            )
            .optional()
    }

    /// When a run of a job was started last, UTC.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn last_started(&self, job: Job) -> rusqlite::Result<Option<String>> {
        self.connection.query_row(
            "SELECT max(started_at) FROM sync_runs WHERE job = ?1",
            [job.as_str()],
            |row| row.get(0),
        )
    }

    /// Whether a full sync of the resource has ever read all of it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn has_finished_full(&self, resource: Resource) -> rusqlite::Result<bool> {
        self.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM sync_runs
                            WHERE resource = :resource AND job = 'full'
                              AND status IN ('succeeded', 'partial') AND checkpoint IS NULL)",
            named_params! { ":resource": resource.entity_set() },
            |row| row.get(0),
        )
    }

    /// A run as it is reported.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn run_summary(&self, run: RunId) -> rusqlite::Result<RunSummary> {
        self.connection.query_row(
            "SELECT id, job, resource, status, started_at, finished_at, duration_ms,
                    watermark_before, watermark_after, pages, requests, retries, throttled_ms,
                    bytes_received, records_seen, inserted, updated, unchanged, deleted, restored,
                    rejected, changes_logged, records_per_second, peak_rss_bytes, error
             FROM sync_runs WHERE id = :id",
            named_params! { ":id": run.0 },
            |row| {
                Ok(RunSummary {
                    id: row.get("id")?,
                    job: row.get("job")?,
                    resource: row.get("resource")?,
                    status: row.get("status")?,
                    started_at: row.get("started_at")?,
                    finished_at: row.get("finished_at")?,
                    duration_ms: row.get("duration_ms")?,
                    watermark_before: row.get("watermark_before")?,
                    watermark_after: row.get("watermark_after")?,
                    pages: row.get("pages")?,
                    requests: row.get("requests")?,
                    retries: row.get("retries")?,
                    throttled_ms: row.get("throttled_ms")?,
                    bytes_received: row.get("bytes_received")?,
                    records_seen: row.get("records_seen")?,
                    inserted: row.get("inserted")?,
                    updated: row.get("updated")?,
                    unchanged: row.get("unchanged")?,
                    deleted: row.get("deleted")?,
                    restored: row.get("restored")?,
                    rejected: row.get("rejected")?,
                    changes_logged: row.get("changes_logged")?,
                    records_per_second: row.get("records_per_second")?,
                    peak_rss_bytes: row.get("peak_rss_bytes")?,
                    error: row.get("error")?,
                })
            },
        )
    }
}

impl WriteTx<'_> {
    /// Begins a run. With `taking_over` it goes on from where that run stood,
    /// which is left without a checkpoint.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn start_run(
        &self,
        job: Job,
        resource: Resource,
        watermark_before: Option<&str>,
        taking_over: Option<RunId>,
    ) -> rusqlite::Result<RunId> {
        self.transaction.execute(
            "INSERT INTO sync_runs (job, resource, status, started_at, watermark_before, checkpoint)
             SELECT :job, :resource, 'running', :now, :before,
                    (SELECT checkpoint FROM sync_runs WHERE id = :old)",
            named_params! {
                ":job": job.as_str(),
                ":resource": resource.entity_set(),
                ":now": self.now,
                ":before": watermark_before,
                ":old": taking_over.map(|run| run.0),
            },
        )?;
        let run = RunId(self.transaction.last_insert_rowid());
        // The newest run alone knows where to go on.
        self.transaction.execute(
            "UPDATE sync_runs SET checkpoint = NULL
             WHERE resource = :resource AND job = :job AND id < :run AND checkpoint IS NOT NULL",
            named_params! {
                ":resource": resource.entity_set(), ":job": job.as_str(), ":run": run.0,
            },
        )?;
        Ok(run)
    }

    /// Begins a run that failed before it asked for a page: the checkpoint of an
    /// earlier one stays where it is.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn start_failed_run(
        &self,
        job: Job,
        resource: Resource,
        watermark_before: Option<&str>,
    ) -> rusqlite::Result<RunId> {
        self.transaction.execute(
            "INSERT INTO sync_runs (job, resource, status, started_at, watermark_before)
             VALUES (:job, :resource, 'running', :now, :before)",
            named_params! {
                ":job": job.as_str(),
                ":resource": resource.entity_set(),
                ":now": self.now,
                ":before": watermark_before,
            },
        )?;
        Ok(RunId(self.transaction.last_insert_rowid()))
    }

    /// Writes what a run did so far, and where it stands.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save_run(
        &self,
        run: RunId,
        counts: &RunCounts,
        checkpoint: Option<&str>,
    ) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare_cached(
            "UPDATE sync_runs SET checkpoint = :checkpoint, pages = :pages, requests = :requests,
                    retries = :retries, throttled_ms = :throttled, bytes_received = :bytes,
                    records_seen = :seen, inserted = :inserted, updated = :updated,
                    unchanged = :unchanged, deleted = :deleted, restored = :restored,
                    rejected = :rejected, changes_logged = :logged
             WHERE id = :run",
        )?;
        statement.execute(named_params! {
            ":run": run.0,
            ":checkpoint": checkpoint,
            ":pages": counts.pages as i64,
            ":requests": counts.requests as i64,
            ":retries": counts.retries as i64,
            ":throttled": counts.throttled_ms as i64,
            ":bytes": counts.bytes_received as i64,
            ":seen": counts.records_seen as i64,
            ":inserted": counts.inserted as i64,
            ":updated": counts.updated as i64,
            ":unchanged": counts.unchanged as i64,
            ":deleted": counts.deleted as i64,
            ":restored": counts.restored as i64,
            ":rejected": counts.rejected as i64,
            ":logged": counts.changes_logged as i64,
        })?;
        Ok(())
    }

    /// Takes back a run that came to nothing.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn discard_run(&self, run: RunId) -> rusqlite::Result<()> {
        self.transaction
            .execute("DELETE FROM sync_runs WHERE id = ?1", [run.0])?;
        Ok(())
    }

    /// A run that ended left something out after all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn mark_partial(&self, run: RunId, error: &str) -> rusqlite::Result<()> {
        self.transaction.execute(
            "UPDATE sync_runs SET status = 'partial',
                    error = CASE WHEN error IS NULL THEN :error ELSE error || '; ' || :error END
             WHERE id = :run",
            named_params! { ":run": run.0, ":error": error },
        )?;
        Ok(())
    }

    /// A run that ended has to be read again after all: the resource stays mirrored
    /// up to where it was.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn hold_watermark(&self, run: RunId) -> rusqlite::Result<()> {
        self.transaction.execute(
            "UPDATE sync_runs SET watermark_after = watermark_before WHERE id = ?1",
            [run.0],
        )?;
        Ok(())
    }

    /// Ends a run. What it did and where it stands was saved before.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish_run(&self, run: RunId, outcome: &RunOutcome) -> rusqlite::Result<()> {
        let seconds = outcome.duration.as_secs_f64();
        self.transaction.execute(
            "UPDATE sync_runs SET status = :status, finished_at = :now, duration_ms = :duration,
                    watermark_after = :after, peak_rss_bytes = :rss, error = :error,
                    records_per_second =
                        CASE WHEN :seconds > 0 THEN round(records_seen / :seconds, 1) END
             WHERE id = :run",
            named_params! {
                ":run": run.0,
                ":status": outcome.status.as_str(),
                ":now": self.now,
                ":duration": outcome.duration.as_millis() as i64,
                ":after": outcome.watermark_after,
                ":rss": outcome.peak_rss_bytes.map(|bytes| bytes as i64),
                ":error": outcome.error,
                ":seconds": seconds,
            },
        )?;
        Ok(())
    }
}
