//! Computes the position after a page.

use std::cmp::Ordering;

use super::key::{Cursor, Key};
use super::position::Position;
use super::sweep::next_shown;
use crate::feed::http::FeedError;
use crate::feed::odata::Page;

/// A longer row of records without a key is treated as an error of the server.
const KEYLESS_MAX: u64 = 10_000;

/// Returns the position after a page that was read at `from`. `trusts_count`: whether counts are
/// known to be those of all matching records.
///
/// # Errors
/// [`FeedError::Stuck`] if the page does not continue after `from`, because the server
/// ignores the filter.
pub fn advance(from: &Position, page: &Page, trusts_count: bool) -> Result<Position, FeedError> {
    match from {
        Position::Finished => Ok(Position::Finished),
        Position::NextLink { next_link } => Ok(match following_link(next_link, page) {
            None => Position::Finished,
            next_link => Position::NextLink { next_link },
        }),
        Position::ChangeLinks {
            since,
            until,
            next_link,
        } => advance_window(since.as_ref(), until, next_link, page),
        Position::Keyset { .. } if page.entries == 0 => Ok(Position::Finished),
        Position::Keyset { .. } if !page.keys_ascend => Err(unordered("the key")),
        Position::Keyset { after, up_to, skip } => {
            advance_keyset(after.as_ref(), up_to.as_ref(), *skip, page)
        }
        Position::Ties {
            timestamp,
            sent,
            hides_digits,
            left,
            ..
        } if page.is_last() => {
            let cursor = Cursor {
                timestamp: timestamp.clone(),
                sent: sent.clone(),
            };
            after_ties(cursor, *hides_digits, left_after(*left, page))
        }
        Position::Ties { .. } => advance_ties(from, page, trusts_count),
        Position::Changes {
            since,
            after,
            skip,
            left,
        } => {
            let place = (since.as_str(), after.as_ref(), *skip, *left);
            advance_changes(place, page, trusts_count)
        }
    }
}

/// Advances within a window of timestamps, and to the next one after its last page.
fn advance_window(
    since: Option<&String>,
    until: &[String],
    link: &Option<String>,
    page: &Page,
) -> Result<Position, FeedError> {
    let last = page.last_change.as_ref().map(|last| &*last.timestamp);
    if (last.zip(until.last())).is_some_and(|(last, until)| last > until.as_str()) {
        return Err(filter_ignored());
    }
    let next_link = following_link(link, page);
    Ok(match until {
        [] if next_link.is_none() => Position::Finished,
        [later @ .., end] if next_link.is_none() => Position::ChangeLinks {
            since: Some(end.clone()),
            until: later.to_vec(),
            next_link,
        },
        _ => Position::ChangeLinks {
            since: since.cloned(),
            until: until.to_vec(),
            next_link,
        },
    })
}

/// Advances after the records whose timestamp the page shows completely.
fn advance_changes(
    (since, after, skip, left): (&str, Option<&Cursor>, u64, Option<u64>),
    page: &Page,
    trusts_count: bool,
) -> Result<Position, FeedError> {
    if page.entries > 0 && !page.timestamps_ascend {
        return Err(unordered("ModificationTimestamp"));
    }
    if is_before(page, since) {
        return Err(filter_ignored());
    }
    // Fewer records match than the page before left.
    let is_lost = (page.count.zip(left)).is_some_and(|(count, left)| count < left);
    if let Some(after) = after.filter(|_| is_lost) {
        return Ok(Position::all_of(&after.timestamp));
    }
    if page.is_last() {
        return Ok(Position::Finished);
    }
    if page.entries == 0 {
        return Err(empty_although_counted());
    }

    let position = |after: Option<Cursor>, skip: u64| Position::Changes {
        since: since.to_owned(),
        after,
        skip,
        left: left_after(page.count, page),
    };
    let Some(last) = &page.last_change else {
        return Ok(position(after.cloned(), add_skipped(skip, page.entries)?));
    };
    match after.map(|after| (*after.timestamp).cmp(&*last.timestamp)) {
        Some(Ordering::Greater) => return Err(filter_ignored()),
        // The same records again: the server compares with more digits than it shows.
        Some(Ordering::Equal) => return Ok(Position::all_of(&last.timestamp)),
        _ => {}
    }
    let cursor = Cursor {
        timestamp: last.timestamp.to_string(),
        sent: last.sent.as_deref().map(str::to_owned),
    };
    if page.ends_within_timestamp {
        // Where a count shows whether it loses records, the reading by key continues after this
        // page.
        let counted = left_after(page.count, page).filter(|_| trusts_count && page.keys_ascend);
        return Ok(Position::Ties {
            timestamp: cursor.timestamp,
            sent: cursor.sent,
            hides_digits: false,
            after: Key::of(&page.last_paging).filter(|_| counted.is_some()),
            skip: 0,
            left: counted,
        });
    }
    Ok(position(Some(cursor), 0))
}

