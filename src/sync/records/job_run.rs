//! What the runs of a job have come to.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::Catalog;
use super::end::Finished;
use super::run_rows::Tallies;
use super::scope::narrow;
use crate::feed::{Feed, FeedError, Traffic};
use crate::mirror::{Job, Mirror, RunCounts, RunId, RunOutcome};
use crate::resource::Resource;
use crate::sync::{Context, DeletedCount, Report, Verdict, ending_of};

/// The runs that ended so far, and how.
pub(in crate::sync) struct Runs {
    ids: Vec<RunId>,
    verdicts: BTreeSet<Verdict>,
    /// What went over the wire up to the newest run that answers for it.
    traffic: Traffic,
    deleted: BTreeMap<(Resource, &'static str), u64>,
    /// What a sweep read to its end that an earlier run had begun.
    resumed: BTreeSet<Resource>,
}

/// Does what a job does with the feed's records: asks for its `$metadata`, makes the
/// tables, and goes on.
///
/// # Errors
/// If the database cannot be read or written. What the feed does wrong is in
/// the report.
pub(in crate::sync) fn run_job(
    context: &Context<'_>,
    mirror: &mut Mirror,
    job: Job,
    resources: &[Resource],
    run: impl FnOnce(&mut Mirror, &Catalog, &mut Runs) -> anyhow::Result<()>,
) -> anyhow::Result<Report> {
    let mut runs = Runs {
        ids: Vec::new(),
        verdicts: BTreeSet::new(),
        traffic: context.feed.traffic(),
        deleted: BTreeMap::new(),
        resumed: BTreeSet::new(),
    };
    match Catalog::ask(context.feed, mirror, &context.config.sync) {
        Ok(catalog) => {
            catalog.store(mirror, resources)?;
            narrow(&catalog, mirror, resources)?;
            run(mirror, &catalog, &mut runs)?;
        }
        Err(error) => runs.fail(context, mirror, job, resources, &error)?,
    }
    let summaries = runs.ids.iter().map(|&run| mirror.run_summary(run));
    Ok(Report {
        runs: summaries.collect::<Result<_, _>>()?,
        deleted: deleted_counts(&runs.deleted),
        ending: ending_of(&runs.verdicts, context.stop),
        ..Report::default()
    })
}

/// How many rows were soft-deleted, as it is reported.
pub(in crate::sync) fn deleted_counts(
    deleted: &BTreeMap<(Resource, &'static str), u64>,
) -> Vec<DeletedCount> {
    let counts = deleted
        .iter()
        .map(|(&(resource, reason), &count)| DeletedCount {
            resource: resource.entity_set(),
            reason,
            count,
        });
    counts.collect()
}

impl Runs {
    /// Whether going on would only repeat what went wrong.
    pub fn must_end(&self) -> bool {
        self.verdicts.contains(&Verdict::Interrupted)
            || self.verdicts.contains(&Verdict::Unauthorized)
    }

    /// What went over the wire before anything that the next run answers for.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Notes that a sweep of the resource was gone on with, and finished.
    pub fn note_resumed(&mut self, resource: Resource) {
        self.resumed.insert(resource);
    }

    /// Whether a sweep of any of them was gone on with.
    pub fn has_resumed(&self, resources: &[Resource]) -> bool {
        resources
            .iter()
            .any(|resource| self.resumed.contains(resource))
    }

    /// Notes runs that ended.
    pub fn note(&mut self, feed: &Feed, finished: &Finished) {
        self.note_deleted(&finished.rest);
        self.note_ended(feed, finished.runs.clone(), finished.verdict);
    }

    /// Adds what runs soft-deleted.
    pub fn note_deleted(&mut self, tallies: &Tallies) {
        for (&of, &count) in tallies.deleted() {
            *self.deleted.entry(of).or_default() += count;
        }
    }

    /// Notes runs that ended so.
    pub fn note_ended(&mut self, feed: &Feed, runs: Vec<RunId>, verdict: Verdict) {
        self.traffic = feed.traffic();
        self.ids.extend(runs);
        self.verdicts.insert(verdict);
    }

    /// Ends runs that were begun and not gone on with, since the job must end.
    pub fn end(
        &mut self,
        context: &Context<'_>,
        mirror: &mut Mirror,
        tallies: Tallies,
    ) -> anyhow::Result<()> {
        let error = match context.stop.requested() {
            Some(signal) => FeedError::Interrupted(signal),
            None => FeedError::Unauthorized {
                status: 401,
                message: String::new(),
            },
        };
        self.end_failed(context, mirror, tallies, &error.into())
    }

    /// Ends runs that were begun and failed.
    pub fn end_failed(
        &mut self,
        context: &Context<'_>,
        mirror: &mut Mirror,
        mut tallies: Tallies,
        error: &anyhow::Error,
    ) -> anyhow::Result<()> {
        for resource in tallies.resources() {
            let (verdict, status, text) = context.failed(resource, error);
            let before = tallies
                .get(resource)
                .and_then(|tally| tally.watermark_before.clone());
            let tx = mirror.write()?;
            let traffic = context.feed.traffic();
            let checkpoint = tallies
                .get(resource)
                .and_then(|tally| tally.checkpoint.clone());
            tallies.save(&tx, resource, traffic, checkpoint.as_deref())?;
            tallies.finish(&tx, resource, status, before, text)?;
            tx.commit()?;
            self.ids
                .extend(tallies.remove(resource).map(|tally| tally.run));
            self.verdicts.insert(verdict);
        }
        self.traffic = context.feed.traffic();
        self.note_deleted(&tallies);
        Ok(())
    }

    /// Takes back runs that came to nothing.
    pub fn discard(&mut self, mirror: &mut Mirror, tallies: Tallies) -> anyhow::Result<()> {
        let tx = mirror.write()?;
        for run in tallies.runs() {
            tx.discard_run(run)?;
        }
        Ok(tx.commit()?)
    }

    /// Writes down runs that failed before they could begin; the first of them
    /// answers for what was asked in vain.
    pub fn fail(
        &mut self,
        context: &Context<'_>,
        mirror: &mut Mirror,
        job: Job,
        resources: &[Resource],
        error: &anyhow::Error,
    ) -> anyhow::Result<()> {
        let mut traffic = context.feed.traffic() - self.traffic;
        self.traffic = context.feed.traffic();
        for &resource in resources {
            let (verdict, status, error) = context.failed(resource, error);
            let watermark = match job {
                Job::Deletions => mirror.deletions_watermark(resource)?,
                _ => mirror.watermark(resource)?,
            };
            let outcome = RunOutcome {
                status,
                watermark_after: watermark.clone(),
                duration: Default::default(),
                peak_rss_bytes: None,
                error,
            };
            let tx = mirror.write()?;
            let run = tx.start_failed_run(job, resource, watermark.as_deref())?;
            let mut counts = RunCounts::default();
            counts.set_traffic(std::mem::take(&mut traffic));
            tx.save_run(run, &counts, None)?;
            tx.finish_run(run, &outcome)?;
            tx.commit()?;
            self.ids.push(run);
            self.verdicts.insert(verdict);
        }
        Ok(())
    }
}
