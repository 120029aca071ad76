//! Where a sweep that begins anew begins: what it asks for before its first page.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use anyhow::Context as _;
use chrono::TimeDelta;

use super::catalog::Catalog;
use super::checkpoint::Checkpoint;
use super::ranges::positions;
use super::survey::{Survey, survey};
use crate::feed::{FeedError, Position, Tries};
use crate::mirror::Job;
use crate::resource::Resource;
use crate::sync::Context;
use crate::value::{instant, stored_instant};

/// What a sweep asks for, to tell a checkpoint of the same from one of another:
/// what was read before a field was declared lacks it.
pub(in crate::sync) fn asked(
    catalog: &Catalog,
    resource: Resource,
    children: &[Resource],
) -> String {
    let filter = catalog.filter(resource).unwrap_or_default();
    // Another way of hashing only makes sweeps begin anew.
    let mut fields = DefaultHasher::new();
    if let Ok(shape) = catalog.shape(resource, children) {
        let children = shape.children.iter().map(|child| &child.shape);
        for shape in std::iter::once(&*shape).chain(children) {
            let names = shape.fields.iter().map(|field| &field.name);
            names.collect::<Vec<_>>().hash(&mut fields);
        }
    }
    let children: Vec<&str> = children.iter().map(|child| child.entity_set()).collect();
    format!(
        "{:?}|{filter}|{:016x}|{}",
        catalog.paging(),
        fields.finish(),
        children.join(",")
    )
}

/// The checkpoint of a sweep that has read nothing yet.
///
/// # Errors
/// If the feed does not answer.
pub(in crate::sync) fn first_checkpoint(
    context: &Context<'_>,
    catalog: &Catalog,
    resource: Resource,
    children: &[Resource],
    asked: String,
) -> anyhow::Result<Checkpoint> {
    let feed = context.feed;
    let stamps = catalog.stamps(resource)?;
    let filter = catalog.filter(resource);
    let Survey { count, newest } = survey(feed, &stamps, filter, Tries::Configured)?;
    let shape = catalog.shape(resource, children)?;
    let expand: Vec<Resource> = shape
        .children
        .iter()
        .map(|child| child.shape.resource)
        .collect();
    let mut stamps_of = BTreeMap::new();
    for &child in &expand {
        let own = newest_child(context, catalog, child)?;
        if let Some(stamp) = own.or(newest.clone()) {
            stamps_of.insert(child.entity_set().to_owned(), stamp);
        }
    }
    if let Some(newest) = newest {
        stamps_of.insert(resource.entity_set().to_owned(), newest);
    }
    Ok(Checkpoint {
        asked,
        positions: positions(feed, &stamps, filter, count)?,
        expand: expand
            .iter()
            .map(|child| child.entity_set().to_owned())
            .collect(),
        count,
        read: 0,
        newest: stamps_of,
        rejected: Default::default(),
        first_run: None,
        keyless: false,
        pending: Vec::new(),
    })
}

/// The checkpoint of reading what changed since the watermark, less the overlap.
///
/// # Errors
/// If the feed does not declare what is wanted.
pub(in crate::sync) fn changes_checkpoint(
    catalog: &Catalog,
    resource: Resource,
    children: &[Resource],
    asked: String,
    watermark: Option<String>,
    overlap: Duration,
) -> anyhow::Result<Checkpoint> {
    let shape = catalog.shape(resource, children)?;
    let watermark = watermark.with_context(|| {
        format!("{resource} was never read to its end; `mlsmirror sync full` does that")
    })?;
    let since = earlier(&watermark, overlap)
        .with_context(|| format!("the watermark of {resource} is no moment: {watermark}"))?;
    let expand = shape.children.iter();
    Ok(Checkpoint {
        asked,
        positions: vec![Position::since(since)],
        expand: expand
            .map(|child| child.shape.resource.entity_set().to_owned())
            .collect(),
        count: None,
        read: 0,
        newest: BTreeMap::new(),
        rejected: Default::default(),
        first_run: None,
        keyless: false,
        pending: Vec::new(),
    })
}

/// The checkpoint that an unfinished run left, if it is of the same sweep.
/// Changes are read again from some time before where it stood, since records
/// can become visible after later-stamped ones.
pub(in crate::sync) fn resumed(
    text: &str,
    job: Job,
    resource: Resource,
    asked: &str,
    overlap: Duration,
) -> Option<Checkpoint> {
    let mut checkpoint: Checkpoint = serde_json::from_str(text).ok()?;
    if checkpoint.asked != asked {
        return None;
    }
    let newest = checkpoint.newest.get(resource.entity_set());
    for position in &mut checkpoint.positions {
        match position {
            Position::Changes { since, after, .. } => {
                let cursor = after.as_ref().map(|cursor| cursor.stamp.as_str());
                let again = cursor.and_then(|stamp| earlier(stamp, overlap));
                *position = Position::since(again.unwrap_or_default().max(since.clone()));
            }
            // All had been read, and something may have changed since. Where nothing had
            // changed, it begins anew.
            Position::Finished if job == Job::Incremental => {
                *position = Position::since(earlier(newest?, overlap)?);
            }
            _ => {}
        }
    }
    Some(checkpoint)
}

/// A moment in storage form, so much earlier.
pub(in crate::sync) fn earlier(moment: &str, overlap: Duration) -> Option<String> {
    let overlap = TimeDelta::from_std(overlap).ok()?;
    Some(stored_instant(
        instant(moment)?.checked_sub_signed(overlap)?,
    ))
}

/// The newest stamp of a child resource. Where the resource itself does not
/// answer, the listings' newest stands in: one clock stamps both, so nothing of
/// the child can change afterwards and be stamped before it.
fn newest_child(
    context: &Context<'_>,
    catalog: &Catalog,
    child: Resource,
) -> anyhow::Result<Option<String>> {
    let stamps = catalog.stamps(child)?;
    if child == Resource::Adu || !stamps.has_timestamp() {
        return Ok(None);
    }
    match survey(context.feed, &stamps, None, Tries::Once) {
        Ok(survey) => Ok(survey.newest),
        Err(error @ (FeedError::Interrupted(_) | FeedError::Unauthorized { status: 401, .. })) => {
            Err(error.into())
        }
        Err(error) => {
            tracing::info!(resource = %child, %error, "going by the listings' newest stamp");
            Ok(None)
        }
    }
}
