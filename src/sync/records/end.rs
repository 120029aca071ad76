//! How a sweep's runs end.

use anyhow::Context as _;

use super::reader::Sweeping;
use super::run_rows::Tallies;
use crate::mirror::{Job, Mirror, RunId, RunStatus, WriteTx};
use crate::resource::Resource;
use crate::sync::Verdict;

/// What is said of so many records that could not be stored.
pub(in crate::sync) fn rejected_error(rejected: u64) -> Option<String> {
    let records = if rejected == 1 { "record" } else { "records" };
    (rejected > 0).then(|| {
        format!("{rejected} {records} could not be stored; see `rejects`, where they are kept")
    })
}

/// What a sweep came to.
pub(in crate::sync) struct Finished {
    /// The runs that ended.
    pub runs: Vec<RunId>,
    /// How.
    pub verdict: Verdict,
    /// The runs of children that go on.
    pub rest: Tallies,
}

impl Sweeping<'_> {
    /// Ends the runs as they went, all of them in one transaction. A sweep that
    /// did not come to its end keeps its checkpoint.
    pub(in crate::sync) fn finish(
        mut self,
        mirror: &mut Mirror,
        result: &anyhow::Result<()>,
    ) -> anyhow::Result<Finished> {
        self.context.progress.end(self.resource);
        let tx = mirror.write()?;
        // The children of an incremental have changes of their own still to be read.
        let ends: Vec<Resource> = match self.job() {
            Job::Incremental => vec![self.resource],
            _ => self.tallies.resources(),
        };
        if result.is_ok() {
            for &resource in &ends {
                tx.clear_sweep(self.job(), resource)?;
                if self.job() == Job::Full {
                    tx.save_scope(resource, &self.catalog.scope(resource)?)?;
                }
                if let Some(first_run) = self.checkpoint.first_run {
                    self.resolve_unmet(&tx, resource, RunId::from_number(first_run))?;
                }
            }
            self.save_at(&tx, None)?;
        } else {
            self.save(&tx)?;
        }
        let mut verdict = Verdict::Done;
        let mut runs = Vec::new();
        for &resource in &ends {
            let (own, status, error) = match result {
                Err(error) => self.context.failed(self.resource, error),
                Ok(()) => self.ended(&tx, resource)?,
            };
            verdict = verdict.max(own);
            self.end_run(&tx, resource, status, error)?;
            runs.extend(self.tallies.remove(resource).map(|tally| tally.run));
        }
        tx.commit().context("ending a run")?;
        Ok(Finished {
            runs,
            verdict,
            rest: self.tallies,
        })
    }

    /// What was rejected before and not met again is no more in the feed as it
    /// was: of the whole feed, or of the changes since it was met.
    fn resolve_unmet(
        &self,
        tx: &WriteTx<'_>,
        resource: Resource,
        since: RunId,
    ) -> rusqlite::Result<()> {
        match self.job() {
            Job::Incremental => tx.resolve_unseen_keyless_rejects(resource, since),
            // Keys and stamps do not tell whether the rest can be stored now.
            Job::Reconcile => Ok(()),
            _ => tx.resolve_unseen_rejects(resource, since),
        }
    }

    fn ended(
        &self,
        tx: &WriteTx<'_>,
        resource: Resource,
    ) -> rusqlite::Result<(Verdict, RunStatus, Option<String>)> {
        let mut left_out = match resource == self.resource {
            true => self.left_out.clone(),
            false => Vec::new(),
        };
        // Those of earlier runs of the same sweep are among them.
        let rejected = tx.open_rejects(resource)?;
        left_out.extend(rejected_error(rejected));
        Ok(match left_out.is_empty() {
            true => (Verdict::Done, RunStatus::Succeeded, None),
            false => (
                Verdict::Partial,
                RunStatus::Partial,
                Some(left_out.join("; ")),
            ),
        })
    }

    /// Ends the run of one resource. One that came to its end leaves no checkpoint.
    pub(in crate::sync) fn end_run(
        &self,
        tx: &WriteTx<'_>,
        resource: Resource,
        status: RunStatus,
        error: Option<String>,
    ) -> rusqlite::Result<()> {
        let Some(tally) = self.tallies.get(resource) else {
            return Ok(());
        };
        let done = matches!(status, RunStatus::Succeeded | RunStatus::Partial);
        let before = tally.watermark_before.clone();
        let watermark_after = match done {
            true => self.checkpoint.watermark(self.job(), resource, before),
            false => before,
        };
        self.tallies
            .finish(tx, resource, status, watermark_after, error)
    }
}
