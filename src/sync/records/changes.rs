//! Reads the changes since the watermark: of listings with their children, and then of
//! each child itself, since a photo can change without its listing.

use std::collections::BTreeMap;

use super::announced::apply_announcements_daily;
use super::expand_comparison::is_expand_poorer;
use super::expansion::why_separate;
use super::job_run::JobRun;
use super::reader::{CameAlong, Reader, rejected_error};
use super::run_set::{RunEnding, RunSet};
use super::scope::{is_incomplete, needs_full};
use super::whole::{WholeRead, has_listings, read_all, read_whole};
use crate::feed::{FeedError, PageSize, Position, Sweep, Tries};
use crate::mirror::{Job, Mirror, RunId, RunStatus};
use crate::resource::Resource;
use crate::sync::outcome::Verdict;
use crate::sync::progress::Note;
use crate::sync::sync_error::{Result, answer_if_any};

/// Reads the changes of `resources`. Reads a resource completely if its changes are not
/// enough.
pub(in crate::sync) fn read_changes(job: &mut JobRun<'_>, resources: &[Resource]) -> Result<()> {
    for group in groups(job, resources) {
        if job.must_end() {
            return Ok(());
        }
        if needs_whole_read(job, &group)? {
            let resources = group.all();
            announce(job, &resources)?;
            read_all(job, &resources)?;
            catch_up(job, &resources)?;
        } else if !job.must_end() {
            let group = without_empty(job, group)?;
            read_group(job, &group)?;
        }
    }
    Ok(())
}

/// Removes the children that were just read completely and have no watermark, because the feed
/// has no record of them: there is no change to read.
fn without_empty(job: &JobRun<'_>, mut group: Group) -> Result<Group> {
    for child in std::mem::take(&mut group.children) {
        let keys = job.catalog.key_shape(child);
        let has_changes = keys.is_ok_and(|keys| keys.has_timestamp())
            && !job.catalog.comes_only_with_listings(child);
        if !has_changes || job.mirror.watermark(child)?.is_some() {
            group.children.push(child);
        }
    }
    Ok(group)
}

/// A resource, and the children that are read along with it.
struct Group {
    resource: Resource,
    children: Vec<Resource>,
}

impl Group {
    fn all(&self) -> Vec<Resource> {
        let children = self.children.iter().copied();
        std::iter::once(self.resource).chain(children).collect()
    }
}

/// Groups listings with their children; every other resource is a group by itself, and so
/// is a child while the feed does not declare listings.
fn groups(job: &JobRun<'_>, resources: &[Resource]) -> Vec<Group> {
    let with_listings = has_listings(job, resources);
    let (children, others): (Vec<Resource>, Vec<Resource>) =
        (resources.iter()).partition(|resource| with_listings && job.catalog.is_child(**resource));
    let group = |resource| Group {
        resource,
        children: match resource {
            Resource::PROPERTY => children.clone(),
            _ => Vec::new(),
        },
    };
    others.into_iter().map(group).collect()
}

/// Reads the changes since the start of a resumed reading, because its first pages are as
/// old as that.
fn catch_up(job: &mut JobRun<'_>, resources: &[Resource]) -> Result<()> {
    for mut group in groups(job, resources) {
        let has_resumed = job.has_resumed(&group.all());
        if job.must_end() || !has_resumed || job.mirror.watermark(group.resource)?.is_none() {
            continue;
        }
        for child in std::mem::take(&mut group.children) {
            if job.mirror.watermark(child)?.is_some() {
                group.children.push(child);
            }
        }
        read_group(job, &group)?;
    }
    Ok(())
}

/// Reads the changes and the announced deletions since a resumed reading began.
pub(in crate::sync) fn catch_up_and_announce(
    job: &mut JobRun<'_>,
    resources: &[Resource],
) -> Result<()> {
    catch_up(job, resources)?;
    if job.has_resumed(resources) && !job.must_end() {
        apply_announcements_daily(job, resources)?;
    }
    Ok(())
}

/// Reads the announced deletions of resources before all of their records are read again. A full
/// sync holds back the deletion of many missing records, even if the feed announces them.
fn announce(job: &mut JobRun<'_>, resources: &[Resource]) -> Result<()> {
    let mut known = Vec::new();
    for &resource in resources {
        if job.mirror.has_finished_full(resource)? {
            known.push(resource);
        }
    }
    if known.is_empty() {
        return Ok(());
    }
    apply_announcements_daily(job, &known)
}

