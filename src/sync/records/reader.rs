//! Reading a resource: the whole of it, or what changed since the watermark.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::apply::Apply;
use super::begin::{asked, changes_checkpoint, first_checkpoint, resumed};
use super::catalog::Catalog;
use super::checkpoint::Checkpoint;
use super::run_rows::Tallies;
use crate::feed::{FeedError, Position, Step, Sweep, Tries};
use crate::mirror::{DeletedReason, Job, Mirror, RunStatus, WriteTx};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::Context;

/// A sweep of a resource while it is under way.
pub(in crate::sync) struct Sweeping<'a> {
    pub(in crate::sync) context: &'a Context<'a>,
    pub(in crate::sync) catalog: &'a Catalog,
    pub(in crate::sync) resource: Resource,
    pub(in crate::sync) checkpoint: Checkpoint,
    /// The runs of the resource and of what comes with it.
    pub(in crate::sync) tallies: Tallies,
    /// The children that the feed does not give along, and why.
    pub(in crate::sync) refused: Vec<(Resource, String)>,
    pub(in crate::sync) left_out: Vec<String>,
    /// Whether it goes on with a sweep that did not finish.
    pub(in crate::sync) is_resumed: bool,
    /// The link that an earlier run left to go on from.
    resumed_at: Option<String>,
}

