//! Checks whether the feed at a new address can be the feed that the mirror holds.

use super::by_key::fetch;
use super::catalog::Catalog;
use crate::mirror::Mirror;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::feed_address::{OtherFeed, other_feed};
use crate::sync::sync_error::Result;

/// The number of rows that are asked for.
const SAMPLE: u64 = 20;

/// Asks a feed at another address than before for some rows of the mirror, and checks that it has
/// one of them. Their values may have changed since the last sync.
///
/// # Errors
/// [`OtherFeed`] if the feed has no such record, and the mirror has more than a few rows.
pub(super) fn check_moved_feed(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &Mirror,
    resources: &[Resource],
) -> Result<()> {
    let Some(other) = other_feed(context.config, mirror)? else {
        return Ok(());
    };
    let mut asked = 0;
    for &resource in resources {
        if !mirror.has_table(resource)? {
            continue;
        }
        let sampled = mirror.sample_keys(resource, SAMPLE)?.into_iter();
        let keys: Vec<String> = sampled.map(|(key, _)| key).collect();
        asked += keys.len();
        let has_own = !catalog.leaves_out(resource) && !catalog.comes_only_with_listings(resource);
        if has_own && has_any(context, catalog, resource, &keys)? {
            return Ok(());
        }
    }
    // So few rows can all have left the feed.
    if asked < SAMPLE as usize {
        return Ok(());
    }
    Err(anyhow::Error::new(OtherFeed { asked, ..other }).into())
}

/// Returns whether the feed has one of these rows.
fn has_any(
    context: &Context<'_>,
    catalog: &Catalog,
    resource: Resource,
    keys: &[String],
) -> Result<bool> {
    let shape = catalog.key_shape(resource)?;
    let sweep = catalog.sweep(context.feed, shape);
    let absent = fetch(context.feed, context.stop, &sweep, keys, |_| Ok(()))?;
    Ok(keys.len() > absent.len())
}
