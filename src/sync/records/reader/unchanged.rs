//! Finds out with one request that nothing else has changed, and notices changes that the
//! reading before should have seen.

use std::sync::Arc;

use super::came_along::CameAlong;
use super::resource_reader::Reader;
use crate::feed::{Position, Tries};
use crate::mirror::{Mirror, WriteTx};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::records::last_read::{LastRead, earlier};
use crate::sync::records::survey::{
    Survey, after, first_keys, has_any_after, puts_newest_first, survey, up_to,
};
use crate::sync::sync_error::{Result, answer_if_any};
use crate::value::stored_instant;

impl Reader<'_> {
    /// Reads the changes. If there are some that the reading before should have seen, the
    /// feed's clock and its timestamps differ by more than the overlap: then reads them again
    /// from the overlap before the watermark.
    pub fn read_changes(&mut self, mirror: &mut Mirror) -> Result<Arc<Shape>> {
        let shape = self.read_changes_once(mirror)?;
        if !self.has_late_changes() {
            return Ok(shape);
        }
        let resource = self.resource;
        tracing::warn!(%resource, change = self.first_change, "a change appears later than sync.overlap after its timestamp; the feed's clock or its timestamps may be wrong; looking back further");
        (self.context.feed.capabilities()).note_late_changes(resource);
        self.look_back();
        self.read_changes_once(mirror)
    }

    /// Moves the start to the overlap before the watermark.
    fn look_back(&mut self) {
        let overlap = self.context.config.sync.overlap;
        let earlier = self.watermark_before().and_then(|at| earlier(at, overlap));
        let since = earlier.unwrap_or_default();
        self.reads_from = Some(since.clone());
        self.checkpoint.positions = vec![Position::since(since, self.checkpoint.by_links)];
    }

    fn read_changes_once(&mut self, mirror: &mut Mirror) -> Result<Arc<Shape>> {
        if self.catalog.filter(self.resource).is_some() {
            self.note_changed(mirror)?;
        }
        self.read_all(mirror)
    }

    /// Returns whether a change was read that is older than the time before which the last
    /// reading had seen all changes, although that reading decided where this one starts.
    fn has_late_changes(&self) -> bool {
        let overlap = self.context.config.sync.overlap;
        let last = self.last_read.as_ref();
        let complete = last.and_then(|last| last.complete_before(overlap));
        let is_late = complete
            .zip(self.first_change.as_ref())
            .is_some_and(|(complete, change)| *change < complete);
        let capabilities = self.context.feed.capabilities();
        is_late && !capabilities.has_late_changes(self.resource)
    }

    /// Asks for the newest timestamp, if nothing can have changed before the watermark. If it
    /// is the watermark still, there is nothing to read. Returns the answer, and whether that is so.
    pub fn find_unchanged(&mut self) -> Result<Option<(Survey, bool)>> {
        let Some(watermark) = self.watermark_before().map(str::to_owned) else {
            return Ok(None);
        };
        let keys = self.catalog.key_shape(self.resource)?;
        let feed = self.context.feed;
        let is_ordered = !feed.capabilities().refuses_newest_first(self.resource);
        if !is_ordered || !self.starts_at(&watermark) {
            return Ok(None);
        }
        let answered = survey(feed, &keys, None, Tries::Configured);
        let Some(found) = answer_if_any(answered)? else {
            return Ok(None);
        };
        let known = self.last_read.as_ref().and_then(|last| last.newest.clone());
        self.checkpoint.surveyed.clone_from(&found.newest);
        let is_same = |newest: &String| *newest == watermark || Some(newest) == known.as_ref();
        if !found.newest.as_ref().is_some_and(is_same) {
            if found.newest.as_ref() < Some(&watermark) {
                // The newest records were deleted, or the answers are behind.
                self.look_back();
            }
            return Ok(Some((found, false)));
        }
        let shows_no_order = found.is_tie()
            && answer_if_any(puts_newest_first(feed, &keys, &watermark))? != Some(true);
        let may_be_changed = !found.is_certain()
            || shows_no_order
                && answer_if_any(has_any_after(feed, &keys, &watermark))? != Some(false);
        if may_be_changed {
            return Ok(Some((found, false)));
        }
        self.checkpoint.positions = vec![Position::Finished];
        let name = self.resource.entity_set().to_owned();
        self.checkpoint.newest.insert(name, watermark);
        Ok(Some((found, true)))
    }

    /// Skips the changes after the watermark if all of them came with listings: a page of keys
    /// shows that the feed has no others, if one page has them all. Changes up to the watermark that become visible late
    /// are read all the same.
    pub fn skip_what_came_along(&mut self, mirror: &mut Mirror, came: &CameAlong) -> Result<()> {
        let feed = self.context.feed;
        let is_counted = feed.capabilities().counts_all_matching();
        let Some(watermark) = self.watermark_before().map(str::to_owned) else {
            return Ok(());
        };
        let keys = self.catalog.key_shape(self.resource)?;
        let now = stored_instant(feed.now());
        let is_stored = came.are_stored(&mirror.read()?, &keys, &watermark, &now)?;
        if self.is_resumed || !is_counted || !is_stored {
            return Ok(());
        }
        let Some(newer) = after(feed, &keys, &watermark) else {
            return Ok(());
        };
        if came.len() > feed.page_size().into() {
            return Ok(());
        }
        let found = answer_if_any(first_keys(feed, &keys, newer))?;
        if !found.is_some_and(|page| came.equals(&keys, &page)) {
            return Ok(());
        }
        if self.starts_at(&watermark) {
            self.checkpoint.positions = vec![Position::Finished];
        } else {
            self.reads_up_to = up_to(feed, &keys, &watermark);
        }
        let name = self.resource.entity_set().to_owned();
        let newest = came.newest().unwrap_or(watermark);
        self.checkpoint.newest.insert(name, newest);
        Ok(())
    }

    /// Returns whether the reading starts at its watermark, because the feed was quiet for
    /// longer than the overlap before the last reading.
    fn starts_at(&self, watermark: &str) -> bool {
        let starts =
            |position: &Position| *position == Position::since(watermark.to_owned(), false);
        matches!(self.checkpoint.positions.as_slice(), [one] if starts(one))
    }

    /// Saves when this reading began, for the next one.
    pub(super) fn save_last_read(&self, write: &WriteTx<'_>, resource: Resource) -> Result<()> {
        let Some(began) = self.checkpoint.began.clone() else {
            return Ok(());
        };
        let newest = self.checkpoint.surveyed.clone();
        LastRead { began, newest }.save(write, resource)
    }
}
