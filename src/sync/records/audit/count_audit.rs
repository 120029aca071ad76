//! Compares the counts and the newest timestamps of ranges of keys, divides the ranges that
//! differ, and reads keys only there.
//!
//! Records that changed after the last sync are compared one by one first, and are in no count:
//! a range differs only where the last sync left something out.

use super::division::{Division, RANGE_ROWS};
use super::key_walk::KeyWalk;
use super::range_plan::{ComparedRange, FeedRange, Newest, Task};
use crate::feed::{Cursor, Key, KeyRange, Position, Tries, query};
use crate::mirror::{Mirror, RunCounts, Window};
use crate::sync::records::survey::{Survey, after, count_and_newest, survey, up_to};
use crate::sync::sync_error::Result;

/// An audit by counts.
pub(super) struct CountAudit<'a, 'f> {
    pub walk: KeyWalk<'a, 'f>,
    pub division: &'a Division,
    /// Whether the keys of all ranges are read, also where the counts are the same.
    pub reads_all: bool,
    /// The number of records of the feed.
    pub count: u64,
    /// The time up to which the resource is mirrored.
    pub watermark: Option<String>,
    /// The paging keys of the records that changed later.
    pub changed: Vec<Key>,
    /// The paging keys of listings whose children are in no count.
    pub left_out: Vec<Key>,
}

/// The greatest number of listings that one filter names.
const LISTINGS_NAMED: usize = 40;

impl CountAudit<'_, '_> {
    /// Compares all ranges.
    ///
    /// # Errors
    /// The error is a text if the counts of ranges prove nothing.
    pub fn run(&mut self, mirror: &mut Mirror) -> Result<std::result::Result<(), String>> {
        let changed = self.compare_changed(mirror)?;
        let ranges = match self.compare_ranges(mirror) {
            Err(error) if error.is_refusal() => return Ok(Err(error.to_string())),
            ranges => ranges?,
        };
        let Some(ranges) = ranges else {
            return Ok(Err("the feed does not count ranges of keys".to_owned()));
        };
        if !self.adds_up(mirror, &ranges, changed)? {
            return Ok(Err("the counts of ranges do not add up".to_owned()));
        }
        for range in self.divide(mirror, ranges)? {
            self.walk.read_range(mirror, self.division, &range)?;
        }
        Ok(Ok(()))
    }

    /// Returns whether the counts of all ranges and of the changed records add up to the count
    /// of all records, except for those without a timestamp, which the mirror has, too. Records
    /// that changed meanwhile are in no range.
    fn adds_up(&self, mirror: &Mirror, ranges: &[ComparedRange], changed: u64) -> Result<bool> {
        let keys = &self.division.keys;
        let counted: u64 = ranges.iter().map(|range| range.feed.records).sum();
        let counted = counted + self.count_left_out()?;
        if self.count == counted + changed {
            return Ok(true);
        }
        let undated = mirror.live_rows_without_timestamp(keys)?;
        let lacking = |all: u64| all as i64 - (counted + changed + undated) as i64;
        let feed = self.walk.context.feed;
        let now = survey(feed, keys, self.walk.filter(), Tries::Configured)?.count;
        let Some(now) = now else { return Ok(false) };
        let watermark = self.watermark.as_deref();
        let changes = watermark.and_then(|time| after(feed, keys, time));
        let changed_now = match changes {
            Some(changes) => count_and_newest(feed, keys, self.filter_with(changes))?.count,
            None => Some(0),
        };
        let meanwhile = changed_now.unwrap_or(0).saturating_sub(changed) + now.abs_diff(self.count);
        let lacking = lacking(now).max(lacking(self.count));
        let resource = keys.resource;
        tracing::debug!(%resource, counted, changed, now, meanwhile, lacking, "the counts of ranges");
        Ok((0..=meanwhile as i64).contains(&lacking))
    }

    /// Returns the number of records in the feed that are in the count of no range.
    fn count_left_out(&self) -> Result<u64> {
        let mut counted = 0;
        for listings in self.left_out.chunks(LISTINGS_NAMED) {
            let listings: Vec<query::Literal> = listings.iter().map(Key::literal).collect();
            let theirs = query::is_any_of(&self.division.field, &listings);
            counted += self.ask_counted(theirs)?.count.unwrap_or(0);
        }
        Ok(counted)
    }

    /// Returns a filter joined with that of the records that the mirror holds.
    fn filter_with(&self, other: String) -> String {
        let filter = self.walk.filter().map(query::group);
        query::and([filter.unwrap_or_default(), other])
    }

