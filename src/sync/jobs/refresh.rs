//! Single listings, read anew by their keys, each on its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::incremental::fetches_photos;
use super::whole_job::whole_job;
use crate::feed::{Page, Step, Sweep};
use crate::mirror::{DeletedReason, Job, Mirror, RunStatus, WantedPhotos};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::files::Trust;
use crate::sync::records::apply::Apply;
use crate::sync::records::by_key::fetch;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::job_run::{Runs, run_job};
use crate::sync::records::run_rows::Tallies;
use crate::sync::{Context, Report, Verdict};

/// What became of each key.
#[derive(Debug, Default)]
pub struct Refreshed {
    /// The listings that are as the feed has them now.
    pub succeeded: Vec<String>,
    /// Those that are not, and why.
    pub failed: Vec<(String, String)>,
}

/// What the feed said of one key.
struct Answer {
    key: String,
    /// Its pages, and whether they are of records outside the filter.
    pages: anyhow::Result<(Vec<Page>, bool)>,
}

/// Reads the listings with these keys anew, with those of `resources` that belong
/// to them, `workers` at once, and the files of their photos where they are wanted.
/// A listing that the feed no longer has is soft-deleted.
///
/// # Errors
/// If the database cannot be read or written.
pub fn refresh(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
    keys: &[String],
    workers: usize,
) -> anyhow::Result<(Report, Refreshed)> {
    let mut refreshed = Refreshed::default();
    let filled: Vec<Resource> = resources
        .iter()
        .copied()
        .filter(|resource| *resource == Resource::Property || resource.is_child())
        .collect();
    let report = whole_job(context, mirror, Trust::NotEmpty, |mirror| {
        let mut report = run_job(
            context,
            mirror,
            Job::Refresh,
            &filled,
            |mirror, catalog, runs| {
                let children: Vec<Resource> = filled
                    .iter()
                    .copied()
                    .filter(|resource| resource.is_child() && catalog.filter(*resource).is_none())
                    .collect();
                let shape = catalog.shape(Resource::Property, &children)?;
                let mut tallies = Tallies::new(Job::Refresh, runs.traffic());
                for resource in [Resource::Property].iter().chain(&children) {
                    tallies.begin(mirror, *resource, None)?;
                }
                ask_all(context, catalog, &shape, keys, workers, |answer| {
                    match store(context, catalog, mirror, &mut tallies, &shape, &answer) {
                        Err(error) if error.is::<rusqlite::Error>() => return Err(error),
                        Err(error) => refreshed.failed.push((answer.key, format!("{error:#}"))),
                        Ok(()) => refreshed.succeeded.push(answer.key),
                    }
                    Ok(())
                })?;
                end(context, mirror, tallies, &refreshed, runs)
            },
        )?;
        if fetches_photos(context, resources) {
            report.add_photos(context, mirror, WantedPhotos::Of(&refreshed.succeeded))?;
        }
        Ok(report)
    })?;
    // They come back in the order in which they were answered.
    let place = |key: &String| keys.iter().position(|wanted| wanted == key);
    refreshed.succeeded.sort_by_key(place);
    refreshed.failed.sort_by_key(|(key, _)| place(key));
    for key in keys {
        let known = refreshed.succeeded.contains(key)
            || refreshed.failed.iter().any(|(failed, _)| failed == key);
        if !known {
            let why = "it was not asked for".to_owned();
            refreshed.failed.push((key.clone(), why));
        }
    }
    Ok((report, refreshed))
}

