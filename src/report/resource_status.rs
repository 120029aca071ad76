//! The status of one resource.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::mirror::{Mirror, Proof, Reading};
use crate::resource::Resource;
use crate::value::instant;

/// The status of a resource.
#[derive(Clone, Debug, Serialize)]
pub struct ResourceStatus {
    /// The entity set.
    pub resource: &'static str,
    /// False if syncs leave the resource out, because the feed does not declare it.
    pub is_declared: bool,
    /// The feed's time up to which the resource is mirrored.
    pub watermark: Option<String>,
    /// When the resource was last brought up to date, UTC.
    pub current_as_of: Option<String>,
    /// The time since then, in seconds.
    pub lag_seconds: Option<u64>,
    /// The number of live rows.
    pub live: u64,
    /// The number of soft-deleted rows.
    pub deleted: u64,
    /// The number of unresolved rejects.
    pub open_rejects: u64,
    /// How far the first full sync is, while one reads the resource.
    pub first_sync: Option<Reading>,
    /// When it was last compared with the feed and complete.
    pub proven: Option<Proof>,
}

/// Returns the status of a resource.
pub(super) fn resource_status(
    mirror: &mut Mirror,
    resource: Resource,
    is_declared: bool,
    now: DateTime<Utc>,
) -> anyhow::Result<ResourceStatus> {
    let watermark = mirror.watermark(resource)?;
    let current_as_of = mirror.current_as_of(resource)?;
    let first_sync = match current_as_of {
        None => mirror.full_in_progress(resource)?,
        Some(_) => None,
    };
    let tx = mirror.read()?;
    let (live, deleted) = if tx.has_table(resource)? {
        tx.count_rows(resource)?
    } else {
        (0, 0)
    };
    let since = current_as_of.as_deref().and_then(instant);
    let lag = since.map(|since| (now - since).to_std().unwrap_or_default());
    Ok(ResourceStatus {
        resource: resource.entity_set(),
        is_declared,
        watermark,
        lag_seconds: lag.map(|lag| lag.as_secs()),
        current_as_of,
        live,
        deleted,
        open_rejects: tx.open_rejects(resource)?,
        first_sync,
        proven: tx.proof(resource)?,
    })
}