    /// Compares the records that changed after the last sync, and leaves their rows out of all
    /// counts. Returns their number.
    fn compare_changed(&mut self, mirror: &mut Mirror) -> Result<u64> {
        let keys = &self.division.keys;
        mirror.begin_comparison(keys.resource)?;
        let mut changed = 0;
        if let Some(timestamp) = self.watermark.clone().filter(|_| keys.has_timestamp()) {
            let after = Position::after(Cursor {
                timestamp,
                sent: None,
            });
            (changed, self.changed) = self.walk.collect(mirror, after)?;
        }
        mirror.leave_out_collected(keys)?;
        if self.division.is_by_listing() {
            mirror.leave_out_children(self.division.rows(), &self.left_out)?;
        }
        self.walk.compare(mirror, Window::None)?;
        Ok(changed)
    }

    /// Returns all ranges with the counts of both sides; none if the feed does not count.
    fn compare_ranges(&mut self, mirror: &Mirror) -> Result<Option<Vec<ComparedRange>>> {
        let context = self.walk.context;
        let resource = self.division.keys.resource;
        context.progress.begin(resource, Some(self.count));
        let mut ranges = Vec::new();
        let (mut after, mut counts, mut done) = (None, RunCounts::default(), 0);
        loop {
            let rest = KeyRange { after, up_to: None };
            let rows = self.division.rows();
            let keys = KeyRange {
                up_to: mirror.live_key_after(rows, &rest, RANGE_ROWS - 1)?,
                ..rest
            };
            // A longer filter would exceed the limits of servers.
            if self.left_out_of(&keys).count() > LISTINGS_NAMED {
                self.left_out.retain(|listing| !keys.contains(listing));
            }
            let Some(feed) = self.ask(&keys)? else {
                return Ok(None);
            };
            counts.pages += 1;
            done += feed.records;
            context.progress.page(resource, &counts, done);
            context.check_stop()?;
            after = keys.up_to.clone();
            ranges.push(self.compared(mirror, keys, feed)?);
            if after.is_none() {
                return Ok(Some(ranges));
            }
        }
    }

    /// Asks the feed for the count and the newest timestamp of a range.
    fn ask(&self, range: &KeyRange) -> Result<Option<FeedRange>> {
        let field = &self.division.field;
        let named = self
            .left_out_of(range)
            .map(|key| query::ne(field, &key.literal()));
        let filter = query::and(std::iter::once(range.filter(field)).chain(named));
        let found = self.ask_counted(filter)?;
        Ok(found.count.map(|records| FeedRange {
            records,
            newest: if found.is_ordered {
                Newest::Known(found.newest)
            } else {
                Newest::Unknown
            },
        }))
    }

    /// Returns the listings of a range whose children are in no count.
    fn left_out_of<'k>(&'k self, range: &'k KeyRange) -> impl Iterator<Item = &'k Key> {
        self.left_out.iter().filter(|key| range.contains(key))
    }

    /// Asks the feed for the count and the newest timestamp of the records that match a filter,
    /// up to the time of the mirror.
    fn ask_counted(&self, filter: String) -> Result<Survey> {
        let (feed, keys) = (self.walk.context.feed, &self.division.keys);
        let watermark = self.watermark.as_deref();
        let until = watermark.and_then(|time| up_to(feed, keys, time));
        let filter = self.filter_with(query::and([filter, until.unwrap_or_default()]));
        Ok(count_and_newest(feed, keys, filter)?)
    }

    /// Divides the ranges that differ, and returns the ranges whose keys must be read.
    fn divide(&mut self, mirror: &mut Mirror, ranges: Vec<ComparedRange>) -> Result<Vec<KeyRange>> {
        // A page has records without a timestamp, too. They are in no count.
        let keys = &self.division.keys;
        let can_probe = !self.division.is_by_listing()
            && ranges.iter().any(ComparedRange::differs_by_count)
            && mirror.live_rows_without_timestamp(keys)? == 0;
        let mut to_read: Vec<KeyRange> = Vec::new();
        let mut open = ranges;
        open.reverse();
        while let Some(range) = open.pop() {
            self.walk.context.check_stop()?;
            let probes = can_probe && range.differs_by_count();
            match range.task(probes) {
                _ if self.reads_all => to_read.push(range.keys),
                Task::Nothing => {}
                Task::Divide => {
                    let parts = if probes {
                        self.probe(mirror, &range)?
                    } else {
                        self.halves(mirror, &range)?.map(Vec::from)
                    };
                    match parts {
                        Some(parts) => open.extend(parts.into_iter().rev()),
                        None => add(&mut to_read, range.keys),
                    }
                }
                Task::Read => add(&mut to_read, range.keys),
            }
        }
        Ok(to_read)
    }

