//! The media job while it is under way.

use super::failing::Failures;
use super::files::FileCounts;
use super::{Context, Report};
use crate::feed::Traffic;
use crate::mirror::{RunCounts, RunId};

/// The media job while it is under way.
pub(super) struct MediaJob<'a> {
    pub context: &'a Context<'a>,
    pub run: RunId,
    pub counts: FileCounts,
    /// Photos that were asked for.
    pub tried: u64,
    /// Of those that were fetched, the ones that had a file before.
    pub replaced: u64,
    pub failures: Failures,
    /// What it took.
    pub traffic: Traffic,
    /// What it came to besides.
    pub report: Report,
}

impl MediaJob<'_> {
    /// What the run did, in the columns that runs have.
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
