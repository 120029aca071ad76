//! A run that downloads photos: its counts and its failures so far.

use super::failures::Failures;
use crate::feed::Traffic;
use crate::mirror::{RunCounts, RunId};
use crate::sync::context::Context;
use crate::sync::outcome::{FileCounts, Report};

/// A run that downloads photos.
pub(super) struct PhotoRun<'a> {
    pub context: &'a Context<'a>,
    pub id: RunId,
    pub counts: FileCounts,
    /// Photos that were requested.
    pub tried: u64,
    /// Downloaded photos that had a file before.
    pub replaced: u64,
    pub failures: Failures,
    pub traffic: Traffic,
    /// The report of the runs that this one started.
    pub report: Report,
}

impl PhotoRun<'_> {
    /// Returns the counts as `sync_runs` gets them.
    pub fn run_counts(&self, traffic: Traffic) -> RunCounts {
        let mut counts = RunCounts {
            records_seen: self.tried,
            inserted: self.counts.fetched - self.replaced,
            updated: self.replaced,
            unchanged: self.counts.unchanged,
            rejected: self.counts.failed,
            ..RunCounts::default()
        };
        counts.set_traffic(traffic);
        counts
    }
}
