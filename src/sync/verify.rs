//! The verify: the mirror held against the feed, and every difference named.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::difference::{Difference, Verified, VerifiedResource};
use super::sample::Whole;
use super::verify_files::{has_files, verify_files};
use super::{Context, Misconfigured, Verdict, is_the_end};
use crate::feed::{FeedError, Step, Sweep, Tries};
use crate::mirror::{KeyDifferences, Mirror, RunCounts};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::records::by_key::fetch;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::missing::is_refusal;
use crate::sync::records::ranges::positions;
use crate::sync::records::survey::survey;

/// Keys that seem to be in excess are asked for once more; not more of them than
/// this, since then they are no accident of paging.
const ASKED_AGAIN_MAX: usize = 200;

/// Holds counts, keys and stamps of `resources` against the feed's, so many whole
/// records of each, field by field, and the files against their hashes. Changes
/// nothing.
///
/// # Errors
/// [`Misconfigured`]; or if the feed refuses the credentials or gives no
/// `$metadata`, or the mirror cannot be read.
pub fn verify(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
    sample: u64,
) -> anyhow::Result<Verified> {
    let catalog = Catalog::ask_only(context.feed, &context.config.sync)?;
    let mut verified = Vec::new();
    for &resource in resources {
        let has_listings = resources.contains(&Resource::Property);
        let mut verifying = Verifying {
            context,
            catalog: &catalog,
            resource,
            with_listings: has_listings && resource == Resource::Adu,
            listings_filtered: catalog.filter(Resource::Property).is_some(),
            watermark: mirror.watermark(resource)?,
            feed: None,
            sampled: 0,
            differences: Vec::new(),
        };
        let mut compared = verifying.compare(mirror, sample);
        // Some servers give children with their listings alone.
        if compared.as_ref().is_err_and(gives_none) && has_listings && resource.is_child() {
            verifying.with_listings = true;
            verifying.differences.clear();
            compared = verifying.compare(mirror, sample);
        }
        if let Err(error) = compared {
            verifying.failed(error, resource == resources[0])?;
        }
        context.progress.end(resource);
        verified.push(verifying.done(mirror)?);
    }
    let files = match has_files(resources, mirror)? {
        true => {
            let files = verify_files(context, mirror)?;
            context.progress.end(Resource::Media);
            Some(files)
        }
        false => None,
    };
    Ok(Verified {
        resources: verified,
        files,
        requests: context.feed.traffic().requests,
    })
}

/// A resource while it is held against the feed.
struct Verifying<'a> {
    context: &'a Context<'a>,
    catalog: &'a Catalog,
    resource: Resource,
    /// Whether its records are read with their listings and not on their own.
    with_listings: bool,
    listings_filtered: bool,
    watermark: Option<String>,
    feed: Option<u64>,
    sampled: u64,
    differences: Vec<Difference>,
}

