//! Compares keys, timestamps and sampled records with the feed.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::compare_files::{has_files, verify_files};
use super::difference::{Difference, Verified, VerifiedResource};
use super::sample::RecordSample;
use crate::feed::{FeedError, Position, Step, Sweep, Tries};
use crate::mirror::{KeyDifferences, Mirror, RunCounts};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::{Misconfigured, Verdict, judge};
use crate::sync::records::by_key::fetch;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::ranges::positions;
use crate::sync::records::record_plan::newest_versions;
use crate::sync::records::survey::survey;
use crate::sync::saved_capabilities::load_capabilities;
use crate::sync::sync_error::{Result, SyncError};

/// Rows that the feed seems to lack are asked for by key, up to this number: more of
/// them are no accident of paging.
const ASKED_AGAIN_MAX: usize = 200;

/// Compares counts, keys and timestamps of `resources` with the feed's, `sample` whole
/// records of each, and the files with their hashes. Changes nothing.
///
/// # Errors
/// [`Misconfigured`]; an error of the feed if it refuses the credentials or has no
/// `$metadata`.
pub fn verify(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
    sample: u64,
    photos: bool,
) -> anyhow::Result<Verified> {
    let verified = compare_resources(context, mirror, resources, sample);
    let mut files = None;
    let resources_verified = verified.map_err(SyncError::into_anyhow)?;
    if has_files(resources, mirror)? {
        files = Some(verify_files(context, mirror, photos).map_err(SyncError::into_anyhow)?);
        context.progress.end(Resource::MEDIA);
    }
    Ok(Verified {
        resources: resources_verified,
        files,
        requests: context.feed.traffic().requests,
    })
}

fn compare_resources(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
    sample: u64,
) -> Result<Vec<VerifiedResource>> {
    load_capabilities(context.feed, mirror)?;
    let catalog = Catalog::ask(context.feed, mirror, context.config)?;
    let has_listings = resources.contains(&Resource::PROPERTY);
    let mut verified = Vec::new();
    for &resource in resources {
        if catalog.leaves_out(resource) {
            continue;
        }
        let mut comparison = Comparison {
            context,
            catalog: &catalog,
            resource,
            with_listings: has_listings && catalog.comes_only_with_listings(resource),
            has_listings: context.config.sync.resources.contains(&Resource::PROPERTY)
                && mirror.has_finished_full(Resource::PROPERTY)?,
            watermark: mirror.watermark(resource)?,
            feed: None,
            sampled: 0,
            differences: Vec::new(),
        };
        let mut compared = comparison.compare(mirror, sample);
        // Some servers send children only with their listings.
        let is_absent = compared.as_ref().is_err_and(is_not_available);
        if is_absent && has_listings && catalog.is_child(resource) {
            comparison.with_listings = true;
            comparison.differences.clear();
            compared = comparison.compare(mirror, sample);
        }
        if let Err(error) = compared {
            comparison.note_error(error, resource == resources[0])?;
        }
        context.progress.end(resource);
        verified.push(comparison.into_verified(mirror)?);
    }
    Ok(verified)
}

/// The comparison of one resource with the feed.
struct Comparison<'a> {
    context: &'a Context<'a>,
    catalog: &'a Catalog,
    resource: Resource,
    /// Whether its records are read with their listings.
    with_listings: bool,
    has_listings: bool,
    watermark: Option<String>,
    feed: Option<u64>,
    sampled: u64,
    differences: Vec<Difference>,
}

