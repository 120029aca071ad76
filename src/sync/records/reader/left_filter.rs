//! Records that leave the configured filter.

use std::sync::Arc;

use super::resource_reader::Reader;
use crate::feed::Sweep;
use crate::mirror::{DeletedReason, Mirror};
use crate::record::Shape;
use crate::sync::records::by_key::fetch;
use crate::sync::sync_error::Result;

impl Reader<'_> {
    /// Reads keys and timestamps of all changes, whether they match the filter or not,
    /// and notes the live rows: a record that does not come with the filter may have left
    /// it.
    pub fn note_changed(&mut self, mirror: &mut Mirror) -> Result<()> {
        let keys = self.catalog.key_shape(self.resource)?;
        if let Err(error) = self.note_changed_keys(mirror, &keys) {
            self.recover_from(error, mirror, keys.clone())?;
            self.note_changed_keys(mirror, &keys)?;
        }
        Ok(())
    }

    fn note_changed_keys(&mut self, mirror: &mut Mirror, keys: &Arc<Shape>) -> Result<()> {
        let sweep = self.context.feed.sweep(keys.clone(), None, true);
        let (job, resource) = (self.job(), self.resource);
        for step in self.context.feed.walk(sweep, self.checkpoint.open()) {
            let step = step?;
            let write = mirror.write()?;
            for record in &step.page.records {
                if write.is_live(resource, &record.key)? {
                    write.mark_missing(job, resource, &record.key)?;
                }
            }
            write.commit()?;
            self.note_changes(keys, &step.page);
            self.context.check_stop()?;
        }
        Ok(())
    }

    /// Asks again for records that did not come with the filter. One that the feed has
    /// outside of the filter gets its last values and is deleted as `scope`.
    pub fn leave_filter(
        &mut self,
        mirror: &mut Mirror,
        shape: &Arc<Shape>,
        keys: &[String],
    ) -> Result<()> {
        let (feed, stop) = (self.context.feed, self.context.stop);
        let filtered = self.sweep(shape);
        let unfiltered = Sweep {
            filter: None,
            ..filtered.clone()
        };
        let outside = self.fetch(mirror, &filtered, keys)?;
        fetch(feed, stop, &unfiltered, &outside, |step| {
            self.apply_and_delete(mirror, shape, step, Some(DeletedReason::Scope))
        })?;
        Ok(())
    }
}
