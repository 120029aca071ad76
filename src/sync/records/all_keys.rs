//! Reconciles one resource with the feed.

use super::audit::Depth;
use super::job_run::JobRun;
use super::reader::Reader;
use crate::mirror::{Job, Mirror};
use crate::resource::Resource;
use crate::sync::sync_error::{Result, SyncError};

/// Compares a resource with the feed by counts or keys, refetches the records that
/// differ, and deletes the rows that the feed lacks.
pub(in crate::sync) fn compare_all_keys(
    job: &mut JobRun<'_>,
    resource: Resource,
    depth: Depth,
) -> Result<()> {
    if !job.mirror.has_finished_full(resource)? {
        let error = SyncError::NeverComplete(resource);
        return job.fail(Job::Reconcile, &[resource], &error);
    }
    let runs = job.runs(Job::Reconcile, resource);
    let mut reader = match Reader::begin(job, resource, &[], runs) {
        Ok(reader) => reader,
        Err(error) => return job.fail(Job::Reconcile, &[resource], &error.of_resource()?),
    };
    let is_resumed = reader.is_resumed;
    let result = compare(&mut reader, job.mirror, depth);
    let (_, error) = reader.finish(job, result)?;
    if is_resumed && error.is_none() {
        job.note_resumed(resource);
    }
    Ok(())
}

fn compare(reader: &mut Reader<'_>, mirror: &mut Mirror, depth: Depth) -> Result<()> {
    let keys = reader.catalog.key_shape(reader.resource)?;
    if keys.has_timestamp() {
        reader.compare_and_delete_missing(mirror, depth)?;
    } else {
        // Without timestamps, only the whole records show what changed.
        reader.read_and_delete_missing(mirror)?;
    }
    let whole = reader.catalog.shape(reader.resource, &[])?;
    reader.retry_rejects(mirror, &whole)
}
