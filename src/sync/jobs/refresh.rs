//! Refetches single listings by their keys, several at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::incremental::downloads_photos;
use super::whole_job::whole_job;
use crate::feed::{Page, Step, Sweep};
use crate::mirror::{DeletedReason, Job, Mirror, RunStatus, WantedPhotos};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::{Report, Verdict};
use crate::sync::photos::cleanup::EmptyFolder;
use crate::sync::photos::download_all::add_photos;
use crate::sync::records::apply::Apply;
use crate::sync::records::by_key::{fetch, fetch_absent};
use crate::sync::records::job_run::{JobRun, run_job};
use crate::sync::records::run_set::{RunEnding, RunSet};
use crate::sync::sync_error::Result;
use crate::sync::workers::start_workers;

/// The result for each key.
#[derive(Debug, Default)]
pub struct Refreshed {
    /// The listings that equal the feed's now.
    pub succeeded: Vec<String>,
    /// The other listings, and why.
    pub failed: Vec<(String, String)>,
}

/// The feed's answer for one key.
struct FetchedListing {
    key: String,
    fetched: Result<Fetched>,
}

/// The pages of one listing.
struct Fetched {
    pages: Vec<Page>,
    /// Whether the listing is outside of the filter.
    is_outside: bool,
}

/// What became of one listing.
enum Stored {
    /// It equals the feed's now.
    Done,
    /// Neither the feed, within the filter, nor the mirror has it, for this reason.
    Nothing(&'static str),
}

/// Refetches the listings with these keys with their children, `workers` at once, and
/// downloads their photos where they are wanted. A listing that the feed no longer has
/// is soft-deleted.
pub fn refresh(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
    keys: &[String],
    workers: usize,
) -> anyhow::Result<(Report, Refreshed)> {
    let mut refreshed = Refreshed::default();
    let report = whole_job(context, mirror, EmptyFolder::Refuse, |mirror| {
        let mut report = run_job(
            context,
            mirror,
            Job::Refresh,
            resources,
            |job, resources| refresh_all(job, resources, keys, workers, &mut refreshed),
        )?;
        if downloads_photos(context, resources) {
            let wanted = WantedPhotos::Of(&refreshed.succeeded);
            add_photos(&mut report, context, mirror, wanted)?;
        }
        Ok(report)
    })?;

    // Answers arrive in any order.
    let place = |key: &String| keys.iter().position(|wanted| wanted == key);
    refreshed.succeeded.sort_by_key(place);
    refreshed.failed.sort_by_key(|(key, _)| place(key));
    for key in keys {
        let is_known = refreshed.succeeded.contains(key)
            || refreshed.failed.iter().any(|(failed, _)| failed == key);
        if !is_known {
            let problem = report.runs.iter().find_map(|run| run.error.clone());
            let why = problem.unwrap_or_else(|| "it was not requested".to_owned());
            refreshed.failed.push((key.clone(), why));
        }
    }
    Ok((report, refreshed))
}

fn refresh_all(
    job: &mut JobRun<'_>,
    resources: &[Resource],
    keys: &[String],
    workers: usize,
    refreshed: &mut Refreshed,
) -> Result<()> {
    let children: Vec<Resource> = (resources.iter().copied())
        .filter(|resource| {
            job.catalog.is_child(*resource) && job.catalog.filter(*resource).is_none()
        })
        .collect();
    let shape = job.catalog.shape(Resource::PROPERTY, &children)?;
    let mut runs = job.runs(Job::Refresh, Resource::PROPERTY);
    for resource in [Resource::PROPERTY].iter().chain(&children) {
        runs.begin(job.mirror, *resource, None)?;
        job.note_new_fields(&mut runs, *resource)?;
    }
    let (context, catalog) = (job.context, job.catalog);
    let sweep = catalog.sweep(context.feed, shape.clone());
    let mut unknown = 0;
    fetch_all(job, &sweep, keys, workers, |job, listing| {
        let key = listing.key;
        let stored = listing
            .fetched
            .and_then(|fetched| store(job, &mut runs, &shape, &key, &fetched));
        match stored {
            Ok(Stored::Done) => refreshed.succeeded.push(key),
            Ok(Stored::Nothing(why)) => {
                unknown += 1;
                refreshed.failed.push((key, why.to_owned()));
            }
            Err(error) => {
                let error = error.of_resource()?;
                refreshed.failed.push((key, error.to_string()));
            }
        }
        Ok(())
    })?;
    end(job, runs, refreshed, unknown)
}

/// Fetches the listings one by one, several at once, and passes each answer to `each`.
fn fetch_all<'a>(
    job: &mut JobRun<'a>,
    sweep: &Sweep,
    keys: &[String],
    workers: usize,
    mut each: impl FnMut(&mut JobRun<'a>, FetchedListing) -> Result<()>,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let (sender, answers) = mpsc::channel();
    let (feed, stop) = (job.context.feed, job.context.stop);
    let live = job.mirror.read()?.live_rows(Resource::PROPERTY)?;
    std::thread::scope(|threads| {
        let next = &next;
        start_workers(threads, workers.min(keys.len()), move || {
            while let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
                if stop.requested().is_some() {
                    return;
                }
                let fetched = fetch_one(feed, stop, sweep, key, live);
                let key = key.clone();
                if sender.send(FetchedListing { key, fetched }).is_err() {
                    return;
                }
            }
        })?;
        answers.into_iter().try_for_each(|answer| each(job, answer))
    })
}

