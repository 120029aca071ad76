//! What every job begins and ends with.

use super::retention::purge;
use crate::mirror::Mirror;
use crate::sync::files::{Trust, clear};
use crate::sync::{Context, Ending, Report, note_credentials};

/// Does a whole job. Before it and behind it files go whose rows went: before, since a
/// row may come back whose file is to go; behind, since rows went with the job.
///
/// # Errors
/// If the database cannot be read or written. What else goes wrong is in the report.
pub(in crate::sync) fn whole_job(
    context: &Context<'_>,
    mirror: &mut Mirror,
    trust: Trust,
    job: impl FnOnce(&mut Mirror) -> anyhow::Result<Report>,
) -> anyhow::Result<Report> {
    mirror.begin_sync()?;
    let mut cleared = clear(context, mirror, trust)?;
    let mut report = job(mirror)?;
    // What could not be removed before and still cannot is told once.
    let removed = cleared.counts.removed;
    cleared = clear(context, mirror, trust)?;
    cleared.counts.removed += removed;
    report.add(Report {
        files: cleared.counts,
        ending: match cleared.complaint {
            Some(_) => Ending::Partial,
            None => Ending::Done,
        },
        complaint: cleared.complaint,
        ..Report::default()
    });
    note_credentials(mirror, &report.ending)?;
    report.purged = purge(context, mirror)?;
    Ok(report)
}
