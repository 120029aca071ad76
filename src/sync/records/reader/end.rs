//! How the runs of a reader end.

use super::resource_reader::Reader;
use crate::mirror::{Job, RunId, WriteTx};
use crate::resource::Resource;
use crate::sync::outcome::Advice;
use crate::sync::records::held_deletions::save_held_deletions;
use crate::sync::records::job_run::{JobRun, failed};
use crate::sync::records::run_set::{RunEnding, RunSet};
use crate::sync::records::scope::save_incomplete;
use crate::sync::sync_error::{Result, SyncError};

/// Returns the error text for this number of rejected records; none for 0.
pub(in crate::sync) fn rejected_error(rejected: u64) -> Option<String> {
    let records = if rejected == 1 { "record" } else { "records" };
    (rejected > 0).then(|| {
        format!("{rejected} {records} could not be stored; the table `rejects` keeps them")
    })
}

impl Reader<'_> {
    /// Ends the runs with this result, all of them in one transaction. Runs that did not
    /// finish keep their checkpoint. Returns the runs of children that continue, which
    /// is the case in an incremental sync: their own changes are still to be read. Also returns
    /// the error that stopped the reading, unless it ends the whole job.
    pub fn finish(
        self,
        job: &mut JobRun<'_>,
        result: Result<()>,
    ) -> Result<(RunSet, Option<SyncError>)> {
        let runs = self.end_runs(job, &result);
        // This error says more than the one of writing how the runs end.
        let error = result.err().map(SyncError::of_resource).transpose()?;
        Ok((runs?, error))
    }

    fn end_runs(mut self, job: &mut JobRun<'_>, result: &Result<()>) -> Result<RunSet> {
        self.context.progress.end(self.resource);
        job.copy_is_behind |= self.copy_is_behind;
        self.advise(job);
        let kind = self.job();
        let ending: Vec<Resource> = match kind {
            Job::Incremental => vec![self.resource],
            _ => self.runs.resources(),
        };
        let checkpoint = match result {
            Ok(()) => None,
            Err(_) => Some(self.checkpoint.to_json(self.context.feed)?),
        };
        let none = job.runs(self.job(), self.resource);
        let mut runs = std::mem::replace(&mut self.runs, none);
        job.end_runs(&mut runs, checkpoint.as_deref(), |write, runs| {
            let mut endings = Vec::with_capacity(ending.len());
            for resource in ending {
                let ending = match result {
                    Ok(()) => self.finished(write, runs, resource)?,
                    Err(error) => {
                        let has_pages = runs.counts(self.resource).pages > 0;
                        failed(self.context, kind, self.resource, has_pages, error)
                    }
                };
                endings.push((resource, ending));
            }
            Ok(endings)
        })?;
        Ok(runs)
    }

    /// Advises to allow the deletions that were held back. Those of children follow once the
    /// deletions of their listings are allowed.
    fn advise(&self, job: &mut JobRun<'_>) {
        job.holds_listings |= self.held_back.contains_key(&Resource::PROPERTY);
        let follows = |resource: Resource| job.holds_listings && self.catalog.is_child(resource);
        let held = (self.held_back.iter()).filter(|(resource, _)| !follows(**resource));
        if let Some(missing) = held.map(|(_, missing)| *missing).max() {
            job.advise(Advice::AllowDeletes(missing));
        }
    }

    /// Writes that a resource was read to the end. Returns how its run ends.
    fn finished(
        &self,
        write: &WriteTx<'_>,
        runs: &RunSet,
        resource: Resource,
    ) -> Result<RunEnding> {
        write.clear_sweep(self.job(), resource)?;
        let held = self.held_back.get(&resource).copied();
        save_held_deletions(write, resource, self.job(), held)?;
        let capabilities = self.context.feed.capabilities();
        if resource == self.resource && self.checkpoint.replicates {
            capabilities.note_replication(resource, None);
        } else if resource == self.resource && (self.job() == Job::Full || self.checkpoint.by_links)
        {
            capabilities.note_paging(resource, self.checkpoint.by_links);
        }
        if matches!(self.job(), Job::Full | Job::Reconcile) && !self.is_incomplete {
            write.clear_due_children(resource)?;
        }
        if self.job() == Job::Full {
            // Records that were not read lack the fields that are new.
            if !self.is_incomplete {
                write.save_scope(resource, &self.catalog.scope(resource)?)?;
            }
            save_incomplete(write, resource, self.is_incomplete)?;
        }
        if self.job() != Job::Reconcile && self.left_out.is_empty() {
            self.save_last_read(write, resource)?;
        }
        if let Some(first_run) = self.checkpoint.first_run.filter(|_| !self.is_incomplete) {
            self.resolve_unseen(write, resource, RunId::from_number(first_run))?;
        }

        let mut left_out = Vec::new();
        // Children come along with the records that were read.
        if resource == self.resource || self.is_incomplete {
            left_out.clone_from(&self.left_out);
        }
        // Rejects of earlier runs of the same sweep are among them.
        left_out.extend(rejected_error(write.open_rejects(resource)?));
        let before = runs.watermark_before(resource);
        if left_out.is_empty() && matches!(self.job(), Job::Full | Job::Reconcile) {
            let by_counts = self
                .audited
                .as_ref()
                .is_some_and(|audited| audited.by_counts);
            write.save_proof(resource, write.live_rows(resource)?, by_counts)?;
        }
        let error = (!left_out.is_empty()).then(|| left_out.join("; "));
        // A full sync that is incomplete has not finished.
        let watermark = if self.is_incomplete {
            before
        } else {
            self.checkpoint.watermark(self.job(), resource, before)
        };
        Ok(RunEnding::complete(error).at(watermark))
    }

    /// Resolves earlier rejects that this run did not see again: the feed no longer
    /// sends them in that form.
    fn resolve_unseen(
        &self,
        write: &WriteTx<'_>,
        resource: Resource,
        since: RunId,
    ) -> rusqlite::Result<()> {
        match self.job() {
            Job::Incremental => Ok(()),
            // Keys and timestamps do not show whether a record can be stored now.
            Job::Reconcile if self.left_out.is_empty() => {
                write.resolve_announcements(resource, since)
            }
            Job::Reconcile => Ok(()),
            _ => write.resolve_unseen_rejects(resource, since),
        }
    }
}