impl<'a> Sweeping<'a> {
    /// Begins a sweep, or goes on with one that did not finish. `children` are
    /// those to be asked for in the same requests; `tallies` holds the runs that
    /// were begun already.
    pub fn begin(
        context: &'a Context<'a>,
        catalog: &'a Catalog,
        mirror: &mut Mirror,
        resource: Resource,
        children: &[Resource],
        mut tallies: Tallies,
    ) -> anyhow::Result<Sweeping<'a>> {
        let job = tallies.job();
        let asked = asked(catalog, resource, children);
        let overlap = context.config.sync.overlap;
        // What left the filter is found by reading all changes anew.
        let resumes = job != Job::Incremental || catalog.filter(resource).is_none();
        let unfinished = mirror.unfinished_run(job, resource)?.filter(|_| resumes);
        let unfinished = unfinished
            .and_then(|(run, text)| Some((run, resumed(&text, job, resource, &asked, overlap)?)));
        let is_resumed = unfinished.is_some();
        let (taking_over, mut checkpoint) = match unfinished {
            Some((run, checkpoint)) => {
                let text = serde_json::to_string(&checkpoint)?;
                (Some((run, text)), checkpoint)
            }
            None if job == Job::Incremental => {
                let watermark = mirror.watermark(resource)?;
                let checkpoint =
                    changes_checkpoint(catalog, resource, children, asked, watermark, overlap)?;
                (None, checkpoint)
            }
            None => (
                None,
                first_checkpoint(context, catalog, resource, children, asked)?,
            ),
        };
        let expanded = checkpoint.expanded();
        for &filled in [resource].iter().chain(&expanded) {
            if tallies.get(filled).is_none() {
                let taking_over = match job {
                    _ if filled == resource => taking_over.clone(),
                    Job::Incremental => mirror.unfinished_run(job, filled)?,
                    _ => None,
                };
                tallies.begin(mirror, filled, taking_over)?;
            }
            let held = mirror.scope(filled)?;
            if let (Some(held), Ok(wanted), Some(tally)) =
                (held, catalog.scope(filled), tallies.get_mut(filled))
            {
                let is_new = |field: &&String| !held.fields.contains(*field);
                tally.new_fields = wanted.fields.iter().filter(is_new).cloned().collect();
            }
            if !is_resumed {
                let tx = mirror.write()?;
                tx.clear_sweep(job, filled)?;
                tx.commit()?;
            }
        }
        if let Some(tally) = tallies.get(resource) {
            checkpoint.first_run.get_or_insert(tally.run.number());
        }
        context.progress.begin(resource, checkpoint.count);
        let without = children.iter().filter(|child| !expanded.contains(child));
        let refused = without.map(|&child| (child, "listings have no such navigation".to_owned()));
        let resumed_at = checkpoint
            .positions
            .iter()
            .find_map(|position| match position {
                Position::NextLink { next_link } => next_link.clone(),
                _ => None,
            });
        Ok(Sweeping {
            resumed_at,
            context,
            catalog,
            resource,
            checkpoint,
            tallies,
            refused: refused.collect(),
            is_resumed,
            left_out: Vec::new(),
        })
    }

    /// The job that it is done for.
    pub(in crate::sync) fn job(&self) -> Job {
        self.tallies.job()
    }

    /// Reads all that is not read yet, and then soft-deletes what is gone.
    pub(in crate::sync) fn run(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        let shape = self.read_all(mirror)?;
        self.find_what_was_passed_over(mirror, &shape)?;
        self.delete_missing(mirror, &shape)
    }

    /// Reads all that is not read yet, one way or another.
    pub(in crate::sync) fn read_all(&mut self, mirror: &mut Mirror) -> anyhow::Result<Arc<Shape>> {
        let mut shape = self.catalog.shape(self.resource, &self.expanded())?;
        if !shape.children.is_empty() && self.checkpoint.read == 0 {
            shape = self.probe(mirror, shape)?;
        }
        if let Err(error) = self.read(mirror, &shape) {
            shape = self.another_way(mirror, shape, error)?;
            self.read(mirror, &shape)?;
        }
        Ok(shape)
    }

    /// Reads the first page alone, to see whether the server gives the children
    /// along; if not, no more requests are spent on asking.
    fn probe(&mut self, mirror: &mut Mirror, shape: Arc<Shape>) -> anyhow::Result<Arc<Shape>> {
        let Some((walk, position)) = self.checkpoint.open().into_iter().next() else {
            return Ok(shape);
        };
        let step = match self.context.feed.step(&self.sweep(&shape), walk, &position) {
            Ok(step) => step,
            Err(error) => return self.another_way(mirror, shape, error.into()),
        };
        let records = &step.page.records;
        let ignored: Vec<Resource> = (shape.children.iter().enumerate())
            .filter(|(at, _)| records.iter().all(|record| record.children[*at].is_none()))
            .map(|(_, child)| child.shape.resource)
            .filter(|_| !records.is_empty())
            .collect();
        self.apply(mirror, &shape, step)?;
        if !ignored.is_empty() {
            self.give_up_children(mirror, &ignored, "the server ignores $expand")?;
        }
        Ok(self.catalog.shape(self.resource, &self.expanded())?)
    }

    /// What to go on with after an error. The children may be what the server
    /// cannot give: if the page comes without them, and still does not with
    /// them, they are given up. A link that leads nowhere any more is given up
    /// for the start.
    ///
    /// # Errors
    /// The error itself, where there is no other way.
    fn another_way(
        &mut self,
        mirror: &mut Mirror,
        shape: Arc<Shape>,
        error: anyhow::Error,
    ) -> anyhow::Result<Arc<Shape>> {
        let Some(feed_error) = error.downcast_ref::<FeedError>() else {
            return Err(error);
        };
        let open = self.checkpoint.open();
        if !shape.children.is_empty() && feed_error.may_be_what_was_asked() {
            let plain = self.catalog.shape(self.resource, &[])?;
            let Some((walk, from)) = open.into_iter().next() else {
                return Err(error);
            };
            let Ok(step) = self.context.feed.step(&self.sweep(&plain), walk, &from) else {
                return Err(error);
            };
            // What failed for a while has not failed because of the children.
            let once_more = Sweep {
                tries: Tries::Once,
                ..self.sweep(&shape)
            };
            if let Ok(step) = self.context.feed.step(&once_more, walk, &from) {
                self.apply(mirror, &shape, step)?;
                return Ok(shape);
            }
            let why = feed_error.to_string();
            self.give_up_children(mirror, &self.expanded(), &why)?;
            self.apply(mirror, &plain, step)?;
            return Ok(plain);
        }
        let stale = open.iter().any(|(_, position)| {
            matches!(position, Position::NextLink { next_link: Some(link) } if self.resumed_at.as_ref() == Some(link))
        });
        if stale
            && matches!(
                feed_error,
                FeedError::Refused { .. } | FeedError::Elsewhere(_)
            )
        {
            tracing::warn!(resource = %self.resource, %error, "the link to go on from is dead; beginning again");
            self.resumed_at = None;
            self.checkpoint.positions = vec![Position::NextLink { next_link: None }];
            return Ok(shape);
        }
        Err(error)
    }

    pub(in crate::sync) fn sweep(&self, shape: &Arc<Shape>) -> Sweep {
        let filter = self.catalog.filter(self.resource).map(str::to_owned);
        let select = self.catalog.selects(self.resource);
        self.context.feed.sweep(shape.clone(), filter, select)
    }

    /// The children that come with their listings.
    fn expanded(&self) -> Vec<Resource> {
        self.checkpoint.expanded()
    }

    /// Goes on without these children, which are read on their own afterwards. A
    /// full sync begins them anew then: their runs end here.
    fn give_up_children(
        &mut self,
        mirror: &mut Mirror,
        children: &[Resource],
        why: &str,
    ) -> anyhow::Result<()> {
        tracing::warn!(resource = %self.resource, "$expand: {why}; reading the children on their own");
        let tx = mirror.write()?;
        for &child in children {
            self.refused.push((child, why.to_owned()));
            let counts = self.tallies.counts(child);
            if self.job() == Job::Incremental {
                continue;
            }
            tx.clear_sweep(self.job(), child)?;
            if counts.records_seen > 0 {
                let error = Some(format!("by $expand: {why}"));
                self.end_run(&tx, child, RunStatus::Failed, error)?;
            } else if let Some(tally) = self.tallies.get(child) {
                tx.discard_run(tally.run)?;
            }
            self.tallies.remove(child);
        }
        tx.commit()?;
        let kept = |name: &String| !children.iter().any(|child| child.entity_set() == name);
        self.checkpoint.expand.retain(kept);
        Ok(())
    }

    pub(in crate::sync) fn read(
        &mut self,
        mirror: &mut Mirror,
        shape: &Arc<Shape>,
    ) -> anyhow::Result<()> {
        let walking = self
            .context
            .feed
            .walk(self.sweep(shape), self.checkpoint.open());
        for step in walking {
            self.apply(mirror, shape, step?)?;
            if let Some(signal) = self.context.stop.requested() {
                return Err(FeedError::Interrupted(signal).into());
            }
        }
        Ok(())
    }

    /// One page and where the sweep stands behind it, in one transaction. If it
    /// fails, all is as it was before.
    pub(in crate::sync) fn apply(
        &mut self,
        mirror: &mut Mirror,
        shape: &Shape,
        step: Step,
    ) -> anyhow::Result<()> {
        self.apply_and(mirror, shape, step, None)
    }

    /// As [`Sweeping::apply`]; with a reason, the records are soft-deleted with the
    /// values that came.
    pub(in crate::sync) fn apply_and(
        &mut self,
        mirror: &mut Mirror,
        shape: &Shape,
        step: Step,
        gone: Option<DeletedReason>,
    ) -> anyhow::Result<()> {
        let counts = self.tallies.all_counts();
        let checkpoint = self.checkpoint.clone();
        let applied = self.try_apply(mirror, shape, step, gone);
        if applied.is_err() {
            self.checkpoint = checkpoint;
            self.tallies.take_back(counts);
        }
        applied
    }

    fn try_apply(
        &mut self,
        mirror: &mut Mirror,
        shape: &Shape,
        mut step: Step,
        gone: Option<DeletedReason>,
    ) -> anyhow::Result<()> {
        let tx = mirror.write()?;
        let mut apply = self.applying(&tx);
        apply.leave_out_unwanted(shape, &mut step.page)?;
        apply.page(shape, &step.page)?;
        if let Some(reason) = gone {
            for record in &step.page.records {
                apply.gone(shape.resource, &record.key, reason)?;
            }
        }
        match self.job() {
            Job::Incremental => self.note_stamps(shape, &step),
            _ => self.note_met(&tx, shape, &step)?,
        }
        self.checkpoint.note_rejects(&step.page.rejects);
        self.checkpoint.read += step.page.entries as u64;
        // What was asked for by key stands beside the sweep's own positions.
        if let Some(position) = self.checkpoint.positions.get_mut(step.walk) {
            *position = step.to;
        }
        self.save(&tx)?;
        tx.commit()?;
        let counts = self.tallies.counts(self.resource);
        self.context
            .progress
            .page(self.resource, &counts, self.checkpoint.read);
        Ok(())
    }

    /// Notes how far a page of changes leads. What was asked for by key says
    /// nothing of what was not, and with a filter all changes are read before.
    fn note_stamps(&mut self, shape: &Shape, step: &Step) {
        let is_walk = step.walk < self.checkpoint.positions.len();
        if is_walk && self.catalog.filter(self.resource).is_none() {
            let now = self.context.feed.date();
            self.checkpoint.note_newest(shape, &step.page, now);
        }
    }

    /// What applies pages in a transaction.
    pub(in crate::sync) fn applying<'w>(&'w mut self, tx: &'w WriteTx<'w>) -> Apply<'w> {
        Apply {
            tx,
            tallies: &mut self.tallies,
            ignore_fields: &self.context.config.sync.ignore_fields,
            listings_filtered: self.catalog.filter(Resource::Property).is_some(),
            missing: BTreeSet::new(),
        }
    }

    /// Writes what the runs did so far, and where the sweep stands.
    pub(in crate::sync) fn save(&mut self, tx: &WriteTx<'_>) -> anyhow::Result<()> {
        let text = serde_json::to_string(&self.checkpoint)?;
        Ok(self.save_at(tx, Some(&text))?)
    }

    /// Writes what the runs did so far; without a checkpoint, that all was read.
    pub(in crate::sync) fn save_at(
        &mut self,
        tx: &WriteTx<'_>,
        checkpoint: Option<&str>,
    ) -> rusqlite::Result<()> {
        let traffic = self.context.feed.traffic();
        self.tallies.save(tx, self.resource, traffic, checkpoint)
    }
}
