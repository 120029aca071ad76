//! Rows of photos whose URLs have expired, read anew from the feed.

use std::collections::BTreeSet;

use super::apply::Apply;
use super::catalog::Catalog;
use super::fetch::fetch;
use super::gone::is_refusal;
use super::tally::Tallies;
use super::{Context, DeletedCount, Ending, Report};
use crate::feed::Step;
use crate::mirror::{DeletedReason, Job, Mirror, Photo, Status};
use crate::record::Shape;
use crate::resource::Resource;

/// The run that reads rows anew, begun once there is need of it.
pub(super) struct Renewing<'a> {
    context: &'a Context<'a>,
    begun: Option<(Catalog, Tallies)>,
}

impl<'a> Renewing<'a> {
    pub fn new(context: &'a Context<'a>) -> Renewing<'a> {
        Renewing {
            context,
            begun: None,
        }
    }

    /// Reads the rows of these photos anew. One that the feed no longer has is
    /// soft-deleted.
    ///
    /// # Errors
    /// What the feed or the database says.
    pub fn ask(&mut self, mirror: &mut Mirror, photos: &[Photo]) -> anyhow::Result<()> {
        let context = self.context;
        if self.begun.is_none() {
            let traffic = context.feed.traffic();
            let catalog = Catalog::ask(context.feed, mirror, &context.config.sync)?;
            let mut tallies = Tallies::new(Job::Refresh, traffic);
            tallies.begin(mirror, Resource::Media, None)?;
            self.begun = Some((catalog, tallies));
        }
        let Some((catalog, tallies)) = &mut self.begun else {
            return Ok(());
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
            reading.apply(mirror, &shape, &step)
        });
        match asked {
            Ok(absent) => reading.gone(mirror, &absent),
            Err(error) if is_refusal(&error) => reading.with_listings(mirror, photos),
            Err(error) => Err(error),
        }
    }

    /// Ends the run, if there was need of one.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn end(self, mirror: &mut Mirror) -> anyhow::Result<Report> {
        let Some((_, mut tallies)) = self.begun else {
            return Ok(Report::default());
        };
        let writing = mirror.write()?;
        let traffic = self.context.feed.traffic();
        tallies.save(&writing, Resource::Media, traffic, None)?;
        let before = tallies
            .get(Resource::Media)
            .and_then(|tally| tally.watermark_before.clone());
        tallies.finish(&writing, Resource::Media, Status::Succeeded, before, None)?;
        writing.commit()?;
        let runs = tallies.runs();
        let runs = runs.iter().map(|&run| mirror.run_summary(run));
        let deleted = tallies.deleted().iter();
        Ok(Report {
            runs: runs.collect::<Result<_, _>>()?,
            deleted: deleted
                .map(|(&(resource, reason), &count)| DeletedCount {
                    resource: resource.entity_set(),
                    reason,
                    count,
                })
                .collect(),
            ending: Ending::Done,
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
    fn apply(&mut self, mirror: &mut Mirror, shape: &Shape, step: &Step) -> anyhow::Result<()> {
        let writing = mirror.write()?;
        let mut apply = Apply {
            writing: &writing,
            tallies: self.tallies,
            ignore_fields: &self.context.config.sync.ignore_fields,
            listings_filtered: self.catalog.filter(Resource::Property).is_some(),
            missing: BTreeSet::new(),
        };
        apply.page(shape, &step.page)?;
        self.tallies
            .save(&writing, Resource::Media, self.context.feed.traffic(), None)?;
        Ok(writing.commit()?)
    }

    fn gone(&mut self, mirror: &mut Mirror, keys: &[String]) -> anyhow::Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let writing = mirror.write()?;
        for key in keys {
            let mut apply = Apply {
                writing: &writing,
                tallies: self.tallies,
                ignore_fields: &self.context.config.sync.ignore_fields,
                listings_filtered: self.catalog.filter(Resource::Property).is_some(),
                missing: BTreeSet::new(),
            };
            apply.gone(Resource::Media, key, DeletedReason::Missing)?;
        }
        self.tallies
            .save(&writing, Resource::Media, self.context.feed.traffic(), None)?;
        Ok(writing.commit()?)
    }

    /// Where photos do not answer on their own, they come with their listings.
    fn with_listings(&mut self, mirror: &mut Mirror, photos: &[Photo]) -> anyhow::Result<()> {
        let context = self.context;
        let listings: BTreeSet<String> = photos
            .iter()
            .filter_map(|photo| photo.listing_key.clone())
            .collect();
        let listings: Vec<String> = listings.into_iter().collect();
        let shape = self.catalog.listings_with(Resource::Media, true)?;
        let sweep = context.feed.sweep(shape.clone(), None, true);
        fetch(context.feed, context.stop, &sweep, &listings, |step| {
            self.apply(mirror, &shape, &step)
        })?;
        Ok(())
    }
}
