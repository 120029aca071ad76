//! Compares keys, timestamps and sampled records with the feed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::compare_files::{has_files, verify_files};
use super::difference::{Difference, Verified, VerifiedResource};
use super::sample::RecordSample;
use crate::feed::{FeedError, Key};
use crate::mirror::{KeyDifferences, Mirror, Window};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::{Misconfigured, Verdict, judge};
use crate::sync::records::audit::{Audit, Depth};
use crate::sync::records::by_key::fetch;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::expansion::why_separate;
use crate::sync::records::record_plan::newest_versions;
use crate::sync::saved_capabilities::{load_capabilities, save_capabilities};
use crate::sync::sync_error::{Result, SyncError};

/// Rows that the feed seems to lack are asked for by key, up to this number: more of
/// them are no accident of paging.
const ASKED_AGAIN_MAX: usize = 200;

/// Compares counts, keys and timestamps of `resources` with the feed's as far as `depth` says,
/// `sample` whole records of each, and the files with their hashes. Changes nothing.
///
/// # Errors
/// [`Misconfigured`]; an error of the feed if it refuses the credentials or has no
/// `$metadata`.
pub fn verify(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
    depth: Depth,
    sample: u64,
    photos: bool,
) -> anyhow::Result<Verified> {
    let verified = compare_resources(context, mirror, resources, depth, sample);
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

/// The number of listings whose children are looked up at once.
const LISTINGS_AT_ONCE: usize = 1_000;

pub(in crate::sync) fn compare_resources(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
    depth: Depth,
    sample: u64,
) -> Result<Vec<VerifiedResource>> {
    load_capabilities(context.feed, mirror)?;
    let catalog = Catalog::ask(context.feed, mirror, context.config)?;
    let has_listings = resources.contains(&Resource::PROPERTY);
    let mut ordered = resources.to_vec();
    // Children may come with their listings.
    ordered.sort_by_key(|resource| *resource != Resource::PROPERTY);
    let (mut nested, mut one_sided) = (BTreeMap::new(), OneSided::default());
    let (mut verified, mut proven) = (Vec::new(), Vec::new());
    for &resource in &ordered {
        if catalog.leaves_out(resource) {
            continue;
        }
        let children = match (depth, resource) {
            (Depth::Keys, Resource::PROPERTY) => {
                nested_children(context, &catalog, mirror, resources)?
            }
            _ => Vec::new(),
        };
        let mut comparison = Comparison {
            context,
            catalog: &catalog,
            resource,
            depth,
            with_listings: has_listings && catalog.comes_only_with_listings(resource),
            has_listings: context.config.sync.resources.contains(&Resource::PROPERTY)
                && mirror.has_finished_full(Resource::PROPERTY)?,
            watermark: mirror.watermark(resource)?,
            children,
            nested: &mut nested,
            one_sided: &mut one_sided,
            by_counts: false,
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
            comparison.note_error(error, resource == ordered[0])?;
        }
        context.progress.end(resource);
        let found = comparison.into_verified(mirror)?;
        if let Some(records) = found.proven() {
            proven.push((resource, records, found.by_counts));
        }
        verified.push(found);
    }
    let place = |found: &VerifiedResource| {
        let mut resources = resources.iter();
        resources.position(|resource| resource.entity_set() == found.resource)
    };
    verified.sort_by_key(place);
    if let Err(error) = save_proofs(context, mirror, &proven) {
        tracing::warn!(%error, "the mirror does not remember that it is complete");
    }
    Ok(verified)
}

/// Returns the children whose keys are read with their listings, as a full sync reads them.
fn nested_children(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &Mirror,
    resources: &[Resource],
) -> Result<Vec<Resource>> {
    let mut nested = Vec::new();
    for &child in resources.iter().filter(|child| catalog.is_child(**child)) {
        let is_held = !catalog.leaves_out(child) && mirror.has_finished_full(child)?;
        let is_separate = why_separate(context.feed, catalog, child).is_some();
        // Photos of members come only from their own resource.
        if is_held && !is_separate && !mirror.has_rows_without_listing(child)? {
            nested.push(child);
        }
    }
    Ok(nested)
}

/// Saves which resources are complete, with their numbers of records, and saves the feed's
/// capabilities.
fn save_proofs(
    context: &Context<'_>,
    mirror: &mut Mirror,
    proven: &[(Resource, u64, bool)],
) -> rusqlite::Result<()> {
    save_capabilities(context.feed, mirror)?;
    let write = mirror.write()?;
    for (resource, records, by_counts) in proven {
        write.save_proof(*resource, *records, *by_counts)?;
    }
    write.commit()
}

/// The listings that only one side has.
#[derive(Default)]
struct OneSided {
    /// Their paging keys.
    keys: Vec<Key>,
    /// The keys of the listings that only the mirror has.
    extra: Vec<String>,
}

/// The comparison of one resource with the feed.
struct Comparison<'a> {
    context: &'a Context<'a>,
    catalog: &'a Catalog,
    resource: Resource,
    depth: Depth,
    /// Whether its records are read with their listings.
    with_listings: bool,
    has_listings: bool,
    watermark: Option<String>,
    /// The children to read with the listings.
    children: Vec<Resource>,
    /// The differences of children that were read with their listings.
    nested: &'a mut BTreeMap<Resource, KeyDifferences>,
    one_sided: &'a mut OneSided,
    by_counts: bool,
    feed: Option<u64>,
    sampled: u64,
    differences: Vec<Difference>,
}

