//! Reads records again that could not be stored: by key, with their listing, or by their
//! timestamp.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::resource_reader::Reader;
use crate::feed::query;
use crate::feed::{Position, Sweep};
use crate::mirror::{Job, Mirror, OpenReject};
use crate::record::Shape;
use crate::resource::{MODIFICATION_TIMESTAMP, Resource};
use crate::sync::records::by_key::{BY_KEY, any_of, fetch};
use crate::sync::records::scope::save_incomplete;
use crate::sync::sync_error::Result;
use crate::value::timestamp;

/// The largest number of timestamps that one run reads again. The next run continues with
/// the others.
const TIMESTAMPS_MAX: usize = 50;

impl Reader<'_> {
    /// Reads rejected records again that this run has not seen. A record with neither a key
    /// nor a timestamp waits for the next full sync.
    pub fn retry_rejects(&mut self, mirror: &mut Mirror, shape: &Arc<Shape>) -> Result<()> {
        let Some(first_run) = self.checkpoint.first_run else {
            return Ok(());
        };
        let rejects = mirror.unseen_rejects(self.resource, first_run)?;
        self.retry_by_key(mirror, shape, &rejects, first_run)?;
        self.retry_by_timestamp(mirror, shape, &rejects, first_run)
    }

    /// Fetches rejected records by their keys, and the listings of rejected children that
    /// come along.
    fn retry_by_key(
        &mut self,
        mirror: &mut Mirror,
        shape: &Arc<Shape>,
        rejects: &[OpenReject],
        first_run: i64,
    ) -> Result<()> {
        let own = rejects.iter().filter_map(|reject| reject.key.clone());
        let own: BTreeSet<String> = own.collect();
        let mut keys = own.clone();
        for child in self.checkpoint.expanded() {
            let of_child = mirror.unseen_rejects(child, first_run)?;
            keys.extend(
                of_child
                    .iter()
                    .filter_map(|reject| listing_of(child, reject)),
            );
        }
        let separate = self.separate_children();
        let is_missing_run = separate.iter().any(|child| self.runs.get(*child).is_none());
        // Without the children, a listing waits for a run that also reads them.
        if keys.is_empty() || (self.job() == Job::Incremental && is_missing_run) {
            return Ok(());
        }

        let (feed, stop) = (self.context.feed, self.context.stop);
        let sweep = self.sweep(shape);
        let keys: Vec<String> = keys.into_iter().collect();
        let fetched = fetch(feed, stop, &sweep, &keys, |step| {
            self.apply(mirror, shape, step)
        });
        let absent = match fetched {
            Ok(absent) => absent,
            Err(error) if error.is_refusal() => {
                tracing::info!(resource = %self.resource, %error, "refetching rejected records");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let write = mirror.write()?;
        for key in absent.iter().filter(|key| own.contains(*key)) {
            write.resolve_rejects(self.resource, key)?;
        }
        write.commit()?;

        let own: Vec<String> = own.into_iter().collect();
        for child in separate {
            self.read_children(mirror, child, &own)?;
        }
        Ok(())
    }

    /// Returns the children of listings that do not come with them. Without their listing,
    /// they were not stored.
    fn separate_children(&self) -> Vec<Resource> {
        let along = self.checkpoint.expanded();
        let configured = self.context.config.sync.resources.iter().copied();
        let is_separate = |child: &Resource| {
            self.resource == Resource::Property
                && self.job() == Job::Incremental
                && child.is_child()
                && *child != Resource::Adu
                && !along.contains(child)
                && self.catalog.declares(*child)
        };
        configured.filter(is_separate).collect()
    }

    /// Reads the children of these listings from their own resource. If it does not answer,
    /// the next sync reads all of it.
    fn read_children(
        &mut self,
        mirror: &mut Mirror,
        child: Resource,
        listings: &[String],
    ) -> Result<()> {
        let shape = self.catalog.shape(child, &[])?;
        let fields = child.parent_fields().iter();
        let Some(parent) = fields
            .copied()
            .find(|field| shape.position(field).is_some())
        else {
            return Ok(());
        };
        for listings in listings.chunks(self.context.feed.dialect().keys_at_once) {
            let listings: Vec<&str> = listings.iter().map(String::as_str).collect();
            let of_listings = any_of(&shape, parent, &listings);
            let filter = self.catalog.filter(child).map(query::group);
            let sweep = self.context.feed.sweep(
                shape.clone(),
                Some(query::and([filter.unwrap_or_default(), of_listings])),
                self.catalog.selects(child),
            );
            match self.read_once(mirror, &shape, sweep) {
                Err(error) if error.is_refusal() => {
                    tracing::warn!(%child, %error, "reading the children of listings");
                    let write = mirror.write()?;
                    save_incomplete(&write, child, true)?;
                    write.commit()?;
                }
                read => read?,
            }
        }
        Ok(())
    }

    /// Reads the timestamps of rejected records without a key again. Records that did not
    /// come again have changed or were deleted.
    fn retry_by_timestamp(
        &mut self,
        mirror: &mut Mirror,
        shape: &Arc<Shape>,
        rejects: &[OpenReject],
        first_run: i64,
    ) -> Result<()> {
        let mut ids_at: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for reject in rejects.iter().filter(|reject| reject.key.is_none()) {
            let Some(time) = timestamp_of(reject) else {
                continue;
            };
            if ids_at.len() < TIMESTAMPS_MAX || ids_at.contains_key(&time) {
                ids_at.entry(time).or_default().push(reject.id);
            }
        }
        for (time, ids) in ids_at {
            let sweep = self.sweep(shape).showing(&time);
            match self.read_once(mirror, shape, sweep) {
                Err(error) if error.is_refusal() => {
                    tracing::info!(resource = %self.resource, %error, "rereading rejected records");
                    return Ok(());
                }
                read => read?,
            }
            let write = mirror.write()?;
            write.resolve_unseen(&ids, first_run)?;
            write.commit()?;
        }
        Ok(())
    }

    /// Reads and applies all pages of a sweep.
    fn read_once(&mut self, mirror: &mut Mirror, shape: &Shape, sweep: Sweep) -> Result<()> {
        let start = Position::start(sweep.paging);
        for step in self.context.feed.walk(sweep, vec![(BY_KEY, start)]) {
            self.apply(mirror, shape, step?)?;
            self.context.check_stop()?;
        }
        Ok(())
    }
}

/// Returns the key of the listing that a rejected child names.
fn listing_of(child: Resource, reject: &OpenReject) -> Option<String> {
    let payload: Json = serde_json::from_str(&reject.payload).ok()?;
    let mut values = child.parent_fields().iter().map(|field| &payload[*field]);
    values.find_map(|value| match value {
        Json::String(key) => Some(key.clone()),
        Json::Number(key) => Some(key.to_string()),
        _ => None,
    })
}

/// Returns the ModificationTimestamp of a rejected record, if it can be read.
fn timestamp_of(reject: &OpenReject) -> Option<String> {
    let payload: Json = serde_json::from_str(&reject.payload).ok()?;
    let modified = payload[MODIFICATION_TIMESTAMP].as_str()?;
    timestamp(modified).map(String::from)
}
