//! Asks a resource for its count and its newest timestamp.

use crate::feed::query::{self, Literal, Order, Query, timestamp_literal};
use crate::feed::{Feed, FeedError, Page, READINGS, Tries};
use crate::record::Shape;
use crate::value::stored_instant;

/// The count and the newest timestamp of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The number of records, if the server counts them.
    pub count: Option<u64>,
    /// The newest timestamp that is not in the feed's future.
    pub newest: Option<String>,
    /// Whether `newest` is of the newest record. Without an order, it is the feed's time, or
    /// of any record.
    pub is_ordered: bool,
    /// Whether each of the newest records could be read and is not in the future.
    pub is_plain: bool,
    /// Whether all of them have the same timestamp, so that they show no order.
    is_tie: bool,
}

impl Survey {
    /// Returns whether the newest timestamp is certainly the newest one of the feed, if it is
    /// no tie.
    pub fn is_certain(&self) -> bool {
        self.is_ordered && self.is_plain
    }

    /// Returns whether the answer shows no order, because its timestamps are equal.
    pub fn is_tie(&self) -> bool {
        self.is_tie
    }
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
    let capabilities = feed.capabilities();
    if capabilities.refuses_newest_first(shape.resource) {
        return unordered_survey(feed, shape, filter, tries);
    }
    let asked = newest_query(shape, filter, None, true);
    let mut first = feed.page(&asked, shape, tries);
    // An answer can lack the records that it counts.
    for _ in 1..READINGS {
        match &first {
            Ok(page) if page.entries == 0 && page.count > Some(0) => {
                first = feed.page(&asked, shape, tries);
            }
            _ => break,
        }
    }
    let first = match first {
        Err(error) if error.may_refuse_order() => {
            let unordered = unordered_survey(feed, shape, filter, tries)?;
            capabilities.note_newest_first_refused(shape.resource, &error);
            return Ok(unordered);
        }
        first => first?,
    };
    capabilities.note_select();
    capabilities.note_top(NEWEST, &first);
    let mut survey = Survey {
        count: first.count,
        newest: newest(&first, shape),
        is_ordered: timestamps(&first, shape).rev().is_sorted(),
        is_plain: timestamps(&first, shape).count() == first.entries,
        is_tie: timestamps(&first, shape).is_sorted() && first.entries as u64 == NEWEST,
    };
    let now = stored_instant(feed.now());
    if survey.newest.as_ref().is_some_and(|found| *found > now) {
        let until = time_literal(feed, shape, &now);
        let page = feed.page(
            &newest_query(shape, filter, Some(until), false),
            shape,
            tries,
        )?;
        let past = newest(&page, shape).filter(|timestamp| *timestamp <= now);
        // All records can be in the future only of a local clock that is wrong.
        let oldest = timestamps(&first, shape).min().map(str::to_owned);
        survey.is_plain = false;
        survey.newest = past.or(oldest.filter(|_| feed.date().is_none()));
    }
    Ok(survey)
}

/// Reads the newest records with all of their fields, and the count of all records.
/// `selects`: whether the configuration selects the fields of the shape.
pub fn newest_records(
    feed: &Feed,
    shape: &Shape,
    selects: bool,
    tries: Tries,
) -> Result<Page, FeedError> {
    let mut plain = Query::of(&*shape.roles.set).top(NEWEST).count();
    if selects {
        plain = plain.select(shape.fields.iter().map(|field| field.name.clone()));
    }
    let refuses = feed.capabilities().refuses_newest_first(shape.resource);
    if let Some(timestamp) = shape.timestamp_field().filter(|_| !refuses) {
        let ordered = plain.clone().order_by(timestamp, Order::Desc);
        match feed.page(&ordered.to_path_and_query(), shape, tries) {
            Err(error) if error.may_refuse_order() => {}
            page => return page,
        }
    }
    feed.page(&plain.to_path_and_query(), shape, tries)
}

