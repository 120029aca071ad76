//! Key ranges: a resource is divided into ranges that are read in parallel.

use crate::feed::query::{Order, Query};
use crate::feed::{Feed, FeedError, Key, Position, Tries};
use crate::record::Shape;
use crate::value::ValueForm;

/// Finding the start of a range costs a request. More ranges are no faster once the
/// rate limit is reached.
const RANGES_MAX: u64 = 6;

/// A range with fewer pages than this is not worth that request.
const PAGES_MIN: u64 = 4;

/// Returns after how many records each range except the last ends. Ranges are whole
/// pages, so that they cost no additional page.
fn cuts(count: u64, page_size: u64, max_ranges: u64) -> Vec<u64> {
    let pages = count / page_size.max(1);
    let ranges = (pages / PAGES_MIN).clamp(1, max_ranges.clamp(1, RANGES_MAX));
    (1..ranges)
        .map(|range| pages * range / ranges * page_size)
        .collect()
}

/// Returns the number of records in each range of a resource of `count` records.
pub fn sizes(feed: &Feed, shape: &Shape, count: u64) -> Vec<u64> {
    let ends = if has_ranges(shape) {
        cuts(count, feed.page_size().into(), feed.max_concurrent() as u64)
    } else {
        Vec::new()
    };
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let ends = ends.iter().copied().chain([count]);
    starts.zip(ends).map(|(start, end)| end - start).collect()
}

/// Returns whether a resource can be divided: its key is one number.
fn has_ranges(shape: &Shape) -> bool {
    !shape.has_composite_key() && shape.paging_field().form == ValueForm::Integer
}

/// Returns the positions from which to read a resource of `count` records. Without
/// numeric keys, or if the server does not answer, it is one position.
///
/// # Errors
/// [`FeedError::Unauthorized`] and [`FeedError::Interrupted`].
pub fn positions(
    feed: &Feed,
    shape: &Shape,
    filter: Option<&str>,
    count: Option<u64>,
) -> Result<Vec<Position>, FeedError> {
    let whole = || vec![Position::start(false)];
    if !has_ranges(shape) {
        return Ok(whole());
    }
    let cuts = cuts(
        count.unwrap_or(0),
        feed.page_size().into(),
        feed.max_concurrent() as u64,
    );
    let mut ends: Vec<i64> = Vec::new();
    for cut in cuts {
        match key_at(feed, shape, filter, cut - 1) {
            Ok(Some(key)) if ends.last().is_none_or(|last| key > *last) => ends.push(key),
            Err(error @ (FeedError::Unauthorized { .. } | FeedError::Interrupted(_))) => {
                return Err(error);
            }
            Ok(_) => return Ok(whole()),
            Err(error) => {
                tracing::info!(resource = %shape.resource, %error, "reading it in one range");
                return Ok(whole());
            }
        }
    }
    let key = |key: Option<&i64>| key.map(|key| Key::Number(*key));
    Ok((0..=ends.len())
        .map(|at| Position::Keyset {
            after: at.checked_sub(1).and_then(|before| key(ends.get(before))),
            up_to: key(ends.get(at)),
            skip: 0,
        })
        .collect())
}

/// Returns the key of the record after `skip` others.
fn key_at(
    feed: &Feed,
    shape: &Shape,
    filter: Option<&str>,
    skip: u64,
) -> Result<Option<i64>, FeedError> {
    let mut query = Query::of(&*shape.roles.set)
        .select(shape.fields.iter().map(|field| field.name.clone()))
        .order_by(shape.paging_field().name.clone(), Order::Asc)
        .skip(skip)
        .top(1);
    if let Some(filter) = filter {
        query = query.filter(filter);
    }
    let page = feed.page(&query.to_path_and_query(), shape, Tries::Once)?;
    Ok(match Key::of(&page.last_paging) {
        Some(Key::Number(key)) => Some(key),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::cuts;

    #[test]
    fn ranges_are_whole_pages_and_few() {
        assert!(cuts(0, 200, 4).is_empty());
        assert!(cuts(1_599, 200, 4).is_empty());
        assert_eq!(cuts(1_600, 200, 4), [800]);
        assert_eq!(cuts(20_000, 200, 4), [5_000, 10_000, 15_000]);
        assert_eq!(cuts(20_199, 200, 4), [5_000, 10_000, 15_000]);
        assert_eq!(cuts(1_731_072, 200, 64).len(), 5);
        assert!(cuts(20_000, 200, 1).is_empty());
    }
}
