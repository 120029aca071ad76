//! Finds rows that the feed lacks, and deletes them.

use std::sync::Arc;

use super::resource_reader::Reader;
use crate::feed::{Paging, Position, Tries};
use crate::mirror::{DeletedReason, Mirror};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::records::by_key::fetch;
use crate::sync::records::ranges::positions;
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
        self.confirm_older(mirror)?;
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
        if self.checkpoint.keyless {
            return Ok(());
        }
        let keys = self.catalog.key_shape(self.resource)?;
        let filter = self.catalog.filter(self.resource);
        for round in 0..=ROUNDS {
            let seen = self.seen(mirror)?;
            // By key, no page skips records: a count that the pages agree with is enough.
            let is_by_key = self.paging() == Paging::Keyset;
            if is_by_key && self.checkpoint.count.is_none_or(|count| count <= seen) {
                return Ok(());
            }
            let counted = survey(self.context.feed, &keys, filter, Tries::Configured)?.count;
            let Some(count) = counted else { return Ok(()) };
            let has_shrunk = self.checkpoint.count.is_some_and(|before| count < before);
            let may_have_skipped = has_shrunk && !is_by_key && round < ROUNDS;
            if count <= seen && !may_have_skipped {
                return Ok(());
            }
            if self.ignores_filter(count)? {
                return Ok(());
            }
            if round == ROUNDS {
                let (_, nouns) = self.resource.nouns();
                let times = ROUNDS + 1;
                self.left_out.push(format!(
                    "the feed counts {count} {nouns}, and its pages gave {seen}, read {times} times"
                ));
                self.is_incomplete = true;
                return Ok(());
            }
            tracing::info!(resource = %self.resource, count, seen, "reading again: pages skipped records");
            self.checkpoint.count = Some(count);
            self.checkpoint.read = 0;
            self.checkpoint.unwanted = 0;
            self.checkpoint.positions = self.start()?;
            reread(self, mirror)?;
        }
        Ok(())
    }

    /// Returns the number of records that were seen.
    fn seen(&self, mirror: &Mirror) -> Result<u64> {
        Ok(match self.paging() {
            Paging::Keyset => self.checkpoint.read,
            Paging::NextLink => {
                mirror.count_seen(self.job(), self.resource)? + self.checkpoint.unwanted
            }
        })
    }

    fn start(&self) -> Result<Vec<Position>> {
        if self.paging() == Paging::NextLink {
            return Ok(vec![Position::start(Paging::NextLink)]);
        }
        let keys = self.catalog.key_shape(self.resource)?;
        let filter = self.catalog.filter(self.resource);
        Ok(positions(
            self.context.feed,
            &keys,
            filter,
            self.checkpoint.count,
        )?)
    }

    /// Returns whether the server's count ignores the configured filter, so that it says
    /// nothing about the pages.
    fn ignores_filter(&self, count: u64) -> Result<bool> {
        if self.catalog.filter(self.resource).is_none() {
            return Ok(false);
        }
        let keys = self.catalog.key_shape(self.resource)?;
        let all = survey(self.context.feed, &keys, None, Tries::Configured)?.count;
        Ok(all == Some(count))
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
        if is_complete {
            let write = mirror.write()?;
            if self.is_in_numeric_order(shape) {
                has_unnumbered = write.mark_unnumbered_missing(self.job(), shape)? > 0;
            } else {
                write.mark_unseen_missing(self.job(), resource)?;
            }
            write.commit()?;
        }
        // Links may skip records, and a resumed sweep has not seen records that other
        // jobs added since it began. Another program may have removed a row's number.
        let paging = self.paging();
        let is_doubtful = paging == Paging::NextLink || self.is_resumed || has_unnumbered;
        self.delete_missing_of(mirror, resource, DeletedReason::Missing, shape, is_doubtful)?;
        for child in self.checkpoint.expanded() {
            self.delete_missing_of(mirror, child, DeletedReason::Replaced, shape, false)?;
        }
        Ok(())
    }

    /// Forgets which rows seem to be missing: pages that lack counted records prove nothing.
    fn forget_missing(&self, mirror: &mut Mirror) -> Result<()> {
        let write = mirror.write()?;
        for resource in [self.resource]
            .into_iter()
            .chain(self.checkpoint.expanded())
        {
            write.clear_sweep(self.job(), resource)?;
        }
        Ok(write.commit()?)
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
