//! Reads the children of listings that an earlier run stored without them.

use std::collections::HashSet;
use std::sync::Arc;

use super::resource_reader::Reader;
use crate::feed::{KeyList, Position, Sweep};
use crate::mirror::{DeletedReason, Mirror};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::records::by_key::{BY_KEY, read_in_batches, with_any};
use crate::sync::sync_error::{Result, SyncError};

impl Reader<'_> {
    /// Reads the listings again for which children are due that come only with them.
    pub fn read_listings_of_due_children(
        &mut self,
        mirror: &mut Mirror,
        shape: &Arc<Shape>,
    ) -> Result<()> {
        for child in self.checkpoint.expanded() {
            if !self.catalog.comes_only_with_listings(child) {
                continue;
            }
            let due = mirror.due_children(child)?;
            match self.fetch(mirror, &self.sweep(shape), &due) {
                Ok(_) => {
                    let write = mirror.write()?;
                    for listing in &due {
                        write.remove_due_children(child, listing)?;
                    }
                    write.commit()?;
                }
                Err(error) if error.is_refusal() => self.note_still_due(child, due.len(), &error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Notes that children could not be read, as a reason why the run is partial.
    fn note_still_due(&mut self, child: Resource, listings: usize, error: &SyncError) {
        let (_, nouns) = child.nouns();
        let listings = Resource::PROPERTY.counted(listings as u64);
        self.left_out.push(format!(
            "the {nouns} of {listings} are still to be read: {error}"
        ));
    }

    /// Reads the children of the listings for which they are due, from the child's own
    /// resource.
    pub fn read_due_children(&mut self, mirror: &mut Mirror) -> Result<()> {
        let child = self.resource;
        if !self.catalog.is_child(child) || self.catalog.comes_only_with_listings(child) {
            return Ok(());
        }
        let due = mirror.due_children(child)?;
        let shape = self.catalog.shape(child, &[])?;
        let Some(field) = shape.parent_field().map(|field| field.name.clone()) else {
            return Ok(());
        };
        let (feed, stop) = (self.context.feed, self.context.stop);
        let read = read_in_batches(feed, stop, (child, &field), &due, |listings, list| {
            let keys: Vec<&str> = listings.iter().map(String::as_str).collect();
            let sweep = with_any(&self.sweep(&shape), &field, &keys, list.form);
            self.read_children_of(mirror, listings, sweep, list)
        });
        match read {
            Err(error) if error.is_refusal() => {
                self.note_still_due(child, due.len(), &error);
                Ok(())
            }
            read => read,
        }
    }

    /// Reads all children of some listings. Rows that do not come are asked for by key
    /// before they are deleted. Returns whether children came.
    fn read_children_of(
        &mut self,
        mirror: &mut Mirror,
        listings: &[String],
        sweep: Sweep,
        list: KeyList,
    ) -> Result<bool> {
        let child = self.resource;
        let shape = sweep.shape.clone();
        let mut seen = HashSet::new();
        let start = Position::start(self.checkpoint.by_links);
        for step in self.context.feed.walk(sweep, vec![(BY_KEY, start)]) {
            let step = step?;
            let records = step
                .page
                .records
                .iter()
                .map(|record| record.key.to_string());
            seen.extend(records);
            let rejects = step.page.rejects.iter();
            seen.extend(rejects.filter_map(|reject| reject.key.as_deref().map(str::to_owned)));
            self.apply(mirror, &shape, step)?;
        }
        let is_proven = list.is_proven || !seen.is_empty();
        if !is_proven && list.needs_proof(listings.len()) {
            return Ok(false);
        }

        let read = mirror.read()?;
        let mut missing = Vec::new();
        for listing in listings {
            let live = read.live_children(child, listing)?;
            missing.extend(live.into_iter().filter(|key| !seen.contains(key)));
        }
        drop(read);
        let absent = self.fetch_children(mirror, &self.sweep(&shape), &missing)?;
        let write = mirror.write()?;
        for key in &absent {
            let mut apply = self.apply_in(&write);
            apply.delete(child, key, DeletedReason::Replaced, None)?;
        }
        for listing in listings {
            write.remove_due_children(child, listing)?;
        }
        self.save(&write)?;
        write.commit()?;
        Ok(is_proven)
    }
}