/// Fetches one listing: with the filter, and if it does not come, without. `live` is the number
/// of live listings.
fn fetch_one(
    feed: &crate::feed::Feed,
    stop: &crate::stop::Stop,
    sweep: &Sweep,
    key: &String,
    live: u64,
) -> Result<Fetched> {
    let mut pages = Vec::new();
    let mut add = |step: Step| {
        pages.push(step.page);
        Ok(())
    };
    let keys = std::slice::from_ref(key);
    let is_outside =
        sweep.filter.is_some() && !fetch(feed, stop, sweep, keys, &mut add)?.is_empty();
    if is_outside || sweep.filter.is_none() {
        let unfiltered = Sweep {
            filter: None,
            ..sweep.clone()
        };
        fetch_absent(feed, stop, &unfiltered, keys, &mut add)?.if_certain(|| Ok(live))?;
    }
    Ok(Fetched { pages, is_outside })
}

/// Stores one listing in one transaction.
fn store(
    job: &mut JobRun<'_>,
    runs: &mut RunSet,
    shape: &Arc<Shape>,
    key: &str,
    fetched: &Fetched,
) -> Result<Stored> {
    let listings = Resource::PROPERTY;
    let Fetched { pages, is_outside } = fetched;
    let write = job.mirror.write()?;
    let is_live = write.is_live(listings, key)?;
    if !is_live && pages.is_empty() {
        return Ok(Stored::Nothing("the feed has no such listing"));
    }
    if !is_live && *is_outside {
        return Ok(Stored::Nothing("it is outside of the configured filter"));
    }
    let mut apply = Apply::new(job.context, runs, &write);
    for page in pages {
        apply.page(shape, page)?;
    }
    if pages.is_empty() {
        apply.delete(listings, key, DeletedReason::Missing, None)?;
    } else if *is_outside {
        apply.delete(listings, key, DeletedReason::Scope, None)?;
    }
    let unlisted = std::mem::take(&mut apply.unlisted);
    runs.save(&write, job.context.feed.traffic(), None)?;
    write.commit()?;
    delete_unlisted(job, runs, unlisted)?;

    match pages.iter().flat_map(|page| &page.rejects).next() {
        Some(reject) => Err(anyhow::anyhow!(
            "{} could not be stored: {}; see `rejects`",
            reject.resource,
            reject.reason
        )
        .into()),
        None => Ok(Stored::Done),
    }
}

/// Deletes children that their listing no longer lists, if their own resource lacks them,
/// too.
fn delete_unlisted(
    job: &mut JobRun<'_>,
    runs: &mut RunSet,
    unlisted: Vec<(Resource, String)>,
) -> Result<()> {
    let (feed, stop) = (job.context.feed, job.context.stop);
    for (child, key) in unlisted {
        let keys = job.catalog.key_shape(child)?;
        let sweep = feed.sweep(keys, None, true);
        let absent = fetch_absent(feed, stop, &sweep, std::slice::from_ref(&key), |_| Ok(()));
        let live = || Ok(job.mirror.read()?.live_rows(child)?);
        let absent = match absent.and_then(|absent| absent.if_certain(live)) {
            Ok(absent) => absent,
            Err(error) if error.is_refusal() => Vec::new(),
            Err(error) => return Err(error),
        };
        let write = job.mirror.write()?;
        write.unmark_missing(child, &key)?;
        if !absent.is_empty() {
            Apply::new(job.context, runs, &write).delete(
                child,
                &key,
                DeletedReason::Replaced,
                None,
            )?;
        }
        write.commit()?;
    }
    Ok(())
}

/// Ends the runs. The watermarks stay: single listings say nothing about the others. The
/// unknown ones among the failed listings are no failure of a run: the feed answered.
fn end(
    job: &mut JobRun<'_>,
    mut runs: RunSet,
    refreshed: &Refreshed,
    unknown: usize,
) -> Result<()> {
    if job.context.stop.requested().is_some() {
        return job.end_with_job(runs);
    }
    let failed = refreshed.failed.len();
    let verdict = match (failed, refreshed.succeeded.len()) {
        (0, _) => Verdict::Done,
        (_, 0) => Verdict::Failed,
        _ => Verdict::Partial,
    };
    let error = match failed - unknown {
        0 => None,
        1 => Some("1 listing was not refreshed".to_owned()),
        failed => Some(format!("{failed} listings were not refreshed")),
    };
    job.end_runs(&mut runs, None, |_, runs| {
        let ending = |resource| match resource {
            Resource::PROPERTY if failed > unknown => RunEnding::new(verdict, error.clone()),
            _ => RunEnding {
                status: RunStatus::Succeeded,
                ..RunEnding::new(verdict, None)
            },
        };
        let resources = runs.resources().into_iter();
        Ok(resources
            .map(|resource| (resource, ending(resource)))
            .collect())
    })
}
