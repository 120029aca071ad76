//! Proves that a feed that is said to have moved is the one that the mirror holds.

use std::sync::Arc;

use super::by_key::fetch;
use super::catalog::Catalog;
use crate::mirror::{Mirror, Window};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::feed_address::{OtherFeed, other_feed};
use crate::sync::sync_error::Result;

/// The number of rows that are compared.
const SAMPLE: u64 = 20;

/// Asks a feed at another address than before for some rows of the mirror, and checks that it has
/// one of them with the same timestamp. Another feed may use the same keys.
///
/// # Errors
/// [`OtherFeed`] if the mirror has rows, and the feed has none of them.
pub(super) fn prove_same_feed(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    resources: &[Resource],
) -> Result<()> {
    let Some(other) = other_feed(context.config, mirror)? else {
        return Ok(());
    };
    let mut compared = 0;
    for &resource in resources {
        if !mirror.has_table(resource)? {
            continue;
        }
        let sampled = mirror.sample_keys(resource, SAMPLE)?.into_iter();
        let keys: Vec<String> = sampled.map(|(key, _)| key).collect();
        compared += keys.len();
        let has_own = !catalog.leaves_out(resource) && !catalog.comes_only_with_listings(resource);
        if has_own && has_any(context, catalog, mirror, resource, &keys)? {
            return Ok(());
        }
    }
    if compared == 0 {
        return Ok(());
    }
    Err(anyhow::Error::new(OtherFeed { compared, ..other }).into())
}

/// Returns whether the feed has one of these rows with the same timestamp.
fn has_any(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    resource: Resource,
    keys: &[String],
) -> Result<bool> {
    let shape = Arc::new(catalog.key_shape(resource)?);
    let sweep = catalog.sweep(context.feed, shape.clone());
    mirror.begin_comparison(resource)?;
    let absent = fetch(context.feed, context.stop, &sweep, keys, |step| {
        let rejected = std::iter::empty();
        Ok(mirror.note_in_feed(&shape, step.page.records.iter(), rejected)?)
    })?;
    let found = mirror.compare_keys(&shape, false, Window::None)?;
    Ok(keys.len() > absent.len() + found.timestamps.len())
}
