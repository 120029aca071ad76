//! The deletions that were held back, as the mirror remembers them.

use crate::mirror::{Job, Mirror, WriteTx};
use crate::resource::Resource;

/// Deletions that a job held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldDeletions {
    /// The resource.
    pub resource: Resource,
    /// The job.
    pub job: String,
    /// The number of rows that it would have deleted.
    pub count: u64,
    /// Whether the rows belong to listings. Most of them are deleted with their listings.
    pub is_of_children: bool,
}

/// Returns the key in `_state` of the deletions that were held back.
fn state_name(resource: Resource) -> String {
    format!("held_deletions:{resource}")
}

/// Returns the deletions of a resource that the last full or reconcile held back.
pub fn held_deletions(
    mirror: &Mirror,
    resource: Resource,
) -> rusqlite::Result<Option<HeldDeletions>> {
    let state = mirror.state(&state_name(resource))?.unwrap_or_default();
    let is_of_children = mirror.has_parent(resource)?;
    let held = state.split_once(' ').and_then(|(job, count)| {
        Some(HeldDeletions {
            resource,
            job: job.to_owned(),
            count: count.parse().ok()?,
            is_of_children,
        })
    });
    Ok(held)
}

/// Remembers the number of deletions that a job held back; None if it held back none.
pub(in crate::sync) fn save_held_deletions(
    write: &WriteTx<'_>,
    resource: Resource,
    job: Job,
    count: Option<u64>,
) -> rusqlite::Result<()> {
    let compares_all = matches!(job, Job::Full | Job::Reconcile);
    if count.is_none() && !compares_all {
        return Ok(());
    }
    let name = state_name(resource);
    let held = count.map_or_else(String::new, |count| format!("{job} {count}"));
    if write.state(&name)?.unwrap_or_default() == held {
        return Ok(());
    }
    write.set_state(&name, &held)
}