/// Returns whether a page ends before the start time. A server may show fewer digits than it
/// compares.
fn is_before(page: &Page, since: &str) -> bool {
    let last = page.last_change.as_ref().map(|last| &*last.timestamp);
    last.is_some_and(|last| *last < since[..since.len().min(last.len())])
}

/// Returns the link to follow after a page. The same link again is followed only if it
/// returns records: Trestle uses one URL for all pages.
fn following_link(from: &Option<String>, page: &Page) -> Option<String> {
    let link = page.next_link.clone();
    link.filter(|_| page.entries > 0 || page.next_link != *from)
}

/// Returns the number of matching records that follow a page.
fn left_after(counted: Option<u64>, page: &Page) -> Option<u64> {
    counted.map(|count| count.saturating_sub(page.distinct() as u64))
}

/// Returns the position after the records that show one timestamp. `left`: the number of later
/// changes, if it is known.
fn after_ties(
    cursor: Cursor,
    hides_digits: bool,
    left: Option<u64>,
) -> Result<Position, FeedError> {
    let timestamp = &cursor.timestamp;
    if hides_digits {
        let next = next_shown(timestamp)
            .ok_or_else(|| FeedError::Stuck(format!("{timestamp} is not a timestamp")))?;
        return Ok(Position::since(next, false));
    }
    Ok(Position::Changes {
        since: timestamp.clone(),
        after: Some(cursor),
        skip: 0,
        left,
    })
}

/// Advances within the records that show one timestamp.
fn advance_ties(from: &Position, page: &Page, trusts_count: bool) -> Result<Position, FeedError> {
    if page.entries == 0 {
        return Err(empty_although_counted());
    }
    if !page.keys_ascend {
        return Err(unordered("the key"));
    }
    let mut to = from.clone();
    let Position::Ties {
        hides_digits,
        after,
        skip,
        left,
        ..
    } = &mut to
    else {
        return Ok(to);
    };
    let counted = if *hides_digits && trusts_count {
        page.count
    } else {
        *left
    };
    *left = left_after(counted, page);
    match Key::of(&page.last_paging) {
        None => *skip = add_skipped(*skip, page.entries)?,
        Some(last) if after.as_ref().is_none_or(|after| after.may_precede(&last)) => {
            *skip = page.keyless_tail as u64;
            *after = Some(last);
        }
        Some(_) => return Err(filter_ignored()),
    }
    Ok(to)
}

fn empty_although_counted() -> FeedError {
    let problem = "a page is empty, but its count says that more records follow";
    FeedError::Stuck(problem.to_owned())
}

fn unordered(by: &str) -> FeedError {
    FeedError::Unordered(format!("a page is not in the order of {by}"))
}

