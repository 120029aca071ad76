//! Finds rows that the feed lacks, and deletes them.

use std::sync::Arc;

use super::resource_reader::Reader;
use crate::feed::{Paging, Position, Tries};
use crate::mirror::{DeletedReason, Mirror};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::records::by_key::fetch;
use crate::sync::records::record_plan::{DeletionLimit, DeletionPlan, plan_deletions};
use crate::sync::records::survey::survey;
use crate::sync::sync_error::Result;

/// How often a resource whose links skipped records is read again.
const ROUNDS: u32 = 1;

impl<'a> Reader<'a> {
    /// Reads everything that is not read yet, and deletes the rows that the feed lacks.
    pub fn read_and_delete_missing(&mut self, mirror: &mut Mirror) -> Result<()> {
        let shape = self.read_all(mirror)?;
        self.reread_skipped(mirror, |reader, mirror| reader.read(mirror, &shape))?;
        self.delete_missing(mirror, &shape)
    }

    /// Compares all keys and timestamps, and deletes the rows that the feed lacks.
    pub fn compare_and_delete_missing(&mut self, mirror: &mut Mirror) -> Result<()> {
        let whole = self.catalog.shape(self.resource, &[])?;
        self.compare_all(mirror, &whole)?;
        self.reread_skipped(mirror, |reader, mirror| reader.compare_all(mirror, &whole))?;
        self.delete_missing(mirror, &whole)
    }

    /// Reads everything once more if links that count rows skipped some of them: the
    /// feed counts more records than were seen, or fewer than at the start.
    fn reread_skipped(
        &mut self,
        mirror: &mut Mirror,
        reread: impl Fn(&mut Reader<'a>, &mut Mirror) -> Result<()>,
    ) -> Result<()> {
        if self.context.feed.dialect().paging != Paging::NextLink || self.checkpoint.keyless {
            return Ok(());
        }
        let keys = self.catalog.key_shape(self.resource)?;
        let filter = self.catalog.filter(self.resource);
        for round in 0..=ROUNDS {
            let counted = survey(self.context.feed, &keys, filter, Tries::Configured)?.count;
            let Some(count) = counted else { return Ok(()) };
            let seen = mirror.count_seen(self.job(), self.resource)?;
            let has_shrunk = self.checkpoint.count.is_some_and(|before| count < before);
            if count <= seen && (!has_shrunk || round == ROUNDS) {
                return Ok(());
            }
            if round == ROUNDS {
                let (_, nouns) = self.resource.nouns();
                let times = ROUNDS + 1;
                self.left_out.push(format!(
                    "the feed counts {count} {nouns}, and its pages gave {seen}, read {times} times"
                ));
                return Ok(());
            }
            tracing::info!(resource = %self.resource, count, seen, "reading again: pages skipped records");
            self.checkpoint.count = Some(count);
            self.checkpoint.positions = vec![Position::NextLink { next_link: None }];
            reread(self, mirror)?;
        }
        Ok(())
    }

    /// Deletes rows that were not seen, unless they are too many: of the resource
    /// itself, and then of the children that came along.
    fn delete_missing(&mut self, mirror: &mut Mirror, shape: &Arc<Shape>) -> Result<()> {
        let resource = self.resource;
        let is_complete = !self.checkpoint.keyless && self.left_out.is_empty();
        if is_complete && !self.is_in_numeric_order(shape) {
            let write = mirror.write()?;
            write.mark_unseen_missing(self.job(), resource)?;
            write.commit()?;
        }
        // Links may skip records, and a resumed sweep has not seen records that other
        // jobs added since it began.
        let paging = self.context.feed.dialect().paging;
        let is_doubtful = paging == Paging::NextLink || self.is_resumed;
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
        if is_doubtful {
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
        let (_, nouns) = resource.nouns();
        let percent = limit.percent;
        self.left_out.push(format!(
            "{missing} of {live} {nouns} are missing from the feed, more than \
             max_delete_percent = {percent} allows; nothing was deleted"
        ));
        self.held_back = self.held_back.max(Some(missing));
        Ok(true)
    }

    /// Asks for seemingly missing records by their keys. Records that come are applied.
    fn confirm_missing(
        &mut self,
        mirror: &mut Mirror,
        shape: &Arc<Shape>,
        keys: &[String],
    ) -> Result<()> {
        let (feed, stop) = (self.context.feed, self.context.stop);
        let sweep = self.sweep(shape);
        let fetched = fetch(feed, stop, &sweep, keys, |step| {
            self.apply(mirror, shape, step)
        });
        match fetched {
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
