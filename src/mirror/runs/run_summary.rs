//! A run as reports show it.

use rusqlite::{Row, named_params};
use serde::Serialize;

use super::run::{RunCounts, RunId};
use crate::mirror::Mirror;

/// A run as reports show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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
    pub duration_ms: Option<u64>,
    pub watermark_before: Option<String>,
    pub watermark_after: Option<String>,
    #[serde(flatten)]
    pub counts: RunCounts,
    pub records_per_second: Option<f64>,
    pub peak_rss_bytes: Option<u64>,
    pub error: Option<String>,
}

impl RunSummary {
    /// The query for all runs.
    pub(super) const SELECT: &str =
        "SELECT id, job, resource, status, started_at, finished_at, duration_ms,
                watermark_before, watermark_after, pages, requests, retries, throttled_ms,
                bytes_received, records_seen, inserted, updated, unchanged, deleted, restored,
                rejected, changes_logged, records_per_second, peak_rss_bytes, error
         FROM sync_runs";

    /// Returns the run in a row of [`RunSummary::SELECT`].
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<RunSummary> {
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
            counts: RunCounts::of(row)?,
            records_per_second: row.get("records_per_second")?,
            peak_rss_bytes: row.get("peak_rss_bytes")?,
            error: row.get("error")?,
        })
    }
}

impl Mirror {
    /// Returns a run as reports show it.
    pub fn run_summary(&self, run: RunId) -> rusqlite::Result<RunSummary> {
        self.connection.query_row(
            &format!("{} WHERE id = :id", RunSummary::SELECT),
            named_params! { ":id": run.0 },
            RunSummary::of,
        )
    }
}
