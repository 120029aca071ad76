//! What a sweep did not meet, and whether that means that it is gone.

use std::collections::HashSet;
use std::sync::Arc;

use super::by_key::fetch;
use super::reader::Sweeping;
use super::survey::survey;
use crate::feed::{FeedError, Key, Paging, Position, Step, Tries};
use crate::mirror::{DeletedReason, Job, Mirror, WriteTx};
use crate::record::Shape;
use crate::resource::Resource;
use crate::value::ValueForm;

/// Fewer deletions than this are never held back: of a small mirror, a few
/// percent is one listing.
const BRAKE_MIN_ROWS: u64 = 20;

/// How often a resource whose links passed over records is read again.
const ROUNDS: u32 = 1;

impl Sweeping<'_> {
    /// Notes what tells later which rows are gone. Read in the order of a
    /// numeric key, a page tells by itself which keys between its first and its
    /// last are not there; otherwise every key that came is noted.
    pub(in crate::sync) fn note_met(
        &self,
        tx: &WriteTx<'_>,
        shape: &Shape,
        step: &Step,
    ) -> rusqlite::Result<()> {
        let page = &step.page;
        let rejected = page
            .rejects
            .iter()
            .filter(|reject| reject.resource == self.resource);
        for key in rejected.clone().filter_map(|reject| reject.key.as_deref()) {
            tx.unmark_missing(self.resource, key)?;
        }
        let met: HashSet<&str> = (page.records.iter().map(|record| &*record.key))
            .chain(rejected.clone().filter_map(|reject| reject.key.as_deref()))
            .collect();
        if !in_order_of_numbers(shape, self.context.feed.dialect().paging) {
            for key in met {
                tx.mark_seen(self.job(), self.resource, key)?;
            }
            return Ok(());
        }
        // One that came without its key may be any of those that seem gone.
        if rejected.clone().any(|reject| reject.key.is_none()) {
            return Ok(());
        }
        let Some((after, up_to)) = stretch(step) else {
            return Ok(());
        };
        for key in tx.live_keys_between(shape, after, up_to)? {
            if !met.contains(key.as_str()) {
                tx.mark_missing(self.job(), self.resource, &key)?;
            }
        }
        Ok(())
    }

    /// Links that count rows pass over some while others come and go. Where the
    /// feed counts more than was met, or fewer than at the start, all is read
    /// once more.
    pub(in crate::sync) fn find_what_was_passed_over(
        &mut self,
        mirror: &mut Mirror,
        shape: &Arc<Shape>,
    ) -> anyhow::Result<()> {
        if self.context.feed.dialect().paging != Paging::NextLink || self.checkpoint.keyless {
            return Ok(());
        }
        let stamps = self.catalog.stamps(self.resource)?;
        let filter = self.catalog.filter(self.resource);
        for round in 0..=ROUNDS {
            let counted = survey(self.context.feed, &stamps, filter, Tries::Configured)?.count;
            let Some(count) = counted else { return Ok(()) };
            let met = mirror.count_seen(self.job(), self.resource)?;
            let some_went = self.checkpoint.count.is_some_and(|before| count < before);
            if count <= met && (!some_went || round == ROUNDS) {
                return Ok(());
            }
            if round == ROUNDS {
                let (_, nouns) = self.resource.nouns();
                self.left_out.push(format!(
                    "the feed counts {count} {nouns} and its pages gave {met}, read {} times",
                    ROUNDS + 1
                ));
                return Ok(());
            }
            tracing::info!(resource = %self.resource, count, met, "reading again what was passed over");
            self.checkpoint.count = Some(count);
            self.checkpoint.positions = vec![Position::NextLink { next_link: None }];
            match self.job() {
                Job::Reconcile => self.compare_all(mirror, shape)?,
                _ => self.read(mirror, shape)?,
            }
        }
        Ok(())
    }

    /// Soft-deletes what the sweep missed, unless it is suspiciously much: of
    /// the resource itself, and then of the children that came with it.
    pub(in crate::sync) fn delete_missing(
        &mut self,
        mirror: &mut Mirror,
        shape: &Arc<Shape>,
    ) -> anyhow::Result<()> {
        let resource = self.resource;
        let paging = self.context.feed.dialect().paging;
        if !in_order_of_numbers(shape, paging)
            && !self.checkpoint.keyless
            && self.left_out.is_empty()
        {
            let tx = mirror.write()?;
            tx.mark_unseen_missing(self.job(), resource)?;
            tx.commit()?;
        }
        // What other jobs brought since a resumed sweep began, it did not meet.
        let asks = paging == Paging::NextLink || self.is_resumed;
        self.delete_those(mirror, resource, DeletedReason::Missing, shape, asks)?;
        for child in self.checkpoint.expanded() {
            self.delete_those(mirror, child, DeletedReason::Replaced, shape, false)?;
        }
        Ok(())
    }

    fn delete_those(
        &mut self,
        mirror: &mut Mirror,
        resource: Resource,
        reason: DeletedReason,
        shape: &Arc<Shape>,
        asks_first: bool,
    ) -> anyhow::Result<()> {
        let tx = mirror.write()?;
        let missing = tx.missing(self.job(), resource)?;
        let live = tx.live_rows(resource)?;
        drop(tx);
        if missing.is_empty() || self.is_too_much(resource, missing.len() as u64, live) {
            return Ok(());
        }
        if asks_first {
            self.ask_for(mirror, shape, &missing)?;
        }
        if resource == self.resource && self.catalog.filter(resource).is_some() {
            let missing = mirror.write()?.missing(self.job(), resource)?;
            self.leave_scope(mirror, shape, &missing)?;
        }
        let tx = mirror.write()?;
        // Those that were found by asking are live and no longer missing.
        for key in tx.missing(self.job(), resource)? {
            self.applying(&tx).gone(resource, &key, reason)?;
        }
        self.save(&tx)?;
        tx.commit()?;
        Ok(())
    }

    /// The brake: a feed that suddenly lacks much is more likely to be broken
    /// than right.
    fn is_too_much(&mut self, resource: Resource, missing: u64, live: u64) -> bool {
        let brake = self.context.config.sync.max_delete_percent;
        let over = missing > BRAKE_MIN_ROWS && missing as f64 * 100.0 > brake * live as f64;
        if !over || missing <= self.context.allow_deletes {
            return false;
        }
        let (_, nouns) = resource.nouns();
        self.left_out.push(format!(
            "{missing} of {live} {nouns} are gone from the feed, more than max_delete_percent = {brake} allows; \
             nothing was deleted; if it is right, run it again with --allow-deletes {missing}"
        ));
        true
    }

    /// Asks by their keys for records that the pages did not bring: links that
    /// count rows pass over some, and those are not gone.
    fn ask_for(
        &mut self,
        mirror: &mut Mirror,
        shape: &Arc<Shape>,
        keys: &[String],
    ) -> anyhow::Result<()> {
        let sweep = self.sweep(shape);
        let context = self.context;
        let asked = fetch(context.feed, context.stop, &sweep, keys, |step| {
            self.apply(mirror, shape, step)
        });
        match asked {
            Ok(_) => Ok(()),
            // Nothing is held gone on a refusal.
            Err(error) if is_refusal(&error) => {
                self.left_out
                    .push(format!("asking for what seems gone: {error:#}"));
                let tx = mirror.write()?;
                tx.clear_sweep(self.job(), self.resource)?;
                Ok(tx.commit()?)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether the feed answered that it will not or cannot do this.
pub(in crate::sync) fn is_refusal(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(FeedError::is_refusal)
}

/// The stretch of numeric keys of which a page tells all: from where it began
/// to its last key, or to the end of the range. None where records without a
/// paging key stand in between, for they may be any of those that seem gone.
fn stretch(step: &Step) -> Option<(Option<i64>, Option<i64>)> {
    let Position::Keyset {
        after,
        up_to,
        skip: 0,
    } = &step.from
    else {
        return None;
    };
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

fn in_order_of_numbers(shape: &Shape, paging: Paging) -> bool {
    paging == Paging::Keyset && shape.paging_field().form == ValueForm::Integer
}
