//! Rows of photos whose URLs have expired, read anew from the feed.

use std::collections::BTreeSet;

use super::{Context, Ending, Report, Verdict, ending_of};
use crate::mirror::{Job, Mirror, Photo, RunStatus};
use crate::resource::Resource;
use crate::sync::records::apply::Apply;
use crate::sync::records::by_key::fetch;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::job_run::deleted_counts;
use crate::sync::records::missing::is_refusal;
use crate::sync::records::run_rows::Tallies;

/// The run that reads rows anew, begun once there is need of it.
pub(super) struct Renewing<'a> {
    context: &'a Context<'a>,
    begun: Option<(Catalog, Tallies)>,
    /// What the feed answered when it could not be read from: it is not asked again in
    /// the same run.
    failed: Option<anyhow::Error>,
}

impl<'a> Renewing<'a> {
    pub fn new(context: &'a Context<'a>) -> Renewing<'a> {
        Renewing {
            context,
            begun: None,
            failed: None,
        }
    }

    /// Reads the rows of these photos anew. Returns the keys of those that the feed did
    /// not give: what is deleted, the jobs say that look for deletions.
    ///
    /// # Errors
    /// What the feed or the database says.
    pub fn ask(
        &mut self,
        mirror: &mut Mirror,
        photos: &[Photo],
    ) -> anyhow::Result<BTreeSet<String>> {
        if let Some(failed) = &self.failed {
            anyhow::bail!("{failed:#}");
        }
        self.read(mirror, photos).map_err(|error| {
            let again = anyhow::anyhow!("{error:#}");
            match error.is::<rusqlite::Error>() {
                true => error,
                false => {
                    self.failed = Some(error);
                    again
                }
            }
        })
    }

    fn read(&mut self, mirror: &mut Mirror, photos: &[Photo]) -> anyhow::Result<BTreeSet<String>> {
        let context = self.context;
        if self.begun.is_none() {
            let mut tallies = Tallies::new(Job::Refresh, context.feed.traffic());
            let catalog = Catalog::ask(context.feed, mirror, &context.config.sync)?;
            tallies.begin(mirror, Resource::Media, None)?;
            self.begun = Some((catalog, tallies));
        }
        let Some((catalog, tallies)) = &mut self.begun else {
            return Ok(BTreeSet::new());
        };
        let keys: Vec<String> = photos.iter().map(|photo| photo.key.clone()).collect();
        let shape = catalog.shape(Resource::Media, &[])?;
        let filter = catalog.filter(Resource::Media).map(str::to_owned);
        let select = catalog.selects(Resource::Media);
        let sweep = context.feed.sweep(shape.clone(), filter, select);
        let mut reading = Reading {
            context,
            catalog,
            tallies,
        };
        let asked = fetch(context.feed, context.stop, &sweep, &keys, |step| {
            reading.write(mirror, |apply| apply.page(&shape, &step.page))
        });
        match asked {
            Ok(absent) => Ok(absent.into_iter().collect()),
            Err(error) if is_refusal(&error) => {
                reading.with_listings(mirror, photos)?;
                Ok(BTreeSet::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the run, if there was need of one.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn end(self, mirror: &mut Mirror) -> anyhow::Result<Report> {
        let (context, resource) = (self.context, Resource::Media);
        let failed = self.failed.map(|error| context.failed(resource, &error));
        let (verdict, status, error) =
            failed.unwrap_or((Verdict::Done, RunStatus::Succeeded, None));
        // The photos whose URLs had not expired came.
        let ending = ending_of(&[Verdict::Done, verdict].into(), context.stop);
        let Some((_, mut tallies)) = self.begun else {
            return Ok(Report {
                ending: ending.min(Ending::Unauthorized),
                ..Report::default()
            });
        };
        let tx = mirror.write()?;
        tallies.save(&tx, resource, context.feed.traffic(), None)?;
        let before = tallies
            .get(resource)
            .and_then(|tally| tally.watermark_before.clone());
        tallies.finish(&tx, resource, status, before, error)?;
        tx.commit()?;
        let runs = tallies.runs();
        let runs = runs.iter().map(|&run| mirror.run_summary(run));
        Ok(Report {
            runs: runs.collect::<Result<_, _>>()?,
            deleted: deleted_counts(tallies.deleted()),
            ending,
            ..Report::default()
        })
    }
}

struct Reading<'r, 'a> {
    context: &'a Context<'a>,
    catalog: &'r Catalog,
    tallies: &'r mut Tallies,
}

impl Reading<'_, '_> {
    /// Writes something in one transaction with what the run did so far.
    fn write(
        &mut self,
        mirror: &mut Mirror,
        apply: impl FnOnce(&mut Apply<'_>) -> rusqlite::Result<()>,
    ) -> anyhow::Result<()> {
        let tx = mirror.write()?;
        apply(&mut Apply {
            tx: &tx,
            tallies: self.tallies,
            ignore_fields: &self.context.config.sync.ignore_fields,
            listings_filtered: self.catalog.filter(Resource::Property).is_some(),
            missing: BTreeSet::new(),
        })?;
        let traffic = self.context.feed.traffic();
        self.tallies.save(&tx, Resource::Media, traffic, None)?;
        Ok(tx.commit()?)
    }

    /// Where photos do not answer on their own, they come with their listings.
    fn with_listings(&mut self, mirror: &mut Mirror, photos: &[Photo]) -> anyhow::Result<()> {
        let context = self.context;
        let listings = photos.iter().filter_map(|photo| photo.listing_key.clone());
        let listings: BTreeSet<String> = listings.collect();
        let listings: Vec<String> = listings.into_iter().collect();
        let shape = self.catalog.listings_with(Resource::Media, true)?;
        let sweep = context.feed.sweep(shape.clone(), None, true);
        fetch(context.feed, context.stop, &sweep, &listings, |step| {
            self.write(mirror, |apply| apply.page(&shape, &step.page))
        })?;
        Ok(())
    }
}
