//! Plans the repairs of a reconcile, without doing them.

use serde::Serialize;

use crate::mirror::Mirror;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::records::audit::Depth;
use crate::sync::records::record_plan::{DeletionLimit, DeletionPlan, plan_deletions};
use crate::sync::sync_error::{Result, SyncError};
use crate::sync::verify::compare_feed::compare_resources;
use crate::sync::verify::difference::{Difference, VerifiedResource};

/// The repairs of a reconcile.
#[derive(Clone, Debug, Serialize)]
pub struct ReconcilePlan {
    /// One entry for each resource.
    pub resources: Vec<Repairs>,
    /// The number of requests that were sent to find it out.
    pub requests: u64,
}

/// The repairs of one resource.
#[derive(Clone, Debug, Serialize)]
pub struct Repairs {
    /// The entity set.
    pub resource: &'static str,
    /// Whether counts were compared, and keys only where they differ.
    pub by_counts: bool,
    /// The keys of the rows to delete.
    pub delete: Vec<String>,
    /// Whether these are more than `max_delete_percent` allows, so that none would be deleted.
    pub held_back: bool,
    /// The keys of the deleted rows to restore.
    pub restore: Vec<String>,
    /// The keys of the other records to read again.
    pub refetch: Vec<String>,
    /// Why the resource cannot be reconciled.
    pub problems: Vec<Difference>,
}

impl ReconcilePlan {
    /// Returns whether a reconcile would leave something out.
    pub fn is_partial(&self) -> bool {
        let mut resources = self.resources.iter();
        resources.any(|one| one.held_back || !one.problems.is_empty())
    }
}

/// Returns what a reconcile of `resources` would do. Changes nothing.
///
/// # Errors
/// An error of the feed if it refuses the credentials or has no `$metadata`.
pub fn plan_reconcile(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
) -> anyhow::Result<ReconcilePlan> {
    let compared = compare_resources(context, mirror, resources, Depth::KeysIfFew, 0)
        .map_err(SyncError::into_anyhow)?;
    let mut plan = Vec::with_capacity(compared.len());
    for found in compared.into_iter().filter(|found| !found.with_listings) {
        plan.push(repairs(context, mirror, found).map_err(SyncError::into_anyhow)?);
    }
    Ok(ReconcilePlan {
        resources: plan,
        requests: context.feed.traffic().requests,
    })
}

fn repairs(context: &Context<'_>, mirror: &mut Mirror, found: VerifiedResource) -> Result<Repairs> {
    let mut repairs = Repairs {
        resource: found.resource,
        by_counts: found.by_counts,
        delete: Vec::new(),
        held_back: false,
        restore: Vec::new(),
        refetch: Vec::new(),
        problems: Vec::new(),
    };
    let resource: Option<Resource> = found.resource.parse().ok();
    let read = mirror.read()?;
    for difference in found.differences {
        match (difference, resource) {
            (Difference::Extra { key }, _) => repairs.delete.push(key),
            (Difference::Missing { key, .. }, Some(resource)) => {
                if read.is_held(resource, &key)? {
                    repairs.restore.push(key);
                } else {
                    repairs.refetch.push(key);
                }
            }
            (Difference::Timestamp { key, .. }, _) => repairs.refetch.push(key),
            // Rejects are read again in any case.
            (Difference::Rejected { .. }, _) => {}
            (problem, _) => repairs.problems.push(problem),
        }
    }
    let limit = DeletionLimit {
        percent: context.config.sync.max_delete_percent,
        allowed: context.allow_deletes,
    };
    let deletions = repairs.delete.len() as u64;
    let plan = plan_deletions(deletions, found.mirror, &limit);
    repairs.held_back = deletions > 0 && plan != DeletionPlan::Delete;
    Ok(repairs)
}
