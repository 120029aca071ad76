//! Reads resources completely: listings with their children in the same requests where
//! the feed sends them along.

use std::collections::BTreeSet;

use super::events::note_first_event;
use super::expand_comparison::{EXPAND_WHY, lacks_children, live_rows, note_expand_lacks};
use super::expansion::why_separate;
use super::job_run::JobRun;
use super::reader::Reader;
use super::scope::save_incomplete;
use crate::mirror::Job;
use crate::resource::Resource;
use crate::sync::records::run_set::RunSet;
use crate::sync::sync_error::Result;

/// The result of reading one resource completely.
pub(in crate::sync) enum WholeRead {
    /// It was read. These children did not come along.
    Complete {
        separate: Vec<(Resource, String)>,
        /// Whether its pages lacked records that the feed counts.
        is_incomplete: bool,
    },
    /// It was not read.
    Failed,
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
            read_separately(job, separate, &new)?;
        }
    }
    Ok(())
}

/// Reads children that did not come with their listings. If a child cannot be read either way,
/// its own run fails, and the run of the listings does not: the next success of the child settles
/// it. The first full sync of `new` children logs nothing, even if some of them came with their
/// listings.
fn read_separately(
    job: &mut JobRun<'_>,
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
        match read_with(job, child, &[], runs)? {
            WholeRead::Complete { .. } => {
                if why == EXPAND_WHY && live_rows(job, child)? > live {
                    note_expand_lacks(job, child);
                }
            }
            // The listings came with only some of the children.
            WholeRead::Failed if why == EXPAND_WHY && !job.must_end() => {
                let write = job.mirror.write()?;
                save_incomplete(&write, child, true)?;
                write.commit()?;
            }
            WholeRead::Failed => {}
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
            return Ok(WholeRead::Failed);
        }
    };
    let is_resumed = reader.is_resumed;
    let result = reader.read_and_delete_missing(job.mirror);
    let is_incomplete = reader.is_incomplete;
    let separate = std::mem::take(&mut reader.separate);
    if let (_, Some(_)) = reader.finish(job, result)? {
        return Ok(WholeRead::Failed);
    }
    if is_resumed {
        job.note_resumed(resource);
    }
    Ok(WholeRead::Complete {
        separate,
        is_incomplete,
    })
}
