//! The reconcile: compares counts, or else keys and timestamps, with the feed, refetches records
//! that differ, and deletes rows that the feed lacks.

use super::whole_job::whole_job;
use crate::mirror::{Job, Mirror};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::Report;
use crate::sync::photos::cleanup::EmptyFolder;
use crate::sync::progress::Note;
use crate::sync::records::all_keys::compare_all_keys;
use crate::sync::records::audit::Depth;
use crate::sync::records::changes::catch_up_and_announce;
use crate::sync::records::job_run::run_job;

/// Compares `resources` with the feed by counts or keys, and repairs differences.
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
                    if job.catalog.comes_only_with_listings(resource) {
                        context.progress.note(&Note::NotReconciled(resource));
                        continue;
                    }
                    compare_all_keys(job, resource, Depth::KeysIfFew)?;
                }
                catch_up_and_announce(job, resources)
            },
        )
    })
}
