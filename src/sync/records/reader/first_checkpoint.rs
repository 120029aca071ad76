//! The checkpoint of a reading that begins: asks for the count and the newest timestamp.

use anyhow::Context as _;

use crate::feed::{FeedError, Position, Tries};
use crate::mirror::Job;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::checkpoint::Checkpoint;
use crate::sync::records::job_run::JobRun;
use crate::sync::records::last_read::{LastRead, beginning, read_from};
use crate::sync::records::ranges::positions;
use crate::sync::records::survey::{Survey, survey};
use crate::sync::sync_error::{Result, SyncError};

/// Returns the checkpoint of a reading that has read nothing yet.
pub(super) fn first_checkpoint(
    job: &JobRun<'_>,
    kind: Job,
    resource: Resource,
    children: &[Resource],
    asked: String,
) -> Result<Checkpoint> {
    let keys = job.catalog.key_shape(resource)?;
    let feed = job.context.feed;
    // An audit chooses its positions itself.
    let is_audit = kind == Job::Reconcile && keys.has_timestamp();
    let replicates = kind == Job::Full && feed.replication(resource, false).is_some();
    let by_links =
        replicates || keys.has_composite_key() || feed.capabilities().is_read_by_links(resource);
    let mut checkpoint = if kind == Job::Incremental {
        let since = since_watermark(job, resource)?;
        let start = vec![Position::since(since, by_links)];
        Checkpoint::new(asked, start, &*job.catalog.shape(resource, children)?)
    } else {
        let mut checkpoint = checkpoint_of_all(job, resource, children, asked)?;
        let filter = job.catalog.live_filter(resource);
        checkpoint.positions = if is_audit {
            Vec::new()
        } else if by_links {
            vec![Position::start(true)]
        } else {
            positions(feed, &keys, filter, checkpoint.count)?
        };
        checkpoint
    };
    checkpoint.by_links = by_links;
    checkpoint.replicates = replicates;
    // A whole copy may be older than its answers.
    if !replicates {
        checkpoint.began = beginning(feed, job.context.config.sync.overlap);
    }
    Ok(checkpoint)
}

/// Returns the checkpoint of a complete reading that has read nothing yet, without positions.
fn checkpoint_of_all(
    job: &JobRun<'_>,
    resource: Resource,
    children: &[Resource],
    asked: String,
) -> Result<Checkpoint> {
    let (context, catalog) = (job.context, job.catalog);
    let feed = context.feed;
    let keys = catalog.key_shape(resource)?;
    let filter = catalog.live_filter(resource);
    let Survey {
        count,
        newest,
        is_ordered,
        ..
    } = survey(feed, &keys, filter, Tries::Configured)?;
    let shape = catalog.shape(resource, children)?;
    let mut checkpoint = Checkpoint::new(asked, Vec::new(), &shape);
    checkpoint.count = count;
    checkpoint.knows_newest = is_ordered;
    for child in checkpoint.expanded() {
        let own = newest_of_child(context, catalog, child)?;
        if let Some(timestamp) = own.or(newest.clone()) {
            let name = child.entity_set().to_owned();
            checkpoint.newest.insert(name, timestamp);
        }
    }
    if let Some(newest) = newest {
        let name = resource.entity_set().to_owned();
        checkpoint.newest.insert(name, newest);
    }
    Ok(checkpoint)
}

/// Returns the time from which the changes of a resource are read, in storage form.
fn since_watermark(job: &JobRun<'_>, resource: Resource) -> Result<String> {
    let watermark = job.mirror.watermark(resource)?;
    let watermark = watermark.ok_or(SyncError::NeverComplete(resource))?;
    let last = LastRead::load(job.mirror, resource)?;
    let capabilities = job.context.feed.capabilities();
    let last = last.filter(|_| !capabilities.has_late_changes(resource));
    let overlap = job.context.config.sync.overlap;
    Ok(read_from(&watermark, last.as_ref(), overlap)
        .with_context(|| format!("the watermark of {resource} is not a timestamp: {watermark}"))?)
}

/// Returns the newest timestamp of a child resource; `None` if the resource itself does
/// not answer. The listings' newest timestamp replaces it then: one clock sets both, so
/// that no later change of the child gets an earlier timestamp.
fn newest_of_child(
    context: &Context<'_>,
    catalog: &Catalog,
    child: Resource,
) -> Result<Option<String>> {
    let keys = catalog.key_shape(child)?;
    if catalog.comes_only_with_listings(child) || !keys.has_timestamp() {
        return Ok(None);
    }
    match survey(context.feed, &keys, None, Tries::Once) {
        Ok(survey) => Ok(survey.newest),
        Err(error @ (FeedError::Interrupted(_) | FeedError::Unauthorized { status: 401, .. })) => {
            Err(error.into())
        }
        Err(error) => {
            tracing::info!(resource = %child, %error, "using the newest timestamp of the listings");
            Ok(None)
        }
    }
}
