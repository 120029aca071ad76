//! The way in which a full sync reads a resource, found out by reading its first pages.

use std::collections::HashMap;
use std::sync::Arc;

use super::by_key::{read_in_batches, with_any};
use super::catalog::Catalog;
use super::expand_cost::{ExpandCost, TimedStep, timed_step};
use super::expansion::why_separate;
use super::probes::{ChangesWay, Probes};
use crate::feed::{FeedError, Page, Position, Sweep, Tries};
use crate::record::{Record, Shape};
use crate::resource::{MEDIA_URL, Resource};
use crate::sync::context::Context;
use crate::sync::sync_error::{Result, answer_if_any};
use crate::value::{Value, ValueForm};

/// The way in which a full sync reads a resource.
pub(in crate::sync) struct Way {
    /// Whether pages are read by next links, and not by key.
    pub by_links: bool,
    /// Whether pages come from an endpoint for a whole copy.
    pub replicates: bool,
    /// The number of fields that are read.
    pub fields: usize,
    /// The number of records in the first page.
    pub page_size: u64,
    /// The number of records in the pages that were read.
    pub read: u64,
    /// Bytes of the first page.
    pub bytes: u64,
    /// How the count contradicts the pages, if it does.
    pub contradiction: Option<String>,
    /// The children that are read from their own resources, and why.
    pub separate: Vec<(Resource, String)>,
    /// Those of them for which this was not known before.
    pub found_separate: Vec<Resource>,
    /// Whether the server does not send pages with children.
    pub is_expand_refused: bool,
    /// Whether pages with children took longer than reading them separately.
    pub is_expand_slow: bool,
    /// Whether it was not known before that pages are read by next links.
    pub found_links: bool,
    /// The URLs of some photos in the first page.
    pub photo_urls: Vec<String>,
    /// How changes are read, if it is known.
    pub changes: Option<ChangesWay>,
}

/// Finds the way of one resource.
pub(in crate::sync) struct WayFinder<'a> {
    pub context: &'a Context<'a>,
    pub catalog: &'a Catalog,
    pub resource: Resource,
    /// The number of records, if the feed counts them.
    pub count: Option<u64>,
}

/// The number of listings whose children are compared with those of the child's resource.
const LISTINGS_COMPARED: usize = 50;

/// The first pages of a resource, read in one way.
struct FirstPages {
    shape: Arc<Shape>,
    first: Page,
    by_links: bool,
    read: u64,
    bytes: u64,
    contradiction: Option<String>,
    /// Why they come without children.
    refused: Option<String>,
    /// Whether that is because they come faster.
    is_slow: bool,
    /// Why it takes less time to read the children separately.
    slow: Option<String>,
}

