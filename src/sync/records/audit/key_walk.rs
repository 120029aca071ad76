//! Reads the keys and timestamps of records, and compares them with the rows part by part.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::audited::Audited;
use super::division::Division;
use super::findings::Findings;
use crate::config::Replication;
use crate::feed::{Key, KeyRange, Position, Step, Sweep, query};
use crate::mirror::{KeyDifferences, Mirror, RunCounts, Window};
use crate::record::{Children, Shape};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::records::catalog::Catalog;
use crate::sync::sync_error::Result;

/// Reads keys and timestamps of one resource.
pub(super) struct KeyWalk<'a, 'f> {
    pub context: &'a Context<'a>,
    pub catalog: &'a Catalog,
    /// Keys and timestamps of the resource, and of the children that come along.
    pub shape: Arc<Shape>,
    /// The listings with the resource, if a range of its keys is read with them: a page then has
    /// the children of many listings.
    pub listings: Option<Arc<Shape>>,
    /// Whether the mirror holds listings, so that it holds only children of live ones.
    pub has_listings: bool,
    /// Whether only the children that come along are compared.
    pub only_children: bool,
    /// The endpoint that lists all keys, if they are read there.
    pub key_list: Option<Replication>,
    pub findings: &'f mut dyn Findings,
    /// The counts of read records and pages.
    pub ended: Audited,
}

/// The first page of a range, and the count of the range.
pub(super) struct Probe {
    /// The number of records in the range.
    pub count: u64,
    /// The number of records on the page.
    pub entries: u64,
    /// The end of the rows that the page covers.
    pub up_to: Option<Key>,
}

impl KeyWalk<'_, '_> {
    /// Returns the filter of the records that the mirror holds.
    pub fn filter(&self) -> Option<&str> {
        self.catalog.live_filter(self.shape.resource)
    }

    /// Returns how the audit ended.
    pub fn ended(&self, records: Option<u64>) -> Audited {
        Audited {
            records,
            ..self.ended.clone()
        }
    }

    /// Forgets everything.
    pub fn start_again(&mut self, mirror: &mut Mirror) -> Result<()> {
        self.ended = Audited::default();
        self.findings.start_again(mirror)
    }

    fn sweep(&self, filter: Option<String>) -> Sweep {
        let sweep = self.context.feed.sweep(self.shape.clone(), filter, true);
        Sweep {
            replication: self.key_list,
            ..sweep
        }
    }

    /// Collects all records from a position to the end of its walk. Returns their number, and
    /// their paging keys.
    pub fn collect(&mut self, mirror: &mut Mirror, from: Position) -> Result<(u64, Vec<Key>)> {
        let sweep = self.sweep(self.filter().map(str::to_owned));
        let (mut read, mut keys) = (0, BTreeMap::new());
        for step in self.context.feed.walk(sweep, vec![(0, from)]) {
            let step = step?;
            read += step.page.distinct() as u64;
            for record in &step.page.records {
                let paging = Key::of(self.shape.paging_value(&record.values));
                keys.extend(paging.map(|paging| (record.key.clone(), paging)));
            }
            self.note(mirror, &step)?;
            self.context.check_stop()?;
        }
        Ok((read, keys.into_values().collect()))
    }

    /// Reads the first page of a range, with the count of the whole range, and compares it.
    /// Returns none if the page does not show which rows it covers.
    pub fn probe(&mut self, mirror: &mut Mirror, range: &KeyRange) -> Result<Option<Probe>> {
        let sweep = Sweep {
            counts: true,
            ..self.sweep(self.filter().map(str::to_owned))
        };
        let step = self.context.feed.step(&sweep, 0, &in_range(range))?;
        let covered = step.covered();
        let Some(covered) = covered.filter(|_| !has_keyless(&step, self.shape.resource)) else {
            return Ok(None);
        };
        self.ended.read += step.page.distinct() as u64;
        self.ended.pages += 1;
        mirror.begin_comparison(self.shape.resource)?;
        self.note(mirror, &step)?;
        self.compare(mirror, Window::Keys(&covered))?;
        let entries = step.page.entries as u64;
        Ok(Some(Probe {
            count: step.page.count.unwrap_or(entries),
            entries,
            up_to: covered.up_to,
        }))
    }

