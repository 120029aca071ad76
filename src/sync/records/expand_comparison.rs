//! Compares the children that came with their listings with the child's own resource.

use std::sync::Arc;

use super::by_key::{BY_KEY, read_in_batches, with_any};
use super::job_run::JobRun;
use crate::feed::{Feed, FeedError, Page, Position, READINGS, Step, Sweep, Tries};
use crate::mirror::StoredRow;
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::records::record_plan::{is_richer, newest_versions};
use crate::sync::records::survey::newest_records;
use crate::sync::sync_error::{Result, answer_if_any};

/// The number of listings whose children are compared if they have a filter.
const COMPARED: usize = 20;

/// A child has few records if the mirror has more listings than this number times its records.
const FEW: u64 = 20;

/// The result of comparing the fields of a child's records with their rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Compared {
    /// None of the records has a row.
    Nothing,
    /// The rows have all values of their records.
    Same,
    /// A row lacks a value.
    Lacking,
}

/// Why a child is read separately if its own resource has more of it.
pub(in crate::sync) const EXPAND_WHY: &str = "$expand lacks records or fields of it";

/// Returns whether the child's own resource counts more records than came with the
/// listings, or sends more fields. Where counts prove nothing, it may have more whenever it has
/// any. With a filter of listings, the counts cannot be compared; then the newest children and
/// those of some listings are, and a child with few records is always read.
pub(super) fn lacks_children(job: &mut JobRun<'_>, child: Resource) -> Result<bool> {
    if job.catalog.comes_only_with_listings(child) {
        return Ok(false);
    }
    let Some(page) = compare_newest(job, child)? else {
        return Ok(false);
    };
    let capabilities = job.context.feed.capabilities();
    if capabilities.why_not_expanded(child).is_some() {
        return Ok(true);
    }
    if job.catalog.live_filter(Resource::PROPERTY).is_some() {
        let shape = job.catalog.shape(child, &[])?;
        return Ok(has_few(job, &page)?
            || lacks_rows(job, &shape, &page)?
            || lacks_of_some(job, &shape)?);
    }
    if !capabilities.counts_all_matching() {
        return Ok(page.entries > 0);
    }
    let live = live_rows(job, child)?;
    Ok(page.count.is_some_and(|counted| counted > live))
}

/// Returns whether a child's own resource has so few records that reading them takes one request
/// or hardly more requests than the listings took.
fn has_few(job: &mut JobRun<'_>, newest: &Page) -> Result<bool> {
    let feed = job.context.feed;
    let counted = newest.count.unwrap_or(0);
    if counted == 0 || !feed.capabilities().counts_all_matching() {
        return Ok(false);
    }
    let share = live_rows(job, Resource::PROPERTY)? / FEW;
    Ok(counted < share.max(feed.page_size().into()))
}

/// Compares the newest records of a child's own resource with its rows, which came with listings,
/// and notes whether `$expand` lacks fields of them. Returns the records.
fn compare_newest(job: &mut JobRun<'_>, child: Resource) -> Result<Option<Page>> {
    let shape = job.catalog.shape(child, &[])?;
    let selects = job.catalog.selects(child);
    let feed = job.context.feed;
    let ask = || answer_if_any(newest_records(feed, &shape, selects, Tries::Once));
    let trusts_count = feed.capabilities().counts_all_matching();
    let may_be_mistaken =
        |page: &Page| page.entries == 0 && !(trusts_count && page.count == Some(0));
    let mut asked = ask()?;
    for _ in 1..READINGS {
        if asked.as_ref().is_some_and(may_be_mistaken) {
            asked = ask()?;
        }
    }
    let Some(page) = asked else {
        return Ok(None);
    };
    let found = compare_fields(job, &shape, &page)?;
    note_compared(job, child, found);
    Ok(Some(page))
}

fn note_compared(job: &JobRun<'_>, child: Resource, fields: Compared) {
    match fields {
        Compared::Lacking => note_expand_lacks(job, child),
        Compared::Same => job.context.feed.capabilities().note_expand_complete(child),
        Compared::Nothing => {}
    }
}

/// Returns whether the first records of a child that came with listings lack fields. Asks only
/// if that is not known yet.
pub(super) fn is_expand_poorer(job: &mut JobRun<'_>, child: Resource) -> Result<bool> {
    let capabilities = job.context.feed.capabilities();
    if capabilities.has_compared_expand(child) || compare_newest(job, child)?.is_none() {
        return Ok(false);
    }
    let is_known = || {
        capabilities.has_compared_expand(child) || capabilities.why_not_expanded(child).is_some()
    };
    // The newest children may all be of listings that the filter leaves out.
    if !is_known() && job.catalog.live_filter(Resource::PROPERTY).is_some() {
        let shape = job.catalog.shape(child, &[])?;
        lacks_of_some(job, &shape)?;
    }
    Ok(capabilities.why_not_expanded(child).is_some())
}