fn advance_keyset(
    after: Option<&Key>,
    up_to: Option<&Key>,
    skip: u64,
    page: &Page,
) -> Result<Position, FeedError> {
    let position = |after: Option<Key>, skip: u64| Position::Keyset {
        after,
        up_to: up_to.cloned(),
        skip,
    };
    let Some(last) = Key::of(&page.last_paging) else {
        return Ok(position(after.cloned(), add_skipped(skip, page.entries)?));
    };

    let is_end = match (up_to, &last) {
        (Some(Key::Number(end)), Key::Number(last)) => last >= end,
        (end, last) => end == Some(last),
    };
    if is_end {
        return Ok(Position::Finished);
    }
    if after.is_some_and(|after| !after.may_precede(&last)) {
        return Err(filter_ignored());
    }
    Ok(position(Some(last), page.keyless_tail as u64))
}

/// Adds the entries of a page without any key to the records to skip.
fn add_skipped(skip: u64, entries: usize) -> Result<u64, FeedError> {
    let skip = skip + entries as u64;
    if skip > KEYLESS_MAX {
        return Err(FeedError::Stuck(format!(
            "{skip} records in a row have no key"
        )));
    }
    Ok(skip)
}

fn filter_ignored() -> FeedError {
    FeedError::Stuck(
        "a page starts at the same place as the page before; the server seems to ignore $filter"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::odata::LastChange;
    use crate::value::Value;

    fn links(entries: usize, next_link: Option<&str>) -> Page {
        Page {
            entries,
            next_link: next_link.map(str::to_owned),
            keys_ascend: true,
            timestamps_ascend: true,
            ..Page::default()
        }
    }

    fn keys(entries: usize, last: i64, keyless_tail: usize) -> Page {
        Page {
            entries,
            last_paging: Value::Integer(last),
            keyless_tail,
            keys_ascend: true,
            timestamps_ascend: true,
            ..Page::default()
        }
    }

    fn keyset(after: i64, up_to: i64, skip: u64) -> Position {
        let number = |key| Some(Key::Number(key));
        Position::Keyset {
            after: number(after),
            up_to: number(up_to),
            skip,
        }
    }

    #[test]
    fn a_short_page_is_not_the_last_and_the_end_of_the_range_is() {
        let short = advance(&keyset(10, 50, 0), &keys(1, 11, 0), true);
        assert_eq!(short.ok(), Some(keyset(11, 50, 0)));
        let end = advance(&keyset(11, 50, 0), &keys(1, 50, 0), true);
        assert_eq!(end.ok(), Some(Position::Finished));
        let empty = advance(&keyset(11, 50, 0), &Page::default(), true);
        assert_eq!(empty.ok(), Some(Position::Finished));
    }

    #[test]
    fn records_without_a_key_are_skipped() {
        let tail = advance(&keyset(10, 50, 0), &keys(5, 12, 2), true);
        assert_eq!(tail.ok(), Some(keyset(12, 50, 2)));
        let none = advance(
            &keyset(12, 50, 2),
            &Page {
                entries: 3,
                keys_ascend: true,
                timestamps_ascend: true,
                ..Page::default()
            },
            true,
        );
        assert_eq!(none.ok(), Some(keyset(12, 50, 5)));
    }

    const FIRST: &str = "2026-01-01 00:00:00";
    const LATER: &str = "2026-01-02 00:00:00";

    fn changes(after: Option<&str>, left: Option<u64>) -> Position {
        Position::Changes {
            since: FIRST.to_owned(),
            after: after.map(|timestamp| Cursor {
                timestamp: timestamp.to_owned(),
                sent: None,
            }),
            skip: 0,
            left,
        }
    }

    fn ties(hides_digits: bool, after: Option<i64>, left: Option<u64>) -> Position {
        Position::Ties {
            timestamp: FIRST.to_owned(),
            sent: None,
            hides_digits,
            after: after.map(Key::Number),
            skip: 0,
            left,
        }
    }

    fn changed(entries: usize, count: u64, last: &str) -> Page {
        Page {
            entries,
            count: Some(count),
            last_change: Some(LastChange {
                timestamp: last.into(),
                sent: None,
            }),
            keys_ascend: true,
            timestamps_ascend: true,
            ..Page::default()
        }
    }

    #[test]
    fn changes_end_when_the_count_shows_no_more_records() {
        let after = changes(Some(FIRST), Some(3));
        let more = advance(&changes(None, None), &changed(2, 5, FIRST), true);
        assert_eq!(more.ok().as_ref(), Some(&after));
        let lost = advance(&after, &changed(1, 2, LATER), true);
        assert_eq!(lost.ok(), Some(Position::all_of(FIRST)));
        let end = advance(&after, &changed(3, 3, LATER), true);
        assert_eq!(end.ok(), Some(Position::Finished));
        let back = advance(&changes(Some(LATER), None), &changed(3, 9, FIRST), true);
        assert!(back.is_err());
    }

    fn one_timestamp(count: u64) -> Page {
        Page {
            ends_within_timestamp: true,
            last_paging: Value::Integer(5),
            ..changed(2, count, FIRST)
        }
    }

    #[test]
    fn a_page_with_one_timestamp_is_continued_by_key_where_counts_show_what_is_left() {
        let start = advance(&changes(None, None), &one_timestamp(6), true);
        assert_eq!(start.ok(), Some(ties(false, Some(5), Some(4))));
        let more = advance(&ties(false, Some(5), Some(4)), &keys(2, 7, 0), true);
        assert_eq!(more.ok(), Some(ties(false, Some(7), Some(2))));
        let later = advance(&ties(false, Some(7), Some(2)), &Page::default(), true);
        assert_eq!(later.ok(), Some(changes(Some(FIRST), Some(2))));
        // A record that `gt` has sent again counts twice: the next page shows whether this is
        // the end.
        let end = advance(&ties(false, Some(7), Some(0)), &Page::default(), true);
        assert_eq!(end.ok(), Some(changes(Some(FIRST), Some(0))));
    }

    #[test]
    fn a_page_with_one_timestamp_is_read_again_by_key_where_counts_prove_nothing() {
        let start = advance(&changes(None, None), &one_timestamp(6), false);
        assert_eq!(start.ok(), Some(ties(false, None, None)));
        let end = advance(&ties(false, Some(7), None), &Page::default(), false);
        assert_eq!(end.ok(), Some(changes(Some(FIRST), None)));
    }

    #[test]
    fn hidden_digits_are_skipped_by_the_next_timestamp() {
        let again = advance(&changes(Some(FIRST), None), &changed(1, 9, FIRST), true);
        assert_eq!(again.ok(), Some(ties(true, None, None)));
        let end = advance(&ties(true, Some(7), None), &Page::default(), true);
        let next = Position::since("2026-01-01 00:00:01".to_owned(), false);
        assert_eq!(end.ok(), Some(next));
    }

    #[test]
    fn a_server_that_ignores_the_filter_causes_an_error_and_no_loop() {
        assert!(advance(&keyset(10, 50, 0), &keys(2, 10, 0), true).is_err());
        assert!(advance(&keyset(10, 50, 0), &keys(1, 10, 0), true).is_err());
    }

    #[test]
    fn an_empty_page_with_a_link_is_followed_unless_it_is_the_same_link() {
        let at = |link: &str| Position::NextLink {
            next_link: Some(link.to_owned()),
        };
        assert_eq!(
            advance(&at("a"), &links(0, Some("b")), true).ok(),
            Some(at("b"))
        );
        assert_eq!(
            advance(&at("a"), &links(5, Some("a")), true).ok(),
            Some(at("a"))
        );
        assert_eq!(
            advance(&at("a"), &links(0, Some("a")), true).ok(),
            Some(Position::Finished)
        );
        assert_eq!(
            advance(&at("a"), &links(5, None), true).ok(),
            Some(Position::Finished)
        );
    }
}