    /// Reads the keys of a range, and compares them with its rows.
    pub fn read_range(
        &mut self,
        mirror: &mut Mirror,
        division: &Division,
        range: &KeyRange,
    ) -> Result<()> {
        if !self.collect_with_listings(mirror, range)? {
            self.collect_range(mirror, division, range)?;
        }
        self.compare(mirror, division.window(range))
    }

    /// Collects the records of a range from the resource itself.
    fn collect_range(
        &mut self,
        mirror: &mut Mirror,
        division: &Division,
        range: &KeyRange,
    ) -> Result<()> {
        let base = self.filter().map(str::to_owned);
        let mut sweep = self.sweep(base.clone());
        let mut start = in_range(range);
        if division.is_by_listing() {
            let parts = [
                base.as_deref().map(query::group),
                Some(range.filter(&division.field)),
            ];
            sweep.filter = Some(query::and(parts.into_iter().flatten()));
            start = Position::start(false);
        }
        mirror.begin_comparison(self.shape.resource)?;
        for step in self.context.feed.walk(sweep, vec![(0, start)]) {
            let step = step?;
            self.ended.read += step.page.distinct() as u64;
            self.ended.pages += 1;
            self.note(mirror, &step)?;
            self.context.check_stop()?;
        }
        Ok(())
    }

    /// Collects the records of a range with their listings. Returns false if they do not come
    /// with all of them.
    fn collect_with_listings(&mut self, mirror: &mut Mirror, range: &KeyRange) -> Result<bool> {
        let Some(listings) = self.listings.clone() else {
            return Ok(false);
        };
        let sweep = (self.context.feed).sweep(listings.clone(), None, true);
        mirror.begin_comparison(self.shape.resource)?;
        for step in self.context.feed.walk(sweep, vec![(0, in_range(range))]) {
            let step = match step {
                Err(error) if error.smaller_request_may_succeed() => {
                    tracing::info!(resource = %self.shape.resource, %error, "reading keys without their listings");
                    self.listings = None;
                    return Ok(false);
                }
                step => step?,
            };
            self.ended.pages += 1;
            for listing in &step.page.records {
                let (Some(Some(list)), Some(child)) =
                    (listing.children.first(), listings.children.first())
                else {
                    self.listings = None;
                    return Ok(false);
                };
                self.ended.keyless |= list.rejected_without_key;
                self.ended.read += list.records.len() as u64;
                let rejected = list.rejected_keys.iter().map(|key| &**key);
                mirror.note_in_feed(&child.shape, list.records.iter(), rejected)?;
            }
            self.context.check_stop()?;
        }
        Ok(true)
    }

