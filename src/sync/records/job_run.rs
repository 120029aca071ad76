//! A job on the feed's records while it runs, and the runs that it has ended.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::Catalog;
use super::run_set::{RunEnding, RunSet};
use super::same_feed::check_moved_feed;
use super::scope::narrow;
use super::survey::Survey;
use crate::feed::{FeedError, Traffic};
use crate::mirror::{Job, Mirror, RunCounts, RunId, RunOutcome, WriteTx};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::feed_address::save_feed_address;
use crate::sync::outcome::{Advice, DeletedCount, Report, Verdict, ending_of, judge_request};
use crate::sync::progress::Note;
use crate::sync::saved_capabilities::save_capabilities;
use crate::sync::sync_error::{Result, SyncError};

/// A job on the feed's records while it runs.
pub(in crate::sync) struct JobRun<'a> {
    pub context: &'a Context<'a>,
    pub catalog: &'a Catalog,
    pub mirror: &'a mut Mirror,
    /// The resources that the job reads.
    pub resources: &'a [Resource],
    /// Whether answers for a resource seem to come from a copy of the feed that is behind.
    pub copy_is_behind: bool,
    /// Whether deletions of listings were held back.
    pub holds_listings: bool,
    /// The answers that showed that nothing has changed.
    pub surveys: BTreeMap<Resource, Survey>,
    /// The numbers of records that the feed counted before changes were read.
    pub counts_before: BTreeMap<Resource, u64>,
    ended: EndedRuns,
}

