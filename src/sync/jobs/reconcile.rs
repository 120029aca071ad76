//! The reconcile: keys and stamps of all that the mirror is to hold, held against
//! the feed's; what differs is read again, what is missing goes.

use std::sync::Arc;

use super::incremental::catch_up_and_announce;
use super::whole_job::whole_job;
use crate::feed::{FeedError, Step};
use crate::mirror::{Job, Mirror};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::Context;
use crate::sync::Report;
use crate::sync::files::Trust;
use crate::sync::records::by_key::fetch;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::job_run::{Runs, run_job};
use crate::sync::records::reader::Sweeping;
use crate::sync::records::run_rows::Tallies;

/// Holds keys and stamps of `resources` against the feed's, and mends what differs.
///
/// # Errors
/// If the database cannot be read or written. What the feed does wrong is in
/// the report.
pub fn reconcile(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
) -> anyhow::Result<Report> {
    whole_job(context, mirror, Trust::NotEmpty, |mirror| {
        run_job(
            context,
            mirror,
            Job::Reconcile,
            resources,
            |mirror, catalog, runs| {
                for &resource in resources {
                    if runs.must_end() {
                        break;
                    }
                    // An ADU names no listing: it is reached only through it.
                    if resource == Resource::Adu {
                        let note =
                            "Adu: cannot be reconciled on its own; `mlsmirror sync full` reads it";
                        context.progress.note(note);
                        continue;
                    }
                    reconcile_one(context, catalog, mirror, resource, runs)?;
                }
                catch_up_and_announce(context, catalog, mirror, resources, runs)
            },
        )
    })
}

fn reconcile_one(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    resource: Resource,
    runs: &mut Runs,
) -> anyhow::Result<()> {
    let tallies = Tallies::new(Job::Reconcile, runs.traffic());
    let never_read = match mirror.has_finished_full(resource)? {
        true => None,
        false => Some("was never read to its end; `mlsmirror sync full` does that"),
    };
    let begun = match never_read {
        Some(what) => Err(anyhow::anyhow!("{resource} {what}")),
        None => Sweeping::begin(context, catalog, mirror, resource, &[], tallies),
    };
    let mut sweeping = match begun {
        Ok(sweeping) => sweeping,
        Err(error) if error.is::<rusqlite::Error>() => return Err(error),
        Err(error) => return runs.fail(context, mirror, Job::Reconcile, &[resource], &error),
    };
    let is_resumed = sweeping.is_resumed;
    let result = sweeping.reconcile(mirror);
    let finished = sweeping.finish(mirror, &result)?;
    runs.note(context.feed, &finished);
    if is_resumed && result.is_ok() {
        runs.note_resumed(resource);
    }
    match result {
        Err(error) if error.is::<rusqlite::Error>() => Err(error),
        _ => Ok(()),
    }
}

impl Sweeping<'_> {
    fn reconcile(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        let stamps = self.catalog.stamps(self.resource)?;
        if !stamps.has_timestamp() {
            // Keys alone do not tell what changed.
            self.run(mirror)?;
        } else {
            let whole = self.catalog.shape(self.resource, &[])?;
            self.compare_all(mirror, &whole)?;
            self.find_what_was_passed_over(mirror, &whole)?;
            self.delete_missing(mirror, &whole)?;
        }
        let whole = self.catalog.shape(self.resource, &[])?;
        self.retry_rejects(mirror, &whole)
    }

    /// Compares page by page, and reads again what differs as soon as it fills a
    /// request.
    pub(in crate::sync) fn compare_all(
        &mut self,
        mirror: &mut Mirror,
        whole: &Arc<Shape>,
    ) -> anyhow::Result<()> {
        let context = self.context;
        let stamps = Arc::new(self.catalog.stamps(self.resource)?);
        let filter = self.catalog.filter(self.resource).map(str::to_owned);
        let sweep = context.feed.sweep(stamps.clone(), filter, true);
        for step in context.feed.walk(sweep, self.checkpoint.open()) {
            self.compare(mirror, &stamps, step?)?;
            if self.checkpoint.pending.len() >= context.feed.dialect().keys_at_once {
                self.refetch(mirror, whole)?;
            }
            if let Some(signal) = context.stop.requested() {
                return Err(FeedError::Interrupted(signal).into());
            }
        }
        self.refetch(mirror, whole)
    }

    /// Notes what of a page differs, in one transaction with where the sweep stands.
    fn compare(
        &mut self,
        mirror: &mut Mirror,
        stamps: &Shape,
        mut step: Step,
    ) -> anyhow::Result<()> {
        let resource = self.resource;
        let tx = mirror.write()?;
        self.note_met(&tx, stamps, &step)?;
        self.applying(&tx)
            .leave_out_unwanted(stamps, &mut step.page)?;
        let mut same = 0;
        for record in &step.page.records {
            let held = tx.live_timestamp(resource, &record.key)?;
            if held.is_some_and(|held| held.as_deref() == stamps.modified_of(&record.values)) {
                tx.unmark_missing(resource, &record.key)?;
                same += 1;
            } else {
                self.checkpoint.pending.push(record.key.to_string());
            }
        }
        // One that cannot be stored is asked for whole, to be kept whole.
        let rejected = step
            .page
            .rejects
            .iter()
            .filter_map(|reject| reject.key.as_deref());
        self.checkpoint.pending.extend(rejected.map(str::to_owned));
        self.checkpoint.note_rejects(&step.page.rejects);
        self.checkpoint.read += step.page.entries as u64;
        self.checkpoint.positions[step.walk] = step.to;
        if let Some(tally) = self.tallies.get_mut(resource) {
            tally.counts.pages += 1;
            tally.counts.records_seen += same;
            tally.counts.unchanged += same;
        }
        self.save(&tx)?;
        tx.commit()?;
        let counts = self.tallies.counts(resource);
        self.context
            .progress
            .page(resource, &counts, self.checkpoint.read);
        Ok(())
    }

    fn refetch(&mut self, mirror: &mut Mirror, whole: &Arc<Shape>) -> anyhow::Result<()> {
        let keys = self.checkpoint.pending.clone();
        let context = self.context;
        let sweep = self.sweep(whole);
        fetch(context.feed, context.stop, &sweep, &keys, |step| {
            self.apply(mirror, whole, step)
        })?;
        self.checkpoint.pending.clear();
        Ok(())
    }
}