impl WayFinder<'_> {
    /// Reads the first pages in the ways that a full sync tries, until one succeeds.
    pub fn find(&self, children: &[Resource]) -> Result<Way> {
        let mut separate = Vec::new();
        let mut wanted = Vec::new();
        for &child in children {
            match why_separate(self.context.feed, self.catalog, child) {
                Some(why) => separate.push((child, why)),
                None => wanted.push(child),
            }
        }
        let keys = self.catalog.key_shape(self.resource)?;
        let capabilities = self.context.feed.capabilities();
        let by_links = keys.has_composite_key() || capabilities.is_read_by_links(self.resource);
        let pages = match self.read_with_or_without(&wanted, by_links) {
            Err(error) if error.feed().is_some_and(FeedError::may_refuse_order) => {
                let pages = self.read_with_or_without(&wanted, true)?;
                capabilities.note_paging(self.resource, true);
                pages
            }
            read => read?,
        };
        let probes = Probes {
            context: self.context,
            catalog: self.catalog,
            resource: self.resource,
            first: &pages.first,
        };
        probes.find_key_list()?;
        let changes = probes.find_changes_way(pages.by_links)?;
        let mut found_separate = Vec::new();
        for child in wanted {
            if let Some(why) = self.why_not_along(&pages, child)? {
                separate.push((child, why));
                found_separate.push(child);
            }
        }
        Ok(Way {
            found_separate,
            is_expand_refused: pages.refused.is_some() && !pages.is_slow,
            is_expand_slow: pages.is_slow,
            found_links: pages.by_links && !by_links,
            photo_urls: photo_urls(&pages),
            by_links: pages.by_links,
            replicates: self.replicates(&pages.shape)?,
            fields: pages.shape.fields.len(),
            page_size: pages.first.answered() as u64,
            read: pages.read,
            bytes: pages.bytes,
            contradiction: pages.contradiction,
            separate,
            changes,
        })
    }

    /// Returns whether the server sends the first page of an endpoint for a whole copy.
    fn replicates(&self, shape: &Arc<Shape>) -> Result<bool> {
        let feed = self.context.feed;
        let Some(endpoint) = feed.replication(self.resource, false) else {
            return Ok(false);
        };
        let sweep = Sweep {
            replication: Some(endpoint),
            tries: Tries::Once,
            ..self.catalog.live_sweep(feed, shape.clone())
        };
        let read = feed.step(&sweep, 0, &Position::start(true));
        if let Err(refusal @ FeedError::Refused { .. }) = &read {
            (feed.capabilities()).note_replication(self.resource, Some(refusal));
        }
        Ok(answer_if_any(read)?.is_some())
    }

    /// Reads with children, or without them if the server refuses them.
    fn read_with_or_without(&self, children: &[Resource], by_links: bool) -> Result<FirstPages> {
        let shape = self.catalog.shape(self.resource, children)?;
        let has_children = !shape.children.is_empty();
        let error = match self.read(shape, by_links) {
            Ok(pages) => match pages.slow {
                None => return Ok(pages),
                Some(why) => {
                    let mut plain = self.read(self.catalog.shape(self.resource, &[])?, by_links)?;
                    (plain.refused, plain.is_slow) = (Some(why), true);
                    return Ok(plain);
                }
            },
            Err(error) if has_children => error,
            read => return read,
        };
        if !(error.feed()).is_some_and(FeedError::smaller_request_may_succeed) {
            return Err(error);
        }
        let plain = self.catalog.shape(self.resource, &[])?;
        let mut pages = self.read(plain, by_links)?;
        if let Some(refusal @ FeedError::Refused { .. }) = error.feed() {
            for &child in children {
                (self.context.feed.capabilities()).note_expand_refused(child, refusal);
            }
        }
        pages.refused = Some(error.to_string());
        Ok(pages)
    }

    /// Reads again if the count contradicts the pages, as a sync does: by numeric keys, and
    /// then by next links.
    fn read(&self, shape: Arc<Shape>, by_links: bool) -> Result<FirstPages> {
        let mut pages = self.read_once(shape.clone(), by_links)?;
        let is_in_order = !by_links && shape.paging_field().form == ValueForm::Integer;
        let ways: &[bool] = if is_in_order { &[false, true] } else { &[true] };
        for &by_links in ways {
            if pages.contradiction.is_none() {
                break;
            }
            pages = match self.read_once(shape.clone(), by_links) {
                Err(error) if is_in_order && by_links && error.is_refusal() => break,
                read => read?,
            };
        }
        Ok(pages)
    }

    fn read_once(&self, shape: Arc<Shape>, by_links: bool) -> Result<FirstPages> {
        let feed = self.context.feed;
        let sweep = self.catalog.live_sweep(feed, shape.clone());
        let before = feed.traffic().bytes_received;
        let timed = timed_step(feed, &sweep, 0, &Position::start(by_links))?;
        let bytes = feed.traffic().bytes_received - before;
        let slow = match shape.children.as_slice() {
            [] => None,
            _ => self.cheaper_than_expand(&sweep, &timed)?,
        };
        let first = timed.step;

        let mut read = first.page.entries as u64;
        let mut is_end = first.to.is_finished();
        if !is_end && self.count.is_none_or(|count| count > read) {
            let second = feed.step(&sweep, 0, &first.to)?;
            read += second.page.entries as u64;
            is_end = second.to.is_finished();
        }
        // A count may ignore the filter.
        let is_filtered = self.catalog.live_filter(self.resource).is_some();
        let lacking = (self.count).filter(|count| is_end && !is_filtered && *count > read);
        Ok(FirstPages {
            shape,
            first: first.page,
            by_links,
            read,
            bytes,
            contradiction: lacking.map(|count| {
                let counted = self.resource.counted(count);
                format!("the feed counts {counted}, and its pages give {read}")
            }),
            refused: None,
            is_slow: false,
            slow,
        })
    }

    /// Returns why it takes less time to read children separately, if it does.
    fn cheaper_than_expand(&self, sweep: &Sweep, timed: &TimedStep) -> Result<Option<String>> {
        let cost = ExpandCost {
            context: self.context,
            catalog: self.catalog,
            sweep: sweep.clone(),
            with_children: timed,
            listings: self.count,
        };
        Ok(cost.find_cheaper()?.map(|(_, _, why)| why))
    }

    /// Returns why a child does not come with its listings, if it does not.
    fn why_not_along(&self, pages: &FirstPages, child: Resource) -> Result<Option<String>> {
        if let Some(why) = &pages.refused {
            return Ok(Some(why.clone()));
        }
        let mut children = pages.shape.children.iter();
        let Some(at) = children.position(|one| one.shape.resource == child) else {
            return Ok(Some("listings have no such navigation".to_owned()));
        };
        let records = &pages.first.records;
        if !records.is_empty() && records.iter().all(|record| record.children[at].is_none()) {
            (self.context.feed.capabilities()).note_expand_ignored(child);
        } else if self.lacks_children(records, at, child)? {
            (self.context.feed.capabilities()).note_expand_incomplete(child);
        }
        Ok(self.context.feed.capabilities().why_not_expanded(child))
    }

    /// Returns whether the child's own resource has records of the first listings, or fields,
    /// that did not come with them. With a filter of listings, a sync does not compare them.
    fn lacks_children(&self, listings: &[Record], at: usize, child: Resource) -> Result<bool> {
        let shape = self.catalog.shape(child, &[])?;
        let field = shape.parent_field().map(|field| field.name.clone());
        let (Some(field), None) = (field, self.catalog.live_filter(self.resource)) else {
            return Ok(false);
        };
        let feed = self.context.feed;
        let keys: Vec<String> = (listings.iter().take(LISTINGS_COMPARED))
            .map(|listing| listing.key.to_string())
            .collect();
        let sweep = Sweep {
            tries: Tries::Once,
            ..self.catalog.live_sweep(feed, shape.clone())
        };
        let mut own = Vec::new();
        let read = read_in_batches(
            feed,
            self.context.stop,
            (child, &field),
            &keys,
            |keys, list| {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                let sweep = with_any(&sweep, &field, &keys, list.form);
                let answered = feed.step(&sweep, 0, &Position::start(true))?;
                own.extend(answered.page.records);
                Ok(!own.is_empty())
            },
        );
        match read {
            Err(error) if !error.ends_job(false) => return Ok(false),
            read => read?,
        }
        let lists = listings
            .iter()
            .filter_map(|listing| listing.children[at].as_ref());
        let listed: HashMap<&str, &Record> = lists
            .flat_map(|list| &list.records)
            .map(|record| (&*record.key, record))
            .collect();
        let is_asked = |record: &&Record| {
            let parent = shape.parent_of(&record.values);
            parent.is_some_and(|parent| keys.iter().any(|key| **key == *parent))
        };
        Ok(own.iter().filter(is_asked).any(|record| {
            let listed = listed.get(&*record.key);
            listed.is_none_or(|listed| is_poorer(listed, record))
        }))
    }
}

