//! Removes rows for good that are older than the configured retention.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::mirror::{Mirror, Purged};
use crate::sync::context::Context;
use crate::value::stored_instant;

/// Removes rows that are older than the configured retention. Their age is by the local
/// clock, which set their times.
pub(in crate::sync) fn purge(context: &Context<'_>, mirror: &mut Mirror) -> anyhow::Result<Purged> {
    let now = Utc::now();
    let retention = &context.config.retention;
    let mut purged = Purged::default();
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
