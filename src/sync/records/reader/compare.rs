//! Compares keys and timestamps with the feed, and refetches records that differ.

use std::sync::Arc;

use super::resource_reader::Reader;
use crate::feed::Step;
use crate::mirror::Mirror;
use crate::record::Shape;
use crate::sync::records::by_key::fetch;
use crate::sync::sync_error::Result;

impl Reader<'_> {
    /// Compares page by page. Records that differ are refetched as soon as their keys
    /// fill a request.
    pub fn compare_all(&mut self, mirror: &mut Mirror, whole: &Arc<Shape>) -> Result<()> {
        let feed = self.context.feed;
        let keys = Arc::new(self.catalog.key_shape(self.resource)?);
        let filter = self.catalog.live_filter(self.resource).map(str::to_owned);
        let sweep = self.walked(feed.sweep(keys.clone(), filter, true));
        for step in feed.walk(sweep, self.checkpoint.open()) {
            self.compare(mirror, &keys, step?)?;
            if self.checkpoint.pending.len() >= feed.keys_at_once(self.resource) {
                self.refetch(mirror, whole)?;
            }
            self.context.check_stop()?;
        }
        self.refetch(mirror, whole)
    }

    /// Notes which records of a page differ, together with the checkpoint.
    fn compare(&mut self, mirror: &mut Mirror, keys: &Shape, mut step: Step) -> Result<()> {
        let resource = self.resource;
        let write = mirror.write()?;
        let unwanted = self
            .apply_in(&write)
            .remove_unwanted(keys, &mut step.page)?;
        self.checkpoint.unwanted += unwanted;
        self.note_seen(&write, keys, &step)?;
        let mut same = 0;
        for record in &step.page.records {
            let held = write.live_timestamp(keys, &record.key)?;
            if held.is_some_and(|held| held.as_deref() == keys.modified_of(&record.values)) {
                write.unmark_missing(resource, &record.key)?;
                same += 1;
            } else {
                self.checkpoint.pending.push(record.key.to_string());
            }
        }
        // A record that cannot be stored is refetched, so that the whole of it is kept.
        let rejects = step.page.rejects.iter();
        let rejected = rejects.filter_map(|reject| reject.key.as_deref());
        self.checkpoint.pending.extend(rejected.map(str::to_owned));
        if let Some(run) = self.runs.get_mut(resource) {
            run.counts.pages += 1;
            run.counts.records_seen += same;
            run.counts.unchanged += same;
        }
        self.advance(&write, step)?;
        write.commit()?;
        self.show_progress();
        Ok(())
    }

    fn refetch(&mut self, mirror: &mut Mirror, whole: &Arc<Shape>) -> Result<()> {
        let keys = self.checkpoint.pending.clone();
        let (feed, stop) = (self.context.feed, self.context.stop);
        let sweep = self.sweep(whole);
        fetch(feed, stop, &sweep, &keys, |step| {
            self.apply(mirror, whole, step)
        })?;
        self.checkpoint.pending.clear();
        Ok(())
    }
}
