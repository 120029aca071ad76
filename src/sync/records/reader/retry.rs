//! Reads records again that could not be stored: by key, with their listing, or by their
//! timestamp. Reads changes again that the feed counts and its pages did not have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::resource_reader::Reader;
use crate::feed::{FeedError, Position, Sweep, member_value};
use crate::mirror::{Mirror, OpenReject};
use crate::record::Shape;
use crate::sync::records::by_key::BY_KEY;
use crate::sync::sync_error::Result;
use crate::value::timestamp;

/// The largest number of timestamps that one run reads again. The next run continues with
/// the others.
const TIMESTAMPS_MAX: usize = 50;

/// How often changes are read again before the feed's count contradicts its pages.
const LOST_READINGS: u32 = 2;

impl Reader<'_> {
    /// Reads changes again that may be lost. If the feed still counts more than it sends, the
    /// run is partial, and the next one reads from the same watermark.
    pub fn read_lost(&mut self, mirror: &mut Mirror, shape: &Arc<Shape>) -> Result<()> {
        for lost in self.checkpoint.lost.clone() {
            let sweep = Sweep {
                counts: true,
                ..self.sweep(shape).between(&lost.from, lost.last.as_deref())
            };
            let mut readings = 0;
            while readings < LOST_READINGS && !self.reads_all(mirror, shape, &sweep)? {
                readings += 1;
            }
            self.is_incomplete |= readings == LOST_READINGS;
        }
        if self.is_incomplete {
            let (_, records) = self.resource.nouns();
            self.left_out.push(format!(
                "the feed counts changed {records} that its pages do not have; the next sync reads them again"
            ));
        }
        Ok(())
    }

    /// Reads the records of a sweep. Returns whether the feed sends all records that it counts.
    fn reads_all(&mut self, mirror: &mut Mirror, shape: &Shape, sweep: &Sweep) -> Result<bool> {
        match self.read_once(mirror, shape, sweep.clone()) {
            Err(error) if matches!(error.feed(), Some(FeedError::Unordered(_))) => Ok(false),
            sends_all => sends_all,
        }
    }

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
            let child = self.catalog.key_shape(child)?;
            keys.extend((of_child.iter()).filter_map(|reject| listing_of(&child, reject)));
        }
        if keys.is_empty() {
            return Ok(());
        }

        let keys: Vec<String> = keys.into_iter().collect();
        let absent = match self.fetch(mirror, &self.sweep(shape), &keys) {
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
        Ok(write.commit()?)
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
            let Some(time) = timestamp_of(shape, reject) else {
                continue;
            };
            if ids_at.len() < TIMESTAMPS_MAX || ids_at.contains_key(&time) {
                ids_at.entry(time).or_default().push(reject.id);
            }
        }
        for (time, ids) in ids_at {
            let sweep = self.sweep(shape).showing(&time, None);
            match self.read_once(mirror, shape, sweep) {
                Err(error) if error.is_refusal() => {
                    tracing::info!(resource = %self.resource, %error, "rereading rejected records");
                    return Ok(());
                }
                read => {
                    read?;
                }
            }
            let write = mirror.write()?;
            write.resolve_unseen(&ids, first_run)?;
            write.commit()?;
        }
        Ok(())
    }

    /// Reads and applies all pages of a sweep. Returns whether the feed sends all records that it
    /// counts.
    fn read_once(&mut self, mirror: &mut Mirror, shape: &Shape, sweep: Sweep) -> Result<bool> {
        let start = Position::start(self.checkpoint.by_links);
        let (mut counted, mut read) = (None, 0);
        for step in self.context.feed.walk(sweep, vec![(BY_KEY, start)]) {
            let step = step?;
            counted = counted.or(step.page.count);
            read += step.page.distinct() as u64;
            self.apply(mirror, shape, step)?;
            self.context.check_stop()?;
        }
        Ok(counted.is_none_or(|counted| counted <= read))
    }
}

/// Returns the key of the listing that a rejected child names.
fn listing_of(child: &Shape, reject: &OpenReject) -> Option<String> {
    let parents = child.roles.parent.iter().flat_map(|parent| &parent.fields);
    let mut values = parents.filter_map(|field| member_value(&reject.payload, field));
    values.find_map(|value| match value {
        Json::String(key) => Some(key),
        Json::Number(key) => Some(key.to_string()),
        _ => None,
    })
}

/// Returns the timestamp of a rejected record, if it can be read.
fn timestamp_of(shape: &Shape, reject: &OpenReject) -> Option<String> {
    let modified = member_value(&reject.payload, shape.timestamp_field()?)?;
    timestamp(modified.as_str()?).map(String::from)
}
