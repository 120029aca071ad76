//! A run of a job: its id, its status, its counts and its outcome.

use std::time::Duration;

use crate::feed::Traffic;

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
