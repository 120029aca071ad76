//! Reads resources completely: listings with their children in the same requests where
//! the feed sends them along.

use std::collections::BTreeSet;

use super::events::note_first_event;
use super::expansion::why_separate;
use super::job_run::JobRun;
use super::reader::Reader;
use super::scope::save_incomplete;
use crate::feed::{Page, READINGS, Tries};
use crate::mirror::{Job, RunId};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::records::record_plan::{is_richer, newest_versions};
use crate::sync::records::run_set::RunSet;
use crate::sync::records::survey::newest_records;
use crate::sync::sync_error::{Result, answer_if_any};

/// The result of reading one resource completely.
pub(in crate::sync) enum WholeRead {
    /// It was read. These children did not come along.
    Complete {
        run: Option<RunId>,
        separate: Vec<(Resource, String)>,
        /// Whether its pages lacked records that the feed counts.
        is_incomplete: bool,
    },
    /// It was not read, for this reason.
    Failed(String),
}

/// Returns whether listings are among the resources, and the feed declares them now.
pub(in crate::sync) fn has_listings(job: &JobRun<'_>, resources: &[Resource]) -> bool {
    resources.contains(&Resource::PROPERTY) && job.catalog.declares(Resource::PROPERTY)
}

/// Reads all of `resources` completely.
pub(in crate::sync) fn read_all(job: &mut JobRun<'_>, resources: &[Resource]) -> Result<()> {
    note_first_event(job, resources)?;
    let with_listings = has_listings(job, resources);
    let own = resources
        .iter()
        .filter(|resource| !(with_listings && job.catalog.is_child(**resource)));
    for &resource in own {
        if job.must_end() {
            return Ok(());
        }
        let mut children = Vec::new();
        let mut own = Vec::new();
        let mut new = BTreeSet::new();
        let catalog = job.catalog;
        let come_along = |child: &&Resource| with_listings && catalog.is_child(**child);
        for &child in resources.iter().filter(come_along) {
            if resource != Resource::PROPERTY {
                continue;
            }
            if !job.mirror.has_finished_full(child)? {
                new.insert(child);
            }
            match why_separate(job.context.feed, job.catalog, child) {
                Some(why) => own.push((child, why)),
                None => children.push(child),
            }
        }
        let read = read_whole(job, resource, &children)?;
        if let WholeRead::Complete {
            run,
            mut separate,
            is_incomplete,
        } = read
        {
            for child in children.into_iter().filter(|_| !is_incomplete) {
                let is_separate = separate.iter().any(|(of, _)| *of == child);
                if !is_separate && !job.must_end() && lacks_children(job, child)? {
                    own.push((child, EXPAND_WHY.to_owned()));
                }
            }
            separate.append(&mut own);
            read_separately(job, run, separate, &new)?;
        }
    }
    Ok(())
}

/// Why a child is read separately if its own resource has more of it.
pub(in crate::sync) const EXPAND_WHY: &str = "$expand lacks records or fields of it";

/// Returns whether the child's own resource counts more records than came with the
/// listings, or sends more fields. Where counts prove nothing, it may have more whenever it has
/// any. With a filter of listings, the counts cannot be compared.
fn lacks_children(job: &mut JobRun<'_>, child: Resource) -> Result<bool> {
    let is_only_along = job.catalog.comes_only_with_listings(child);
    if is_only_along || job.catalog.live_filter(Resource::PROPERTY).is_some() {
        return Ok(false);
    }
    let Some(page) = compare_newest(job, child)? else {
        return Ok(false);
    };
    let capabilities = job.context.feed.capabilities();
    if capabilities.why_not_expanded(child).is_some() {
        return Ok(true);
    }
    if !capabilities.counts_all_matching() {
        return Ok(page.entries > 0);
    }
    let live = live_rows(job, child)?;
    Ok(page.count.is_some_and(|counted| counted > live))
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
    if has_richer(job, &shape, &page)? {
        note_expand_lacks(job, child);
    } else if page.entries > 0 {
        job.context.feed.capabilities().note_expand_complete(child);
    }
    Ok(Some(page))
}

