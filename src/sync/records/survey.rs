//! Asks a resource for its count and its newest timestamp.

use crate::feed::query::{self, Literal, Order, Query, timestamp_literal};
use crate::feed::{Feed, FeedError, Page, Tries};
use crate::record::Shape;
use crate::resource::MODIFICATION_TIMESTAMP;
use crate::value::stored_instant;

/// The count and the newest timestamp of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The number of records, if the server counts them.
    pub count: Option<u64>,
    /// The newest ModificationTimestamp that is not in the feed's future.
    pub newest: Option<String>,
}

/// The number of newest records to read: a record that cannot be decoded must not hide
/// the others.
const NEWEST: u64 = 10;

/// Asks for the count and the newest timestamp in one request. A second request follows
/// only if the newest timestamp is in the feed's future. `shape` has at least the key
/// and the timestamp.
pub fn survey(
    feed: &Feed,
    shape: &Shape,
    filter: Option<&str>,
    tries: Tries,
) -> Result<Survey, FeedError> {
    let first = feed.page(&newest_query(shape, filter, None, true), shape, tries)?;
    let mut survey = Survey {
        count: first.count,
        newest: newest(&first, shape),
    };
    let now = feed.date().map(stored_instant);
    if let (Some(now), Some(found)) = (now, &survey.newest)
        && *found > now
    {
        let until = timestamp_literal(&now, feed.dialect().timestamps);
        let page = feed.page(
            &newest_query(shape, filter, Some(until), false),
            shape,
            tries,
        )?;
        survey.newest = newest(&page, shape).filter(|timestamp| *timestamp <= now);
    }
    Ok(survey)
}

/// Asks for the count with a page of one record. A server that counts the records of the page
/// gives another count than [`survey`].
pub fn count(feed: &Feed, shape: &Shape, filter: Option<&str>) -> Result<Option<u64>, FeedError> {
    let query = Query::of(shape.resource.entity_set())
        .select(shape.fields.iter().map(|field| field.name.clone()))
        .filter(filter.unwrap_or_default())
        .top(1)
        .count();
    let page = feed.page(&query.to_path_and_query(), shape, Tries::Once)?;
    Ok(page.count)
}

fn newest_query(shape: &Shape, filter: Option<&str>, until: Option<String>, count: bool) -> String {
    let mut query = Query::of(shape.resource.entity_set())
        .select(shape.fields.iter().map(|field| field.name.clone()))
        .top(NEWEST);
    if shape.position(MODIFICATION_TIMESTAMP).is_some() {
        query = query.order_by(MODIFICATION_TIMESTAMP, Order::Desc);
    }
    let until = until.map(|until| query::le(MODIFICATION_TIMESTAMP, &Literal::Timestamp(until)));
    let parts: Vec<String> = [filter.map(query::group), until]
        .into_iter()
        .flatten()
        .collect();
    if !parts.is_empty() {
        query = query.filter(parts.join(" and "));
    }
    if count { query.count() } else { query }.to_path_and_query()
}

/// Returns the newest timestamp of all records of the page, since a server may ignore
/// `$orderby`.
fn newest(page: &Page, shape: &Shape) -> Option<String> {
    let timestamps = page
        .records
        .iter()
        .filter_map(|record| shape.modified_of(&record.values));
    timestamps.max().map(str::to_owned)
}
