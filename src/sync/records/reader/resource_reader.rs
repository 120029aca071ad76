//! The reader of one resource, and how it applies one page.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::came_along::CameAlong;
use crate::feed::{Page, Position, Step, Sweep};
use crate::mirror::{DeletedReason, Job, Mirror, WriteTx};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::records::apply::{Apply, DueChild};
use crate::sync::records::audit::Audited;
use crate::sync::records::by_key::{Absent, fetch_absent};
use crate::sync::records::catalog::Catalog;
use crate::sync::records::checkpoint::{Checkpoint, DoubtfulKeys};
use crate::sync::records::last_read::LastRead;
use crate::sync::records::run_set::RunSet;
use crate::sync::sync_error::Result;
use crate::value::ValueForm;

/// Reads one resource, with the children that come along.
pub(in crate::sync) struct Reader<'a> {
    pub context: &'a Context<'a>,
    pub catalog: &'a Catalog,
    pub resource: Resource,
    pub checkpoint: Checkpoint,
    /// The runs of the resource and of the children that come along.
    pub runs: RunSet,
    /// Children that the feed does not send with this resource, and why.
    pub separate: Vec<(Resource, String)>,
    /// The reasons why the run is only partial.
    pub left_out: Vec<String>,
    /// The numbers of deletions that were held back.
    pub held_back: BTreeMap<Resource, u64>,
    /// Whether the feed counts records that its pages do not have.
    pub is_incomplete: bool,
    /// How the audit ended that replaced the reading of all records.
    pub(super) audited: Option<Audited>,
    /// Whether the answers seem to come from a copy of the feed that is behind.
    pub copy_is_behind: bool,
    /// Whether a record that is older than its row replaces it.
    pub(super) accepts_older: bool,
    /// Whether the mirror holds all listings, so that it holds only children of live ones.
    pub(super) has_listings: bool,
    /// The children that are due if they do not come with a listing.
    pub(super) due_children: Vec<DueChild>,
    /// The last successful reading of the resource, if its time is known.
    pub(super) last_read: Option<LastRead>,
    /// The time from which changes are read, in storage form.
    pub(super) reads_from: Option<String>,
    /// The filter of the changes up to the time that is enough.
    pub(super) reads_up_to: Option<String>,
    /// The children that came with listings.
    pub came_along: BTreeMap<Resource, CameAlong>,
    /// The earliest change after the watermark that was read.
    pub(super) first_change: Option<String>,
    /// Whether this continues an unfinished run.
    pub is_resumed: bool,
    /// The next link of the unfinished run.
    pub(super) resumed_link: Option<String>,
}

