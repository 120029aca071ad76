//! Begins reading a resource, or resumes an unfinished run.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::first_checkpoint::first_checkpoint;
use super::resource_reader::Reader;
use crate::feed::Position;
use crate::mirror::{Job, Mirror, RunId};
use crate::resource::Resource;
use crate::sync::records::apply::DueChild;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::checkpoint::Checkpoint;
use crate::sync::records::job_run::JobRun;
use crate::sync::records::last_read::{LastRead, earlier};
use crate::sync::records::run_set::RunSet;
use crate::sync::saved_capabilities::save_capabilities;
use crate::sync::sync_error::Result;

impl<'a> Reader<'a> {
    /// Begins reading a resource, or resumes an unfinished run. `children` are asked for
    /// in the same requests; `runs` has the runs that began already.
    pub fn begin(
        job: &mut JobRun<'a>,
        resource: Resource,
        children: &[Resource],
        mut runs: RunSet,
    ) -> Result<Reader<'a>> {
        let (context, catalog) = (job.context, job.catalog);
        let asked = asked(catalog, resource, children);
        let unfinished = unfinished(job, &runs, resource, &asked)?;
        let is_resumed = unfinished.is_some();
        let (resumed_run, mut checkpoint) = match unfinished {
            Some((run, checkpoint)) => (Some((run, checkpoint.to_json(context.feed)?)), checkpoint),
            None => {
                let checkpoint = first_checkpoint(job, runs.job(), resource, children, asked)?;
                (None, checkpoint)
            }
        };
        // A resumed run does not ask again whether counts can be trusted.
        save_capabilities(context.feed, job.mirror)?;

        let expanded = checkpoint.expanded();
        for &read in [resource].iter().chain(&expanded) {
            begin_run(job, &mut runs, read, |mirror, kind| {
                if read == resource {
                    Ok(resumed_run.clone())
                } else if kind == Job::Incremental {
                    mirror.unfinished_run(kind, read)
                } else {
                    Ok(None)
                }
            })?;
            if !is_resumed {
                let write = job.mirror.write()?;
                write.clear_sweep(runs.job(), read)?;
                write.commit()?;
            }
        }
        if let Some(run) = runs.get(resource) {
            checkpoint.first_run.get_or_insert(run.id.number());
        }

        context.progress.begin(resource, checkpoint.count);
        let left = checkpoint
            .count
            .unwrap_or(0)
            .saturating_sub(checkpoint.read);
        (context.feed).expect(left.div_ceil(context.feed.page_size().into()));
        let not_expanded = children.iter().filter(|child| !expanded.contains(child));
        let separate = not_expanded
            .map(|&child| (child, "listings have no such navigation".to_owned()))
            .collect();
        let mut links = checkpoint.positions.iter().filter_map(Position::next_link);
        let resumed_link = links.next().map(str::to_owned);
        let has_listings = context.config.sync.resources.contains(&Resource::PROPERTY)
            && job.mirror.has_finished_full(Resource::PROPERTY)?;
        // A resumed reading has read from an earlier time on, too.
        let reads_from = match checkpoint.positions.as_slice() {
            [
                Position::Changes { since, .. }
                | Position::ChangeLinks {
                    since: Some(since), ..
                },
            ] if !is_resumed => Some(since.clone()),
            _ if runs.job() == Job::Incremental => job
                .mirror
                .watermark(resource)?
                .and_then(|watermark| earlier(&watermark, context.config.sync.overlap)),
            _ => None,
        };
        // A reconcile applies records that it fetched by key after its pages showed that they
        // differ. They are a second answer.
        let accepts_older = runs.job() == Job::Reconcile;
        Ok(Reader {
            context,
            catalog,
            resource,
            checkpoint,
            runs,
            separate,
            left_out: Vec::new(),
            held_back: BTreeMap::new(),
            is_incomplete: false,
            audited: None,
            copy_is_behind: job.copy_is_behind,
            accepts_older,
            has_listings,
            due_children: due_children(job)?,
            last_read: LastRead::load(job.mirror, resource)?,
            first_change: None,
            reads_up_to: None,
            came_along: BTreeMap::new(),
            reads_from,
            is_resumed,
            resumed_link,
        })
    }
}

