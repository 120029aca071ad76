//! Reading the whole of a resource.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::Context;
use super::apply::{Apply, Tallies, Tally};
use super::begin::{asked, first_checkpoint};
use super::catalog::Catalog;
use super::checkpoint::Checkpoint;
use crate::feed::{FeedError, Position, Step, Sweep, Traffic, Tries};
use crate::mirror::{Job, Mirror, Status, Writing};
use crate::record::Shape;
use crate::resource::Resource;

/// A sweep of a resource while it is under way.
pub(super) struct Sweeping<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) catalog: &'a Catalog,
    pub(super) resource: Resource,
    pub(super) checkpoint: Checkpoint,
    /// The runs of the resource and of what comes with it.
    pub(super) tallies: Tallies,
    /// The children that the feed does not give along, and why.
    pub(super) refused: Vec<(Resource, String)>,
    pub(super) watermark_before: BTreeMap<Resource, Option<String>>,
    pub(super) started: Instant,
    pub(super) traffic: Traffic,
    pub(super) left_out: Vec<String>,
    /// The link that an earlier run left to go on from.
    resumed_at: Option<String>,
}

impl<'a> Sweeping<'a> {
    /// Begins a sweep, or goes on with one that did not finish. `children` are
    /// those to be asked for in the same requests; `traffic` is what went over
    /// the wire before anything that this sweep has to answer for.
    pub fn begin(
        context: &'a Context<'a>,
        catalog: &'a Catalog,
        mirror: &mut Mirror,
        resource: Resource,
        children: &[Resource],
        traffic: Traffic,
    ) -> anyhow::Result<Sweeping<'a>> {
        let started = Instant::now();
        let asked = asked(catalog, resource, children);
        let unfinished = mirror.unfinished_run(Job::Full, resource)?;
        let resumed = unfinished.and_then(|(run, text)| {
            let checkpoint: Checkpoint = serde_json::from_str(&text).ok()?;
            (checkpoint.asked == asked).then_some((run, checkpoint))
        });
        let (taking_over, mut checkpoint) = match resumed {
            Some((run, checkpoint)) => (Some(run), checkpoint),
            None => (
                None,
                first_checkpoint(context, catalog, resource, children, asked)?,
            ),
        };
        let expanded = checkpoint.expanded();
        let mut tallies = Tallies::new();
        let mut watermark_before = BTreeMap::new();
        for &filled in [resource].iter().chain(&expanded) {
            let before = mirror.watermark(filled)?;
            let logs = mirror.has_finished_full(filled)?;
            let writing = mirror.write()?;
            let taking_over = taking_over.filter(|_| filled == resource);
            let run = writing.start_run(Job::Full, filled, before.as_deref(), taking_over)?;
            if checkpoint.read == 0 {
                writing.clear_sweep(Job::Full, filled)?;
            }
            writing.commit()?;
            watermark_before.insert(filled, before);
            tallies.insert(
                filled,
                Tally {
                    run,
                    counts: Default::default(),
                    logs,
                },
            );
        }
        let run = tallies[&resource].run;
        checkpoint.first_run.get_or_insert(run.number());
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
            watermark_before,
            started,
            traffic,
            left_out: Vec::new(),
        })
    }

    /// Reads all that is not read yet, and then soft-deletes what is gone.
    pub(super) fn run(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        let mut shape = self.catalog.shape(self.resource, &self.expanded())?;
        if !shape.children.is_empty() && self.checkpoint.read == 0 {
            shape = self.probe(mirror, shape)?;
        }
        if let Err(error) = self.read(mirror, &shape) {
            shape = self.another_way(mirror, shape, error)?;
            self.read(mirror, &shape)?;
        }
        self.find_what_was_passed_over(mirror, &shape)?;
        self.delete_missing(mirror, &shape)
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

    pub(super) fn sweep(&self, shape: &Arc<Shape>) -> Sweep {
        let filter = self.catalog.filter(self.resource).map(str::to_owned);
        let select = self.catalog.selects(self.resource);
        self.context.feed.sweep(shape.clone(), filter, select)
    }

    /// The children that come with their listings.
    fn expanded(&self) -> Vec<Resource> {
        self.checkpoint.expanded()
    }

    /// Goes on without these children; their runs end here, and they are read on
    /// their own afterwards.
    fn give_up_children(
        &mut self,
        mirror: &mut Mirror,
        children: &[Resource],
        why: &str,
    ) -> anyhow::Result<()> {
        tracing::warn!(resource = %self.resource, "$expand: {why}; reading the children on their own");
        let writing = mirror.write()?;
        for child in children {
            let Some(tally) = self.tallies.remove(child) else {
                continue;
            };
            self.refused.push((*child, why.to_owned()));
            writing.clear_sweep(Job::Full, *child)?;
            if tally.counts.records_seen > 0 {
                let outcome =
                    self.outcome(*child, Status::Failed, Some(format!("by $expand: {why}")));
                writing.finish_run(tally.run, &outcome)?;
            } else {
                writing.forget_run(tally.run)?;
            }
        }
        writing.commit()?;
        let kept = |name: &String| !children.iter().any(|child| child.entity_set() == name);
        self.checkpoint.expand.retain(kept);
        Ok(())
    }

    pub(super) fn read(&mut self, mirror: &mut Mirror, shape: &Arc<Shape>) -> anyhow::Result<()> {
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
    pub(super) fn apply(
        &mut self,
        mirror: &mut Mirror,
        shape: &Shape,
        step: Step,
    ) -> anyhow::Result<()> {
        let counts: Vec<_> = self.tallies.values().map(|tally| tally.counts).collect();
        let checkpoint = self.checkpoint.clone();
        let applied = self.try_apply(mirror, shape, step);
        if applied.is_err() {
            self.checkpoint = checkpoint;
            for (tally, counts) in self.tallies.values_mut().zip(counts) {
                tally.counts = counts;
            }
        }
        applied
    }

    fn try_apply(
        &mut self,
        mirror: &mut Mirror,
        shape: &Shape,
        mut step: Step,
    ) -> anyhow::Result<()> {
        let writing = mirror.write()?;
        let mut apply = Apply {
            writing: &writing,
            tallies: &mut self.tallies,
            ignore_fields: &self.context.config.sync.ignore_fields,
            listings_filtered: self.catalog.filter(Resource::Property).is_some(),
        };
        apply.leave_out_unwanted(shape, &mut step.page)?;
        apply.page(shape, &step.page)?;
        self.note_met(&writing, shape, &step)?;
        self.checkpoint.note_rejects(&step.page.rejects);
        self.checkpoint.read += step.page.entries as u64;
        self.checkpoint.positions[step.walk] = step.to;
        self.save(&writing, Some(&serde_json::to_string(&self.checkpoint)?))?;
        writing.commit()?;
        let counts = &self.tallies[&self.resource].counts;
        self.context
            .progress
            .page(self.resource, counts, self.checkpoint.read);
        Ok(())
    }

    /// Writes what the runs did so far; the requests are the resource's own.
    pub(super) fn save(
        &mut self,
        writing: &Writing<'_>,
        checkpoint: Option<&str>,
    ) -> rusqlite::Result<()> {
        let traffic = self.context.feed.traffic() - self.traffic;
        for (resource, tally) in &mut self.tallies {
            let own = *resource == self.resource;
            if own {
                tally.counts.spent(traffic);
            }
            writing.save_run(tally.run, &tally.counts, checkpoint.filter(|_| own))?;
        }
        Ok(())
    }
}