/// The number of photos whose URLs are returned.
const PHOTOS: usize = 5;

/// Returns the URLs of some photos in a page of photos, or of listings with photos.
fn photo_urls(pages: &FirstPages) -> Vec<String> {
    let records = &pages.first.records;
    let mut children = pages.shape.children.iter();
    let (shape, photos): (_, Vec<&Record>) =
        match children.position(|child| child.shape.resource == Resource::MEDIA) {
            Some(at) => {
                let lists = records
                    .iter()
                    .filter_map(|listing| listing.children[at].as_ref());
                let photos = lists.flat_map(|list| &list.records).collect();
                (&pages.shape.children[at].shape, photos)
            }
            None if pages.shape.resource == Resource::MEDIA => {
                (&*pages.shape, records.iter().collect())
            }
            None => return Vec::new(),
        };
    let Some(at) = shape.position(MEDIA_URL) else {
        return Vec::new();
    };
    let urls = photos.iter().filter_map(|photo| photo.values[at].as_text());
    let every = photos.len().div_ceil(PHOTOS).max(1);
    urls.step_by(every).map(str::to_owned).collect()
}

/// Returns whether a record has no value in a field in which the other one has one.
fn is_poorer(record: &Record, other: &Record) -> bool {
    let mut values = record.values.iter().zip(&other.values);
    values.any(|(value, other)| *value == Value::Null && *other != Value::Null)
}