impl Reader<'_> {
    /// Returns the job of the runs.
    pub fn job(&self) -> Job {
        self.runs.job()
    }

    /// Returns what to ask the feed for, in this shape. Changes include the records that the
    /// feed marks as deleted.
    pub fn sweep(&self, shape: &Arc<Shape>) -> Sweep {
        let (feed, shape) = (self.context.feed, shape.clone());
        match self.job() {
            Job::Incremental => self.catalog.sweep(feed, shape),
            _ => self.catalog.live_sweep(feed, shape),
        }
    }

    /// Returns the sweep in which the pages are walked: from an endpoint for a whole copy, if
    /// the reading began there.
    pub(super) fn walked(&self, sweep: Sweep) -> Sweep {
        let feed = self.context.feed;
        Sweep {
            replication: (self.checkpoint.replicates)
                .then(|| feed.replication(self.resource, false))
                .flatten(),
            ..sweep
        }
    }

    /// Returns how to apply pages in a transaction.
    pub(super) fn apply_in<'w>(&'w mut self, write: &'w WriteTx<'w>) -> Apply<'w> {
        Apply {
            accepts_older: self.accepts_older,
            has_listings: self.has_listings,
            due_children: &self.due_children,
            ..Apply::new(self.context, &mut self.runs, write)
        }
    }

    /// Fetches the records of a sweep that have these keys, and applies them. Returns the keys
    /// that the feed lacks.
    pub(super) fn fetch(
        &mut self,
        mirror: &mut Mirror,
        sweep: &Sweep,
        keys: &[String],
    ) -> Result<Vec<String>> {
        Ok(self.fetch_absent(mirror, sweep, keys)?.keys)
    }

    /// Fetches the children with these keys as [`Reader::fetch`] does. Their rows are deleted if
    /// the feed lacks them, so that it must send any child if the mirror has several, unless so
    /// many deletions are allowed.
    pub(super) fn fetch_children(
        &mut self,
        mirror: &mut Mirror,
        sweep: &Sweep,
        keys: &[String],
    ) -> Result<Vec<String>> {
        let absent = self.fetch_absent(mirror, sweep, keys)?;
        if self.context.allow_deletes >= keys.len() as u64 {
            return Ok(absent.keys);
        }
        absent.if_certain(|| Ok(mirror.read()?.live_rows(sweep.shape.resource)?))
    }

    fn fetch_absent(
        &mut self,
        mirror: &mut Mirror,
        sweep: &Sweep,
        keys: &[String],
    ) -> Result<Absent> {
        let (feed, stop) = (self.context.feed, self.context.stop);
        fetch_absent(feed, stop, sweep, keys, |step| {
            self.apply(mirror, &sweep.shape, step)
        })
    }

    /// Applies a page and saves the checkpoint, in one transaction. On an error, the
    /// counts and the checkpoint are as before.
    pub(super) fn apply(&mut self, mirror: &mut Mirror, shape: &Shape, step: Step) -> Result<()> {
        self.apply_and_delete(mirror, shape, step, None)
    }

    /// Applies a page as [`Reader::apply`] does. With a reason, its records are also
    /// soft-deleted, so that the rows keep the last values.
    pub(super) fn apply_and_delete(
        &mut self,
        mirror: &mut Mirror,
        shape: &Shape,
        step: Step,
        reason: Option<DeletedReason>,
    ) -> Result<()> {
        let counts = self.runs.all_counts();
        let checkpoint = self.checkpoint.clone();
        let applied = self.try_apply(mirror, shape, step, reason);
        if applied.is_err() {
            self.checkpoint = checkpoint;
            self.runs.restore_counts(counts);
        }
        applied
    }

    fn try_apply(
        &mut self,
        mirror: &mut Mirror,
        shape: &Shape,
        mut step: Step,
        reason: Option<DeletedReason>,
    ) -> Result<()> {
        let write = mirror.write()?;
        let mut apply = self.apply_in(&write);
        let unwanted = apply.remove_unwanted(shape, &mut step.page)?;
        apply.page(shape, &step.page)?;
        if let Some(reason) = reason {
            for record in &step.page.records {
                // A record with the mark of deleted ones is deleted already.
                if write.is_live(shape.resource, &record.key)? {
                    apply.delete(shape.resource, &record.key, reason, None)?;
                }
            }
        }
        let older = std::mem::take(&mut apply.older);
        let unlisted = std::mem::take(&mut apply.unlisted);
        note(&mut self.checkpoint.older, older);
        note(&mut self.checkpoint.unlisted, unlisted);
        self.checkpoint.unwanted += unwanted;
        if self.job() == Job::Incremental {
            self.note_newest(shape, &step);
            if !step.page.records.is_empty() {
                self.note_came_along(shape, &step.page);
            }
        } else {
            self.note_seen(&write, shape, &step)?;
        }
        self.advance(&write, step)?;
        write.commit()?;
        self.show_progress();
        Ok(())
    }

    /// Notes how far a page of changes reaches. A page that was asked for by key says
    /// nothing about other records; with a filter, all changes were read before.
    fn note_newest(&mut self, shape: &Shape, step: &Step) {
        let is_walk = step.walk < self.checkpoint.positions.len();
        if is_walk && self.catalog.filter(self.resource).is_none() {
            self.note_changes(shape, &step.page);
        }
    }

    /// Notes the newest timestamp of a page of changes, and the earliest one after the
    /// watermark.
    pub(super) fn note_changes(&mut self, shape: &Shape, page: &Page) {
        let now = self.context.feed.now();
        self.checkpoint.note_newest(shape, page, now);
        let watermark = self.watermark_before();
        let timestamps = (page.records.iter())
            .filter_map(|record| shape.modified_of(&record.values))
            .filter(|timestamp| watermark.is_some_and(|watermark| watermark < *timestamp));
        let first = timestamps.chain(self.first_change.as_deref()).min();
        self.first_change = first.map(str::to_owned);
    }

    /// Notes which changed children came with the listings of a page.
    fn note_came_along(&mut self, shape: &Shape, page: &Page) {
        for (at, child) in shape.children.iter().enumerate() {
            let (child, resource) = (&child.shape, child.shape.resource);
            let run = self.runs.get(resource);
            let watermark = run.and_then(|run| run.watermark_before.as_deref());
            let came = self.came_along.entry(resource).or_default();
            came.note(child, at, page, watermark);
        }
    }

    /// Returns the watermark before this reading.
    pub(super) fn watermark_before(&self) -> Option<&str> {
        self.runs.get(self.resource)?.watermark_before.as_deref()
    }

    /// Notes which keys were seen, so that missing rows are found at the end. In the
    /// order of a numeric key, a page itself shows which keys between its first and its
    /// last are missing; otherwise every key is noted.
    pub(super) fn note_seen(
        &self,
        write: &WriteTx<'_>,
        shape: &Shape,
        step: &Step,
    ) -> rusqlite::Result<()> {
        let page = &step.page;
        let rejects = page.rejects.iter();
        let rejects = rejects.filter(|reject| reject.resource == self.resource);
        let rejected_keys = rejects.clone().filter_map(|reject| reject.key.as_deref());
        for key in rejected_keys.clone() {
            write.unmark_missing(self.resource, key)?;
        }
        let seen: HashSet<&str> = (page.records.iter().map(|record| &*record.key))
            .chain(rejected_keys)
            .collect();
        if !self.is_in_numeric_order(shape) {
            for key in seen {
                write.mark_seen(self.job(), self.resource, key)?;
            }
            return Ok(());
        }

        // A record without a key may be any of the records that seem to be missing.
        let has_keyless = rejects.clone().any(|reject| reject.key.is_none());
        let Some(covered) = step.covered().filter(|_| !has_keyless) else {
            return Ok(());
        };
        for key in write.live_keys_in(shape, &covered)? {
            if !seen.contains(key.as_str()) {
                write.mark_missing(self.job(), self.resource, &key)?;
            }
        }
        Ok(())
    }

    /// Forgets which rows seem to be missing: pages that lack counted records prove nothing.
    pub(super) fn forget_missing(&self, mirror: &mut Mirror) -> Result<()> {
        let write = mirror.write()?;
        for resource in [self.resource]
            .into_iter()
            .chain(self.checkpoint.expanded())
        {
            write.clear_sweep(self.job(), resource)?;
        }
        Ok(write.commit()?)
    }

    /// Notes that the feed counts more records than its pages gave in this number of readings.
    pub(super) fn note_contradiction(&mut self, count: u64, seen: u64, times: u32) {
        let counted = self.resource.counted(count);
        self.left_out.push(format!(
            "the feed counts {counted}, and its pages gave {seen}, read {times} times"
        ));
        self.is_incomplete = true;
    }

    /// Returns whether the feed sends records in the order of a numeric key.
    pub(super) fn is_in_numeric_order(&self, shape: &Shape) -> bool {
        !self.checkpoint.by_links && shape.paging_field().form == ValueForm::Integer
    }

    /// Moves the checkpoint past a page, and saves it.
    pub(super) fn advance(&mut self, write: &WriteTx<'_>, step: Step) -> Result<()> {
        self.checkpoint.note_rejects(&step.page.rejects);
        self.checkpoint.note_loss(&step);
        let read_before = self.checkpoint.read;
        self.checkpoint.read += step.page.distinct() as u64;
        if self.job() == Job::Incremental && matches!(&step.from, Position::ChangeLinks { .. }) {
            if step.from.next_link().is_none() {
                self.checkpoint.count = step.page.count.map(|count| read_before + count);
            }
            // The last window is checked at the end.
            if step.to.next_link().is_none() && !step.to.is_finished() {
                let count = self.checkpoint.count.unwrap_or(0);
                self.checkpoint.lacking += count.saturating_sub(self.checkpoint.read);
            }
        }
        // Pages that were fetched by key have no position in the checkpoint.
        if let Some(position) = self.checkpoint.positions.get_mut(step.walk) {
            *position = step.to;
        }
        self.save(write)
    }

    /// Saves the counts of the runs and the checkpoint.
    pub(super) fn save(&mut self, write: &WriteTx<'_>) -> Result<()> {
        let checkpoint = self.checkpoint.to_json(self.context.feed)?;
        let traffic = self.context.feed.traffic();
        Ok(self.runs.save(write, traffic, Some(&checkpoint))?)
    }

    pub(super) fn show_progress(&self) {
        let counts = self.runs.counts(self.resource);
        let read = self.checkpoint.read;
        self.context.progress.page(self.resource, &counts, read);
    }
}

fn note(keys_of: &mut DoubtfulKeys, found: Vec<(Resource, String)>) {
    for (resource, key) in found {
        let keys = keys_of.entry(resource.entity_set().to_owned());
        keys.or_default().insert(key);
    }
}