/// Returns whether a resource must be read completely, with its children. If only a child
/// must be read completely, and the feed sends it separately, reads the child.
fn needs_whole_read(job: &mut JobRun<'_>, group: &Group) -> Result<bool> {
    if needs_full(job.context, job.catalog, job.mirror, group.resource)? {
        return Ok(true);
    }
    for &child in &group.children {
        if !needs_full(job.context, job.catalog, job.mirror, child)? {
            continue;
        }
        if job.catalog.comes_only_with_listings(child) {
            return Ok(true);
        }
        announce(job, &[child])?;
        if job.must_end() {
            return Ok(false);
        }
        let read = read_whole(job, child, &[])?;
        if job.must_end() {
            return Ok(false);
        }
        // The listings came with only some of the records of an incomplete child.
        if matches!(read, WholeRead::Failed)
            && !is_incomplete(job.mirror, child)?
            && comes_along(job, group.resource, child)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether the feed sends a child with its listings. Requests one listing. A child
/// that the feed sends neither way is no reason to read all listings.
fn comes_along(job: &JobRun<'_>, listings: Resource, child: Resource) -> Result<bool> {
    let shape = job.catalog.shape(listings, &[child])?;
    if shape.children.is_empty() {
        return Ok(false);
    }
    let sweep = Sweep {
        tries: Tries::Once,
        page_size: PageSize::new(1),
        ..job.context.feed.sweep(shape, None, true)
    };
    let start = Position::start(true);
    let step = answer_if_any(job.context.feed.step(&sweep, 0, &start))?;
    let records = step.iter().flat_map(|step| &step.page.records);
    let mut lists = records.flat_map(|record| &record.children);
    Ok(lists.any(Option::is_some))
}

/// Reads the changes of a resource with its children, and then of each child itself.
fn read_group(job: &mut JobRun<'_>, group: &Group) -> Result<()> {
    let resource = group.resource;
    let mut children = Vec::new();
    for &child in &group.children {
        if why_separate(job.context.feed, job.catalog, child).is_none() {
            children.push(child);
        }
    }
    let runs = job.runs(Job::Incremental, resource);
    let mut reader = match Reader::begin(job, resource, &children, runs) {
        Ok(reader) => reader,
        Err(error) => return job.fail(Job::Incremental, &group.all(), &error.of_resource()?),
    };
    for &child in &group.children {
        if reader.runs.get(child).is_none() {
            let unfinished = job.mirror.unfinished_run(Job::Incremental, child)?;
            reader.runs.begin(job.mirror, child, unfinished)?;
        }
    }

    let mut read = read_to_end(reader, job)?;
    for &child in &group.children {
        let runs = job.split(&mut read.runs, child);
        if job.must_end() {
            job.end_with_job(runs)?;
            continue;
        }
        let comes_along = read.along.contains(&child);
        let changes = ChildChanges {
            child,
            comes_along,
            came_along: read.came_along.remove(&child).filter(|_| comes_along),
            listings: read.run,
        };
        changes.read(job, runs)?;
    }
    Ok(())
}

/// Reads the changes of listings only. Children that come with them are stored, but the
/// watermarks of the children stay: the next incremental sync reads their own changes.
pub(in crate::sync) fn read_listing_changes(
    job: &mut JobRun<'_>,
    resources: &[Resource],
) -> Result<()> {
    let listings = Resource::PROPERTY;
    if needs_full(job.context, job.catalog, job.mirror, listings)? {
        return read_changes(job, resources);
    }
    let mut children = Vec::new();
    for &child in resources
        .iter()
        .filter(|child| job.catalog.is_child(**child))
    {
        if why_separate(job.context.feed, job.catalog, child).is_none()
            && job.mirror.has_finished_full(child)?
        {
            children.push(child);
        }
    }
    let runs = job.runs(Job::Incremental, listings);
    let reader = match Reader::begin(job, listings, &children, runs) {
        Ok(reader) => reader,
        Err(error) => return job.fail(Job::Incremental, &[listings], &error.of_resource()?),
    };
    let mut read = read_to_end(reader, job)?;
    for child in read.runs.resources() {
        let runs = job.split(&mut read.runs, child);
        end_child(job, child, runs)?;
    }
    Ok(())
}

/// Ends the run of a child after only the records that came with listings were read.
fn end_child(job: &mut JobRun<'_>, child: Resource, mut runs: RunSet) -> Result<()> {
    let counts = runs.counts(child);
    // Where an earlier run of the child's own changes resumes.
    let checkpoint = runs.checkpoint(child);
    let is_idle = counts.records_seen + counts.deleted == 0;
    if is_idle && checkpoint.is_none() {
        return job.discard(runs);
    }
    let mut ending = RunEnding::new(Verdict::Done, None);
    if checkpoint.is_some() {
        ending.status = RunStatus::Interrupted;
    }
    job.end_runs(&mut runs, checkpoint.as_deref(), |_, _| {
        Ok(vec![(child, ending)])
    })
}

/// The result of reading the changes of one resource.
struct ChangesRead {
    /// The runs of its children, which continue.
    runs: RunSet,
    /// The children that are asked for along.
    along: Vec<Resource>,
    /// The children that came with changed listings.
    came_along: BTreeMap<Resource, CameAlong>,
    /// The run of the resource itself.
    run: Option<RunId>,
}

/// Reads the changes of one resource, and ends its run.
fn read_to_end(mut reader: Reader<'_>, job: &mut JobRun<'_>) -> Result<ChangesRead> {
    let result = read_if_changed(&mut reader, job);
    let along = reader.checkpoint.expanded();
    let came_along = std::mem::take(&mut reader.came_along);
    let run = reader.runs.get(reader.resource).map(|run| run.id);
    let (runs, _) = reader.finish(job, result)?;
    Ok(ChangesRead {
        runs,
        along,
        came_along,
        run,
    })
}

/// Reads the changes, unless one request shows that there are none.
fn read_if_changed(reader: &mut Reader<'_>, job: &mut JobRun<'_>) -> Result<()> {
    match reader.find_unchanged()? {
        Some((found, true)) => drop(job.surveys.insert(reader.resource, found)),
        Some((found, false)) => {
            let counted = found.count.map(|count| (reader.resource, count));
            job.counts_before.extend(counted);
        }
        None => {}
    }
    read_and_find_left(reader, job.mirror)
}

/// Reads the changes, and finds records that left the filter.
fn read_and_find_left(reader: &mut Reader<'_>, mirror: &mut Mirror) -> Result<()> {
    let is_filtered = reader.catalog.filter(reader.resource).is_some();
    let shape = reader.read_changes(mirror)?;
    reader.check_count_of_changes()?;
    reader.read_lost(mirror, &shape)?;
    reader.retry_rejects(mirror, &shape)?;
    if reader.is_behind(mirror)? {
        // Doubtful answers are not confirmed; the next sync reads them again.
        return Ok(());
    }
    reader.read_listings_of_due_children(mirror, &shape)?;
    reader.confirm_changes(mirror)?;
    if is_filtered {
        let unseen = mirror.read()?.missing(reader.job(), reader.resource)?;
        reader.leave_filter(mirror, &shape, &unseen)?;
    }
    reader.read_due_children(mirror)
}

/// Reads the changes of a child after those of its listings.
struct ChildChanges {
    child: Resource,
    /// Whether it came with the listings.
    comes_along: bool,
    /// Its records that came with changed listings, if any listing has changed.
    came_along: Option<CameAlong>,
    /// The run of the listings.
    listings: Option<RunId>,
}

impl ChildChanges {
    /// Reads the changes of the child itself, if it has timestamps and the feed sends it
    /// separately.
    fn read(&self, job: &mut JobRun<'_>, runs: RunSet) -> Result<()> {
        let child = self.child;
        let keys = job.catalog.key_shape(child);
        let has_timestamps = keys.is_ok_and(|keys| keys.has_timestamp());
        let is_only_along = job.catalog.comes_only_with_listings(child);
        if is_only_along || (!has_timestamps && self.comes_along) {
            return self.inherit_from_listings(job, runs);
        }
        if !has_timestamps {
            // Without timestamps, every sync reads all of it.
            job.discard(runs)?;
            return read_whole(job, child, &[]).map(|_| ());
        }

        let has_come = self.came_along.as_ref().is_some_and(|came| came.len() > 0);
        if has_come && is_expand_poorer(job, child)? {
            end_child(job, child, runs)?;
            return read_whole(job, child, &[]).map(|_| ());
        }
        let begun = Reader::begin(job, child, &[], runs.clone());
        let mut reader = match begun {
            Ok(reader) => reader,
            Err(error) => return job.end_failed(runs, &error.of_resource()?),
        };
        let result = match &self.came_along {
            Some(came) => (reader.skip_what_came_along(job.mirror, came))
                .and_then(|()| read_and_find_left(&mut reader, job.mirror)),
            None => read_if_changed(&mut reader, job),
        };
        let error = result.as_ref().err().filter(|_| self.comes_along);
        let refusal = error.and_then(|error| error.feed());
        let refusal =
            refusal.filter(|error| matches!(error, FeedError::Refused { status: 404, .. }));
        let capabilities = job.context.feed.capabilities();
        let has_refused = capabilities.has_refused_changes(child);
        if result.is_ok() || refusal.is_some() {
            capabilities.note_changes(child, refusal);
        }
        // The second 404 in a row shows that the feed does not have the resource. The watermark
        // waits for the changes all the same.
        if refusal.is_some() && has_refused {
            job.context.progress.note(&Note::ChangesRefused(child));
            let before = reader.runs.watermark_before(child);
            return self.end_at(job, reader.runs, before);
        }
        reader.finish(job, result)?;
        Ok(())
    }

    /// Ends the run of the child with the watermark of its listings.
    fn inherit_from_listings(&self, job: &mut JobRun<'_>, runs: RunSet) -> Result<()> {
        let summary = self.listings.map(|run| job.mirror.run_summary(run));
        let watermark = summary
            .transpose()?
            .and_then(|summary| summary.watermark_after);
        self.end_at(job, runs, watermark)
    }

    /// Ends the run of the child after only the records that came with listings were read.
    fn end_at(
        &self,
        job: &mut JobRun<'_>,
        mut runs: RunSet,
        watermark: Option<String>,
    ) -> Result<()> {
        job.end_runs(&mut runs, None, |write, _| {
            let rejected = rejected_error(write.open_rejects(self.child)?);
            let ending = RunEnding::complete(rejected).at(watermark);
            Ok(vec![(self.child, ending)])
        })
    }
}
