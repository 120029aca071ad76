//! A run of a job: its id, its status, its counts and its outcome.

use std::time::Duration;

use rusqlite::Row;
use serde::Serialize;

use crate::feed::Traffic;

/// The id of a run in `sync_runs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(pub(in crate::mirror) i64);

impl RunId {
    /// Returns the `id`.
    pub fn number(self) -> i64 {
        self.0
    }

    /// Returns the run with an `id`.
    pub fn from_number(id: i64) -> RunId {
        RunId(id)
    }
}

/// The status of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// The run is in progress, or its process crashed.
    Running,
    /// The run did everything.
    Succeeded,
    /// The run finished but left something out, which its error names.
    Partial,
    /// The run failed.
    Failed,
    /// The run was stopped.
    Interrupted,
}

impl RunStatus {
    /// All statuses.
    pub const ALL: [RunStatus; 5] = [
        RunStatus::Running,
        RunStatus::Succeeded,
        RunStatus::Partial,
        RunStatus::Failed,
        RunStatus::Interrupted,
    ];

    /// Returns the status as `sync_runs` stores it.
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

/// The counts of a run so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RunCounts {
    /// Pages applied.
    pub pages: u64,
    /// Requests sent, including retries.
    pub requests: u64,
    /// Requests sent again.
    pub retries: u64,
    /// Time spent waiting for the rate budget, in milliseconds.
    pub throttled_ms: u64,
    /// Bytes of bodies received, after decompression.
    pub bytes_received: u64,
    /// Records received.
    pub records_seen: u64,
    /// New records.
    pub inserted: u64,
    /// Changed records.
    pub updated: u64,
    /// Unchanged records.
    pub unchanged: u64,
    /// Rows that were soft-deleted.
    pub deleted: u64,
    /// Rows that were restored.
    pub restored: u64,
    /// Records that were rejected.
    pub rejected: u64,
    /// Rows added to `changes`.
    pub changes_logged: u64,
}

impl RunCounts {
    /// Returns the counts in a row of `sync_runs`.
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<RunCounts> {
        Ok(RunCounts {
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
        })
    }

    /// Sets the counts of requests and bytes.
    pub fn set_traffic(&mut self, traffic: Traffic) {
        self.requests = traffic.requests;
        self.retries = traffic.retries;
        self.throttled_ms = traffic.throttled_ms;
        self.bytes_received = traffic.bytes_received;
    }
}

/// The outcome of a run.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// The status.
    pub status: RunStatus,
    /// The feed's time up to which the resource is mirrored.
    pub watermark_after: Option<String>,
    /// The duration.
    pub duration: Duration,
    /// The peak memory of the process so far, in bytes.
    pub peak_rss_bytes: Option<u64>,
    /// The error, in one line.
    pub error: Option<String>,
}
