//! Refetches the rows of photos whose URLs have expired.

use std::collections::BTreeSet;

use crate::mirror::{Job, Mirror, Photo};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::{DeletedCount, Ending, Report, Verdict, ending_of, judge};
use crate::sync::records::apply::Apply;
use crate::sync::records::by_key::fetch;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::run_set::{RunEnding, RunSet};
use crate::sync::sync_error::{Result, SyncError};

/// Refetches rows in a run that begins when it is first needed.
pub(super) struct UrlRenewal<'a> {
    context: &'a Context<'a>,
    begun: Option<(Catalog, RunSet)>,
    /// Whether photos are refetched with their listings, because the feed refuses them alone.
    by_listing: bool,
    /// The first error of the feed. The feed is not asked again in the same run.
    failed: Option<SyncError>,
}

/// The rows of photos could not be refetched.
pub(super) enum RenewalError {
    /// The database failed.
    Database(anyhow::Error),
    /// The feed gave no new URLs, for this reason.
    Feed(String),
}

impl<'a> UrlRenewal<'a> {
    pub fn new(context: &'a Context<'a>) -> UrlRenewal<'a> {
        UrlRenewal {
            context,
            begun: None,
            by_listing: false,
            failed: None,
        }
    }

    /// Refetches the rows of these photos. Returns the keys that the feed did not send;
    /// other jobs find out whether these photos are deleted.
    pub fn renew(
        &mut self,
        mirror: &mut Mirror,
        photos: &[Photo],
    ) -> std::result::Result<BTreeSet<String>, RenewalError> {
        if let Some(failed) = &self.failed {
            return Err(RenewalError::Feed(failed.to_string()));
        }
        self.refetch(mirror, photos).map_err(|error| match error {
            SyncError::Database(error) => RenewalError::Database(error.into()),
            error => {
                let text = error.to_string();
                self.failed = Some(error);
                RenewalError::Feed(text)
            }
        })
    }

    fn refetch(&mut self, mirror: &mut Mirror, photos: &[Photo]) -> Result<BTreeSet<String>> {
        let context = self.context;
        if self.begun.is_none() {
            let traffic = context.feed.traffic();
            let mut runs = RunSet::new(Job::Refresh, Resource::MEDIA, traffic);
            let catalog = Catalog::ask(context.feed, mirror, context.config)?;
            runs.begin(mirror, Resource::MEDIA, None)?;
            self.begun = Some((catalog, runs));
        }
        let Some((catalog, runs)) = &mut self.begun else {
            return Ok(BTreeSet::new());
        };
        let keys: Vec<String> = photos.iter().map(|photo| photo.key.clone()).collect();
        let shape = catalog.shape(Resource::MEDIA, &[])?;
        let sweep = catalog.sweep(context.feed, shape.clone());
        let mut rows = RowUpdates {
            context,
            catalog,
            runs,
        };
        if self.by_listing || catalog.comes_only_with_listings(Resource::MEDIA) {
            rows.refetch_with_listings(mirror, photos)?;
            return Ok(BTreeSet::new());
        }
        let fetched = fetch(context.feed, context.stop, &sweep, &keys, |step| {
            rows.write(mirror, |apply| apply.page(&shape, &step.page))
        });
        match fetched {
            Ok(absent) => Ok(absent.into_iter().collect()),
            Err(error) if error.is_refusal() => {
                self.by_listing = true;
                rows.refetch_with_listings(mirror, photos)?;
                Ok(BTreeSet::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the run, if it began.
    pub fn end(self, mirror: &mut Mirror) -> anyhow::Result<Report> {
        let (context, resource) = (self.context, Resource::MEDIA);
        let (verdict, error) = match &self.failed {
            None => (Verdict::Done, None),
            Some(error) => match judge(context, resource, error) {
                (Verdict::Interrupted, _) => (Verdict::Interrupted, None),
                (verdict, text) => (verdict, Some(text)),
            },
        };
        // Photos whose URLs were still valid have been downloaded, so that the job is
        // partial at worst.
        let ending = ending_of(&[Verdict::Done, verdict].into(), context.stop);
        let Some((_, mut runs)) = self.begun else {
            return Ok(Report {
                ending: ending.min(Ending::Unauthorized),
                ..Report::default()
            });
        };
        let write = mirror.write()?;
        runs.save(&write, context.feed.traffic(), None)?;
        runs.end(&write, resource, RunEnding::new(verdict, error))?;
        write.commit()?;
        let summaries = runs.ids().into_iter().map(|run| mirror.run_summary(run));
        Ok(Report {
            runs: summaries.collect::<rusqlite::Result<_>>()?,
            deleted: DeletedCount::list(&runs.take_deleted()),
            ending,
            ..Report::default()
        })
    }
}

/// Writes refetched rows.
struct RowUpdates<'r, 'a> {
    context: &'a Context<'a>,
    catalog: &'r Catalog,
    runs: &'r mut RunSet,
}

impl RowUpdates<'_, '_> {
    /// Applies a page and saves the counts, in one transaction.
    fn write(
        &mut self,
        mirror: &mut Mirror,
        apply: impl FnOnce(&mut Apply<'_>) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let write = mirror.write()?;
        apply(&mut Apply::new(self.context, self.runs, &write))?;
        let traffic = self.context.feed.traffic();
        self.runs.save(&write, traffic, None)?;
        Ok(write.commit()?)
    }

    /// Refetches the listings of photos, where photos do not answer directly.
    fn refetch_with_listings(&mut self, mirror: &mut Mirror, photos: &[Photo]) -> Result<()> {
        let context = self.context;
        let listings = photos.iter().filter_map(|photo| photo.listing_key.clone());
        let listings: BTreeSet<String> = listings.collect();
        let listings: Vec<String> = listings.into_iter().collect();
        let shape = self.catalog.listings_with(&[Resource::MEDIA], true)?;
        let sweep = context.feed.sweep(shape.clone(), None, true);
        fetch(context.feed, context.stop, &sweep, &listings, |step| {
            self.write(mirror, |apply| apply.page(&shape, &step.page))
        })?;
        Ok(())
    }
}
