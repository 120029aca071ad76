//! Confirms announced deletions: asks the feed by key for every announced record.

use std::collections::BTreeMap;

use super::apply::Apply;
use super::by_key::fetch;
use super::catalog::Catalog;
use super::run_set::RunSet;
use crate::feed::Step;
use crate::mirror::{DeletedReason, Mirror, WriteTx};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::sync_error::Result;

/// The announced deletions of one resource: keys, with the newest announced time of each.
pub(super) type AnnouncedKeys = BTreeMap<String, Option<String>>;

/// Confirms announced deletions.
pub(super) struct Confirming<'a> {
    pub context: &'a Context<'a>,
    pub catalog: &'a Catalog,
    /// The runs that count.
    pub runs: &'a mut RunSet,
}

impl Confirming<'_> {
    /// Asks the feed for announced records by key. Those that it lacks are deleted, and the
    /// others are updated. If it does not answer, nothing is deleted, and the reason is
    /// returned.
    pub fn confirm(
        &mut self,
        mirror: &mut Mirror,
        resource: Resource,
        announced: &AnnouncedKeys,
    ) -> Result<Option<String>> {
        let keys: Vec<String> = announced.keys().cloned().collect();
        let absent = match self.ask(mirror, resource, &keys) {
            Ok(absent) => absent,
            Err(error) if error.ends_job(false) => return Err(error),
            Err(error) => {
                let deletions = match keys.len() {
                    1 => "1 announced deletion".to_owned(),
                    count => format!("{count} announced deletions"),
                };
                let why = format!("{deletions} could not be confirmed: {error}");
                return Ok(Some(why));
            }
        };
        let write = mirror.write()?;
        for key in &absent {
            if let Some(run) = self.runs.get_mut(resource) {
                run.counts.records_seen += 1;
            }
            // A child may have been deleted with its listing.
            if !write.is_live(resource, key)? {
                continue;
            }
            let time = announced.get(key).and_then(Option::as_deref);
            let mut apply = Apply::new(self.context, self.runs, &write);
            apply.delete(resource, key, DeletedReason::Announced, time)?;
        }
        self.save(&write)?;
        write.commit()?;
        Ok(None)
    }

    /// Asks the feed for records by key, and updates the rows of the records that come.
    /// Returns the keys that the feed lacks. A record outside of the filter gets its last
    /// values and leaves the mirror.
    fn ask(
        &mut self,
        mirror: &mut Mirror,
        resource: Resource,
        keys: &[String],
    ) -> Result<Vec<String>> {
        let (feed, stop) = (self.context.feed, self.context.stop);
        if self.catalog.comes_only_with_listings(resource) {
            let shape = self.catalog.key_shape(resource)?;
            return fetch(feed, stop, &feed.sweep(shape, None, true), keys, |_| Ok(()));
        }
        let shape = self.catalog.shape(resource, &[])?;
        let mut sweep = self.catalog.sweep(feed, shape.clone());
        let absent = fetch(feed, stop, &sweep, keys, |step| {
            self.update(mirror, &shape, step, false)
        })?;
        if sweep.filter.take().is_none() {
            return Ok(absent);
        }
        fetch(feed, stop, &sweep, &absent, |step| {
            self.update(mirror, &shape, step, true)
        })
    }

    /// Updates the rows of a page that was asked for by key.
    fn update(
        &mut self,
        mirror: &mut Mirror,
        shape: &Shape,
        mut step: Step,
        is_outside: bool,
    ) -> Result<()> {
        let write = mirror.write()?;
        let mut apply = Apply {
            accepts_older: false,
            ..Apply::new(self.context, self.runs, &write)
        };
        apply.remove_unwanted(shape, &mut step.page)?;
        apply.page(shape, &step.page)?;
        for record in step.page.records.iter().filter(|_| is_outside) {
            apply.delete(shape.resource, &record.key, DeletedReason::Scope, None)?;
        }
        self.save(&write)?;
        Ok(write.commit()?)
    }

    fn save(&mut self, write: &WriteTx<'_>) -> rusqlite::Result<()> {
        let traffic = self.context.feed.traffic();
        self.runs.save(write, traffic, None)
    }
}
