//! The full sync: all of every resource, listings with their children in one request.

use std::collections::BTreeSet;

use super::catalog::Catalog;
use super::sweep::Sweeping;
use super::{Context, Report, Verdict, ending};
use crate::feed::Traffic;
use crate::mirror::{Counts, Job, Mirror, Outcome, RunId, Status};
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
            runs.fail(context, mirror, resources, &error, before)?;
        }
    }
    let summaries = runs
        .ids
        .iter()
        .map(|&run| mirror.run_summary(run))
        .collect::<Result<_, _>>()?;
    Ok(Report {
        runs: summaries,
        ending: ending(&runs.verdicts, context.stop),
    })
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
    for &resource in resources
        .iter()
        .filter(|resource| !(with_listings && resource.is_child()))
    {
        if runs.must_end() {
            return Ok(());
        }
        // A child with a filter of its own is read on its own: $expand gives all.
        let (filtered, children): (Vec<Resource>, Vec<Resource>) = resources
            .iter()
            .filter(|child| resource == Resource::Property && child.is_child())
            .partition(|child| catalog.filter(**child).is_some());
        let swept = sweep(context, catalog, mirror, resource, &children, before, runs)?;
        if let Swept::Read { run, mut refused } = swept {
            let why = "it has a filter of its own";
            refused.extend(filtered.iter().map(|&child| (child, why.to_owned())));
            alone(context, catalog, mirror, run, refused, runs)?;
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
            if runs.must_end() {
                return Ok(());
            }
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
    Read {
        run: RunId,
        refused: Vec<(Resource, String)>,
    },
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
            let failed: Vec<Resource> = [resource].iter().chain(children).copied().collect();
            runs.fail(context, mirror, &failed, &error, before)?;
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

    /// Writes down runs that failed before they could begin; the first of them
    /// answers for what was asked since `before`.
    fn fail(
        &mut self,
        context: &Context<'_>,
        mirror: &mut Mirror,
        resources: &[Resource],
        error: &anyhow::Error,
        before: Traffic,
    ) -> anyhow::Result<()> {
        let mut traffic = context.feed.traffic() - before;
        for &resource in resources {
            let (verdict, text) = context.judge(resource, error);
            let interrupted = verdict == Verdict::Interrupted;
            let watermark = mirror.watermark(resource)?;
            let outcome = Outcome {
                status: if interrupted {
                    Status::Interrupted
                } else {
                    Status::Failed
                },
                watermark_after: watermark.clone(),
                duration: Default::default(),
                peak_rss_bytes: None,
                error: (!interrupted).then_some(text),
            };
            let writing = mirror.write()?;
            let run = writing.begin_failed(Job::Full, resource, watermark.as_deref())?;
            let mut counts = Counts::default();
            counts.spent(std::mem::take(&mut traffic));
            writing.save_run(run, &counts, None)?;
            writing.finish_run(run, &outcome)?;
            writing.commit()?;
            self.ids.push(run);
            self.verdicts.insert(verdict);
        }
        Ok(())
    }
}
