//! The deletions job: reads the deletions that the feed announces.

use super::whole_job::whole_job;
use crate::mirror::{Job, Mirror};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::Report;
use crate::sync::photos::cleanup::EmptyFolder;
use crate::sync::records::announced::apply_announcements;
use crate::sync::records::job_run::run_job;

/// Soft-deletes the rows that the feed has announced as deleted since the last time.
/// Errors of the feed are in the report.
pub fn deletions(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
) -> anyhow::Result<Report> {
    whole_job(context, mirror, EmptyFolder::Refuse, |mirror| {
        run_job(
            context,
            mirror,
            Job::Deletions,
            resources,
            apply_announcements,
        )
    })
}