    /// Reads all records from these positions. If the pages are in the order of the mirror,
    /// each of them is compared with the rows that it covers, and otherwise all at the end.
    pub fn read_all(
        &mut self,
        mirror: &mut Mirror,
        starts: &[(usize, Position)],
        in_order: bool,
        total: Option<u64>,
    ) -> Result<()> {
        let resource = self.shape.resource;
        let sweep = self.sweep(self.filter().map(str::to_owned));
        mirror.begin_comparison(resource)?;
        self.context.progress.begin(resource, total);
        self.findings.starts(starts);
        let children = self.shape.children.iter();
        self.ended.nested = children.map(|child| child.shape.resource).collect();
        let mut counts = RunCounts::default();
        for step in self.context.feed.walk(sweep, starts.to_vec()) {
            let step = step?;
            self.ended.read += step.page.distinct() as u64;
            self.ended.pages += 1;
            self.compare_children(mirror, &step)?;
            if !self.only_children {
                self.note(mirror, &step)?;
                if in_order {
                    let covered = step.covered().filter(|_| !has_keyless(&step, resource));
                    let window = covered.as_ref().map_or(Window::None, Window::Keys);
                    let found = mirror.compare_keys(&self.shape, self.has_listings, window)?;
                    let reached = Some((step.walk, step.to));
                    self.findings.found(mirror, resource, found, reached)?;
                    mirror.begin_comparison(resource)?;
                }
            }
            counts.pages += 1;
            counts.records_seen += step.page.entries as u64;
            self.context
                .progress
                .page(resource, &counts, self.ended.read);
            self.context.check_stop()?;
        }
        if self.only_children {
            return Ok(());
        }
        if !in_order {
            // An earlier audit has read and compared all.
            let Some((walk, _)) = starts.last() else {
                return Ok(());
            };
            // A record may have come with several pages: a window that is divided is read again.
            if !self.ended.keyless {
                self.ended.read = mirror.count_in_feed(resource)?;
            }
            let found = mirror.compare_keys(&self.shape, self.has_listings, Window::All)?;
            let end = Some((*walk, Position::Finished));
            return self.findings.found(mirror, resource, found, end);
        }
        let found = KeyDifferences {
            extra: mirror.live_keys_out_of_order(&self.shape)?,
            ..KeyDifferences::default()
        };
        self.findings.found(mirror, resource, found, None)
    }

    /// Compares what was collected.
    pub fn compare(&mut self, mirror: &mut Mirror, window: Window<'_>) -> Result<()> {
        let found = mirror.compare_keys(&self.shape, self.has_listings, window)?;
        self.findings
            .found(mirror, self.shape.resource, found, None)
    }

    fn note(&mut self, mirror: &mut Mirror, step: &Step) -> Result<()> {
        let resource = self.shape.resource;
        self.ended.keyless |= has_keyless(step, resource);
        let rejects = step.page.rejects.iter();
        let rejects = rejects.filter(|reject| reject.resource == resource);
        let rejected_keys = rejects.filter_map(|reject| reject.key.as_deref());
        Ok(mirror.note_in_feed(&self.shape, step.page.records.iter(), rejected_keys)?)
    }

    /// Compares the children of the listings of a page.
    fn compare_children(&mut self, mirror: &mut Mirror, step: &Step) -> Result<()> {
        for (at, child) in self.shape.children.iter().enumerate() {
            let child = &child.shape;
            let lists: Vec<(&str, &Children)> = (step.page.records.iter())
                .filter_map(|listing| Some((&*listing.key, listing.children[at].as_ref()?)))
                .collect();
            if lists.len() < step.page.records.len() {
                self.ended.nested.retain(|nested| *nested != child.resource);
            }
            let records = lists.iter().flat_map(|(_, list)| &list.records);
            let rejected = lists.iter().flat_map(|(_, list)| &list.rejected_keys);
            mirror.begin_comparison(child.resource)?;
            mirror.note_in_feed(child, records, rejected.map(|key| &**key))?;
            let is_whole = |(_, list): &&(&str, &Children)| !list.rejected_without_key;
            let listings: Vec<&str> = lists.iter().filter(is_whole).map(|(key, _)| *key).collect();
            let window = Window::OfEach(&listings);
            let found = mirror.compare_keys(child, self.has_listings, window)?;
            self.findings.found(mirror, child.resource, found, None)?;
        }
        Ok(())
    }
}

fn has_keyless(step: &Step, resource: Resource) -> bool {
    let mut rejects = step.page.rejects.iter();
    rejects.any(|reject| reject.resource == resource && reject.key.is_none())
}

fn in_range(range: &KeyRange) -> Position {
    Position::Keyset {
        after: range.after.clone(),
        up_to: range.up_to.clone(),
        skip: 0,
    }
}
