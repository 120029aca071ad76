//! The feed's Deleted resource: whether it has one, under which names, and which of its
//! resources the mirror does not know.

use std::collections::BTreeSet;

use crate::feed::{DELETED_NAMES, DeletedNames, DeletedPosition, Feed, FeedError};
use crate::mirror::Mirror;
use crate::resource::Resource;
use crate::sync::sync_error::Result;
use crate::value::stored_instant;

/// Returns all names of a Deleted resource. The saved ones come first.
pub(super) fn names_by_last(feed: &Feed) -> Vec<&'static DeletedNames> {
    let saved = feed.capabilities().deleted_names();
    let mut names: Vec<&DeletedNames> = DELETED_NAMES.iter().collect();
    names.sort_by_key(|names| saved.as_deref() != Some(names.name));
    names
}

/// Returns whether an answer means that the feed has no Deleted resource.
pub(super) fn has_no_announcements(error: &FeedError) -> bool {
    match error {
        FeedError::Refused { status, .. } => matches!(status, 404 | 501),
        FeedError::Unauthorized { status, .. } => *status == 403,
        _ => false,
    }
}

/// Returns each combination of a first page and names: with an order, and then without one.
pub(super) fn ways<N: Copy>(
    names: impl IntoIterator<Item = N> + Clone,
) -> impl Iterator<Item = (DeletedPosition, N)> {
    [DeletedPosition::default(), DeletedPosition::unordered()]
        .into_iter()
        .flat_map(move |first| {
            names
                .clone()
                .into_iter()
                .map(move |one| (first.clone(), one))
        })
}

/// Returns whether the feed announces deletions. Requests the announcements of the future
/// under one of its names after the other.
pub(in crate::sync) fn announces(feed: &Feed, resource: Resource) -> Result<bool, FeedError> {
    let after = stored_instant(feed.now());
    for (first, names) in ways(&DELETED_NAMES) {
        for of in names.queries(&[resource.entity_set()]) {
            match feed.announced(names, of, &after, &first) {
                Ok(_) => {
                    feed.capabilities().note_deleted_names(names.name);
                    return Ok(true);
                }
                Err(FeedError::Refused { status: 400, .. }) => {}
                Err(error) if has_no_announcements(&error) => {
                    feed.capabilities().note_deleted_refused();
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
    }
    feed.capabilities().note_deleted_refused();
    Ok(false)
}

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
    mirror.set_state(UNKNOWN, &serde_json::json!(saved).to_string())?;
    Ok(new)
}