/// Compares the fields of the records of a page with their rows.
fn compare_fields(job: &mut JobRun<'_>, shape: &Shape, page: &Page) -> Result<Compared> {
    let mut found = Compared::Nothing;
    let write = job.mirror.write()?;
    if !write.has_table(shape.resource)? {
        return Ok(found);
    }
    let mut rows = write.rows(shape)?;
    for record in newest_versions(shape, &page.records) {
        let held = rows.compare(record)?;
        if is_richer(shape, record, &held) {
            return Ok(Compared::Lacking);
        }
        if is_live(&held) {
            found = Compared::Same;
        }
    }
    Ok(found)
}

/// Returns whether the child's own resource has more children, or more fields of them, of the
/// listings that have the most children: a list that is cut shows there. Notes whether `$expand`
/// lacks fields.
fn lacks_of_some(job: &mut JobRun<'_>, shape: &Arc<Shape>) -> Result<bool> {
    let child = shape.resource;
    let Some(field) = shape.parent_field().map(|field| field.name.clone()) else {
        return Ok(false);
    };
    let (feed, stop) = (job.context.feed, job.context.stop);
    let listings = job.mirror.read()?.listings_with_most(child, COMPARED)?;
    let sweep = job.catalog.live_sweep(feed, shape.clone());
    let start = Position::start(feed.capabilities().is_read_by_links(child));
    let (mut fields, mut is_lacking) = (Compared::Nothing, false);
    let compared = read_in_batches(feed, stop, (child, &field), &listings, |listings, list| {
        let keys: Vec<&str> = listings.iter().map(String::as_str).collect();
        let sweep = with_any(&sweep, &field, &keys, list.form);
        let (mut position, mut entries) = (start.clone(), 0);
        while !position.is_finished() && !is_lacking {
            let step = step_or_links(feed, &sweep, &position)?;
            fields = fields.max(compare_fields(job, shape, &step.page)?);
            is_lacking = fields == Compared::Lacking || lacks_rows(job, shape, &step.page)?;
            entries += step.page.entries;
            position = step.to;
        }
        Ok(entries > 0)
    });
    match compared {
        Err(error) if error.feed().is_some() && !error.ends_job(false) => {}
        compared => compared?,
    }
    note_compared(job, child, fields);
    Ok(is_lacking)
}

/// Reads the page at a position, or the first one by next links if the server may not take the
/// order of the page.
fn step_or_links(
    feed: &Feed,
    sweep: &Sweep,
    at: &Position,
) -> std::result::Result<Step, FeedError> {
    match (feed.step(sweep, BY_KEY, at), at.from_start_by_links()) {
        (Err(error), Some(by_links)) if error.may_refuse_order() => {
            feed.step(sweep, BY_KEY, &by_links)
        }
        (answered, _) => answered,
    }
}

/// Returns whether a page of a child's own resource has a record of a live listing that the
/// mirror lacks. Records after the watermark come later.
fn lacks_rows(job: &mut JobRun<'_>, shape: &Shape, page: &Page) -> Result<bool> {
    let watermark = job.mirror.watermark(shape.resource)?;
    let write = job.mirror.write()?;
    let mut rows = write.rows(shape)?;
    for record in newest_versions(shape, &page.records) {
        let held = rows.compare(record)?;
        let modified = shape.modified_of(&record.values);
        let is_late = (modified.zip(watermark.as_deref())).is_some_and(|(own, read)| own > read);
        let is_of_live = match &record.listing_key {
            Some(listing) => write.listing_is_live(listing)? == Some(true),
            None => false,
        };
        if is_of_live && !is_late && !is_live(&held) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_live(held: &StoredRow) -> bool {
    matches!(held, StoredRow::Present { deleted: None, .. })
}

pub(super) fn live_rows(job: &mut JobRun<'_>, resource: Resource) -> Result<u64> {
    let read = job.mirror.read()?;
    Ok(if read.has_table(resource)? {
        read.live_rows(resource)?
    } else {
        0
    })
}

/// Notes that $expand lacks records or fields of a child, so that later runs read it
/// separately.
pub(super) fn note_expand_lacks(job: &JobRun<'_>, child: Resource) {
    tracing::warn!(%child, "$expand lacks records or fields that the resource itself has; reading it separately from now on");
    job.context
        .feed
        .capabilities()
        .note_expand_incomplete(child);
}
