//! What is asked before the first page: how much there is, and how new it is.

use crate::feed::query::{self, Literal, Order, Query, timestamp_literal};
use crate::feed::{Feed, FeedError, Page, Tries};
use crate::record::Shape;
use crate::resource::MODIFICATION_TIMESTAMP;
use crate::value::stored_instant;

/// What the feed says of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// How many records there are, if the server counts them.
    pub count: Option<u64>,
    /// The newest ModificationTimestamp that is not in the feed's future.
    pub newest: Option<String>,
}

/// How many of the newest records are looked at: one that cannot be read must
/// not hide the others.
const NEWEST: u64 = 10;

/// Asks for the count and the newest stamp in one request; in a second one only
/// if the newest lies in the feed's future. `shape` has at least the key and
/// the timestamp.
///
/// # Errors
/// [`FeedError`] when the feed gives no usable answer.
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
        survey.newest = newest(&page, shape).filter(|stamp| *stamp <= now);
    }
    Ok(survey)
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

/// Of all records of the page: a server that ignores `$orderby` is still read right.
fn newest(page: &Page, shape: &Shape) -> Option<String> {
    let stamps = page
        .records
        .iter()
        .filter_map(|record| shape.modified_of(&record.values));
    stamps.max().map(str::to_owned)
}
