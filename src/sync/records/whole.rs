//! Reads resources completely: listings with their children in the same requests where
//! the feed sends them along.

use super::job_run::JobRun;
use super::reader::Reader;
use crate::mirror::{Job, RunId};
use crate::resource::Resource;
use crate::sync::sync_error::Result;

/// The result of reading one resource completely.
pub(in crate::sync) enum WholeRead {
    /// It was read. These children did not come along.
    Complete {
        run: Option<RunId>,
        separate: Vec<(Resource, String)>,
    },
    /// It was not read, for this reason.
    Failed(String),
}

/// Reads all of `resources` completely.
pub(in crate::sync) fn read_all(job: &mut JobRun<'_>, resources: &[Resource]) -> Result<()> {
    let with_listings = resources.contains(&Resource::Property);
    let own = resources
        .iter()
        .filter(|resource| !(with_listings && resource.is_child()));
    for &resource in own {
        if job.must_end() {
            return Ok(());
        }
        // $expand sends all children, so that a child with a filter is read separately.
        let (filtered, children): (Vec<Resource>, Vec<Resource>) = resources
            .iter()
            .filter(|child| resource == Resource::Property && child.is_child())
            .partition(|child| job.catalog.filter(**child).is_some());
        let read = read_whole(job, resource, &children)?;
        if let WholeRead::Complete { run, mut separate } = read {
            let why = "it has its own filter";
            separate.extend(filtered.iter().map(|&child| (child, why.to_owned())));
            read_separately(job, run, separate)?;
        }
    }
    Ok(())
}

/// Reads children that did not come with their listings. A child that cannot be read
/// either way makes the run of the listings partial.
fn read_separately(
    job: &mut JobRun<'_>,
    listings: Option<RunId>,
    children: Vec<(Resource, String)>,
) -> Result<()> {
    for (child, why) in children {
        if job.must_end() {
            return Ok(());
        }
        let WholeRead::Failed(own) = read_whole(job, child, &[])? else {
            continue;
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
    let separate = std::mem::take(&mut reader.separate);
    let run = reader.runs.get(resource).map(|run| run.id);
    let finished = reader.finish(job, &result);
    // The error that stopped the reading says more than the one of writing its end.
    if let Err(error) = result {
        let error = error.of_resource()?;
        finished?;
        return Ok(WholeRead::Failed(error.to_string()));
    }
    finished?;
    if is_resumed {
        job.note_resumed(resource);
    }
    Ok(WholeRead::Complete { run, separate })
}
