//! Changed children that came with their listings.

use std::collections::HashMap;

use crate::feed::Page;
use crate::mirror::ReadTx;
use crate::record::{Record, Shape};

/// The largest number of children that are noted. More are read again.
const CHANGED_MAX: usize = 10_000;

/// The length of a timestamp in whole seconds, in storage form.
const SECONDS_LEN: usize = "2026-01-02 03:04:05".len();

/// The children of one resource that came with listings and have changed since the watermark.
#[derive(Debug, Default)]
pub(in crate::sync) struct CameAlong {
    /// Their timestamps, by key.
    changed: HashMap<String, String>,
    /// Whether there are more than [`CHANGED_MAX`].
    is_incomplete: bool,
}

impl CameAlong {
    /// Notes the changed children in the lists at a position of a page of listings.
    pub fn note(&mut self, child: &Shape, at: usize, page: &Page, watermark: Option<&str>) {
        let listings = page.records.iter();
        let lists = listings.filter_map(|listing| listing.children[at].as_ref());
        for record in lists.flat_map(|list| &list.records) {
            match child.modified_of(&record.values) {
                Some(timestamp) if Some(timestamp) > watermark => {
                    let key = record.key.to_string();
                    self.changed.insert(key, timestamp.to_owned());
                }
                _ => {}
            }
        }
        if self.changed.len() > CHANGED_MAX {
            self.changed.clear();
            self.is_incomplete = true;
        }
    }

    /// Returns their number.
    pub fn len(&self) -> u64 {
        self.changed.len() as u64
    }

    /// Returns whether a page with the keys and timestamps of changed children has these and no
    /// others.
    pub fn equals(&self, keys: &Shape, page: &Page) -> bool {
        let is_noted = |record: &Record| {
            let timestamp = keys.modified_of(&record.values);
            self.changed.get(&*record.key).map(String::as_str) == timestamp
        };
        page.count == Some(self.len())
            && page.distinct() as u64 == self.len()
            && page.records.len() == page.entries
            && page.records.iter().all(is_noted)
    }

    /// Returns the newest of their timestamps.
    pub fn newest(&self) -> Option<String> {
        self.changed.values().max().cloned()
    }

    /// Returns whether all of them are known and are live rows in this version, and their
    /// timestamps are clearly after the watermark and not in the future.
    pub fn are_stored(
        &self,
        read: &ReadTx<'_>,
        keys: &Shape,
        watermark: &str,
        now: &str,
    ) -> rusqlite::Result<bool> {
        let second = watermark.get(..SECONDS_LEN).unwrap_or(watermark);
        for (key, timestamp) in &self.changed {
            let is_clear = !timestamp.starts_with(second) && timestamp.as_str() <= now;
            let held = read.live_timestamp(keys, key)?.flatten();
            if !is_clear || held.as_ref() != Some(timestamp) {
                return Ok(false);
            }
        }
        Ok(!self.is_incomplete)
    }
}