/// Asks for the count with a page of one record. A server that counts the records of the page
/// gives another count than [`survey`].
pub fn count(feed: &Feed, shape: &Shape, filter: Option<&str>) -> Result<Option<u64>, FeedError> {
    let query = selected(shape, filter.map(query::group)).top(1).count();
    let page = feed.page(&query.to_path_and_query(), shape, Tries::Once)?;
    Ok(page.count)
}

/// Reads the keys and timestamps of the first page of the records that match a filter, and counts
/// these records.
pub fn first_keys(feed: &Feed, shape: &Shape, filter: String) -> Result<Page, FeedError> {
    let query = selected(shape, [filter])
        .top(feed.page_size().into())
        .count();
    feed.page(&query.to_path_and_query(), shape, Tries::Once)
}

/// Asks for the count and the newest timestamp of the records that match a filter, with a page
/// of one record. Without an order, the newest timestamp is none.
pub fn count_and_newest(feed: &Feed, shape: &Shape, filter: String) -> Result<Survey, FeedError> {
    let query = selected(shape, [filter]).top(1).count();
    let page = |query: Query| feed.page(&query.to_path_and_query(), shape, Tries::Configured);
    let capabilities = feed.capabilities();
    let timestamp =
        (shape.timestamp_field()).filter(|_| !capabilities.refuses_newest_first(shape.resource));
    if let Some(timestamp) = timestamp {
        match page(query.clone().order_by(timestamp, Order::Desc)) {
            Err(error) if error.may_refuse_order() => {
                let unordered = page(query)?;
                capabilities.note_newest_first_refused(shape.resource, &error);
                return Ok(of_count(unordered.count));
            }
            answered => {
                let answered = answered?;
                return Ok(Survey {
                    newest: newest(&answered, shape),
                    is_ordered: true,
                    ..of_count(answered.count)
                });
            }
        }
    }
    Ok(of_count(page(query)?.count))
}

fn of_count(count: Option<u64>) -> Survey {
    Survey {
        count,
        ..Survey::default()
    }
}

/// Returns whether the server puts the newest records first. Asks for the oldest one if that is
/// not known: it shows an order that equal newest timestamps do not show.
pub fn puts_newest_first(feed: &Feed, shape: &Shape, newest: &str) -> Result<bool, FeedError> {
    let (capabilities, resource) = (feed.capabilities(), shape.resource);
    if let Some(is_known) = capabilities.puts_newest_first(resource) {
        return Ok(is_known);
    }
    let query = selected(shape, []).top(1);
    let query = query.order_by(shape.timestamp_field().unwrap_or_default(), Order::Asc);
    let page = feed.page(&query.to_path_and_query(), shape, Tries::Once)?;
    let is_shown = timestamps(&page, shape)
        .next()
        .is_some_and(|oldest| oldest < newest);
    capabilities.note_newest_first(resource, is_shown);
    Ok(is_shown)
}

/// Returns whether the feed has records after a timestamp in storage form, or does not say so.
pub fn has_any_after(feed: &Feed, shape: &Shape, timestamp: &str) -> Result<bool, FeedError> {
    let Some(after) = after(feed, shape, timestamp) else {
        return Ok(true);
    };
    let query = selected(shape, [after]).top(1).count();
    let page = feed.page(&query.to_path_and_query(), shape, Tries::Configured)?;
    Ok(page.entries > 0 || page.count.is_some_and(|count| count > 0))
}

/// Returns whether the server counts records that the filter of a count leaves out.
pub fn counts_despite_filter(feed: &Feed, shape: &Shape) -> Result<bool, FeedError> {
    let after_all = after(feed, shape, "9999-12-31 00:00:00");
    let counted = after_all.map(|filter| count(feed, shape, Some(&filter)));
    Ok(counted.transpose()?.flatten() > Some(0))
}