/// The runs that ended so far.
#[derive(Default)]
struct EndedRuns {
    ids: Vec<RunId>,
    verdicts: BTreeSet<Verdict>,
    /// The feed's traffic up to the last run that ended.
    traffic: Traffic,
    deleted: BTreeMap<(Resource, &'static str), u64>,
    /// Resources whose reading was resumed and has finished.
    resumed: BTreeSet<Resource>,
    advice: BTreeSet<Advice>,
}

/// Reads the feed's `$metadata`, creates the tables, and runs the job.
/// Errors of the feed are in the report.
pub(in crate::sync) fn run_job(
    context: &Context<'_>,
    mirror: &mut Mirror,
    job: Job,
    resources: &[Resource],
    run: impl FnOnce(&mut JobRun<'_>, &[Resource]) -> Result<()>,
) -> Result<Report> {
    let mut ended = EndedRuns {
        traffic: context.feed.traffic(),
        ..EndedRuns::default()
    };
    match Catalog::ask(context.feed, mirror, context.config) {
        Ok(catalog) => {
            check_moved_feed(context, &catalog, mirror, resources)?;
            let resources = declared(context, &catalog, resources);
            note_no_timestamps(context, &catalog, mirror, &resources)?;
            catalog.store(mirror, &resources)?;
            save_feed_address(context.config, mirror)?;
            narrow(&catalog, mirror, &resources)?;
            let capabilities = context.feed.capabilities();
            capabilities.note_entity_event(catalog.declares_set("EntityEvent"));
            let mut job_run = JobRun {
                context,
                catalog: &catalog,
                mirror,
                resources: &resources,
                copy_is_behind: false,
                holds_listings: false,
                surveys: BTreeMap::new(),
                counts_before: BTreeMap::new(),
                ended,
            };
            let result = run(&mut job_run, &resources);
            ended = job_run.ended;
            save_capabilities(context.feed, mirror)?;
            result?;
        }
        Err(error) => ended.fail(context, mirror, job, resources, &error.of_resource()?)?,
    }
    ended.report(context, mirror)
}

/// Returns the resources to sync. Notes the resources that the feed does not declare.
fn declared(context: &Context<'_>, catalog: &Catalog, resources: &[Resource]) -> Vec<Resource> {
    let mut declared = Vec::with_capacity(resources.len());
    for &resource in resources {
        if catalog.leaves_out(resource) {
            let near = catalog.near_undeclared(resource).flatten();
            context.progress.note(&Note::NotDeclared(resource, near));
        } else {
            catalog.note_fields_without_column(context, resource);
            declared.push(resource);
        }
    }
    declared
}

/// Notes which resources have no timestamp, before they are read for the first time.
fn note_no_timestamps(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &Mirror,
    resources: &[Resource],
) -> Result<()> {
    for &resource in resources {
        let keys = catalog.key_shape(resource);
        let has_none = keys.is_ok_and(|keys| !keys.has_timestamp() && !keys.is_child());
        if has_none && !mirror.has_table(resource)? {
            context.progress.note(&Note::NoTimestamp(resource));
        }
    }
    Ok(())
}

impl JobRun<'_> {
    /// Returns whether continuing would only repeat the failure.
    pub fn must_end(&self) -> bool {
        self.ended.verdicts.contains(&Verdict::Interrupted)
            || self.ended.verdicts.contains(&Verdict::Unauthorized)
    }

    /// Creates a set for the runs that start now.
    pub fn runs(&self, job: Job, owner: Resource) -> RunSet {
        RunSet::new(job, owner, self.ended.traffic)
    }

    /// Moves the run of one resource to a set of its own.
    pub fn split(&self, runs: &mut RunSet, resource: Resource) -> RunSet {
        runs.split(resource, self.ended.traffic)
    }

    /// Notes in a run which fields the mirror did not select before, or which had another
    /// type.
    pub fn note_new_fields(&self, runs: &mut RunSet, resource: Resource) -> Result<()> {
        let held = self.mirror.scope(resource)?;
        if let (Some(held), Ok(wanted), Some(run)) =
            (held, self.catalog.scope(resource), runs.get_mut(resource))
        {
            run.new_fields = wanted.fields.difference(&held.fields).cloned().collect();
        }
        Ok(())
    }

    /// Notes that reading of the resource was resumed, and has finished.
    pub fn note_resumed(&mut self, resource: Resource) {
        self.ended.resumed.insert(resource);
    }

    /// Returns whether reading of any of the resources was resumed.
    pub fn has_resumed(&self, resources: &[Resource]) -> bool {
        resources
            .iter()
            .any(|resource| self.ended.resumed.contains(resource))
    }

    /// Returns the status of the last run of a resource that has ended.
    pub fn status_of_last(&self, resource: Resource) -> Result<Option<String>> {
        let last = self.last_run(resource)?;
        Ok(last.map(|(_, status)| status))
    }

    /// Returns whether a run of this job read all records of a resource.
    pub fn has_read_whole(&self, resource: Resource) -> Result<bool> {
        for &run in &self.ended.ids {
            let run = self.mirror.run_summary(run)?;
            if run.resource == resource.entity_set() && run.job == Job::Full.as_str() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn last_run(&self, resource: Resource) -> Result<Option<(RunId, String)>> {
        for &run in self.ended.ids.iter().rev() {
            let summary = self.mirror.run_summary(run)?;
            if summary.resource == resource.entity_set() {
                return Ok(Some((run, summary.status)));
            }
        }
        Ok(None)
    }

    /// Makes the last run of a resource partial, for this reason.
    pub fn make_partial(&mut self, resource: Resource, why: &str) -> Result<()> {
        let Some((run, _)) = self.last_run(resource)? else {
            return Ok(());
        };
        let write = self.mirror.write()?;
        write.mark_partial(run, why)?;
        write.commit()?;
        self.ended.verdicts.insert(Verdict::Partial);
        Ok(())
    }

    /// Adds a way out that the command line shows.
    pub fn advise(&mut self, advice: Advice) {
        self.ended.advice.insert(advice);
    }

    /// Ends runs in one transaction: saves the counts of the whole set, writes what
    /// `in_transaction` writes, and ends the runs that it returns. The other runs of
    /// the set stay open.
    pub fn end_runs(
        &mut self,
        runs: &mut RunSet,
        checkpoint: Option<&str>,
        in_transaction: impl FnOnce(&WriteTx<'_>, &RunSet) -> Result<Vec<(Resource, RunEnding)>>,
    ) -> Result<()> {
        let traffic = self.context.feed.traffic();
        let write = self.mirror.write()?;
        runs.save(&write, traffic, checkpoint)?;
        let endings = in_transaction(&write, runs)?;
        let mut ended = Vec::with_capacity(endings.len());
        for (resource, ending) in endings {
            ended.push((resource, ending.verdict));
            runs.end(&write, resource, ending)?;
        }
        write.commit()?;

        for (resource, verdict) in ended {
            let run = runs.remove(resource);
            self.ended.ids.extend(run.map(|run| run.id));
            self.ended.verdicts.insert(verdict);
        }
        self.ended.traffic = traffic;
        self.ended.add_deleted(runs);
        Ok(())
    }

    /// Ends all runs of a set with an error. Each keeps its checkpoint.
    pub fn end_failed(&mut self, mut runs: RunSet, error: &SyncError) -> Result<()> {
        let (context, job) = (self.context, runs.job());
        for resource in runs.resources() {
            let mut own = self.split(&mut runs, resource);
            let checkpoint = own.checkpoint(resource);
            self.end_runs(&mut own, checkpoint.as_deref(), |_, runs| {
                let has_pages = runs.counts(resource).pages > 0;
                let ending = failed(context, job, resource, has_pages, error);
                Ok(vec![(resource, ending)])
            })?;
        }
        self.ended.add_deleted(&mut runs);
        Ok(())
    }

    /// Ends runs that began and cannot continue, because the whole job must end.
    pub fn end_with_job(&mut self, runs: RunSet) -> Result<()> {
        let error = match self.context.stop.requested() {
            Some(signal) => FeedError::Interrupted(signal),
            None => FeedError::Unauthorized {
                status: 401,
                message: String::new(),
            },
        };
        self.end_failed(runs, &error.into())
    }

    /// Deletes runs that did nothing.
    pub fn discard(&mut self, runs: RunSet) -> Result<()> {
        let write = self.mirror.write()?;
        for run in runs.ids() {
            write.discard_run(run)?;
        }
        Ok(write.commit()?)
    }

    /// Records runs that failed before they could begin. The first one counts the
    /// requests.
    pub fn fail(&mut self, job: Job, resources: &[Resource], error: &SyncError) -> Result<()> {
        if matches!(error, SyncError::NeverComplete(_)) {
            self.advise(Advice::RunFull);
        }
        self.ended
            .fail(self.context, self.mirror, job, resources, error)
    }
}

/// Returns how a run ends that met this error. An interrupted run has no error text.
pub(super) fn failed(
    context: &Context<'_>,
    job: Job,
    resource: Resource,
    has_pages: bool,
    error: &SyncError,
) -> RunEnding {
    // Announcements of deletions are asked for without the configured filter, and a page shows
    // that the feed accepts it.
    let is_filter_in_doubt = job != Job::Deletions && !has_pages;
    let filter = context.config.sync.filter.get(&resource);
    match judge_request(filter.filter(|_| is_filter_in_doubt), resource, error) {
        (Verdict::Interrupted, _) => RunEnding::new(Verdict::Interrupted, None),
        (verdict, text) => RunEnding::new(verdict, Some(text)),
    }
}

impl EndedRuns {
    fn add_deleted(&mut self, runs: &mut RunSet) {
        for (of, count) in runs.take_deleted() {
            *self.deleted.entry(of).or_default() += count;
        }
    }

    fn fail(
        &mut self,
        context: &Context<'_>,
        mirror: &mut Mirror,
        job: Job,
        resources: &[Resource],
        error: &SyncError,
    ) -> Result<()> {
        let mut traffic = context.feed.traffic() - self.traffic;
        self.traffic = context.feed.traffic();
        for &resource in resources {
            let ending = failed(context, job, resource, false, error);
            let watermark = match job {
                Job::Deletions => mirror.deletions_watermark(resource)?,
                _ => mirror.watermark(resource)?,
            };
            let write = mirror.write()?;
            let run = write.start_failed_run(job, resource, watermark.as_deref())?;
            let mut counts = RunCounts::default();
            counts.set_traffic(std::mem::take(&mut traffic));
            write.save_run(run, &counts, None)?;
            write.finish_run(
                run,
                &RunOutcome {
                    status: ending.status,
                    watermark_after: watermark,
                    duration: Default::default(),
                    peak_rss_bytes: None,
                    error: ending.error,
                },
            )?;
            write.commit()?;
            self.ids.push(run);
            self.verdicts.insert(ending.verdict);
        }
        Ok(())
    }

    fn report(self, context: &Context<'_>, mirror: &Mirror) -> Result<Report> {
        let runs = self.ids.iter().map(|&run| mirror.run_summary(run));
        Ok(Report {
            runs: runs.collect::<rusqlite::Result<_>>()?,
            deleted: DeletedCount::list(&self.deleted),
            advice: self.advice,
            ending: ending_of(&self.verdicts, context.stop),
            ..Report::default()
        })
    }
}
