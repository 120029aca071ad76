//! What is kept only for so long.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::mirror::{Forgotten, Mirror};
use crate::sync::Context;
use crate::value::stored_instant;

/// Forgets for good what the configuration keeps only for so long, by the local clock,
/// by which it was written down.
///
/// # Errors
/// If the database cannot be written.
pub(in crate::sync) fn forget(
    context: &Context<'_>,
    mirror: &mut Mirror,
) -> anyhow::Result<Forgotten> {
    let now = Utc::now();
    let retention = &context.config.retention;
    let mut forgotten = Forgotten::default();
    if let Some(before) = before(now, retention.deleted) {
        forgotten = mirror.forget_deleted(&before)?;
    }
    if let Some(before) = before(now, retention.changes) {
        forgotten.changes += mirror.forget_changes(&before)?;
    }
    if let Some(before) = before(now, retention.runs) {
        forgotten.runs += mirror.forget_runs(&before)?;
    }
    Ok(forgotten)
}

fn before(now: DateTime<Utc>, kept: Option<Duration>) -> Option<String> {
    let kept = TimeDelta::from_std(kept?).ok()?;
    Some(stored_instant(now.checked_sub_signed(kept)?))
}
