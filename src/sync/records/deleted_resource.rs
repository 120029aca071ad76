//! The names in the feed's Deleted resource that were reported as unknown.

use std::collections::BTreeSet;

use crate::mirror::Mirror;
use crate::sync::sync_error::Result;

/// The key in `_state` of the names of resources that were reported as unknown.
const UNKNOWN: &str = "deleted_unknown_names";

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
