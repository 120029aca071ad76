//! A run as reports show it.

use rusqlite::named_params;
use serde::Serialize;

use super::run::RunId;
use crate::mirror::Mirror;

/// A run as reports show it.
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
    /// Returns a run as reports show it.
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