/// Returns the children whose records the mirror holds completely.
fn due_children(job: &JobRun<'_>) -> Result<Vec<DueChild>> {
    let mut due = Vec::new();
    let held = job.mirror.resources()?.into_iter();
    for child in held.filter(|child| job.catalog.is_child(*child)) {
        if job.mirror.has_finished_full(child)? {
            due.push(DueChild {
                resource: child,
                reads_changes: job.resources.contains(&child),
            });
        }
    }
    Ok(due)
}

/// Returns the unfinished run of the same reading, with its checkpoint.
fn unfinished(
    job: &JobRun<'_>,
    runs: &RunSet,
    resource: Resource,
    asked: &str,
) -> Result<Option<(RunId, Checkpoint)>> {
    let kind = runs.job();
    // Records that left the filter are found only if all changes are read again.
    if kind == Job::Incremental && job.catalog.filter(resource).is_some() {
        return Ok(None);
    }
    let Some((run, checkpoint)) = job.mirror.unfinished_run(kind, resource)? else {
        return Ok(None);
    };
    let overlap = job.context.config.sync.overlap;
    let checkpoint = resumed(&checkpoint, kind, resource, asked, overlap);
    // The next page of such a copy may be lost with the process that requested it.
    let endpoint = job
        .context
        .feed
        .replication(resource, kind == Job::Reconcile);
    let is_lost = endpoint.is_none_or(|endpoint| !endpoint.is_repeatable);
    let checkpoint = checkpoint.filter(|checkpoint| !(checkpoint.replicates && is_lost));
    Ok(checkpoint.map(|checkpoint| (run, checkpoint)))
}

/// Begins the run of a resource, unless it began already, and notes which fields the
/// mirror did not select before.
fn begin_run(
    job: &mut JobRun<'_>,
    runs: &mut RunSet,
    resource: Resource,
    resumed: impl FnOnce(&Mirror, Job) -> rusqlite::Result<Option<(RunId, String)>>,
) -> Result<()> {
    if runs.get(resource).is_none() {
        let resumed = resumed(job.mirror, runs.job())?;
        runs.begin(job.mirror, resource, resumed)?;
    }
    job.note_new_fields(runs, resource)
}

/// Returns a description of the request. A checkpoint with another description is not
/// resumed. Records that were read before a field was declared lack it, and records that were
/// read before its type changed have another spelling of its value.
fn asked(catalog: &Catalog, resource: Resource, children: &[Resource]) -> String {
    let filter = catalog.scope_filter(resource).unwrap_or_default();
    // Another hash only makes the reading start again.
    let mut fields = DefaultHasher::new();
    if let Ok(shape) = catalog.shape(resource, children) {
        let children = shape.children.iter().map(|child| &child.shape);
        for shape in std::iter::once(&*shape).chain(children) {
            for field in &shape.fields {
                (&field.name, field.form).hash(&mut fields);
            }
        }
    }
    let children: Vec<&str> = children.iter().map(|child| child.entity_set()).collect();
    format!("{filter}|{:016x}|{}", fields.finish(), children.join(","))
}

/// Returns the checkpoint of an unfinished run, if it asked for the same.
/// Changes are read again from the overlap before the run's position, since records
/// can become visible after records with later timestamps.
fn resumed(
    text: &str,
    job: Job,
    resource: Resource,
    asked: &str,
    overlap: Duration,
) -> Option<Checkpoint> {
    let mut checkpoint: Checkpoint = serde_json::from_str(text).ok()?;
    if checkpoint.asked != asked {
        return None;
    }
    let newest = checkpoint.newest.get(resource.entity_set());
    let by_links = checkpoint.by_links;
    for position in &mut checkpoint.positions {
        match position {
            Position::Changes { since, after, .. } => {
                let cursor = after.as_ref().map(|cursor| cursor.timestamp.as_str());
                let again = cursor.and_then(|timestamp| earlier(timestamp, overlap));
                let since = again.unwrap_or_default().max(since.clone());
                *position = Position::since(since, by_links);
            }
            Position::ChangeLinks {
                since: Some(since), ..
            } if job == Job::Incremental => {
                *position = Position::since(earlier(since, overlap)?, by_links);
            }
            Position::Ties { timestamp, .. } => {
                *position = Position::since(earlier(timestamp, overlap)?, by_links);
            }
            // Records may have changed since the end was reached. Where nothing had
            // changed, the reading starts again.
            Position::Finished if job == Job::Incremental => {
                *position = Position::since(earlier(newest?, overlap)?, by_links);
            }
            _ => {}
        }
    }
    Some(checkpoint)
}
