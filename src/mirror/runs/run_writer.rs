//! Starting, saving and finishing runs.

use rusqlite::named_params;

use super::job::Job;
use super::run::{RunCounts, RunId, RunOutcome};
use crate::mirror::{Mirror, WriteTx};
use crate::resource::Resource;

impl Mirror {
    /// Marks runs of crashed processes as interrupted. The caller holds the lease.
    pub fn mark_abandoned_runs(&mut self) -> rusqlite::Result<usize> {
        let now = self.now();
        self.connection.execute(
            "UPDATE sync_runs SET status = 'interrupted', finished_at = :now,
                    error = 'the process ended before the run finished'
             WHERE status = 'running'",
            named_params! { ":now": now },
        )
    }
}

impl WriteTx<'_> {
    /// Starts a run. With `taking_over` it resumes at the checkpoint of that run, whose
    /// own checkpoint is cleared.
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
        // Only the newest run keeps a checkpoint.
        self.transaction.execute(
            "UPDATE sync_runs SET checkpoint = NULL
             WHERE resource = :resource AND job = :job AND id < :run AND checkpoint IS NOT NULL",
            named_params! {
                ":resource": resource.entity_set(), ":job": job.as_str(), ":run": run.0,
            },
        )?;
        Ok(run)
    }

    /// Starts a run that failed before its first request. The checkpoint of an earlier
    /// run stays.
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

    /// Saves the counts and the checkpoint of a run.
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
            ":pages": counts.pages,
            ":requests": counts.requests,
            ":retries": counts.retries,
            ":throttled": counts.throttled_ms,
            ":bytes": counts.bytes_received,
            ":seen": counts.records_seen,
            ":inserted": counts.inserted,
            ":updated": counts.updated,
            ":unchanged": counts.unchanged,
            ":deleted": counts.deleted,
            ":restored": counts.restored,
            ":rejected": counts.rejected,
            ":logged": counts.changes_logged,
        })?;
        Ok(())
    }

    /// Removes a run that did nothing.
    pub fn discard_run(&self, run: RunId) -> rusqlite::Result<()> {
        self.transaction
            .execute("DELETE FROM sync_runs WHERE id = ?1", [run.0])?;
        Ok(())
    }

    /// Changes a finished run's status to partial.
    pub fn mark_partial(&self, run: RunId, error: &str) -> rusqlite::Result<()> {
        self.transaction.execute(
            "UPDATE sync_runs SET status = 'partial',
                    error = CASE WHEN error IS NULL THEN :error ELSE error || '; ' || :error END
             WHERE id = :run",
            named_params! { ":run": run.0, ":error": error },
        )?;
        Ok(())
    }

    /// Finishes a run. Its counts and checkpoint have been saved before.
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
                ":rss": outcome.peak_rss_bytes,
                ":error": outcome.error,
                ":seconds": seconds,
            },
        )?;
        Ok(())
    }
}