/// Returns whether the first records of a child that came with listings lack fields. Asks only
/// if that is not known yet.
pub(super) fn is_expand_poorer(job: &mut JobRun<'_>, child: Resource) -> Result<bool> {
    let capabilities = job.context.feed.capabilities();
    Ok(!capabilities.has_compared_expand(child)
        && compare_newest(job, child)?.is_some()
        && capabilities.why_not_expanded(child).is_some())
}

/// Returns whether records of a page have values that their rows lack.
fn has_richer(job: &mut JobRun<'_>, shape: &Shape, page: &Page) -> Result<bool> {
    let write = job.mirror.write()?;
    if !write.has_table(shape.resource)? {
        return Ok(false);
    }
    let mut rows = write.rows(shape)?;
    for record in newest_versions(shape, &page.records) {
        if is_richer(shape, record, &rows.compare(record)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn live_rows(job: &mut JobRun<'_>, resource: Resource) -> Result<u64> {
    let read = job.mirror.read()?;
    Ok(if read.has_table(resource)? {
        read.live_rows(resource)?
    } else {
        0
    })
}

/// Notes that $expand lacks records or fields of a child, so that later runs read it
/// separately.
fn note_expand_lacks(job: &JobRun<'_>, child: Resource) {
    tracing::warn!(%child, "$expand lacks records or fields that the resource itself has; reading it separately from now on");
    job.context
        .feed
        .capabilities()
        .note_expand_incomplete(child);
}

/// Reads children that did not come with their listings. A child that cannot be read
/// either way makes the run of the listings partial. The first full sync of `new` children
/// logs nothing, even if some of them came with their listings.
fn read_separately(
    job: &mut JobRun<'_>,
    listings: Option<RunId>,
    children: Vec<(Resource, String)>,
    new: &BTreeSet<Resource>,
) -> Result<()> {
    for (child, why) in children {
        if job.must_end() {
            return Ok(());
        }
        let live = live_rows(job, child)?;
        let runs = job.runs(Job::Full, child);
        let runs = if new.contains(&child) {
            runs.without_log()
        } else {
            runs
        };
        let own = match read_with(job, child, &[], runs)? {
            WholeRead::Failed(own) => own,
            WholeRead::Complete { .. } => {
                if why == EXPAND_WHY && live_rows(job, child)? > live {
                    note_expand_lacks(job, child);
                }
                continue;
            }
        };
        if job.must_end() {
            return Ok(());
        }
        if let Some(listings) = listings {
            let (_, nouns) = child.nouns();
            let error = format!(
                "{nouns} could not be read, with $expand ({why}) or from {child} directly ({own})"
            );
            let write = job.mirror.write()?;
            write.mark_partial(listings, &error)?;
            if why == EXPAND_WHY {
                // The listings came with only some of the children.
                save_incomplete(&write, child, true)?;
            }
            write.commit()?;
        }
    }
    Ok(())
}

/// Reads all of one resource, and of the children that come along.
pub(in crate::sync) fn read_whole(
    job: &mut JobRun<'_>,
    resource: Resource,
    children: &[Resource],
) -> Result<WholeRead> {
    let runs = job.runs(Job::Full, resource);
    read_with(job, resource, children, runs)
}

fn read_with(
    job: &mut JobRun<'_>,
    resource: Resource,
    children: &[Resource],
    runs: RunSet,
) -> Result<WholeRead> {
    let mut reader = match Reader::begin(job, resource, children, runs) {
        Ok(reader) => reader,
        Err(error) => {
            let error = error.of_resource()?;
            let failed: Vec<Resource> = [resource].iter().chain(children).copied().collect();
            job.fail(Job::Full, &failed, &error)?;
            return Ok(WholeRead::Failed(error.to_string()));
        }
    };
    let is_resumed = reader.is_resumed;
    let result = reader.read_and_delete_missing(job.mirror);
    let is_incomplete = reader.is_incomplete;
    let separate = std::mem::take(&mut reader.separate);
    let run = reader.runs.get(resource).map(|run| run.id);
    if let (_, Some(error)) = reader.finish(job, result)? {
        return Ok(WholeRead::Failed(error.to_string()));
    }
    if is_resumed {
        job.note_resumed(resource);
    }
    Ok(WholeRead::Complete {
        run,
        separate,
        is_incomplete,
    })
}