/// Asks for the listings one by one, several at once, and hands over each answer.
fn ask_all(
    context: &Context<'_>,
    catalog: &Catalog,
    shape: &Arc<Shape>,
    keys: &[String],
    workers: usize,
    mut each: impl FnMut(Answer) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let filter = catalog.filter(Resource::Property).map(str::to_owned);
    let select = catalog.selects(Resource::Property);
    let sweep = context.feed.sweep(shape.clone(), filter, select);
    let next = AtomicUsize::new(0);
    let (sender, answers) = mpsc::channel();
    let (feed, stop) = (context.feed, context.stop);
    std::thread::scope(|threads| {
        for _ in 0..workers.clamp(1, keys.len().max(1)) {
            let (sender, next, sweep) = (sender.clone(), &next, &sweep);
            threads.spawn(move || {
                while let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if stop.requested().is_some() {
                        return;
                    }
                    let pages = ask(feed, stop, sweep, key);
                    let key = key.clone();
                    if sender.send(Answer { key, pages }).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        answers.into_iter().try_for_each(&mut each)
    })
}

fn ask(
    feed: &crate::feed::Feed,
    stop: &crate::stop::Stop,
    sweep: &Sweep,
    key: &String,
) -> anyhow::Result<(Vec<Page>, bool)> {
    let mut pages = Vec::new();
    let take = |pages: &mut Vec<Page>, step: Step| pages.push(step.page);
    let keys = std::slice::from_ref(key);
    let absent = fetch(feed, stop, sweep, keys, |step| {
        take(&mut pages, step);
        Ok(())
    })?;
    if absent.is_empty() || sweep.filter.is_none() {
        return Ok((pages, false));
    }
    let unfiltered = Sweep {
        filter: None,
        ..sweep.clone()
    };
    fetch(feed, stop, &unfiltered, keys, |step| {
        take(&mut pages, step);
        Ok(())
    })?;
    Ok((pages, true))
}

/// Stores one answer in one transaction.
fn store(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    tallies: &mut Tallies,
    shape: &Arc<Shape>,
    answer: &Answer,
) -> anyhow::Result<()> {
    let (pages, is_outside) = match &answer.pages {
        Ok((pages, is_outside)) => (pages, *is_outside),
        Err(error) => anyhow::bail!("{error:#}"),
    };
    let listings = Resource::Property;
    let tx = mirror.write()?;
    let is_live = tx.is_live(listings, &answer.key)?;
    anyhow::ensure!(is_live || !pages.is_empty(), "the feed has no such listing");
    anyhow::ensure!(
        is_live || !is_outside,
        "it is outside the configured filter"
    );
    let mut apply = Apply {
        tx: &tx,
        tallies,
        ignore_fields: &context.config.sync.ignore_fields,
        listings_filtered: catalog.filter(listings).is_some(),
        missing: Default::default(),
    };
    for page in pages {
        apply.page(shape, page)?;
    }
    if pages.is_empty() {
        apply.gone(listings, &answer.key, DeletedReason::Missing)?;
    } else if is_outside {
        apply.gone(listings, &answer.key, DeletedReason::Scope)?;
    }
    tallies.save(&tx, listings, context.feed.traffic(), None)?;
    tx.commit()?;
    let rejected = pages.iter().flat_map(|page| &page.rejects).next();
    match rejected {
        Some(reject) => anyhow::bail!(
            "{} could not be stored: {}; see `rejects`",
            reject.resource,
            reject.reason
        ),
        None => Ok(()),
    }
}

/// Ends the runs. The watermarks stay: single listings say nothing of the others.
fn end(
    context: &Context<'_>,
    mirror: &mut Mirror,
    mut tallies: Tallies,
    refreshed: &Refreshed,
    runs: &mut Runs,
) -> anyhow::Result<()> {
    if context.stop.requested().is_some() {
        return runs.end(context, mirror, tallies);
    }
    let failed = refreshed.failed.len();
    let (verdict, status) = match (failed, refreshed.succeeded.len()) {
        (0, _) => (Verdict::Done, RunStatus::Succeeded),
        (_, 0) => (Verdict::Failed, RunStatus::Failed),
        _ => (Verdict::Partial, RunStatus::Partial),
    };
    let tx = mirror.write()?;
    tallies.save(&tx, Resource::Property, context.feed.traffic(), None)?;
    for resource in tallies.resources() {
        let before = tallies
            .get(resource)
            .and_then(|tally| tally.watermark_before.clone());
        let own = resource == Resource::Property;
        let error = (failed > 0 && own).then(|| match failed {
            1 => "1 listing was not refreshed".to_owned(),
            failed => format!("{failed} listings were not refreshed"),
        });
        let status = if own { status } else { RunStatus::Succeeded };
        tallies.finish(&tx, resource, status, before, error)?;
    }
    tx.commit()?;
    runs.note_deleted(&tallies);
    runs.note_ended(context.feed, tallies.runs(), verdict);
    Ok(())
}
