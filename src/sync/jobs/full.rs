//! The full sync: all of every resource, listings with their children in one request.

use super::incremental::catch_up_and_announce;
use super::whole_job::whole_job;
use crate::mirror::{Job, Mirror, RunId};
use crate::resource::Resource;
use crate::sync::files::Trust;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::job_run::{Runs, run_job};
use crate::sync::records::reader::Sweeping;
use crate::sync::records::run_rows::Tallies;
use crate::sync::{Context, Report};

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
    whole_job(context, mirror, Trust::NotEmpty, |mirror| {
        run_job(
            context,
            mirror,
            Job::Full,
            resources,
            |mirror, catalog, runs| {
                sweep_all(context, catalog, mirror, resources, runs)?;
                catch_up_and_announce(context, catalog, mirror, resources, runs)
            },
        )
    })
}

/// Reads all of `resources`, children in their listings' requests where the
/// feed gives them along.
///
/// # Errors
/// If the database cannot be read or written.
pub(in crate::sync) fn sweep_all(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    resources: &[Resource],
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
        let swept = sweep(context, catalog, mirror, resource, &children, runs)?;
        if let Swept::Read { run, mut refused } = swept {
            let why = "it has a filter of its own";
            refused.extend(filtered.iter().map(|&child| (child, why.to_owned())));
            alone(context, catalog, mirror, run, refused, runs)?;
        }
    }
    Ok(())
}

/// Reads the children that do not come with their listings on their own.
fn alone(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    listings: Option<RunId>,
    refused: Vec<(Resource, String)>,
    runs: &mut Runs,
) -> anyhow::Result<()> {
    for (child, why) in refused {
        if runs.must_end() {
            return Ok(());
        }
        if let Swept::Refused(own) = sweep(context, catalog, mirror, child, &[], runs)? {
            if runs.must_end() {
                return Ok(());
            }
            let (_, nouns) = child.nouns();
            let error = format!("no {nouns}: neither by $expand ({why}) nor from {child} ({own})");
            if let Some(listings) = listings {
                let tx = mirror.write()?;
                tx.mark_partial(listings, &error)?;
                tx.commit()?;
            }
        }
    }
    Ok(())
}

pub(in crate::sync) enum Swept {
    /// It was read; these children did not come along.
    Read {
        run: Option<RunId>,
        refused: Vec<(Resource, String)>,
    },
    /// It was not, for this reason.
    Refused(String),
}

/// Reads all of one resource, and of the children that come along.
pub(in crate::sync) fn sweep(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    resource: Resource,
    children: &[Resource],
    runs: &mut Runs,
) -> anyhow::Result<Swept> {
    let tallies = Tallies::new(Job::Full, runs.traffic());
    let begun = Sweeping::begin(context, catalog, mirror, resource, children, tallies);
    let mut sweeping = match begun {
        Ok(sweeping) => sweeping,
        Err(error) if error.is::<rusqlite::Error>() => return Err(error),
        Err(error) => {
            let failed: Vec<Resource> = [resource].iter().chain(children).copied().collect();
            runs.fail(context, mirror, Job::Full, &failed, &error)?;
            return Ok(Swept::Refused(format!("{error:#}")));
        }
    };
    let is_resumed = sweeping.is_resumed;
    let result = sweeping.run(mirror);
    let refused = std::mem::take(&mut sweeping.refused);
    let run = sweeping.tallies.get(resource).map(|tally| tally.run);
    let finished = sweeping.finish(mirror, &result);
    match (finished, result) {
        (Ok(finished), result) => {
            runs.note(context.feed, &finished);
            match result {
                Err(error) if error.is::<rusqlite::Error>() => Err(error),
                Err(error) => Ok(Swept::Refused(format!("{error:#}"))),
                Ok(()) => {
                    if is_resumed {
                        runs.note_resumed(resource);
                    }
                    Ok(Swept::Read { run, refused })
                }
            }
        }
        // What stopped the sweep says more than that its end could not be written.
        (Err(_), Err(error)) | (Err(error), Ok(())) => Err(error),
    }
}
