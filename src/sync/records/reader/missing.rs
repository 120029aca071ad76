//! Finds rows that the feed lacks, and deletes them.

use std::sync::Arc;

use super::resource_reader::Reader;
use crate::feed::{Position, Tries};
use crate::mirror::{DeletedReason, Mirror};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::records::audit::Depth;
use crate::sync::records::record_plan::{DeletionLimit, DeletionPlan, plan_deletions};
use crate::sync::records::survey::{Survey, ignores_filter, survey};
use crate::sync::sync_error::Result;

impl Reader<'_> {
    /// Reads everything that is not read yet, and deletes the rows that the feed lacks.
    pub fn read_and_delete_missing(&mut self, mirror: &mut Mirror) -> Result<()> {
        if !self.is_resumed && self.is_behind(mirror)? {
            self.is_incomplete = true;
            return Ok(());
        }
        let shape = self.read_all(mirror)?;
        self.read_skipped(mirror, &shape)?;
        self.confirm_older(mirror)?;
        self.delete_missing(mirror, &shape)
    }

    /// Compares keys and timestamps by counts or one by one, and deletes the rows that the feed
    /// lacks.
    pub fn compare_and_delete_missing(&mut self, mirror: &mut Mirror, depth: Depth) -> Result<()> {
        if !self.is_resumed && self.is_behind(mirror)? {
            return Ok(());
        }
        let whole = self.catalog.shape(self.resource, &[])?;
        self.audit(mirror, &whole, depth)?;
        self.delete_missing(mirror, &whole)
    }

    /// Reads what the pages skipped. If the feed counts more records than were seen,
    /// everything is read again, and if that does not help, by next links. Links skip records if
    /// rows before them are deleted; if the feed changed while they were followed, the keys are
    /// compared.
    fn read_skipped(&mut self, mirror: &mut Mirror, shape: &Arc<Shape>) -> Result<()> {
        if self.checkpoint.keyless {
            return Ok(());
        }
        let lacks_records = |count: Option<u64>, seen| count.is_some_and(|count| count > seen);
        let seen = self.seen(mirror)?;
        if !self.checkpoint.by_links && !lacks_records(self.checkpoint.count, seen) {
            return Ok(());
        }
        let now = self.survey()?;
        let mut times = 1;
        if lacks_records(now.count, seen) {
            let keys = self.catalog.key_shape(self.resource)?;
            let filter = self.catalog.live_filter(self.resource);
            if ignores_filter(self.context.feed, &keys, filter)? {
                return Ok(());
            }
            // A walk by numeric keys is checked page by page; text keys have any order.
            let is_in_order = self.is_in_numeric_order(shape);
            while lacks_records(now.count, self.seen(mirror)?) && times < 2 + u32::from(is_in_order)
            {
                times += 1;
                let by_links = times > 2 || !is_in_order;
                tracing::info!(resource = %self.resource, count = now.count, by_links, "reading again: pages skipped records");
                self.start_again(mirror, &now, by_links)?;
                match self.read(mirror, shape) {
                    Err(error) if times > 2 && error.is_refusal() => break,
                    read => read?,
                };
            }
        } else if self.checkpoint.by_links && !self.is_unchanged(&now) {
            tracing::info!(resource = %self.resource, "comparing keys: the feed changed while its links were followed");
            self.start_again(mirror, &now, true)?;
            return self.audit(mirror, shape, Depth::Keys);
        }

        let seen = self.seen(mirror)?;
        if lacks_records(now.count, seen) && lacks_records(self.survey()?.count, seen) {
            self.note_contradiction(now.count.unwrap_or_default(), seen, times);
        }
        Ok(())
    }

    fn survey(&self) -> Result<Survey> {
        let keys = self.catalog.key_shape(self.resource)?;
        let filter = self.catalog.live_filter(self.resource);
        Ok(survey(self.context.feed, &keys, filter, Tries::Configured)?)
    }

    /// Returns whether the feed has the same count and the same newest timestamp as at the
    /// start.
    fn is_unchanged(&self, now: &Survey) -> bool {
        let newest = self.checkpoint.newest.get(self.resource.entity_set());
        now.count == self.checkpoint.count && now.newest.as_ref() == newest
    }

    /// Moves the checkpoint to the start of a second reading, which alone shows what the
    /// feed has.
    fn start_again(&mut self, mirror: &mut Mirror, now: &Survey, by_links: bool) -> Result<()> {
        // A second reading does not need the copy of an endpoint.
        let by_links = if std::mem::take(&mut self.checkpoint.replicates) {
            self.has_only_links()?
        } else {
            by_links
        };
        self.checkpoint.count = now.count;
        self.checkpoint.read = 0;
        self.checkpoint.unwanted = 0;
        self.checkpoint.by_links = by_links;
        self.checkpoint.positions = vec![Position::start(by_links)];
        let write = mirror.write()?;
        write.clear_sweep(self.job(), self.resource)?;
        self.save(&write)?;
        Ok(write.commit()?)
    }

    /// Returns the number of records that were seen.
    fn seen(&self, mirror: &Mirror) -> Result<u64> {
        Ok(if self.checkpoint.by_links {
            mirror.count_seen(self.job(), self.resource)? + self.checkpoint.unwanted
        } else {
            self.checkpoint.read
        })
    }

    /// Deletes rows that were not seen, unless they are too many: of the resource
    /// itself, and then of the children that came along.
    fn delete_missing(&mut self, mirror: &mut Mirror, shape: &Arc<Shape>) -> Result<()> {
        let resource = self.resource;
        if self.is_incomplete {
            return self.forget_missing(mirror);
        }
        let is_complete = !self.checkpoint.keyless && self.left_out.is_empty();
        let mut has_unnumbered = false;
        if is_complete && self.audited.is_none() {
            let unnumbered = if self.is_in_numeric_order(shape) {
                mirror.live_keys_out_of_order(shape)?
            } else {
                Vec::new()
            };
            has_unnumbered = !unnumbered.is_empty();
            let write = mirror.write()?;
            for key in &unnumbered {
                write.mark_missing(self.job(), resource, key)?;
            }
            if !self.is_in_numeric_order(shape) {
                write.mark_unseen_missing(self.job(), resource)?;
            }
            write.commit()?;
        }
        // Links may skip records, a count may be wrong, and a resumed sweep has not seen records that other
        // jobs added since it began. Another program may have removed a row's number.
        let is_doubtful =
            self.checkpoint.by_links || self.is_resumed || self.audited.is_some() || has_unnumbered;
        self.delete_missing_of(mirror, resource, DeletedReason::Missing, shape, is_doubtful)?;
        for child in self.checkpoint.expanded() {
            self.delete_missing_of(mirror, child, DeletedReason::Replaced, shape, false)?;
        }
        Ok(())
    }

    fn delete_missing_of(
        &mut self,
        mirror: &mut Mirror,
        resource: Resource,
        reason: DeletedReason,
        shape: &Arc<Shape>,
        is_doubtful: bool,
    ) -> Result<()> {
        let missing = mirror.read()?.missing(self.job(), resource)?;
        if missing.is_empty() || self.holds_back(mirror, resource, missing.len() as u64)? {
            return Ok(());
        }
        if resource != self.resource {
            self.confirm_unlisted(mirror, resource)?;
        } else if is_doubtful {
            self.confirm_missing(mirror, shape, &missing)?;
        }
        if resource == self.resource && self.catalog.filter(resource).is_some() {
            let missing = mirror.read()?.missing(self.job(), resource)?;
            self.leave_filter(mirror, shape, &missing)?;
        }

        let write = mirror.write()?;
        // Records that came meanwhile are no longer noted as missing.
        for key in write.missing(self.job(), resource)? {
            self.apply_in(&write).delete(resource, &key, reason, None)?;
        }
        self.save(&write)?;
        Ok(write.commit()?)
    }

    /// Returns whether deletions of this number of rows are held back, and notes it.
    fn holds_back(
        &mut self,
        mirror: &mut Mirror,
        resource: Resource,
        missing: u64,
    ) -> Result<bool> {
        let limit = DeletionLimit {
            percent: self.context.config.sync.max_delete_percent,
            allowed: self.context.allow_deletes,
        };
        let live = mirror.read()?.live_rows(resource)?;
        if plan_deletions(missing, live, &limit) == DeletionPlan::Delete {
            return Ok(false);
        }
        let (live, percent) = (resource.counted(live), limit.percent);
        self.left_out.push(format!(
            "the feed lacks {missing} of {live}, more than \
             max_delete_percent = {percent} allows; nothing was deleted"
        ));
        self.held_back.insert(resource, missing);
        Ok(true)
    }

    /// Asks for seemingly missing records by their keys. Records that come are applied.
    fn confirm_missing(
        &mut self,
        mirror: &mut Mirror,
        shape: &Arc<Shape>,
        keys: &[String],
    ) -> Result<()> {
        match self.fetch(mirror, &self.sweep(shape), keys) {
            Ok(_) => Ok(()),
            // A refusal proves nothing, so that nothing is deleted.
            Err(error) if error.is_refusal() => {
                self.left_out
                    .push(format!("asking for seemingly missing records: {error}"));
                let write = mirror.write()?;
                write.clear_sweep(self.job(), self.resource)?;
                Ok(write.commit()?)
            }
            Err(error) => Err(error),
        }
    }
}
