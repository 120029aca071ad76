//! The full sync: reads all records of every resource.

use super::whole_job::whole_job;
use crate::mirror::{Job, Mirror};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::Report;
use crate::sync::photos::cleanup::EmptyFolder;
use crate::sync::records::changes::catch_up_and_announce;
use crate::sync::records::job_run::run_job;
use crate::sync::records::whole::read_all;

/// Reads all of `resources` into the mirror. A resource that fails does not stop the
/// others. Errors of the feed are in the report.
pub fn full(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
) -> anyhow::Result<Report> {
    whole_job(context, mirror, EmptyFolder::Refuse, |mirror| {
        run_job(context, mirror, Job::Full, resources, |job, resources| {
            read_all(job, resources)?;
            catch_up_and_announce(job, resources)
        })
    })
}
