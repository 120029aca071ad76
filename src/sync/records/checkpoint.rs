//! Where a sweep stands: what a killed one goes on from.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::apply::stamp_of_reject;
use crate::feed::{Page, Position};
use crate::mirror::Job;
use crate::record::{Reject, Shape};
use crate::resource::Resource;
use crate::value::stored_instant;

/// Written with every page, in the page's transaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What was asked for. A sweep of something else does not go on from here.
    pub asked: String,
    /// Where each range stands.
    pub positions: Vec<Position>,
    /// The children that come with their listings.
    pub expand: Vec<String>,
    /// How many records there were at the start, if the feed counted them.
    pub count: Option<u64>,
    /// How many were read, by this run and those before it.
    pub read: u64,
    /// The newest stamp of each resource, asked before the first page.
    pub newest: BTreeMap<String, String>,
    /// For each resource with records that could not be stored, the oldest of
    /// their stamps; none where one's cannot be read.
    pub rejected: BTreeMap<String, Option<String>>,
    /// The run that began the sweep.
    pub first_run: Option<i64>,
    /// Whether a record came that could not be stored and had no key.
    pub keyless: bool,
    /// Keys of records that differ and are to be read again.
    #[serde(default)]
    pub pending: Vec<String>,
}

impl Checkpoint {
    /// The children that come with their listings.
    pub fn expanded(&self) -> Vec<Resource> {
        self.expand
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect()
    }

    /// The ranges that are not read to their end.
    pub fn open(&self) -> Vec<(usize, Position)> {
        let open = |(_, position): &(usize, &Position)| !position.is_finished();
        let positions = self.positions.iter().enumerate().filter(open);
        positions
            .map(|(walk, position)| (walk, position.clone()))
            .collect()
    }

    /// Notes records that could not be stored.
    pub fn note_rejects(&mut self, rejects: &[Reject]) {
        for reject in rejects {
            self.keyless |= reject.key.is_none();
            // A listing that could not be stored keeps its children out with it.
            if reject.resource == Resource::Property {
                for child in &self.expand {
                    self.rejected.insert(child.clone(), None);
                }
            }
            let stamp = stamp_of_reject(&reject.payload);
            self.rejected
                .entry(reject.resource.entity_set().to_owned())
                .and_modify(|oldest| *oldest = oldest.take().min(stamp.clone()))
                .or_insert(stamp);
        }
    }

    /// Notes the newest stamp of a page that was read in the order of stamps, but
    /// for those in the feed's future.
    pub fn note_newest(&mut self, shape: &Shape, page: &Page, now: Option<DateTime<Utc>>) {
        let now = now.map(stored_instant);
        let past = |stamp: &&str| now.as_deref().is_none_or(|now| *stamp <= now);
        let stamps = page.records.iter();
        let stamps = stamps.filter_map(|record| shape.modified_of(&record.values));
        let newest = stamps.filter(past).max().map(str::to_owned);
        let name = shape.resource.entity_set();
        let newest = newest.max(self.newest.remove(name));
        if let Some(newest) = newest {
            self.newest.insert(name.to_owned(), newest);
        }
    }

    /// The feed's time up to which a resource is mirrored once the sweep has
    /// finished: never past a record that could not be stored.
    /// Reading changes never takes it back, as reading all does where the feed
    /// itself went back.
    pub fn watermark(
        &self,
        job: Job,
        resource: Resource,
        before: Option<String>,
    ) -> Option<String> {
        let found = self.newest.get(resource.entity_set()).cloned();
        let newest = match job {
            Job::Incremental => found.max(before.clone()),
            // What changed again within the second of its stamp, a comparison of
            // stamps does not see: the next reading of changes does.
            Job::Reconcile => before.clone(),
            _ => found.or(before.clone()),
        };
        match self.rejected.get(resource.entity_set()) {
            None => newest,
            Some(None) => before,
            Some(Some(oldest)) => newest.map(|newest| newest.min(oldest.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject(payload: &str) -> Reject {
        let payload = payload.to_owned();
        Reject {
            resource: Resource::Property,
            key: None,
            reason: String::new(),
            payload,
        }
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            asked: String::new(),
            positions: Vec::new(),
            expand: Vec::new(),
            count: None,
            read: 0,
            newest: [("Property".to_owned(), "2026-03-01 00:00:00".to_owned())].into(),
            rejected: BTreeMap::new(),
            first_run: None,
            keyless: false,
            pending: Vec::new(),
        }
    }

    #[test]
    fn the_watermark_never_passes_a_record_that_was_rejected() {
        let before = Some("2026-01-01 00:00:00".to_owned());
        let mut checkpoint = checkpoint();
        let watermark = |checkpoint: &Checkpoint| {
            checkpoint.watermark(Job::Full, Resource::Property, before.clone())
        };
        assert_eq!(
            watermark(&checkpoint).as_deref(),
            Some("2026-03-01 00:00:00")
        );
        checkpoint.note_rejects(&[
            reject(r#"{"ModificationTimestamp":"2026-02-02T00:00:00Z"}"#),
            reject(r#"{"ModificationTimestamp":"2026-02-03T00:00:00Z"}"#),
        ]);
        assert_eq!(
            watermark(&checkpoint).as_deref(),
            Some("2026-02-02 00:00:00")
        );
        checkpoint.note_rejects(&[reject("7")]);
        assert_eq!(watermark(&checkpoint), before);
    }
}
