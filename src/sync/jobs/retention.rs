//! Removes rows for good that are older than the configured retention.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::mirror::{Mirror, Purged};
use crate::sync::context::Context;
use crate::sync::progress::Note;
use crate::value::stored_instant;

/// The largest difference between the clocks of this machine and of the feed with which rows
/// are removed.
const CLOCK_ERROR_MAX: TimeDelta = TimeDelta::days(1);

/// Removes rows that are older than the configured retention. Their age is by the local
/// clock, which set their times. Nothing is removed while that clock seems to be wrong, or if
/// the job has asked the feed for nothing.
pub(in crate::sync) fn purge(context: &Context<'_>, mirror: &mut Mirror) -> anyhow::Result<Purged> {
    let mut purged = Purged::default();
    if context.feed.traffic().requests == 0 {
        return Ok(purged);
    }
    let retention = &context.config.retention;
    let error = context.feed.clock_error();
    if error.is_some_and(|error| error.abs() > CLOCK_ERROR_MAX) {
        if retention.deleted.is_some() || retention.changes.is_some() {
            context.progress.note(&Note::ClockDisagrees);
        }
        return Ok(purged);
    }
    let now = Utc::now();
    if let Some(before) = before(now, retention.deleted) {
        purged = mirror.purge_deleted(&before)?;
    }
    if let Some(before) = before(now, retention.changes) {
        purged.changes += mirror.purge_changes(&before)?;
    }
    if let Some(before) = before(now, retention.runs) {
        purged.runs += mirror.purge_runs(&before)?;
    }
    Ok(purged)
}

fn before(now: DateTime<Utc>, kept: Option<Duration>) -> Option<String> {
    let kept = TimeDelta::from_std(kept?).ok()?;
    Some(stored_instant(now.checked_sub_signed(kept)?))
}
