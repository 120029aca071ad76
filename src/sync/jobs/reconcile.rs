//! The reconcile: compares all keys and timestamps with the feed, refetches records that
//! differ, and deletes rows that the feed lacks.

use super::whole_job::whole_job;
use crate::mirror::{Job, Mirror};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::Report;
use crate::sync::photos::cleanup::EmptyFolder;
use crate::sync::progress::Note;
use crate::sync::records::changes::catch_up_and_announce;
use crate::sync::records::job_run::{JobRun, run_job};
use crate::sync::records::reader::Reader;
use crate::sync::sync_error::{Result, SyncError};

/// Compares keys and timestamps of `resources` with the feed, and repairs differences.
/// Errors of the feed are in the report.
pub fn reconcile(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
) -> anyhow::Result<Report> {
    whole_job(context, mirror, EmptyFolder::Refuse, |mirror| {
        run_job(
            context,
            mirror,
            Job::Reconcile,
            resources,
            |job, resources| {
                for &resource in resources {
                    if job.must_end() {
                        break;
                    }
                    // An ADU names no listing: it is reachable only through its listing.
                    if resource == Resource::Adu {
                        context.progress.note(&Note::NotReconciled(resource));
                        continue;
                    }
                    reconcile_one(job, resource)?;
                }
                catch_up_and_announce(job, resources)
            },
        )
    })
}

fn reconcile_one(job: &mut JobRun<'_>, resource: Resource) -> Result<()> {
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
    let result = compare(&mut reader, job.mirror);
    reader.finish(job, &result)?;
    match result {
        Err(error) => error.of_resource().map(|_| ()),
        Ok(()) => {
            if is_resumed {
                job.note_resumed(resource);
            }
            Ok(())
        }
    }
}

fn compare(reader: &mut Reader<'_>, mirror: &mut Mirror) -> Result<()> {
    let keys = reader.catalog.key_shape(reader.resource)?;
    if keys.has_timestamp() {
        reader.compare_and_delete_missing(mirror)?;
    } else {
        // Without timestamps, only the whole records show what changed.
        reader.read_and_delete_missing(mirror)?;
    }
    let whole = reader.catalog.shape(reader.resource, &[])?;
    reader.retry_rejects(mirror, &whole)
}
