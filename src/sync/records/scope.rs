//! What the mirror is to hold, and what left it.

use std::sync::Arc;

use super::by_key::fetch;
use super::catalog::Catalog;
use super::reader::Sweeping;
use crate::feed::{FeedError, Sweep};
use crate::mirror::{DeletedReason, Mirror, Scope};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::Context;

/// Whether the changes since the watermark are not enough to bring a resource up
/// to date: it was never read whole, or not with what is wanted now.
///
/// # Errors
/// If the database cannot be read, or the feed does not declare what is wanted.
pub(in crate::sync) fn needs_full(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &Mirror,
    resource: Resource,
) -> anyhow::Result<bool> {
    if !mirror.has_finished_full(resource)? || mirror.watermark(resource)?.is_none() {
        return Ok(true);
    }
    let why = match (mirror.scope(resource)?, catalog.scope(resource)) {
        (_, Err(_)) => return Ok(false),
        (None, _) => "it is not known with which fields it was read",
        (Some(held), Ok(wanted)) if held.filter != wanted.filter => "its filter has changed",
        (Some(held), Ok(wanted)) if !wanted.fields.is_subset(&held.fields) => "it has new fields",
        _ if mirror.has_keyless_rejects(resource)? => "a record without a key could not be stored",
        _ => return Ok(false),
    };
    context
        .progress
        .note(&format!("{resource}: {why}; reading all of it"));
    Ok(true)
}

/// Forgets fields that are no longer wanted: wanted again, they have to be read.
///
/// # Errors
/// If the database cannot be read or written.
pub(in crate::sync) fn narrow(
    catalog: &Catalog,
    mirror: &mut Mirror,
    resources: &[Resource],
) -> anyhow::Result<()> {
    for &resource in resources {
        let (Some(mut held), Ok(wanted)) = (mirror.scope(resource)?, catalog.scope(resource))
        else {
            continue;
        };
        if held.fields.is_subset(&wanted.fields) {
            continue;
        }
        held.fields.retain(|field| wanted.fields.contains(field));
        let tx = mirror.write()?;
        tx.save_scope(resource, &held)?;
        tx.commit()?;
    }
    Ok(())
}

impl Catalog {
    /// What the resource is to be read with.
    ///
    /// # Errors
    /// [`crate::feed::ShapeError`] if the feed does not declare what is wanted.
    pub fn scope(&self, resource: Resource) -> Result<Scope, crate::feed::ShapeError> {
        let shape = self.shape(resource, &[])?;
        Ok(Scope {
            filter: self.filter(resource).map(str::to_owned),
            fields: shape
                .fields
                .iter()
                .map(|field| field.name.clone())
                .collect(),
        })
    }
}

impl Sweeping<'_> {
    /// Reads keys and stamps of all that changed, whether it matches the filter or
    /// not, and notes what of it is live here: what does not come with the filter
    /// may have left it.
    pub(in crate::sync) fn note_changed(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        let stamps = Arc::new(self.catalog.stamps(self.resource)?);
        let sweep = self.context.feed.sweep(stamps.clone(), None, true);
        let (job, resource) = (self.job(), self.resource);
        for step in self.context.feed.walk(sweep, self.checkpoint.open()) {
            let step = step?;
            let tx = mirror.write()?;
            for record in &step.page.records {
                if tx.is_live(resource, &record.key)? {
                    tx.mark_missing(job, resource, &record.key)?;
                }
            }
            tx.commit()?;
            let now = self.context.feed.date();
            self.checkpoint.note_newest(&stamps, &step.page, now);
            if let Some(signal) = self.context.stop.requested() {
                return Err(FeedError::Interrupted(signal).into());
            }
        }
        Ok(())
    }

    /// Of records that were not met with the filter, those that the feed still
    /// has: asked once more, they match after all, or they left and get their
    /// last values.
    pub(in crate::sync) fn leave_scope(
        &mut self,
        mirror: &mut Mirror,
        shape: &Arc<Shape>,
        keys: &[String],
    ) -> anyhow::Result<()> {
        let context = self.context;
        let matching = self.sweep(shape);
        let unfiltered = Sweep {
            filter: None,
            ..matching.clone()
        };
        let left = fetch(context.feed, context.stop, &matching, keys, |step| {
            self.apply(mirror, shape, step)
        })?;
        fetch(context.feed, context.stop, &unfiltered, &left, |step| {
            self.apply_and(mirror, shape, step, Some(DeletedReason::Scope))
        })?;
        Ok(())
    }

    /// Asks by their keys for records that could not be stored before and were not
    /// met since.
    pub(in crate::sync) fn retry_rejects(
        &mut self,
        mirror: &mut Mirror,
        shape: &Arc<Shape>,
    ) -> anyhow::Result<()> {
        let Some(first_run) = self.checkpoint.first_run else {
            return Ok(());
        };
        let keys = mirror.unseen_reject_keys(self.resource, first_run)?;
        if keys.is_empty() {
            return Ok(());
        }
        let context = self.context;
        let sweep = self.sweep(shape);
        let asked = fetch(context.feed, context.stop, &sweep, &keys, |step| {
            self.apply(mirror, shape, step)
        });
        let gone = match asked {
            Ok(gone) => gone,
            Err(error) if super::missing::is_refusal(&error) => {
                tracing::info!(resource = %self.resource, %error, "asking for what was rejected");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let tx = mirror.write()?;
        for key in gone {
            tx.resolve_rejects(self.resource, &key)?;
        }
        Ok(tx.commit()?)
    }
}
