//! Reads all pages, and recovers where a server refuses `$expand` or a next link.

use std::sync::Arc;

use super::resource_reader::Reader;
use crate::feed::{FeedError, Position, Sweep, Tries, query};
use crate::mirror::{Job, Mirror};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::outcome::Verdict;
use crate::sync::records::checkpoint::Checkpoint;
use crate::sync::records::expand_cost::{ExpandCost, timed_step};
use crate::sync::records::run_set::RunEnding;
use crate::sync::records::survey;
use crate::sync::sync_error::{Result, SyncError};

/// How often a record may be read if the records are divided into windows of timestamps. If the
/// feed has n times the records of its longest chain of links, each window that is divided at its
/// middle is read up to that length first, so that records are read about three times.
const DIVIDED_TIMES: u64 = 8;

/// The number of pages that may come in addition to twice the counted records.
const PAGES_MORE: u64 = 10;

/// Elasticsearch counts no further by default. Source: its `track_total_hits`.
const COUNT_CAP: u64 = 10_000;

impl Reader<'_> {
    /// Reads everything that is not read yet. Returns the shape in which it was read.
    pub fn read_all(&mut self, mirror: &mut Mirror) -> Result<Arc<Shape>> {
        let mut shape = self.current_shape()?;
        if !shape.children.is_empty() && self.checkpoint.read == 0 {
            shape = self.probe(mirror, shape)?;
        }
        while let Err(error) = self.read(mirror, &shape) {
            shape = self.recover_from(error, mirror, shape)?;
        }
        Ok(shape)
    }

    fn current_shape(&self) -> Result<Arc<Shape>> {
        let children = self.checkpoint.expanded();
        Ok(self.catalog.shape(self.resource, &children)?)
    }

    /// Reads the pages of all open positions.
    pub(super) fn read(&mut self, mirror: &mut Mirror, shape: &Arc<Shape>) -> Result<()> {
        let open = self.checkpoint.open();
        let mut sweep = self.walked(self.sweep(shape));
        if let Some(up_to) = &self.reads_up_to {
            let filter = sweep.filter.as_deref().map(query::group);
            sweep.filter = Some(query::and(filter.into_iter().chain([up_to.clone()])));
        }
        for step in self.context.feed.walk(sweep, open) {
            let step = step?;
            self.check_length()?;
            self.apply(mirror, shape, step)?;
            self.context.check_stop()?;
        }
        Ok(())
    }

    /// Checks that the pages have not had many more records than the feed counts. Records that
    /// were added since are few. Windows of timestamps are read again when they are divided.
    ///
    /// # Errors
    /// [`FeedError::Stuck`]
    fn check_length(&self) -> Result<()> {
        let is_known = self.context.feed.capabilities().counts_all_matching();
        let mut positions = self.checkpoint.positions.iter();
        let is_divided = positions.any(|one| matches!(one, Position::ChangeLinks { .. }));
        let count = self.checkpoint.count.filter(|_| is_known);
        let Some(count) = count.filter(|count| *count != COUNT_CAP) else {
            return Ok(());
        };
        let read = self.checkpoint.read;
        let margin = PAGES_MORE * u64::from(self.context.feed.page_size());
        let times = if is_divided { DIVIDED_TIMES } else { 2 };
        if read > count.saturating_mul(times).saturating_add(margin) {
            let problem = format!("the feed counts {count} records, and its pages had {read}");
            return Err(FeedError::Stuck(problem).into());
        }
        Ok(())
    }

    /// Reads the first page by itself, to see whether the server sends the children.
    /// If it does not, no more requests ask for them.
    fn probe(&mut self, mirror: &mut Mirror, shape: Arc<Shape>) -> Result<Arc<Shape>> {
        let Some((walk, position)) = self.checkpoint.open().into_iter().next() else {
            return Ok(shape);
        };
        let sweep = self.walked(self.sweep(&shape));
        let timed = match timed_step(self.context.feed, &sweep, walk, &position) {
            Ok(timed) => timed,
            Err(error) => return self.recover_from(error.into(), mirror, shape),
        };
        if self.job() == Job::Full {
            let cost = ExpandCost {
                context: self.context,
                catalog: self.catalog,
                sweep,
                with_children: &timed,
                listings: self.checkpoint.count,
            };
            if let Some((plain, step, why)) = cost.find_cheaper()? {
                self.stop_expanding(mirror, &self.checkpoint.expanded(), &why)?;
                self.apply(mirror, &plain, step)?;
                return Ok(plain);
            }
        }
        let step = timed.step;
        let records = &step.page.records;
        let is_absent = |at: usize| records.iter().all(|record| record.children[at].is_none());
        let ignored: Vec<Resource> = (shape.children.iter().enumerate())
            .filter(|(at, _)| !records.is_empty() && is_absent(*at))
            .map(|(_, child)| child.shape.resource)
            .collect();
        self.apply(mirror, &shape, step)?;
        if !ignored.is_empty() {
            for &child in &ignored {
                (self.context.feed.capabilities()).note_expand_ignored(child);
            }
            self.stop_expanding(mirror, &ignored, "the server ignores $expand")?;
        }
        self.current_shape()
    }

    /// Returns the shape to continue with after an error. Children are read separately
    /// if the server cannot send them along. A saved next link that
    /// the feed refuses is replaced by the start.
    ///
    /// # Errors
    /// Returns `error` itself if there is no way to continue.
    pub(super) fn recover_from(
        &mut self,
        mut error: SyncError,
        mirror: &mut Mirror,
        shape: Arc<Shape>,
    ) -> Result<Arc<Shape>> {
        let Some(feed_error) = error.feed() else {
            return Err(error);
        };
        let is_refused_link = matches!(
            feed_error,
            FeedError::Refused { .. } | FeedError::OtherOrigin(_)
        );
        if self.stop_replicating(feed_error)? {
            return Ok(shape);
        }
        let is_unordered = matches!(feed_error, FeedError::Unordered(_));
        let may_refuse_order = feed_error.may_refuse_order() && self.is_early();
        if !shape.children.is_empty() && feed_error.smaller_request_may_succeed() {
            match self.recover_without_children(error, mirror, shape.clone()) {
                Err(again) if again.feed().is_some() => error = again,
                recovered => return recovered,
            }
        }
        if (is_unordered || may_refuse_order) && self.read_by_links() {
            tracing::warn!(resource = %self.resource, %error, "reading by next links");
            return Ok(shape);
        }
        if is_refused_link && self.is_at_resumed_link() {
            tracing::warn!(resource = %self.resource, %error, "the feed refuses the saved next link; reading from the start");
            self.resumed_link = None;
            self.checkpoint.positions = vec![Position::NextLink { next_link: None }];
            return Ok(shape);
        }
        if is_refused_link && self.checkpoint.by_links && self.checkpoint.read > 0 {
            let problem = format!("the next links lead to no end: {error}");
            return Err(FeedError::Stuck(problem).into());
        }
        Err(error)
    }

    /// Returns whether no walk is past its second page. A server may take the order of the
    /// first page, and not the filter of the second.
    fn is_early(&self) -> bool {
        let walks = self.checkpoint.positions.len() as u64;
        self.checkpoint.read <= walks * u64::from(self.context.feed.page_size())
    }

    /// Starts again by next links, for a server that does not take the order or the filter
    /// of a walk by key. Returns false if the reading is by next links already.
    pub(super) fn read_by_links(&mut self) -> bool {
        let starts = self.checkpoint.positions.iter();
        let Some(start) = starts.filter_map(Position::from_start_by_links).next() else {
            return false;
        };
        self.checkpoint.by_links = true;
        self.checkpoint.read = 0;
        self.checkpoint.positions = vec![start];
        true
    }

    /// Starts again by key or by next links, if the server refuses the first page of an endpoint
    /// for a whole copy.
    fn stop_replicating(&mut self, error: &FeedError) -> Result<bool> {
        let is_refused = matches!(
            error,
            FeedError::Refused { .. }
                | FeedError::Unauthorized { status: 403, .. }
                | FeedError::TooLarge
        );
        if !is_refused || !self.checkpoint.replicates || self.checkpoint.read > 0 {
            return Ok(false);
        }
        tracing::warn!(resource = %self.resource, %error, "the feed has no endpoint for a whole copy");
        let capabilities = self.context.feed.capabilities();
        capabilities.note_replication(self.resource, Some(error));
        self.checkpoint.replicates = false;
        self.checkpoint.by_links = self.has_only_links()?;
        self.checkpoint.positions = vec![Position::start(self.checkpoint.by_links)];
        Ok(true)
    }

    /// Returns whether the server cannot be read in the order of keys.
    pub(super) fn has_only_links(&self) -> Result<bool> {
        let keys = self.catalog.key_shape(self.resource)?;
        let capabilities = self.context.feed.capabilities();
        Ok(keys.has_composite_key() || capabilities.is_read_by_links(self.resource))
    }

    /// Compares the number of changes that links led to with the feed's count, unless it ignores
    /// the filter. If some are lacking, the next sync reads the changes again.
    ///
    /// # Errors
    /// [`FeedError::Stuck`] if changes are lacking.
    pub fn check_count_of_changes(&mut self) -> Result<()> {
        let Checkpoint { count, read, .. } = self.checkpoint;
        let count = count.map_or(read, |count| count.max(read)) + self.checkpoint.lacking;
        if !self.checkpoint.by_links || count == read {
            return Ok(());
        }
        let keys = self.catalog.key_shape(self.resource)?;
        if survey::counts_despite_filter(self.context.feed, &keys)? {
            return Ok(());
        }
        self.checkpoint.newest.remove(self.resource.entity_set());
        let problem = format!("the feed counts {count} changes, and its links led to {read}");
        Err(FeedError::Stuck(problem).into())
    }

    fn is_at_resumed_link(&self) -> bool {
        self.checkpoint.open().iter().any(|(_, position)| {
            position.next_link().is_some() && position.next_link() == self.resumed_link.as_deref()
        })
    }

    /// Finds out whether the children caused an error: if the page comes without them
    /// and still does not come with them, they are read separately.
    fn recover_without_children(
        &mut self,
        error: SyncError,
        mirror: &mut Mirror,
        shape: Arc<Shape>,
    ) -> Result<Arc<Shape>> {
        let Some((walk, from)) = self.checkpoint.open().into_iter().next() else {
            return Err(error);
        };
        let plain = self.catalog.shape(self.resource, &[])?;
        let step = match self.context.feed.step(&self.sweep(&plain), walk, &from) {
            Ok(step) => step,
            Err(refusal) if refusal.may_refuse_order() && self.is_early() => {
                return if self.read_by_links() {
                    Ok(shape)
                } else {
                    Err(error)
                };
            }
            Err(_) => return Err(error),
        };
        // A failure that has passed was not caused by the children.
        let once_more = Sweep {
            tries: Tries::Once,
            ..self.sweep(&shape)
        };
        if let Ok(step) = self.context.feed.step(&once_more, walk, &from) {
            self.apply(mirror, &shape, step)?;
            return Ok(shape);
        }
        let children = self.checkpoint.expanded();
        if let Some(refusal @ FeedError::Refused { .. }) = error.feed() {
            for &child in &children {
                (self.context.feed.capabilities()).note_expand_refused(child, refusal);
            }
        }
        self.stop_expanding(mirror, &children, &error.to_string())?;
        self.apply(mirror, &plain, step)?;
        Ok(plain)
    }

    /// Continues without these children; they are read separately afterwards. A full
    /// sync starts new runs for them then, so that their runs end here.
    fn stop_expanding(
        &mut self,
        mirror: &mut Mirror,
        children: &[Resource],
        why: &str,
    ) -> Result<()> {
        tracing::warn!(resource = %self.resource, "$expand: {why}; reading the children separately");
        let write = mirror.write()?;
        for &child in children {
            self.separate.push((child, why.to_owned()));
            if self.job() == Job::Incremental {
                continue;
            }
            write.clear_sweep(self.job(), child)?;
            if self.runs.counts(child).records_seen > 0 {
                let error = Some(format!("by $expand: {why}"));
                let ending = RunEnding::new(Verdict::Failed, error);
                self.runs.end(&write, child, ending)?;
            } else if let Some(run) = self.runs.get(child) {
                write.discard_run(run.id)?;
            }
            self.runs.remove(child);
        }
        write.commit()?;
        let is_kept = |name: &String| !children.iter().any(|child| child.entity_set() == name);
        self.checkpoint.expand.retain(is_kept);
        Ok(())
    }
}
