//! The full sync: all of every resource, listings with their children in one request.

use std::collections::BTreeSet;

use super::catalog::Catalog;
use super::sweep::Sweeping;
use super::{Context, Report, Verdict, ending, told};
use crate::feed::{FeedError, Traffic};
use crate::mirror::{Job, Mirror, Outcome, RunId, Status};
use crate::resource::Resource;

/// What the runs of a job have come to.
#[derive(Default)]
struct Runs {
    ids: Vec<RunId>,
    verdicts: BTreeSet<Verdict>,
}

/// Reads all of `resources` into the mirror. A resource that fails does not
/// stop the others.
///
/// # Errors
/// If the database cannot be read or written. What the feed does wrong is in
/// the report.
pub fn full(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
) -> anyhow::Result<Report> {
    let mut runs = Runs::default();
    let before = context.feed.traffic();
    match Catalog::ask(context.feed, mirror, &context.config.sync) {
        Ok(catalog) => {
            catalog.store(mirror, resources)?;
            sweep_all(context, &catalog, mirror, resources, before, &mut runs)?;
        }
        Err(error) => {
            for &resource in resources {
                runs.fail(mirror, resource, &error, None)?;
            }
        }
    }
    let summaries = runs.ids.iter().map(|&run| mirror.run_summary(run)).collect::<Result<_, _>>()?;
    Ok(Report { runs: summaries, ending: ending(&runs.verdicts, context.stop) })
}

/// Brings the mirror up to date: whole where a resource was never read whole,
/// and whole again where all of them were.
///
/// # Errors
/// As [`full`].
pub fn up_to_date(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
) -> anyhow::Result<Report> {
    let mut needed = Vec::new();
    for &resource in resources {
        if !mirror.has_finished_full(resource)? {
            needed.push(resource);
        }
    }
    full(context, mirror, if needed.is_empty() { resources } else { &needed })
}

fn sweep_all(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    resources: &[Resource],
    mut before: Traffic,
    runs: &mut Runs,
) -> anyhow::Result<()> {
    let with_listings = resources.contains(&Resource::Property);
    for &resource in resources.iter().filter(|resource| !(with_listings && resource.is_child())) {
        if runs.must_end() {
            return Ok(());
        }
        let children: Vec<Resource> = match resource {
            Resource::Property => resources.iter().copied().filter(|it| it.is_child()).collect(),
            _ => Vec::new(),
        };
        let swept = sweep(context, catalog, mirror, resource, &children, before, runs)?;
        let refusals = match swept {
            Swept::Refused(why) if resource.is_child() => vec![(resource, why)],
            Swept::Refused(_) => Vec::new(),
            Swept::Read { run, refused } => {
                alone(context, catalog, mirror, run, refused, runs)?;
                Vec::new()
            }
        };
        // A child that does not answer on its own may come with its listing.
        if let [(child, _)] = refusals[..]
            && context.config.sync.resources.contains(&Resource::Property)
        {
            let before = context.feed.traffic();
            catalog.store(mirror, &[Resource::Property])?;
            sweep(context, catalog, mirror, Resource::Property, &[child], before, runs)?;
        }
        before = context.feed.traffic();
    }
    Ok(())
}

/// Reads the children that do not come with their listings on their own.
fn alone(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    listings: RunId,
    refused: Vec<(Resource, String)>,
    runs: &mut Runs,
) -> anyhow::Result<()> {
    for (child, why) in refused {
        if runs.must_end() {
            return Ok(());
        }
        let before = context.feed.traffic();
        if let Swept::Refused(own) = sweep(context, catalog, mirror, child, &[], before, runs)? {
            let (_, nouns) = child.nouns();
            let error = format!("no {nouns}: neither by $expand ({why}) nor from {child} ({own})");
            let writing = mirror.write()?;
            writing.make_partial(listings, &error)?;
            writing.commit()?;
        }
    }
    Ok(())
}

enum Swept {
    /// It was read; these children did not come along.
    Read { run: RunId, refused: Vec<(Resource, String)> },
    /// It was not, for this reason.
    Refused(String),
}

fn sweep(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    resource: Resource,
    children: &[Resource],
    before: Traffic,
    runs: &mut Runs,
) -> anyhow::Result<Swept> {
    let begun = Sweeping::begin(context, catalog, mirror, resource, children, before);
    let mut sweeping = match begun {
        Ok(sweeping) => sweeping,
        Err(error) if error.is::<rusqlite::Error>() => return Err(error),
        Err(error) => {
            let filtered = catalog.filter(resource).map(|_| resource);
            for &failed in [resource].iter().chain(children) {
                runs.fail(mirror, failed, &error, filtered)?;
            }
            return Ok(Swept::Refused(format!("{error:#}")));
        }
    };
    let result = sweeping.run(mirror);
    let refused = std::mem::take(&mut sweeping.refused);
    let run = sweeping.tallies[&resource].run;
    let finished = sweeping.finish(mirror, &result);
    match (finished, result) {
        (Ok((ids, verdict)), result) => {
            runs.ids.extend(ids);
            runs.verdicts.insert(verdict);
            match result {
                Err(error) if error.is::<rusqlite::Error>() => Err(error),
                Err(error) => Ok(Swept::Refused(format!("{error:#}"))),
                Ok(()) => Ok(Swept::Read { run, refused }),
            }
        }
        // What stopped the sweep says more than that its end could not be written.
        (Err(_), Err(error)) | (Err(error), Ok(())) => Err(error),
    }
}

impl Runs {
    /// Whether going on would only repeat what went wrong.
    fn must_end(&self) -> bool {
        self.verdicts.contains(&Verdict::Interrupted)
            || self.verdicts.contains(&Verdict::Unauthorized)
    }

    /// Writes down a run that failed before it could begin.
    fn fail(
        &mut self,
        mirror: &mut Mirror,
        resource: Resource,
        error: &anyhow::Error,
        filtered: Option<Resource>,
    ) -> anyhow::Result<()> {
        let watermark = mirror.watermark(resource)?;
        let interrupted = matches!(error.downcast_ref(), Some(FeedError::Interrupted));
        let writing = mirror.write()?;
        let run = writing.begin_failed(Job::Full, resource, watermark.as_deref())?;
        let outcome = Outcome {
            status: if interrupted { Status::Interrupted } else { Status::Failed },
            watermark_after: watermark,
            duration: Default::default(),
            peak_rss_bytes: None,
            error: Some(told(error, filtered)),
        };
        writing.finish_run(run, &outcome)?;
        writing.commit()?;
        self.ids.push(run);
        self.verdicts.insert(Verdict::of(error, filtered.is_some()));
        Ok(())
    }
}