    /// Reads the page in the middle of a range together with the count of what follows, and
    /// returns the parts before and after the page. Returns none if the page does not show
    /// which rows it covers.
    fn probe(
        &mut self,
        mirror: &mut Mirror,
        range: &ComparedRange,
    ) -> Result<Option<Vec<ComparedRange>>> {
        let (rows, keys) = (self.division.rows(), &range.keys);
        let page_size = u64::from(self.walk.context.feed.page_size());
        let rows_before = mirror.live_limits(rows, keys)?.saturating_sub(page_size) / 2;
        let middle = match rows_before.checked_sub(1) {
            Some(before) => mirror.live_key_after(rows, keys, before)?,
            None => None,
        };
        let probed = KeyRange {
            after: middle.clone().or(keys.after.clone()),
            up_to: keys.up_to.clone(),
        };
        let Some(found) = self.walk.probe(mirror, &probed)? else {
            return Ok(None);
        };
        // The records of a page are those of now; the counts of ranges have no later changes.
        let changed = |keys: &KeyRange| {
            let keys = self.changed.iter().filter(|key| keys.contains(key));
            keys.count() as u64
        };
        let mut parts = Vec::new();
        if middle.is_some() {
            let counted = found.count.saturating_sub(changed(&probed));
            let before = KeyRange {
                after: keys.after.clone(),
                up_to: middle,
            };
            parts.push((before, range.feed.records.saturating_sub(counted)));
        }
        if found.up_to != keys.up_to {
            let rest = KeyRange {
                after: found.up_to,
                up_to: keys.up_to.clone(),
            };
            let left = found.count.saturating_sub(found.entries);
            let left = left.saturating_sub(changed(&rest));
            parts.push((rest, left));
        }
        let parts = parts.into_iter().map(|(keys, records)| {
            let newest = Newest::Unknown;
            self.compared(mirror, keys, FeedRange { records, newest })
        });
        parts.collect::<Result<_>>().map(Some)
    }

    /// Returns the halves of a range; none if the mirror has no key to divide it at.
    fn halves(&self, mirror: &Mirror, range: &ComparedRange) -> Result<Option<[ComparedRange; 2]>> {
        let rows = self.division.rows();
        let keys = mirror.live_limits(rows, &range.keys)?;
        if keys < 2 {
            return Ok(None);
        }
        let first = KeyRange {
            up_to: mirror.live_key_after(rows, &range.keys, keys / 2 - 1)?,
            ..range.keys.clone()
        };
        if first.up_to == range.keys.up_to {
            return Ok(None);
        }
        let Some(feed) = self.ask(&first)? else {
            return Ok(None);
        };
        let first = self.compared(mirror, first, feed)?;
        let keys = range.rest_of_keys(&first);
        let rows = mirror.live_range(rows, &keys)?;
        let left = range.feed.records.saturating_sub(first.feed.records);
        let pages = self.pages(mirror, &keys, left)?;
        if let Some(rest) = range.rest(&first, rows, pages) {
            return Ok(Some([first, rest]));
        }
        let Some(feed) = self.ask(&keys)? else {
            return Ok(None);
        };
        let rest = self.compared(mirror, keys, feed)?;
        Ok(Some([first, rest]))
    }

    /// Returns a range with the records of both sides.
    fn compared(&self, mirror: &Mirror, keys: KeyRange, feed: FeedRange) -> Result<ComparedRange> {
        Ok(ComparedRange {
            mirror: mirror.live_range(self.division.rows(), &keys)?,
            pages: self.pages(mirror, &keys, feed.records)?,
            keys,
            feed,
            must_differ: false,
        })
    }

    /// Returns the number of requests that read the keys of a range with this number of records.
    fn pages(&self, mirror: &Mirror, keys: &KeyRange, records: u64) -> Result<u64> {
        let page_size = u64::from(self.walk.context.feed.page_size());
        let records = if self.walk.listings.is_some() {
            mirror.live_limits(self.division.rows(), keys)?
        } else {
            records
        };
        Ok(records.div_ceil(page_size).max(1))
    }
}

/// Adds a range, and joins it with the one before if they touch.
fn add(ranges: &mut Vec<KeyRange>, range: KeyRange) {
    match ranges.last_mut() {
        Some(last) if last.up_to.is_some() && last.up_to == range.after => {
            last.up_to = range.up_to;
        }
        _ => ranges.push(range),
    }
}