/// Returns whether the server ignores a configured filter when it counts, so that its count says
/// nothing about the pages.
pub fn ignores_filter(feed: &Feed, shape: &Shape, filter: Option<&str>) -> Result<bool, FeedError> {
    if filter.is_none() {
        return Ok(false);
    }
    match counts_despite_filter(feed, shape) {
        Err(error) if error.is_refusal() => Ok(false),
        ignores => ignores,
    }
}

/// Returns the filter of records after a timestamp in storage form.
pub fn after(feed: &Feed, shape: &Shape, timestamp: &str) -> Option<String> {
    let field = shape.timestamp_field()?;
    Some(query::gt(field, &time_literal(feed, shape, timestamp)))
}

/// Returns the filter of records up to a timestamp in storage form: all records that
/// [`after`] leaves out.
pub fn up_to(feed: &Feed, shape: &Shape, timestamp: &str) -> Option<String> {
    let field = shape.timestamp_field()?;
    Some(query::le(field, &time_literal(feed, shape, timestamp)))
}

fn time_literal(feed: &Feed, shape: &Shape, timestamp: &str) -> Literal {
    let text = timestamp_literal(timestamp, feed.timestamps());
    if feed.quotes_timestamps(shape) {
        Literal::Text(text)
    } else {
        Literal::Timestamp(text)
    }
}

/// Asks for the record with the first key in an order, as the feed orders keys; without an
/// order, for any record. Returns no key if the resource has no records, or the record has none.
pub fn first_key(
    feed: &Feed,
    shape: &Shape,
    filter: Option<&str>,
    order: Option<Order>,
) -> Result<Option<Box<str>>, FeedError> {
    let mut query = selected(shape, filter.map(query::group)).top(1);
    if let Some(order) = order {
        query = query.order_by(shape.paging_field().name.clone(), order);
    }
    let page = feed.page(&query.to_path_and_query(), shape, Tries::Once)?;
    Ok(page.records.first().map(|record| record.key.clone()))
}

/// Asks a server that does not know `$orderby` for the count. The feed's time replaces the
/// newest timestamp: no later change gets an earlier one.
fn unordered_survey(
    feed: &Feed,
    shape: &Shape,
    filter: Option<&str>,
    tries: Tries,
) -> Result<Survey, FeedError> {
    let query = selected(shape, filter.map(query::group)).count();
    let page = feed.page(&query.to_path_and_query(), shape, tries)?;
    Ok(Survey {
        count: page.count,
        newest: (shape.has_timestamp())
            .then(|| feed.date().map(stored_instant))
            .flatten(),
        ..Survey::default()
    })
}

fn newest_query(
    shape: &Shape,
    filter: Option<&str>,
    until: Option<Literal>,
    count: bool,
) -> String {
    let timestamp = shape.timestamp_field();
    let until = until.zip(timestamp);
    let until = until.map(|(until, field)| query::le(field, &until));
    let parts = [filter.map(query::group), until];
    let mut query = selected(shape, parts.into_iter().flatten());
    if let Some(timestamp) = timestamp {
        query = query.order_by(timestamp, Order::Desc);
    }
    if count { query.count() } else { query }.to_path_and_query()
}

fn selected(shape: &Shape, filters: impl IntoIterator<Item = String>) -> Query {
    Query::of(&*shape.roles.set)
        .select(shape.fields.iter().map(|field| field.name.clone()))
        .top(NEWEST)
        .filter(query::and(filters))
}

/// Returns the newest timestamp of all records of the page, since a server may ignore
/// `$orderby`.
fn newest(page: &Page, shape: &Shape) -> Option<String> {
    timestamps(page, shape).max().map(str::to_owned)
}

fn timestamps<'p>(page: &'p Page, shape: &'p Shape) -> impl DoubleEndedIterator<Item = &'p str> {
    let records = page.records.iter();
    records.filter_map(|record| shape.modified_of(&record.values))
}
