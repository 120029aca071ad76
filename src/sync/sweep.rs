//! Reading the whole of a resource, and telling what is gone.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;

use super::apply::{Apply, Tallies, Tally};
use super::catalog::Catalog;
use super::checkpoint::Checkpoint;
use super::ranges::positions;
use super::survey::{Survey, survey};
use super::{Context, Verdict, peak_rss_bytes, told};
use crate::feed::{FeedError, Key, Paging, Position, Step, Sweep, Traffic, Tries};
use crate::mirror::{DeletedReason, Job, Mirror, Outcome, RunId, Status, Writing};
use crate::record::Shape;
use crate::resource::Resource;
use crate::value::Form;

/// Fewer deletions than this are never held back: of a small mirror, a few
/// percent is one listing.
const BRAKE_MIN_ROWS: u64 = 20;

/// A sweep of a resource while it is under way.
pub(super) struct Sweeping<'a> {
    context: &'a Context<'a>,
    catalog: &'a Catalog,
    resource: Resource,
    checkpoint: Checkpoint,
    /// The runs of the resource and of what comes with it.
    pub tallies: Tallies,
    /// The children that the feed does not give along, and why.
    pub refused: Vec<(Resource, String)>,
    watermark_before: BTreeMap<Resource, Option<String>>,
    started: Instant,
    traffic: Traffic,
    left_out: Vec<String>,
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
            None => (None, first_checkpoint(context, catalog, resource, children, asked)?),
        };
        let expanded: Vec<Resource> =
            checkpoint.expand.iter().filter_map(|name| name.parse().ok()).collect();
        let mut tallies = Tallies::new();
        let mut watermark_before = BTreeMap::new();
        for &filled in [resource].iter().chain(&expanded) {
            let before = mirror.watermark(filled)?;
            let logs = mirror.has_finished_full(filled)?;
            let writing = mirror.write()?;
            let taking_over = taking_over.filter(|_| filled == resource);
            let run = writing.start_run(Job::Full, filled, before.as_deref(), taking_over)?;
            if filled == resource && taking_over.is_none() {
                writing.clear_sweep(resource)?;
            }
            writing.commit()?;
            watermark_before.insert(filled, before);
            tallies.insert(filled, Tally { run, counts: Default::default(), logs });
        }
        let run = tallies[&resource].run;
        checkpoint.first_run.get_or_insert(run.number());
        context.progress.begin(resource, checkpoint.count);
        let without = children.iter().filter(|child| !expanded.contains(child));
        let refused = without.map(|&child| (child, "listings have no such navigation".to_owned()));
        Ok(Sweeping {
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
    pub fn run(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        let mut shape = self.catalog.shape(self.resource, &self.expanded())?;
        if !shape.children.is_empty() && self.checkpoint.read == 0 {
            shape = self.probe(mirror, shape)?;
        }
        self.read(mirror, &shape).or_else(|error| {
            // The children may be what the server cannot give: try without.
            let refusal = error.downcast_ref::<FeedError>().filter(|error| error.is_refusal());
            match refusal {
                Some(refusal) if !shape.children.is_empty() => {
                    let why = refusal.to_string();
                    self.give_up_children(mirror, why)?;
                    let shape = self.catalog.shape(self.resource, &[])?;
                    self.read(mirror, &shape)
                }
                _ => Err(error),
            }
        })?;
        self.find_what_was_passed_over(mirror)?;
        self.delete_missing(mirror, &shape)
    }

    /// Reads the first page alone, to see whether the server gives the children
    /// along; if not, no more requests are spent on asking.
    fn probe(
        &mut self,
        mirror: &mut Mirror,
        shape: Arc<Shape>,
    ) -> anyhow::Result<Arc<Shape>> {
        let Some((walk, position)) = self.checkpoint.open().into_iter().next() else {
            return Ok(shape);
        };
        match self.context.feed.step(&self.sweep(&shape), walk, &position) {
            Ok(step) => {
                let ignored = !step.page.records.is_empty()
                    && step.page.records.iter().all(|record| {
                        record.children.iter().all(Option::is_none)
                    });
                self.apply(mirror, &shape, step)?;
                if ignored {
                    self.give_up_children(mirror, "the server ignores $expand".to_owned())?;
                }
            }
            Err(error) if error.is_refusal() => {
                self.give_up_children(mirror, error.to_string())?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(self.catalog.shape(self.resource, &self.expanded())?)
    }

    fn sweep(&self, shape: &Arc<Shape>) -> Sweep {
        let filter = self.catalog.filter(self.resource).map(str::to_owned);
        let select = self.catalog.selects(self.resource);
        self.context.feed.sweep(shape.clone(), filter, select)
    }

    fn expanded(&self) -> Vec<Resource> {
        self.checkpoint.expand.iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// Goes on without the children; their runs end here, and they are read on
    /// their own afterwards.
    fn give_up_children(&mut self, mirror: &mut Mirror, why: String) -> anyhow::Result<()> {
        tracing::warn!(resource = %self.resource, "$expand: {why}; reading the children on their own");
        for child in self.expanded() {
            self.refused.push((child, why.clone()));
            if self.tallies[&child].counts.records_seen > 0 {
                self.finish_one(mirror, child, Status::Failed, Some(format!("by $expand: {why}")))?;
            } else {
                let writing = mirror.write()?;
                writing.forget_run(self.tallies[&child].run)?;
                writing.commit()?;
            }
            self.tallies.remove(&child);
        }
        self.checkpoint.expand.clear();
        Ok(())
    }

    fn read(&mut self, mirror: &mut Mirror, shape: &Arc<Shape>) -> anyhow::Result<()> {
        let walking = self.context.feed.walk(self.sweep(shape), self.checkpoint.open());
        for step in walking {
            self.apply(mirror, shape, step?)?;
            if self.context.stop.requested().is_some() {
                return Err(FeedError::Interrupted.into());
            }
        }
        Ok(())
    }

    /// One page and where the sweep stands behind it, in one transaction. If it
    /// fails, all is as it was before.
    fn apply(&mut self, mirror: &mut Mirror, shape: &Shape, step: Step) -> anyhow::Result<()> {
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

    fn try_apply(&mut self, mirror: &mut Mirror, shape: &Shape, step: Step) -> anyhow::Result<()> {
        let writing = mirror.write()?;
        let mut apply = Apply {
            writing: &writing,
            tallies: &mut self.tallies,
            ignore_fields: &self.context.config.sync.ignore_fields,
            listings_filtered: self.catalog.filter(Resource::Property).is_some(),
        };
        apply.page(shape, &step.page)?;
        self.note_met(&writing, shape, &step)?;
        self.checkpoint.note_rejects(&step.page.rejects);
        self.checkpoint.read += step.page.entries as u64;
        self.checkpoint.positions[step.walk] = step.to;
        self.save(&writing, Some(&serde_json::to_string(&self.checkpoint)?))?;
        writing.commit()?;
        let counts = &self.tallies[&self.resource].counts;
        self.context.progress.page(self.resource, counts, self.checkpoint.read);
        Ok(())
    }

    /// Writes what the runs did so far; the requests are the resource's own.
    fn save(
        &mut self,
        writing: &Writing<'_>,
        checkpoint: Option<&str>,
    ) -> rusqlite::Result<()> {
        let traffic = self.context.feed.traffic() - self.traffic;
        for (resource, tally) in &mut self.tallies {
            let own = *resource == self.resource;
            if own {
                tally.counts.requests = traffic.requests;
                tally.counts.retries = traffic.retries;
                tally.counts.throttled_ms = traffic.throttled_ms;
                tally.counts.bytes_received = traffic.bytes_received;
            }
            writing.save_run(tally.run, &tally.counts, checkpoint.filter(|_| own))?;
        }
        Ok(())
    }

    /// Notes what tells later which rows are gone. Read in the order of a
    /// numeric key, a page tells by itself which keys between its first and its
    /// last are not there; otherwise every key that came is noted.
    fn note_met(
        &self,
        writing: &Writing<'_>,
        shape: &Shape,
        step: &Step,
    ) -> rusqlite::Result<()> {
        let page = &step.page;
        let rejected = page.rejects.iter().filter(|reject| reject.resource == self.resource);
        let met: HashSet<&str> = (page.records.iter().map(|record| &*record.key))
            .chain(rejected.clone().filter_map(|reject| reject.key.as_deref()))
            .collect();
        if !in_order_of_numbers(shape, self.context.feed.dialect().paging) {
            for key in met {
                writing.note_seen(self.resource, key)?;
            }
            return Ok(());
        }
        for key in &met {
            writing.note_found(self.resource, key)?;
        }
        // One that came without its key may be any of those that seem gone.
        if rejected.clone().any(|reject| reject.key.is_none()) {
            return Ok(());
        }
        let Some((after, up_to)) = stretch(step) else { return Ok(()) };
        for key in writing.live_keys_between(shape, after, up_to)? {
            if !met.contains(key.as_str()) {
                writing.note_missing(self.resource, &key)?;
            }
        }
        Ok(())
    }

    /// Links that count rows pass over some while others come and go: what the
    /// feed counts more than was met is looked for once more, from the start.
    fn find_what_was_passed_over(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        if self.context.feed.dialect().paging != Paging::NextLink {
            return Ok(());
        }
        let stamps = self.catalog.stamps(self.resource)?;
        let filter = self.catalog.filter(self.resource);
        for round in 0..=ROUNDS {
            let asked = survey(self.context.feed, &stamps, filter, Tries::Configured)?;
            let writing = mirror.write()?;
            let met = writing.seen(self.resource)?;
            drop(writing);
            let Some(count) = asked.count.filter(|count| *count > met && !self.checkpoint.keyless)
            else {
                return Ok(());
            };
            if round == ROUNDS {
                let (_, nouns) = self.resource.nouns();
                self.left_out.push(format!(
                    "the feed counts {count} {nouns} and its pages gave {met}, read {} times",
                    ROUNDS + 1
                ));
                return Ok(());
            }
            tracing::info!(resource = %self.resource, count, met, "reading again what was passed over");
            self.checkpoint.positions = vec![Position::NextLink { next_link: None }];
            let shape = self.catalog.shape(self.resource, &self.expanded())?;
            self.read(mirror, &shape)?;
        }
        Ok(())
    }

    fn delete_missing(&mut self, mirror: &mut Mirror, shape: &Shape) -> anyhow::Result<()> {
        let resource = self.resource;
        let brake = f64::from(self.context.config.sync.max_delete_percent);
        let writing = mirror.write()?;
        if !in_order_of_numbers(shape, self.context.feed.dialect().paging)
            && !self.checkpoint.keyless
            && self.left_out.is_empty()
        {
            writing.missing_from_seen(resource)?;
        }
        let missing = writing.missing(resource)?;
        let live = writing.live_rows(resource)?;
        let count = missing.len() as u64;
        let over = count > BRAKE_MIN_ROWS && count as f64 * 100.0 > brake * live as f64;
        if over && count > self.context.allow_deletes {
            let (_, nouns) = resource.nouns();
            self.left_out.push(format!(
                "{count} of {live} {nouns} are gone from the feed, more than max_delete_percent = {brake} allows; \
                 nothing was deleted; if it is right, run it again with --allow-deletes {count}"
            ));
        } else {
            for key in missing {
                let mut apply = Apply {
                    writing: &writing,
                    tallies: &mut self.tallies,
                    ignore_fields: &self.context.config.sync.ignore_fields,
                    listings_filtered: false,
                };
                apply.gone(resource, &key, DeletedReason::Missing)?;
            }
        }
        for filled in self.tallies.keys() {
            if let Some(first_run) = self.checkpoint.first_run {
                writing.resolve_unmet_rejects(*filled, RunId::from_number(first_run))?;
            }
        }
        writing.clear_sweep(resource)?;
        // The sweep is over: nothing is left to go on from.
        self.save(&writing, None)?;
        writing.commit()?;
        Ok(())
    }

    /// Ends the runs as they went.
    pub fn finish(
        mut self,
        mirror: &mut Mirror,
        result: &anyhow::Result<()>,
    ) -> anyhow::Result<(Vec<RunId>, Verdict)> {
        self.context.progress.end(self.resource);
        if result.is_err() {
            let text = serde_json::to_string(&self.checkpoint)?;
            let writing = mirror.write()?;
            self.save(&writing, Some(&text))?;
            writing.commit()?;
        }
        let mut verdict = Verdict::Done;
        let mut runs = Vec::new();
        let filled: Vec<Resource> = self.tallies.keys().copied().collect();
        for resource in filled {
            let tally = &self.tallies[&resource];
            let rejected = tally.counts.rejected;
            let (status, error) = match result {
                Err(error) => {
                    let filtered = self.catalog.filter(self.resource).map(|_| self.resource);
                    let own = Verdict::of(error, filtered.is_some());
                    verdict = verdict.max(own);
                    match own {
                        Verdict::Interrupted => (Status::Interrupted, None),
                        _ => (Status::Failed, Some(told(error, filtered))),
                    }
                }
                Ok(()) => {
                    let mut left_out = match resource == self.resource {
                        true => std::mem::take(&mut self.left_out),
                        false => Vec::new(),
                    };
                    if rejected > 0 {
                        left_out.push(format!(
                            "{rejected} {} could not be stored; they are kept in `rejects`",
                            if rejected == 1 { "record" } else { "records" }
                        ));
                    }
                    match left_out.is_empty() {
                        true => (Status::Succeeded, None),
                        false => {
                            verdict = verdict.max(Verdict::Partial);
                            (Status::Partial, Some(left_out.join("; ")))
                        }
                    }
                }
            };
            runs.push(self.tallies[&resource].run);
            self.finish_one(mirror, resource, status, error)?;
        }
        Ok((runs, verdict))
    }

    fn finish_one(
        &self,
        mirror: &mut Mirror,
        resource: Resource,
        status: Status,
        error: Option<String>,
    ) -> anyhow::Result<()> {
        let before = self.watermark_before.get(&resource).cloned().flatten();
        let done = matches!(status, Status::Succeeded | Status::Partial);
        let outcome = Outcome {
            status,
            watermark_after: match done {
                true => self.checkpoint.watermark(resource, before),
                false => before,
            },
            duration: self.started.elapsed(),
            peak_rss_bytes: peak_rss_bytes(),
            error,
        };
        let writing = mirror.write()?;
        writing.finish_run(self.tallies[&resource].run, &outcome)?;
        writing.commit().context("ending a run")
    }
}

/// The stretch of numeric keys of which a page tells all: from where it began
/// to its last key, or to the end of the range. None where records without a
/// paging key stand in between, for they may be any of those that seem gone.
fn stretch(step: &Step) -> Option<(Option<i64>, Option<i64>)> {
    let Position::Keyset { after, up_to, skip: 0 } = &step.from else { return None };
    let number = |key: &Option<Key>| match key {
        Some(Key::Number(number)) => Some(*number),
        _ => None,
    };
    if step.to.is_finished() {
        return Some((number(after), number(up_to)));
    }
    let last = number(&Key::of(&step.page.last_paging));
    last.map(|last| (number(after), Some(last)))
}

/// How often a resource whose links passed over records is read again.
const ROUNDS: u32 = 2;

fn in_order_of_numbers(shape: &Shape, paging: Paging) -> bool {
    paging == Paging::Keyset && shape.paging_field().form == Form::Integer
}

/// What a sweep asks for, to tell a checkpoint of the same from one of another.
fn asked(catalog: &Catalog, resource: Resource, children: &[Resource]) -> String {
    let filter = catalog.filter(resource).unwrap_or_default();
    let shape = catalog.shape(resource, children);
    let selected = shape.map(|shape| match catalog.selects(resource) {
        true => shape.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(","),
        false => String::new(),
    });
    let children: Vec<&str> = children.iter().map(|child| child.entity_set()).collect();
    format!("{filter}|{}|{}", selected.unwrap_or_default(), children.join(","))
}

fn first_checkpoint(
    context: &Context<'_>,
    catalog: &Catalog,
    resource: Resource,
    children: &[Resource],
    asked: String,
) -> anyhow::Result<Checkpoint> {
    let feed = context.feed;
    let stamps = catalog.stamps(resource)?;
    let filter = catalog.filter(resource);
    let Survey { count, newest } = survey(feed, &stamps, filter, Tries::Configured)?;
    let shape = catalog.shape(resource, children)?;
    let expand: Vec<Resource> = shape.children.iter().map(|child| child.shape.resource).collect();
    let mut stamps_of = BTreeMap::new();
    for &child in &expand {
        let own = newest_child(context, catalog, child)?;
        if let Some(stamp) = own.or(newest.clone()) {
            stamps_of.insert(child.entity_set().to_owned(), stamp);
        }
    }
    if let Some(newest) = newest {
        stamps_of.insert(resource.entity_set().to_owned(), newest);
    }
    Ok(Checkpoint {
        asked,
        positions: positions(feed, &stamps, filter, count)?,
        expand: expand.iter().map(|child| child.entity_set().to_owned()).collect(),
        count,
        read: 0,
        newest: stamps_of,
        rejected: Default::default(),
        first_run: None,
        keyless: false,
    })
}

/// The newest stamp of a child resource. Where the resource itself does not
/// answer, the listings' newest stands in: one clock stamps both, so nothing of
/// the child can change afterwards and be stamped before it.
fn newest_child(
    context: &Context<'_>,
    catalog: &Catalog,
    child: Resource,
) -> anyhow::Result<Option<String>> {
    let stamps = catalog.stamps(child)?;
    if child == Resource::Adu || !stamps.has_timestamp() {
        return Ok(None);
    }
    match survey(context.feed, &stamps, None, Tries::Once) {
        Ok(survey) => Ok(survey.newest),
        Err(error @ (FeedError::Interrupted | FeedError::Unauthorized { status: 401, .. })) => {
            Err(error.into())
        }
        Err(error) => {
            tracing::info!(resource = %child, %error, "going by the listings' newest stamp");
            Ok(None)
        }
    }
}
