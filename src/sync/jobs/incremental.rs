//! The incremental sync, alone and as part of bringing the mirror up to date.

use super::whole_job::whole_job;
use crate::mirror::{Job, Mirror, WantedPhotos};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::Report;
use crate::sync::photos::cleanup::EmptyFolder;
use crate::sync::photos::download_all::add_photos;
use crate::sync::records::announced::apply_announcements_daily;
use crate::sync::records::changes::read_changes;
use crate::sync::records::counts::compare_counts;
use crate::sync::records::job_run::{JobRun, run_job};
use crate::sync::sync_error::Result;

/// Reads what changed in `resources` since their watermarks, and all of those for which
/// that is not enough. Errors of the feed are in the report.
pub fn incremental(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
) -> anyhow::Result<Report> {
    whole_job(context, mirror, EmptyFolder::Refuse, |mirror| {
        run_job(
            context,
            mirror,
            Job::Incremental,
            resources,
            |job, resources| {
                read_changes(job, resources)?;
                compare_and_follow(job, resources)
            },
        )
    })
}

/// Compares the counts. After a reconcile, reads the children of the listings that it has found.
fn compare_and_follow(job: &mut JobRun<'_>, resources: &[Resource]) -> Result<()> {
    if compare_counts(job, resources)? && !job.must_end() {
        read_changes(job, resources)?;
    }
    Ok(())
}

/// Brings the mirror up to date: reads changes, then announced deletions, then downloads
/// photos where they are wanted. Errors of the feed are in the report.
pub fn up_to_date(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
) -> anyhow::Result<Report> {
    whole_job(context, mirror, EmptyFolder::Refuse, |mirror| {
        let mut report = run_job(
            context,
            mirror,
            Job::Incremental,
            resources,
            |job, resources| {
                read_changes(job, resources)?;
                if job.must_end() {
                    return Ok(());
                }
                apply_announcements_daily(job, resources)?;
                compare_and_follow(job, resources)
            },
        )?;
        if downloads_photos(context, resources) {
            add_photos(&mut report, context, mirror, WantedPhotos::Due)?;
        }
        Ok(report)
    })
}

/// Returns whether a sync of these resources downloads photos.
pub fn downloads_photos(context: &Context<'_>, resources: &[Resource]) -> bool {
    context.config.sync.download_media && resources.contains(&Resource::MEDIA)
}
