//! The incremental sync: what changed since the watermark.

use std::collections::BTreeMap;

use super::deletions::announce_all;
use super::full::{Swept, sweep, sweep_all};
use super::whole_job::whole_job;
use crate::feed::FeedError;
use crate::mirror::{Job, Mirror, RunId, RunStatus, WantedPhotos};
use crate::resource::Resource;
use crate::sync::files::Trust;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::end::{Finished, rejected_error};
use crate::sync::records::job_run::{Runs, run_job};
use crate::sync::records::reader::Sweeping;
use crate::sync::records::run_rows::Tallies;
use crate::sync::records::scope::needs_full;
use crate::sync::{Context, Report, Verdict};

/// Brings `resources` up to date with the feed: reads what changed since their
/// watermarks, and all of those for which that is not enough.
///
/// # Errors
/// If the database cannot be read or written. What the feed does wrong is in
/// the report.
pub fn incremental(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
) -> anyhow::Result<Report> {
    whole_job(context, mirror, Trust::NotEmpty, |mirror| {
        run_job(
            context,
            mirror,
            Job::Incremental,
            resources,
            |mirror, catalog, runs| follow_all(context, catalog, mirror, resources, runs),
        )
    })
}

/// Brings the mirror up to date in every way: what changed, then what went, then
/// the files of photos where they are wanted.
///
/// # Errors
/// As [`incremental`].
pub fn up_to_date(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
) -> anyhow::Result<Report> {
    whole_job(context, mirror, Trust::NotEmpty, |mirror| {
        let mut report = run_job(
            context,
            mirror,
            Job::Incremental,
            resources,
            |mirror, catalog, runs| {
                follow_all(context, catalog, mirror, resources, runs)?;
                match runs.must_end() {
                    true => Ok(()),
                    false => announce_all(context, catalog, mirror, resources, runs),
                }
            },
        )?;
        if fetches_photos(context, resources) {
            report.add_photos(context, mirror, WantedPhotos::Due)?;
        }
        Ok(report)
    })
}

/// Whether a sync of these resources keeps files of photos.
pub fn fetches_photos(context: &Context<'_>, resources: &[Resource]) -> bool {
    context.config.sync.download_media && resources.contains(&Resource::Media)
}

fn follow_all(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    resources: &[Resource],
    runs: &mut Runs,
) -> anyhow::Result<()> {
    for (resource, children) in groups(resources) {
        if runs.must_end() {
            return Ok(());
        }
        if reads_whole(context, catalog, mirror, resource, &children, runs)? {
            let group: Vec<Resource> = [resource].iter().chain(&children).copied().collect();
            sweep_all(context, catalog, mirror, &group, runs)?;
            catch_up(context, catalog, mirror, &group, runs)?;
        } else if !runs.must_end() {
            follow(context, catalog, mirror, resource, &children, runs)?;
        }
    }
    Ok(())
}

/// Each resource with those that are read along with it: listings with their
/// children.
fn groups(resources: &[Resource]) -> Vec<(Resource, Vec<Resource>)> {
    let with_listings = resources.contains(&Resource::Property);
    let (along, alone): (Vec<Resource>, Vec<Resource>) =
        (resources.iter()).partition(|resource| with_listings && resource.is_child());
    let group = |resource| match resource {
        Resource::Property => (resource, along.clone()),
        _ => (resource, Vec::new()),
    };
    alone.into_iter().map(group).collect()
}

/// Reads what changed while a sweep that has finished now stood still: what it had
/// read before knows nothing of that.
fn catch_up(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    resources: &[Resource],
    runs: &mut Runs,
) -> anyhow::Result<()> {
    for (resource, mut children) in groups(resources) {
        let has_resumed = runs.has_resumed(&children) || runs.has_resumed(&[resource]);
        if runs.must_end() || !has_resumed || mirror.watermark(resource)?.is_none() {
            continue;
        }
        for child in std::mem::take(&mut children) {
            if mirror.watermark(child)?.is_some() {
                children.push(child);
            }
        }
        follow(context, catalog, mirror, resource, &children, runs)?;
    }
    Ok(())
}

/// The same with what went meanwhile, as far as the feed announces it.
///
/// # Errors
/// If the database cannot be read or written.
pub(in crate::sync) fn catch_up_and_announce(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    resources: &[Resource],
    runs: &mut Runs,
) -> anyhow::Result<()> {
    catch_up(context, catalog, mirror, resources, runs)?;
    match runs.has_resumed(resources) && !runs.must_end() {
        true => announce_all(context, catalog, mirror, resources, runs),
        false => Ok(()),
    }
}

