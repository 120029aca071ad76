//! What every job begins and ends with.

use super::retention::purge;
use crate::mirror::Mirror;
use crate::sync::clock::save_clock;
use crate::sync::context::Context;
use crate::sync::feed_address::other_feed;
use crate::sync::open_for_sync::save_credentials;
use crate::sync::outcome::{Ending, Report};
use crate::sync::photos::cleanup::{EmptyFolder, clear};
use crate::sync::photos::shorten_names::shorten_names;
use crate::sync::saved_capabilities::{load_capabilities, save_capabilities};
use crate::sync::sync_error::{Result, SyncError};

/// Runs a whole job. Files of deleted rows are removed before it, because a row may
/// come back whose old file still exists, and after it, because the job deletes rows.
pub(in crate::sync) fn whole_job(
    context: &Context<'_>,
    mirror: &mut Mirror,
    empty_folder: EmptyFolder,
    job: impl FnOnce(&mut Mirror) -> Result<Report>,
) -> anyhow::Result<Report> {
    mirror.begin_sync()?;
    // A feed that has moved may be on another server.
    if other_feed(context.config, mirror)?.is_none() {
        load_capabilities(context.feed, mirror)?;
    }
    let removed_before = clear(context, mirror, empty_folder)?.counts.removed;
    shorten_names(context, mirror)?;
    let result = job(mirror);
    save_capabilities(context.feed, mirror)?;
    // A job that failed may have deleted rows before. Its error goes first.
    let cleared = clear(context, mirror, empty_folder);
    let mut report = result.map_err(SyncError::into_anyhow)?;

    // A file that can be removed neither before nor after is reported once.
    let mut cleared = cleared?;
    cleared.counts.removed += removed_before;
    report.add(Report {
        files: cleared.counts,
        ending: match cleared.error {
            Some(_) => Ending::Partial,
            None => Ending::Done,
        },
        cleanup_error: cleared.error,
        advice: cleared.advice.into_iter().collect(),
        ..Report::default()
    });
    save_credentials(mirror, &report.ending)?;
    save_clock(context.feed, mirror)?;
    report.purged = purge(context, mirror)?;
    Ok(report)
}