impl Verifying<'_> {
    fn compare(&mut self, mirror: &mut Mirror, sample: u64) -> anyhow::Result<()> {
        let resource = self.resource;
        if !mirror.has_finished_full(resource)? {
            self.differences.push(Difference::NeverRead);
            return Ok(());
        }
        let has_all_fields = match self.is_within_scope(mirror)? {
            Some(has_all_fields) => has_all_fields,
            None => return Ok(()),
        };
        let stamps = Arc::new(self.catalog.stamps(resource)?);
        mirror.begin_comparison()?;
        match self.with_listings {
            true => self.read_with_listings(mirror)?,
            false => self.read_keys(mirror, &stamps)?,
        }
        let mut found = mirror.compare_keys(&stamps, self.listings_filtered)?;
        if !self.with_listings && !found.extra.is_empty() && found.extra.len() <= ASKED_AGAIN_MAX {
            self.ask_again(mirror, &stamps, &found.extra)?;
            found = mirror.compare_keys(&stamps, self.listings_filtered)?;
        }
        self.feed = Some(mirror.wanted_in_feed(resource, self.listings_filtered)?);
        let asked = self.note_keys(&found);
        if has_all_fields && sample > 0 {
            self.compare_whole(mirror, sample, asked)?;
        }
        Ok(())
    }

    /// Whether the mirror was read with all fields that are wanted now; none if
    /// it was read with another filter, when nothing can be compared.
    fn is_within_scope(&mut self, mirror: &Mirror) -> anyhow::Result<Option<bool>> {
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

    /// Reads keys and stamps of all that the mirror is to hold.
    fn read_keys(&mut self, mirror: &mut Mirror, stamps: &Arc<Shape>) -> anyhow::Result<()> {
        let feed = self.context.feed;
        let filter = self.catalog.filter(self.resource);
        let counted = survey(feed, stamps, filter, Tries::Configured)?.count;
        let starts = positions(feed, stamps, filter, counted)?;
        let sweep = feed.sweep(stamps.clone(), filter.map(str::to_owned), true);
        let mut read = 0;
        self.walk(sweep, starts, counted, |step| {
            read += step.page.entries as u64;
            let rejected = step.page.rejects.iter();
            let rejected_keys = rejected.filter_map(|reject| reject.key.as_deref());
            mirror.note_in_feed(stamps, step.page.records.iter(), rejected_keys)
        })?;
        if counted.is_some_and(|counted| counted != read) {
            // It may have moved meanwhile.
            let now = survey(feed, stamps, filter, Tries::Configured)?.count;
            if let Some(counted) = now.filter(|now| *now != read) {
                self.differences.push(Difference::Count { counted, read });
            }
        }
        Ok(())
    }

    /// Reads keys and stamps of a child with its listings.
    fn read_with_listings(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        let feed = self.context.feed;
        let listings = Resource::Property;
        let shape = self.catalog.listings_with(self.resource, false)?;
        let stamps = self.catalog.stamps(listings)?;
        let filter = self.catalog.filter(listings);
        let counted = survey(feed, &stamps, filter, Tries::Configured)?.count;
        let starts = positions(feed, &stamps, filter, counted)?;
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

    fn child_of<'s>(&self, listings: &'s Shape) -> anyhow::Result<&'s Shape> {
        let child = listings.children.first().map(|child| &child.shape);
        child.ok_or_else(|| {
            let resource = self.resource;
            anyhow::anyhow!("{resource} does not answer, and listings have no such navigation")
        })
    }

    fn walk(
        &self,
        sweep: Sweep,
        starts: Vec<crate::feed::Position>,
        total: Option<u64>,
        mut each: impl FnMut(&Step) -> rusqlite::Result<()>,
    ) -> anyhow::Result<()> {
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
            if let Some(signal) = context.stop.requested() {
                return Err(FeedError::Interrupted(signal).into());
            }
        }
        Ok(())
    }

    /// Asks by their keys for what the pages did not give.
    fn ask_again(
        &self,
        mirror: &mut Mirror,
        stamps: &Arc<Shape>,
        keys: &[String],
    ) -> anyhow::Result<()> {
        let context = self.context;
        let filter = self.catalog.filter(self.resource).map(str::to_owned);
        let sweep = context.feed.sweep(stamps.clone(), filter, true);
        let asked = fetch(context.feed, context.stop, &sweep, keys, |step| {
            let none = std::iter::empty();
            Ok(mirror.note_in_feed(stamps, step.page.records.iter(), none)?)
        });
        match asked {
            Err(error) if !is_refusal(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Names the differing keys and stamps, and returns those in which the stamps differ.
    fn note_keys(&mut self, found: &KeyDifferences) -> Vec<String> {
        for (key, stamp) in &found.missing {
            self.differences.push(Difference::Missing {
                key: key.clone(),
                since_last_sync: self.is_newer(stamp.as_deref()),
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

    /// Whether a stamp lies behind what the mirror has followed.
    fn is_newer(&self, stamp: Option<&str>) -> bool {
        stamp.is_some_and(|stamp| {
            self.watermark
                .as_deref()
                .is_some_and(|watermark| stamp > watermark)
        })
    }

    /// Compares whole records: a sample, and those whose stamps differ, up to as
    /// many.
    fn compare_whole(
        &mut self,
        mirror: &mut Mirror,
        sample: u64,
        differing: Vec<String>,
    ) -> anyhow::Result<()> {
        let sampled = mirror.sample_keys(self.resource, sample)?;
        let known: HashSet<&str> = differing.iter().map(String::as_str).collect();
        let context = self.context;
        let mut whole = Whole::new(&known);
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
            let filter = self.catalog.filter(self.resource).map(str::to_owned);
            let select = self.catalog.selects(self.resource);
            let sweep = context.feed.sweep(shape.clone(), filter, select);
            let mut keys: BTreeSet<String> = sampled.into_iter().map(|(key, _)| key).collect();
            keys.extend(differing.iter().take(sample as usize).cloned());
            let keys: Vec<String> = keys.into_iter().collect();
            fetch(context.feed, context.stop, &sweep, &keys, |step| {
                Ok(whole.compare(mirror, &shape, step.page.records.iter())?)
            })?;
        }
        self.sampled = whole.compared;
        let found = std::mem::take(&mut whole.found);
        self.differences.extend(found);
        Ok(())
    }

    /// What an error comes to: the end of all, or a resource that did not answer.
    fn failed(&mut self, error: anyhow::Error, is_first: bool) -> anyhow::Result<()> {
        if error.is::<rusqlite::Error>() || is_the_end(&error, is_first) {
            return Err(error);
        }
        let (verdict, error) = self.context.judge(self.resource, &error);
        if verdict == Verdict::Misconfigured {
            return Err(Misconfigured(error).into());
        }
        self.differences.push(Difference::Unanswered { error });
        Ok(())
    }

    fn done(mut self, mirror: &mut Mirror) -> anyhow::Result<VerifiedResource> {
        let rejected = mirror.unresolved_rejects(self.resource)?.into_iter();
        let rejected = rejected.map(|(key, reason)| Difference::Rejected { key, reason });
        self.differences.extend(rejected);
        let tx = mirror.read()?;
        let held = match tx.has_table(self.resource)? {
            true => tx.live_rows(self.resource)?,
            false => 0,
        };
        Ok(VerifiedResource {
            resource: self.resource.entity_set(),
            feed: self.feed,
            mirror: held,
            sampled: self.sampled,
            differences: self.differences,
        })
    }
}

/// Whether the feed does not give this resource on its own.
fn gives_none(error: &anyhow::Error) -> bool {
    let is_forbidden = matches!(
        error.downcast_ref(),
        Some(FeedError::Unauthorized { status: 403, .. })
    );
    is_forbidden || is_refusal(error)
}
