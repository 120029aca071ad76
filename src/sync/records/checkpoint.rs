//! The position of an unfinished run: where the next one resumes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::feed::{Feed, Loss, Page, Position, Step};
use crate::mirror::Job;
use crate::record::{Reject, Shape};
use crate::resource::Resource;
use crate::sync::sync_error::Result;
use crate::value::stored_instant;

/// The position of an unfinished run. It is saved with every page, in the page's
/// transaction.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpoint {
    /// A description of the request. Only the same reading resumes here.
    pub asked: String,
    /// The position in each range.
    pub positions: Vec<Position>,
    /// The children that come with their listings.
    pub expand: Vec<String>,
    /// The number of records at the start, if the feed counts them.
    pub count: Option<u64>,
    /// The number of records read, by this run and the runs that it resumes.
    pub read: u64,
    /// The number of counted changes that the finished windows of timestamps did not have.
    pub lacking: u64,
    /// The position of the last page of changes in the order of timestamps.
    pub page_of_changes: Option<Position>,
    /// The changes that may lack records.
    pub lost: Vec<LostChanges>,
    /// The newest timestamp of each resource, asked before the first page.
    pub newest: BTreeMap<String, String>,
    /// Whether the server ordered its records to find the newest timestamp.
    pub knows_newest: bool,
    /// The feed's time before the first page.
    pub began: Option<String>,
    /// The newest timestamp of the feed before the first page, if an incremental sync asked
    /// for it.
    pub surveyed: Option<String>,
    /// The run that began the reading.
    pub first_run: Option<i64>,
    /// Whether a record was rejected that has no key.
    pub keyless: bool,
    /// Keys of records that differ and will be refetched.
    pub pending: Vec<String>,
    /// Whether the server does not obey `$orderby`, so that pages are read by next links.
    pub by_links: bool,
    /// Whether pages are read from an endpoint for a whole copy.
    pub replicates: bool,
    /// The number of children read that the mirror does not hold.
    pub unwanted: u64,
    /// Keys of records, by resource, that were older than their rows. The feed must confirm
    /// them.
    pub older: DoubtfulKeys,
    /// Keys of children, by resource, that their listing no longer lists. The feed must
    /// confirm that they are deleted.
    pub unlisted: DoubtfulKeys,
}

/// Changes whose count is larger than the number of records in their pages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LostChanges {
    /// The position before them.
    pub from: Position,
    /// The last timestamp that they show, in storage form. Without one, they are all that follow.
    pub last: Option<String>,
}

/// Keys of records, by resource, that are requested again by key.
pub type DoubtfulKeys = BTreeMap<String, BTreeSet<String>>;

impl Checkpoint {
    /// Creates the checkpoint of a reading that has read nothing yet.
    pub fn new(asked: String, positions: Vec<Position>, shape: &Shape) -> Checkpoint {
        let children = shape.children.iter();
        let expand = children.map(|child| child.shape.resource.entity_set().to_owned());
        Checkpoint {
            asked,
            positions,
            expand: expand.collect(),
            ..Checkpoint::default()
        }
    }

    /// Returns the form that is saved. A walk whose link may not be stored begins again.
    pub fn to_json(&self, feed: &Feed) -> Result<String> {
        let may_store = |link: &str| feed.may_store(link);
        let mut links = self.positions.iter().filter_map(Position::next_link);
        let saved = if links.all(may_store) {
            Cow::Borrowed(self)
        } else {
            let mut again = self.clone();
            (again.read, again.unwanted) = (0, 0);
            for position in &mut again.positions {
                position.forget_link(may_store);
            }
            Cow::Owned(again)
        };
        Ok(serde_json::to_string(&saved).context("saving a checkpoint")?)
    }

    /// Returns the children that come with their listings.
    pub fn expanded(&self) -> Vec<Resource> {
        self.expand
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect()
    }

    /// Returns the ranges that are not read completely, with their positions.
    pub fn open(&self) -> Vec<(usize, Position)> {
        let positions = self.positions.iter().cloned().enumerate();
        positions
            .filter(|(_, position)| !position.is_finished())
            .collect()
    }

    /// Notes the changes that may lack records, if a page shows that.
    pub fn note_loss(&mut self, step: &Step) {
        let page_before = match &step.from {
            Position::Changes { .. } => self.page_of_changes.replace(step.from.clone()),
            Position::Ties { timestamp, .. } => Some(Position::since(timestamp.clone(), false)),
            _ => return,
        };
        let (from, last) = match (step.loss, &step.from) {
            (None, _) => return,
            (_, Position::Ties { timestamp, .. }) => (page_before, Some(timestamp)),
            (Some(Loss::Before), Position::Changes { after, .. }) => {
                (page_before, after.as_ref().map(|after| &after.timestamp))
            }
            _ => (Some(step.from.clone()), None),
        };
        let is_noted = self.lost.iter().any(|lost| lost.last.as_ref() == last);
        if let Some(from) = from.filter(|_| !is_noted) {
            let last = last.cloned();
            self.lost.push(LostChanges { from, last });
        }
    }

    /// Notes rejected records.
    pub fn note_rejects(&mut self, rejects: &[Reject]) {
        self.keyless |= rejects.iter().any(|reject| reject.key.is_none());
    }

    /// Notes the newest timestamp of a page that was read in the order of timestamps.
    /// Timestamps in the feed's future do not count.
    pub fn note_newest(&mut self, shape: &Shape, page: &Page, now: DateTime<Utc>) {
        let now = stored_instant(now);
        let newest = (page.records.iter())
            .filter_map(|record| shape.modified_of(&record.values))
            .filter(|timestamp| *timestamp <= now.as_str())
            .max()
            .map(str::to_owned);
        let name = shape.resource.entity_set();
        if let Some(newest) = newest.max(self.newest.remove(name)) {
            self.newest.insert(name.to_owned(), newest);
        }
    }

    /// Returns the watermark of a resource after the run has finished: the feed's time up
    /// to which it is mirrored, except for rejected records. An incremental sync never moves
    /// it back; a full sync does if the feed's newest timestamp is older than before.
    pub fn watermark(
        &self,
        job: Job,
        resource: Resource,
        before: Option<String>,
    ) -> Option<String> {
        let found = self.newest.get(resource.entity_set()).cloned();
        match job {
            Job::Incremental => found.max(before),
            // Comparing timestamps misses a record that changed twice within one second;
            // the next incremental sync reads it.
            Job::Reconcile => before,
            _ => found.or(before),
        }
    }
}
