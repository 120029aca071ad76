//! The facts about the feed's Deleted resource that the mirror keeps in `_state`.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::feed::DeletedNames;
use crate::mirror::Mirror;
use crate::sync::sync_error::Result;
use crate::value::{instant, stored_instant};

/// The key of the names that the resource answers to.
const NAMES: &str = "deleted_names";

/// The key of the feed's time at which it refused the resource; empty if it answers.
const REFUSED_AT: &str = "deleted_refused_at";

/// The key of the names of resources that were reported as unknown.
const UNKNOWN: &str = "deleted_unknown_names";

/// Returns whether the feed refused the resource when it was last asked.
pub(in crate::sync) fn announces_none(mirror: &Mirror) -> rusqlite::Result<bool> {
    let refused = mirror.state(REFUSED_AT)?;
    Ok(refused.is_some_and(|refused| !refused.is_empty()))
}

/// Returns whether the feed refused the resource less than a day before this time.
pub(super) fn was_refused_today(mirror: &Mirror, now: DateTime<Utc>) -> Result<bool> {
    let refused = mirror.state(REFUSED_AT)?;
    let refused = refused.as_deref().and_then(instant);
    Ok(refused.is_some_and(|refused| now - refused < TimeDelta::days(1)))
}

/// Saves that the feed refused the resource at this time.
pub(super) fn save_refusal(mirror: &mut Mirror, now: DateTime<Utc>) -> Result<()> {
    let write = mirror.write()?;
    write.set_state(REFUSED_AT, &stored_instant(now))?;
    Ok(write.commit()?)
}

/// Returns the names that the resource answered to last.
pub(super) fn saved_names(mirror: &Mirror) -> rusqlite::Result<Option<String>> {
    mirror.state(NAMES)
}

/// Saves the names that the resource answers to.
pub(super) fn save_names(mirror: &mut Mirror, names: &DeletedNames) -> Result<()> {
    let is_known = saved_names(mirror)?.as_deref() == Some(names.name);
    if is_known && !announces_none(mirror)? {
        return Ok(());
    }
    let write = mirror.write()?;
    write.set_state(NAMES, names.name)?;
    write.set_state(REFUSED_AT, "")?;
    Ok(write.commit()?)
}

/// Saves names of resources that the mirror does not know. Returns the names that are new.
pub(super) fn save_unknown(mirror: &mut Mirror, found: &BTreeSet<String>) -> Result<Vec<String>> {
    let saved = mirror.state(UNKNOWN)?.unwrap_or_default();
    let mut saved: BTreeSet<String> = serde_json::from_str(&saved).unwrap_or_default();
    let new: Vec<String> = found.difference(&saved).cloned().collect();
    if new.is_empty() {
        return Ok(new);
    }
    saved.extend(new.iter().cloned());
    let write = mirror.write()?;
    write.set_state(UNKNOWN, &serde_json::json!(saved).to_string())?;
    write.commit()?;
    Ok(new)
}