/// Whether a resource has to be read whole, with its children. Where only a
/// child has to be and the feed gives it on its own, that is done here.
fn reads_whole(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    resource: Resource,
    children: &[Resource],
    runs: &mut Runs,
) -> anyhow::Result<bool> {
    if needs_full(context, catalog, mirror, resource)? {
        return Ok(true);
    }
    for &child in children {
        if !needs_full(context, catalog, mirror, child)? {
            continue;
        }
        // An ADU names no listing and is known only by the one it comes with.
        if child == Resource::Adu {
            return Ok(true);
        }
        let swept = sweep(context, catalog, mirror, child, &[], runs)?;
        if runs.must_end() {
            return Ok(false);
        }
        if let Swept::Refused(_) = swept {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads the changes of a resource with its children, and then those of each
/// child itself: a photo can change without its listing.
fn follow(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    resource: Resource,
    children: &[Resource],
    runs: &mut Runs,
) -> anyhow::Result<()> {
    // A child with a filter of its own is read on its own: $expand gives all.
    let along: Vec<Resource> = children
        .iter()
        .copied()
        .filter(|child| catalog.filter(*child).is_none())
        .collect();
    let tallies = Tallies::new(Job::Incremental, runs.traffic());
    let begun = Sweeping::begin(context, catalog, mirror, resource, &along, tallies);
    let mut sweeping = match begun {
        Ok(sweeping) => sweeping,
        Err(error) if error.is::<rusqlite::Error>() => return Err(error),
        Err(error) => {
            let failed: Vec<Resource> = [resource].iter().chain(children).copied().collect();
            return runs.fail(context, mirror, Job::Incremental, &failed, &error);
        }
    };
    for &child in children {
        if sweeping.tallies.get(child).is_none() {
            let unfinished = mirror.unfinished_run(Job::Incremental, child)?;
            sweeping.tallies.begin(mirror, child, unfinished)?;
        }
    }
    let Followed {
        mut finished,
        along,
        owed,
        run,
    } = sweeping.follow_to_end(context, mirror, runs)?;
    for &child in children {
        let own = finished.rest.split(child, runs.traffic());
        if runs.must_end() {
            runs.end(context, mirror, own)?;
            continue;
        }
        let following = Child {
            child,
            comes_along: along.contains(&child),
            listings: run,
            is_owed: owed.contains_key(child.entity_set()),
        };
        following.follow(context, catalog, mirror, own, runs)?;
    }
    Ok(())
}

/// Reads the changes of listings alone. What came with them of their children is
/// written down all the same, and the children's own changes wait for the next
/// incremental: their watermarks stay.
///
/// # Errors
/// If the database cannot be read or written.
pub(in crate::sync) fn follow_listings(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    resources: &[Resource],
    runs: &mut Runs,
) -> anyhow::Result<()> {
    let listings = Resource::Property;
    if needs_full(context, catalog, mirror, listings)? {
        return follow_all(context, catalog, mirror, resources, runs);
    }
    let mut along = Vec::new();
    for &child in resources.iter().filter(|child| child.is_child()) {
        if catalog.filter(child).is_none() && mirror.has_finished_full(child)? {
            along.push(child);
        }
    }
    let tallies = Tallies::new(Job::Incremental, runs.traffic());
    let sweeping = match Sweeping::begin(context, catalog, mirror, listings, &along, tallies) {
        Ok(sweeping) => sweeping,
        Err(error) if error.is::<rusqlite::Error>() => return Err(error),
        Err(error) => return runs.fail(context, mirror, Job::Incremental, &[listings], &error),
    };
    let Followed {
        mut finished,
        owed,
        run,
        ..
    } = sweeping.follow_to_end(context, mirror, runs)?;
    for child in finished.rest.resources() {
        let mut own = finished.rest.split(child, runs.traffic());
        let counts = own.counts(child);
        let is_owed = owed.contains_key(child.entity_set());
        // Where its own changes go on, if an earlier run of them did not finish.
        let checkpoint = own.get(child).and_then(|tally| tally.checkpoint.clone());
        if counts.records_seen + counts.deleted == 0 && !is_owed && checkpoint.is_none() {
            runs.discard(mirror, own)?;
            continue;
        }
        let tx = mirror.write()?;
        if let Some(run) = run.filter(|_| is_owed) {
            tx.reset_watermark(run)?;
        }
        own.save(&tx, child, runs.traffic(), checkpoint.as_deref())?;
        let before = own
            .get(child)
            .and_then(|tally| tally.watermark_before.clone());
        let status = match checkpoint {
            None => RunStatus::Succeeded,
            Some(_) => RunStatus::Interrupted,
        };
        own.finish(&tx, child, status, before, None)?;
        tx.commit()?;
        runs.note_ended(context.feed, own.runs(), Verdict::Done);
    }
    Ok(())
}

/// What came of reading the changes of listings.
struct Followed {
    finished: Finished,
    /// The children that came with them.
    along: Vec<Resource>,
    /// Of which resources a record came that could not be stored.
    owed: BTreeMap<String, Option<String>>,
    /// The run of the listings.
    run: Option<RunId>,
}

/// A child whose listings' changes were read.
struct Child {
    child: Resource,
    /// Whether it came with them.
    comes_along: bool,
    /// The run of the listings.
    listings: Option<RunId>,
    /// Whether one of them came and could not be stored.
    is_owed: bool,
}

impl Child {
    /// Reads the changes of the child itself, where it has stamps and answers.
    fn follow(
        &self,
        context: &Context<'_>,
        catalog: &Catalog,
        mirror: &mut Mirror,
        tallies: Tallies,
        runs: &mut Runs,
    ) -> anyhow::Result<()> {
        let child = self.child;
        let has_stamps = catalog
            .stamps(child)
            .is_ok_and(|shape| shape.has_timestamp());
        if !has_stamps || child == Resource::Adu {
            return match self.comes_along || child == Resource::Adu {
                true => self.goes_by_its_listings(context, mirror, tallies, runs),
                // What has no stamps and comes with nothing is read whole each time.
                false => {
                    runs.discard(mirror, tallies)?;
                    sweep(context, catalog, mirror, child, &[], runs).map(|_| ())
                }
            };
        }
        let spare = tallies.clone();
        let mut sweeping = match Sweeping::begin(context, catalog, mirror, child, &[], tallies) {
            Ok(sweeping) => sweeping,
            Err(error) if error.is::<rusqlite::Error>() => return Err(error),
            Err(error) => return runs.end_failed(context, mirror, spare, &error),
        };
        let result = sweeping.follow(mirror);
        if let Err(error) = &result
            && self.comes_along
            && matches!(error.downcast_ref(), Some(FeedError::Refused { .. }))
        {
            tracing::info!(resource = %child, %error, "going by what came with the listings");
            return self.goes_by_its_listings(context, mirror, sweeping.tallies, runs);
        }
        let finished = sweeping.finish(mirror, &result)?;
        runs.note(context.feed, &finished);
        match result {
            Err(error) if error.is::<rusqlite::Error>() => Err(error),
            _ => Ok(()),
        }
    }

    /// The child is up to date as far as its listings are. Where one of its
    /// records could not be stored, its listing has to be met again.
    fn goes_by_its_listings(
        &self,
        context: &Context<'_>,
        mirror: &mut Mirror,
        mut tallies: Tallies,
        runs: &mut Runs,
    ) -> anyhow::Result<()> {
        let summary = self
            .listings
            .map(|run| mirror.run_summary(run))
            .transpose()?;
        let watermark = summary.and_then(|summary| summary.watermark_after);
        let tx = mirror.write()?;
        if let Some(run) = self.listings.filter(|_| self.is_owed) {
            tx.reset_watermark(run)?;
        }
        let traffic = context.feed.traffic();
        tallies.save(&tx, self.child, traffic, None)?;
        let rejected = tx.open_rejects(self.child)?;
        let (verdict, status, error) = match rejected_error(rejected) {
            None => (Verdict::Done, RunStatus::Succeeded, None),
            error => (Verdict::Partial, RunStatus::Partial, error),
        };
        let watermark = watermark.filter(|_| !self.is_owed);
        let before = tallies
            .get(self.child)
            .and_then(|tally| tally.watermark_before.clone());
        tallies.finish(&tx, self.child, status, watermark.or(before), error)?;
        tx.commit()?;
        runs.note_ended(context.feed, tallies.runs(), verdict);
        Ok(())
    }
}

impl Sweeping<'_> {
    /// Reads what changed, and ends the run of it. The children's go on.
    fn follow_to_end(
        mut self,
        context: &Context<'_>,
        mirror: &mut Mirror,
        runs: &mut Runs,
    ) -> anyhow::Result<Followed> {
        let result = self.follow(mirror);
        let along = self.checkpoint.expanded();
        let owed = self.checkpoint.rejected.clone();
        let run = self.tallies.get(self.resource).map(|tally| tally.run);
        let finished = self.finish(mirror, &result)?;
        runs.note(context.feed, &finished);
        match result {
            Err(error) if error.is::<rusqlite::Error>() => Err(error),
            _ => Ok(Followed {
                finished,
                along,
                owed,
                run,
            }),
        }
    }

    /// Reads what changed, and finds out what left the filter.
    fn follow(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        let is_filtered = self.catalog.filter(self.resource).is_some();
        if is_filtered {
            self.note_changed(mirror)?;
        }
        let shape = self.read_all(mirror)?;
        if is_filtered {
            let unmet = mirror.write()?.missing(self.job(), self.resource)?;
            self.leave_scope(mirror, &shape, &unmet)?;
        }
        self.retry_rejects(mirror, &shape)
    }
}
