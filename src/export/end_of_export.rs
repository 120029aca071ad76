//! Stores how an export ended.

use chrono::{DateTime, Utc};

use super::exported::Exported;
use crate::feed::FeedError;
use crate::mirror::{LastExport, LeaseTaken, Mirror, RunStatus};
use crate::value::stored_second;

/// Stores how an export ended that started at this time. An export that was interrupted, or
/// refused because another one runs, is not stored. One that wrote nothing is stored only if the
/// last one ended in another way. An error is logged.
pub fn save_end(mirror: &mut Mirror, started_at: DateTime<Utc>, result: &anyhow::Result<Exported>) {
    if let Err(error) = save(mirror, started_at, result) {
        tracing::warn!("the end of the export is not stored: {error:#}");
    }
}

fn save(
    mirror: &mut Mirror,
    started_at: DateTime<Utc>,
    result: &anyhow::Result<Exported>,
) -> anyhow::Result<()> {
    let (status, error) = match result {
        Ok(Exported { misfits: 0, .. }) => (RunStatus::Succeeded, None),
        Ok(Exported { misfits: 1, .. }) => (
            RunStatus::Partial,
            Some("1 value does not fit its column".to_owned()),
        ),
        Ok(Exported { misfits, .. }) => (
            RunStatus::Partial,
            Some(format!("{misfits} values do not fit their columns")),
        ),
        Err(error) if error.is::<LeaseTaken>() || is_interrupted(error) => return Ok(()),
        Err(error) => (RunStatus::Failed, Some(format!("{error:#}"))),
    };
    let ended = LastExport {
        status: status.as_str().to_owned(),
        started_at: stored_second(started_at),
        duration_ms: (Utc::now() - started_at).num_milliseconds().unsigned_abs(),
        error,
    };
    let is_idle = matches!(result, Ok(Exported { run_id: None, .. }));
    let ended_alike =
        |last: LastExport| (&last.status, &last.error) == (&ended.status, &ended.error);
    if is_idle && mirror.last_export()?.is_some_and(ended_alike) {
        return Ok(());
    }
    mirror.save_last_export(&ended)
}

fn is_interrupted(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(FeedError::Interrupted(_)))
}
