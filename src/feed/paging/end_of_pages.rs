//! Proves that a page without records follows the last record.

use super::key::Key;
use super::page_request::{get_page, read_page};
use super::position::Position;
use super::sweep::Sweep;
use crate::feed::http::{Client, FeedError, RequestOptions};
use crate::feed::odata::query::{self, Order, Query};
use crate::feed::odata::{Page, Part};

/// The number of requests for an answer that is empty each time, before the mirror accepts it
/// without a proof. Some servers answer twice without the records that they have.
pub const READINGS: usize = 3;

/// Reads a page again that came empty, as it ends its walk, until it has records or something
/// shows that none are left: a count that is known to be that of all matching records, the last
/// record of the walk, or more readings where no request can ask for that. Returns the page.
///
/// # Errors
/// As [`read_unless_at_end`].
pub async fn read_unless_proven(
    sweep: &Sweep,
    client: &Client,
    from: &Position,
    empty: Page,
) -> Result<Page, FeedError> {
    // The first page of changes overlaps with known records, so that its absence is noticed.
    let expects_records = match from {
        Position::Ties { left, .. } => *left != Some(0),
        Position::Changes { left, .. } => left.is_some_and(|left| left > 0),
        _ => false,
    };
    let counts_prove = sweep.trusts_count && !expects_records;
    let is_proven = |page: &Page| counts_prove && page.count == Some(from.skipped());
    if is_proven(&empty) {
        return Ok(Page::default());
    }
    if !counts_prove
        && let Some(page) = read_unless_at_end(sweep, client, from, empty.count).await?
    {
        return Ok(page);
    }
    let times = match from {
        Position::Keyset { .. } | Position::Ties { .. } | Position::Changes { .. } => 1,
        Position::ChangeLinks { .. } => READINGS - 1,
        // The endpoint for a whole copy ends with an empty page, and a reading of one page has
        // no end to find.
        Position::NextLink { .. } if sweep.replication.is_none() && sweep.top.is_none() => {
            READINGS - 1
        }
        _ => 0,
    };
    let counted = Sweep {
        counts: sweep.trusts_count,
        ..sweep.clone()
    };
    let mut page = empty;
    for _ in 0..times {
        page = read_page(&counted, client, from).await?;
        if page.entries > 0 {
            return Ok(page);
        }
    }
    if is_proven(&page) {
        return Ok(Page::default());
    }
    if !counts_prove {
        return Ok(page);
    }
    let proven = read_unless_at_end(sweep, client, from, page.count).await?;
    Ok(proven.unwrap_or(page))
}

/// Asks for the last record that a walk has to read. If it follows `from`, the empty page at
/// `from` was a mistake, and is read again. Returns the page, or none if no request can show
/// the last record.
///
/// # Errors
/// [`FeedError::Stuck`] if the page stays empty; [`FeedError::Unordered`] for a walk by key, so
/// that next links replace it.
async fn read_unless_at_end(
    sweep: &Sweep,
    client: &Client,
    from: &Position,
    counted: Option<u64>,
) -> Result<Option<Page>, FeedError> {
    let Some(query) = sweep.last_query(from) else {
        return Ok(None);
    };
    let url = client.url(&query.to_path_and_query())?;
    let part = Part {
        top: 1,
        ..Part::ALL
    };
    // Fewer records than the page before left show that the order is not the one asked for. A
    // larger count shows that the server does not send a record.
    let end = Page {
        count: counted.filter(|count| *count == 0 || sweep.trusts_count),
        ..Page::default()
    };
    let mut has_last = false;
    for _ in 0..READINGS {
        let asked = get_page(client, &url, RequestOptions::RECORDS, &sweep.shape, &part).await;
        let last = match asked {
            Err(error) if error.may_refuse_order() => return Ok(None),
            asked => asked?,
        };
        if last.entries > 0 && !follows(from, &last) {
            return Ok(Some(end));
        }
        has_last |= last.entries > 0;
        let page = read_page(sweep, client, from).await?;
        if page.entries > 0 {
            return Ok(Some(page));
        }
    }
    let reads_changes = matches!(from, Position::Changes { .. } | Position::Ties { .. });
    let counts_lost = sweep.trusts_count && reads_changes;
    if !has_last && (counts_lost || !from.has_cursor()) {
        return Ok(Some(end));
    }
    let set = &sweep.shape.roles.set;
    let problem = format!("the pages of {set} end before its last record");
    Err(match from {
        Position::Keyset { .. } => FeedError::Unordered(problem),
        _ => FeedError::Stuck(problem),
    })
}

/// Returns whether the last record, on a page of its own, comes after a position. A record
/// without a key shows nothing.
fn follows(from: &Position, last: &Page) -> bool {
    let key = Key::of(&last.last_paging);
    let is_after = |cursor: &Option<Key>| match (cursor, &key) {
        (Some(cursor), Some(key)) => cursor.may_precede(key),
        (cursor, key) => cursor.is_none() && key.is_some(),
    };
    match from {
        Position::Keyset { after, .. } | Position::Ties { after, .. } => is_after(after),
        Position::Changes { since, after, .. } => {
            (last.last_change.as_ref()).is_some_and(|last| match after {
                None => *last.timestamp >= **since,
                Some(cursor) => *last.timestamp > *cursor.timestamp,
            })
        }
        _ => false,
    }
}

impl Sweep {
    /// Returns the query for the last record of a walk at a position: of its range of keys, of
    /// one timestamp, or of all. Returns none for next links.
    fn last_query(&self, from: &Position) -> Option<Query> {
        let filter = self.filter.as_deref().map(query::group);
        let (filter, is_by_time) = match from {
            Position::Keyset { up_to, .. } => {
                let up_to = up_to.as_ref().map(|key| self.up_to(key));
                (query::and(filter.into_iter().chain(up_to)), false)
            }
            Position::Ties {
                timestamp, sent, ..
            } => {
                let showing = self.showing(timestamp, sent.as_deref());
                (showing.filter.unwrap_or_default(), false)
            }
            Position::Changes { .. } => (filter.unwrap_or_default(), true),
            _ => return None,
        };
        let mut query = Query::of(&*self.shape.roles.set).filter(filter);
        if is_by_time {
            query = query.order_by(self.timestamp(), Order::Desc);
        }
        let paging = self.shape.paging_field().name.clone();
        Some(query.order_by(paging, Order::Desc).top(1))
    }
}