impl Comparison<'_> {
    fn compare(&mut self, mirror: &mut Mirror, sample: u64) -> Result<()> {
        let resource = self.resource;
        if !mirror.has_finished_full(resource)? {
            self.differences.push(Difference::NeverRead);
            return Ok(());
        }
        let Some(has_all_fields) = self.compare_scope(mirror)? else {
            return Ok(());
        };
        let keys = Arc::new(self.catalog.key_shape(resource)?);
        mirror.begin_comparison()?;
        if self.with_listings {
            self.read_with_listings(mirror)?;
        } else {
            self.read_keys(mirror, &keys)?;
        }
        let mut found = mirror.compare_keys(&keys, self.has_listings)?;
        if !self.with_listings && !found.extra.is_empty() && found.extra.len() <= ASKED_AGAIN_MAX {
            self.ask_again(mirror, &keys, &found.extra)?;
            found = mirror.compare_keys(&keys, self.has_listings)?;
        }
        self.feed = Some(mirror.wanted_in_feed(resource, self.has_listings)?);
        let asked = self.note_keys(&found);
        if has_all_fields && sample > 0 {
            self.compare_whole(mirror, sample, asked)?;
        }
        Ok(())
    }

    /// Returns whether the mirror was read with all fields that are configured now; `None`
    /// if it was read with another filter, so that nothing can be compared.
    fn compare_scope(&mut self, mirror: &Mirror) -> Result<Option<bool>> {
        let wanted = self.catalog.scope(self.resource)?;
        let Some(held) = mirror.scope(self.resource)? else {
            let what = "it is not known with which fields it was read".to_owned();
            self.differences.push(Difference::Scope { what });
            return Ok(Some(false));
        };
        if held.filter != wanted.filter {
            let what = "it was read with another filter".to_owned();
            self.differences.push(Difference::Scope { what });
            return Ok(None);
        }
        let unread: Vec<&str> = wanted
            .fields
            .difference(&held.fields)
            .map(String::as_str)
            .collect();
        if !unread.is_empty() {
            let what = format!("it was read without {}", unread.join(", "));
            self.differences.push(Difference::Scope { what });
        }
        Ok(Some(unread.is_empty()))
    }

    /// Reads keys and timestamps of all records within the filter.
    fn read_keys(&mut self, mirror: &mut Mirror, keys: &Arc<Shape>) -> Result<()> {
        let feed = self.context.feed;
        let filter = self.catalog.live_filter(self.resource);
        let counted = survey(feed, keys, filter, Tries::Configured)?.count;
        let starts = self.starts(keys, counted)?;
        let read = match self.read_keys_from(mirror, keys, starts, counted) {
            Err(error) if error.feed().is_some_and(FeedError::may_refuse_order) => {
                let start = vec![Position::start(true)];
                self.read_keys_from(mirror, keys, start, counted)?
            }
            read => read?,
        };
        // A smaller count is not of all records, or some were added meanwhile.
        if counted.is_some_and(|counted| counted > read) {
            // Records may have been deleted meanwhile.
            let now = survey(feed, keys, filter, Tries::Configured)?.count;
            if let Some(counted) = now.filter(|now| *now > read) {
                self.differences.push(Difference::Count { counted, read });
            }
        }
        Ok(())
    }

    /// Returns the number of records that were read.
    fn read_keys_from(
        &self,
        mirror: &mut Mirror,
        keys: &Arc<Shape>,
        starts: Vec<Position>,
        counted: Option<u64>,
    ) -> Result<u64> {
        let filter = self.catalog.live_filter(self.resource).map(str::to_owned);
        let sweep = self.context.feed.sweep(keys.clone(), filter, true);
        let mut read = 0;
        self.walk(sweep, starts, counted, |step| {
            read += step.page.distinct() as u64;
            let rejected = step.page.rejects.iter();
            let rejected_keys = rejected.filter_map(|reject| reject.key.as_deref());
            mirror.note_in_feed(keys, step.page.records.iter(), rejected_keys)
        })?;
        Ok(read)
    }

    /// Reads keys and timestamps of a child with its listings.
    fn read_with_listings(&mut self, mirror: &mut Mirror) -> Result<()> {
        let feed = self.context.feed;
        let listings = Resource::PROPERTY;
        let shape = self.catalog.listings_with(self.resource, false)?;
        let keys = self.catalog.key_shape(listings)?;
        let filter = self.catalog.live_filter(listings);
        let counted = survey(feed, &keys, filter, Tries::Configured)?.count;
        let starts = self.starts(&keys, counted)?;
        let sweep = feed.sweep(shape.clone(), filter.map(str::to_owned), true);
        let child = self.child_of(&shape)?;
        self.walk(sweep, starts, None, |step| {
            let lists = step
                .page
                .records
                .iter()
                .flat_map(|listing| &listing.children);
            let lists = lists.flatten();
            mirror.note_in_feed(
                child,
                lists.clone().flat_map(|list| &list.records),
                lists.flat_map(|list| list.rejected_keys.iter().map(|key| &**key)),
            )
        })
    }

    fn starts(&self, keys: &Shape, count: Option<u64>) -> Result<Vec<Position>> {
        if (self.context.feed.capabilities()).is_read_by_links(keys.resource) {
            return Ok(vec![Position::start(true)]);
        }
        let filter = self.catalog.live_filter(keys.resource);
        Ok(positions(self.context.feed, keys, filter, count)?)
    }

    fn child_of<'s>(&self, listings: &'s Shape) -> Result<&'s Shape> {
        let child = listings.children.first().map(|child| &child.shape);
        child.ok_or_else(|| {
            let resource = self.resource;
            anyhow::anyhow!("{resource} does not answer, and listings have no such navigation")
                .into()
        })
    }

    fn walk(
        &self,
        sweep: Sweep,
        starts: Vec<Position>,
        total: Option<u64>,
        mut each: impl FnMut(&Step) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let context = self.context;
        context.progress.begin(self.resource, total);
        let mut counts = RunCounts::default();
        let starts = starts.into_iter().enumerate().collect();
        for step in context.feed.walk(sweep, starts) {
            let step = step?;
            each(&step)?;
            counts.pages += 1;
            counts.records_seen += step.page.entries as u64;
            let read = counts.records_seen;
            context.progress.page(self.resource, &counts, read);
            context.check_stop()?;
        }
        Ok(())
    }

    /// Asks by key for records that the pages did not have.
    fn ask_again(&self, mirror: &mut Mirror, shape: &Arc<Shape>, keys: &[String]) -> Result<()> {
        let context = self.context;
        let filter = self.catalog.live_filter(self.resource).map(str::to_owned);
        let sweep = context.feed.sweep(shape.clone(), filter, true);
        let fetched = fetch(context.feed, context.stop, &sweep, keys, |step| {
            let none = std::iter::empty();
            Ok(mirror.note_in_feed(shape, step.page.records.iter(), none)?)
        });
        match fetched {
            Err(error) if !error.is_refusal() => Err(error),
            _ => Ok(()),
        }
    }

    /// Notes the keys and timestamps that differ. Returns the keys whose timestamps differ.
    fn note_keys(&mut self, found: &KeyDifferences) -> Vec<String> {
        for (key, timestamp) in &found.missing {
            self.differences.push(Difference::Missing {
                key: key.clone(),
                since_last_sync: self.is_newer(timestamp.as_deref()),
            });
        }
        for key in &found.extra {
            self.differences
                .push(Difference::Extra { key: key.clone() });
        }
        for (key, mirror, feed) in &found.timestamps {
            self.differences.push(Difference::Timestamp {
                key: key.clone(),
                mirror: mirror.clone(),
                feed: feed.clone(),
                since_last_sync: self.is_newer(feed.as_deref()),
            });
        }
        let keys = found.timestamps.iter().map(|(key, ..)| key.clone());
        keys.collect()
    }

    /// Returns whether a timestamp is after the watermark.
    fn is_newer(&self, timestamp: Option<&str>) -> bool {
        let watermark = self.watermark.as_deref();
        timestamp
            .zip(watermark)
            .is_some_and(|(timestamp, watermark)| timestamp > watermark)
    }

    /// Compares whole records: a sample, and up to the same number of records whose
    /// timestamps differ.
    fn compare_whole(
        &mut self,
        mirror: &mut Mirror,
        sample: u64,
        differing: Vec<String>,
    ) -> Result<()> {
        let sampled = mirror.sample_keys(self.resource, sample)?;
        let known: HashSet<&str> = differing.iter().map(String::as_str).collect();
        let context = self.context;
        let mut whole = RecordSample::new(&known);
        if self.with_listings {
            let listings: BTreeSet<String> =
                sampled.into_iter().filter_map(|(_, key)| key).collect();
            let listings: Vec<String> = listings.into_iter().collect();
            let shape = self.catalog.listings_with(self.resource, true)?;
            let child = self.child_of(&shape)?;
            let sweep = context.feed.sweep(shape.clone(), None, true);
            fetch(context.feed, context.stop, &sweep, &listings, |step| {
                let lists = step
                    .page
                    .records
                    .iter()
                    .flat_map(|listing| &listing.children);
                let records = lists.flatten().flat_map(|list| &list.records);
                Ok(whole.compare(mirror, child, records)?)
            })?;
        } else {
            let shape = self.catalog.shape(self.resource, &[])?;
            let filter = self.catalog.live_filter(self.resource).map(str::to_owned);
            let select = self.catalog.selects(self.resource);
            let sweep = context.feed.sweep(shape.clone(), filter, select);
            let mut keys: BTreeSet<String> = sampled.into_iter().map(|(key, _)| key).collect();
            keys.extend(differing.iter().take(sample as usize).cloned());
            let keys: Vec<String> = keys.into_iter().collect();
            fetch(context.feed, context.stop, &sweep, &keys, |step| {
                let records = newest_versions(&shape, &step.page.records);
                Ok(whole.compare(mirror, &shape, records.into_iter())?)
            })?;
        }
        self.sampled = whole.compared;
        let found = std::mem::take(&mut whole.found);
        self.differences.extend(found);
        Ok(())
    }

    /// Notes an error of the feed. Returns it if it ends the whole comparison.
    fn note_error(&mut self, error: SyncError, is_first: bool) -> Result<()> {
        if error.ends_job(is_first) {
            return Err(error);
        }
        let (verdict, error) = judge(self.context, self.resource, &error);
        if verdict == Verdict::Misconfigured {
            return Err(anyhow::Error::new(Misconfigured(error)).into());
        }
        self.differences.push(Difference::Unanswered { error });
        Ok(())
    }

    fn into_verified(mut self, mirror: &mut Mirror) -> Result<VerifiedResource> {
        let rejected = mirror.unresolved_rejects(self.resource)?.into_iter();
        let rejected = rejected.map(|(key, reason)| Difference::Rejected { key, reason });
        self.differences.extend(rejected);
        let tx = mirror.read()?;
        let mut live = 0;
        if tx.has_table(self.resource)? {
            live = tx.live_rows(self.resource)?;
        }
        Ok(VerifiedResource {
            resource: self.resource.entity_set(),
            feed: self.feed,
            mirror: live,
            sampled: self.sampled,
            differences: self.differences,
        })
    }
}

/// Returns whether an error means that the feed does not send this resource separately.
fn is_not_available(error: &SyncError) -> bool {
    let is_forbidden = matches!(
        error.feed(),
        Some(FeedError::Unauthorized { status: 403, .. })
    );
    is_forbidden || error.is_refusal()
}
