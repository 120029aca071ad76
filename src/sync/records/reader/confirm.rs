//! Asks the feed by key about records whose first answer proves nothing: children that
//! their listing no longer lists, and records that came older than their rows.

use super::resource_reader::Reader;
use crate::mirror::{DeletedReason, Job, Mirror};
use crate::resource::Resource;
use crate::sync::sync_error::Result;

impl Reader<'_> {
    /// Confirms the doubtful answers of an incremental sync.
    pub fn confirm_changes(&mut self, mirror: &mut Mirror) -> Result<()> {
        self.confirm_older(mirror)?;
        self.delete_unlisted_children(mirror)
    }

    /// Confirms records that came older than their rows. The second answer is applied
    /// whatever its age.
    pub(super) fn confirm_older(&mut self, mirror: &mut Mirror) -> Result<()> {
        for (name, keys) in self.checkpoint.older.clone() {
            let Ok(resource) = name.parse::<Resource>() else {
                continue;
            };
            let keys: Vec<String> = keys.into_iter().collect();
            let shape = self.catalog.shape(resource, &[])?;
            let sweep = self.catalog.sweep(self.context.feed, shape);
            tracing::info!(%resource, records = keys.len(), "confirming records that came older than before");
            let accepted_older = std::mem::replace(&mut self.accepts_older, true);
            let fetched = self.fetch(mirror, &sweep, &keys);
            self.accepts_older = accepted_older;
            match fetched {
                Ok(absent) if resource == self.resource => {
                    let found = keys.iter().filter(|key| !absent.contains(key));
                    self.note_skipped_children(mirror, found)?;
                }
                Ok(_) => {}
                Err(error) if error.is_refusal() => {
                    let count = resource.counted(keys.len() as u64);
                    self.left_out.push(format!(
                        "{count} came older than before, and could not be confirmed: {error}"
                    ));
                }
                Err(error) => return Err(error),
            }
            self.checkpoint.older.remove(&name);
        }
        Ok(())
    }

    /// Notes that the children of listings that came older are due: an incremental sync did
    /// not store them.
    fn note_skipped_children<'k>(
        &self,
        mirror: &mut Mirror,
        listings: impl Iterator<Item = &'k String>,
    ) -> Result<()> {
        let children = self.checkpoint.expanded();
        if self.job() != Job::Incremental || children.is_empty() {
            return Ok(());
        }
        let write = mirror.write()?;
        for listing in listings {
            for &child in &children {
                write.add_due_children(child, listing)?;
            }
        }
        Ok(write.commit()?)
    }

    /// Deletes children that their listing no longer lists, if the child's own resource
    /// lacks them, too.
    pub(super) fn delete_unlisted_children(&mut self, mirror: &mut Mirror) -> Result<()> {
        for child in self.checkpoint.expanded() {
            self.confirm_unlisted(mirror, child)?;
            let write = mirror.write()?;
            for key in write.missing(self.job(), child)? {
                let mut apply = self.apply_in(&write);
                apply.delete(child, &key, DeletedReason::Replaced, None)?;
            }
            write.clear_sweep(self.job(), child)?;
            self.save(&write)?;
            write.commit()?;
        }
        Ok(())
    }

    /// Asks for unlisted children by key. If the child's own resource does not answer, they
    /// stay.
    pub(super) fn confirm_unlisted(&mut self, mirror: &mut Mirror, child: Resource) -> Result<()> {
        let unlisted = self.checkpoint.unlisted.remove(child.entity_set());
        let has_own = !self.catalog.comes_only_with_listings(child);
        let Some(unlisted) = unlisted.filter(|_| has_own) else {
            return Ok(());
        };
        let mut keys = mirror.read()?.missing(self.job(), child)?;
        keys.retain(|key| unlisted.contains(key));
        if keys.is_empty() {
            return Ok(());
        }
        let shape = self.catalog.shape(child, &[])?;
        let sweep = self.catalog.sweep(self.context.feed, shape);
        match self.fetch_children(mirror, &sweep, &keys) {
            Ok(_) => Ok(()),
            Err(error) if error.is_refusal() => {
                let count = child.counted(keys.len() as u64);
                self.left_out.push(format!(
                    "the listings no longer have {count}, and {child} does not say whether that is a deletion: {error}"
                ));
                let write = mirror.write()?;
                for key in &keys {
                    write.unmark_missing(child, key)?;
                }
                Ok(write.commit()?)
            }
            Err(error) => Err(error),
        }
    }
}