impl OneSided {
    fn of(found: &KeyDifferences) -> OneSided {
        let missing = found.missing.iter().map(|(key, _)| key);
        let keys = missing.chain(&found.extra);
        OneSided {
            keys: keys
                .filter_map(|key| found.paging.get(key).cloned())
                .collect(),
            extra: found.extra.clone(),
        }
    }
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
        let mut found = self.audit(mirror)?;
        if !self.with_listings && !found.extra.is_empty() && found.extra.len() <= ASKED_AGAIN_MAX {
            self.ask_again(mirror, &mut found)?;
        }
        found.settle();
        if self.resource == Resource::PROPERTY {
            *self.one_sided = OneSided::of(&found);
        }
        let live = mirror.read()?.live_rows(resource)?;
        let in_feed = (live + found.missing.len() as u64).saturating_sub(found.extra.len() as u64);
        self.feed = Some(in_feed);
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

    /// Returns the differences of keys and timestamps.
    fn audit(&mut self, mirror: &mut Mirror) -> Result<KeyDifferences> {
        let audit = Audit {
            context: self.context,
            catalog: self.catalog,
            resource: self.resource,
            depth: self.depth,
            has_listings: self.has_listings,
            count: None,
            children: &self.children,
            left_out: &self.one_sided.keys,
        };
        if let Some(found) = self.nested.remove(&self.resource) {
            return Ok(found);
        }
        let mut found = BTreeMap::new();
        let audited = if self.with_listings {
            audit.run_with_listings(mirror, &mut found)?
        } else {
            audit.run(mirror, None, &mut found)?
        };
        self.by_counts = audited.by_counts;
        if let Some((counted, read)) = audited.contradiction {
            self.differences.push(Difference::Count { counted, read });
        }
        let mut own = found.remove(&self.resource).unwrap_or_default();
        if audited.by_counts && self.catalog.is_child(self.resource) {
            own.append(self.children_of(mirror, self.resource, &self.one_sided.extra)?);
        }
        for child in audited.nested {
            let mut of_child = found.remove(&child).unwrap_or_default();
            // The feed sends no list for a listing that it does not have.
            of_child.append(self.children_of(mirror, child, &own.extra)?);
            self.nested.insert(child, of_child);
        }
        Ok(own)
    }

    /// Returns the live rows of a child whose listings the feed does not have.
    fn children_of(
        &self,
        mirror: &Mirror,
        child: Resource,
        listings: &[String],
    ) -> Result<KeyDifferences> {
        let keys = self.catalog.key_shape(child)?;
        let mut found = KeyDifferences::default();
        mirror.begin_comparison(child)?;
        for listings in listings.chunks(LISTINGS_AT_ONCE) {
            let listings: Vec<&str> = listings.iter().map(String::as_str).collect();
            let window = Window::OfEach(&listings);
            found.append(mirror.compare_keys(&keys, self.has_listings, window)?);
        }
        Ok(found)
    }

    /// Asks by key for records that the feed seems to lack.
    fn ask_again(&self, mirror: &mut Mirror, found: &mut KeyDifferences) -> Result<()> {
        let context = self.context;
        let shape = self.catalog.key_shape(self.resource)?;
        let filter = self.catalog.live_filter(self.resource).map(str::to_owned);
        let sweep = context.feed.sweep(shape.clone(), filter, true);
        mirror.begin_comparison(self.resource)?;
        let fetched = fetch(context.feed, context.stop, &sweep, &found.extra, |step| {
            let none = std::iter::empty();
            Ok(mirror.note_in_feed(&shape, step.page.records.iter(), none)?)
        });
        match fetched {
            Err(error) if !error.is_refusal() => return Err(error),
            Err(_) => {}
            Ok(absent) => found.extra = absent,
        }
        found.append(mirror.compare_keys(&shape, self.has_listings, Window::None)?);
        Ok(())
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
            let shape = self.catalog.listings_with(&[self.resource], true)?;
            let Some(child) = shape.children.first().map(|child| &child.shape) else {
                return Ok(());
            };
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
            let sweep = self.catalog.live_sweep(context.feed, shape.clone());
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
            by_counts: self.by_counts,
            with_listings: self.with_listings,
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
