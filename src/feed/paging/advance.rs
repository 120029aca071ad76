//! Computes the position after a page.

use std::cmp::Ordering;

use super::key::{Cursor, Key};
use super::position::Position;
use super::sweep::next_shown;
use crate::feed::http::FeedError;
use crate::feed::odata::Page;

/// A longer row of records without a key is treated as an error of the server.
const KEYLESS_MAX: u64 = 10_000;

/// Returns the position after a page that was read at `from`.
///
/// # Errors
/// [`FeedError::Stuck`] if the page does not continue after `from`, because the server
/// ignores the filter.
pub fn advance(from: &Position, page: &Page) -> Result<Position, FeedError> {
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
        Position::Ties { timestamp, after } => advance_ties(timestamp, after.as_ref(), page),
        Position::Changes {
            since,
            after,
            skip,
            two_steps,
            left,
        } => {
            let to = advance_changes(since, after.as_ref(), *skip, *two_steps, page)?;
            // Fewer records match than the page before left.
            let lost = page
                .count
                .zip(*left)
                .is_some_and(|(count, left)| count < left);
            match after {
                Some(after) if lost && !*two_steps => Ok(Position::all_of(&after.timestamp)),
                _ => Ok(to),
            }
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

fn advance_changes(
    since: &str,
    after: Option<&Cursor>,
    skip: u64,
    two_steps: bool,
    page: &Page,
) -> Result<Position, FeedError> {
    if page.entries > 0 && !page.timestamps_ascend {
        return Err(unordered("ModificationTimestamp"));
    }
    if is_before(page, since) {
        return Err(filter_ignored());
    }
    // The same records again: the server compares with more digits than it shows.
    if let Some(timestamp) = repeated_ties(after, page) {
        return Ok(Position::all_of(&timestamp));
    }
    // No key of an unordered tie says which of its records follow.
    if let Some(last) = (page.last_change.as_ref()).filter(|_| !page.last_tie_ascends)
        && !page.is_last()
    {
        return Ok(Position::all_of(&last.timestamp));
    }
    let cursor = advance_cursor(after, skip, two_steps, page)?;
    Ok(match cursor {
        None => Position::Finished,
        Some((after, skip)) => Position::Changes {
            since: since.to_owned(),
            after,
            skip,
            two_steps,
            left: (page.count.filter(|_| !two_steps))
                .map(|count| count.saturating_sub(page.entries as u64)),
        },
    })
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

/// Returns the cursor's timestamp if the page ends at or before the cursor's key within the
/// same shown timestamp, although more records match. A page after all records of a timestamp
/// never ends within it.
fn repeated_ties(after: Option<&Cursor>, page: &Page) -> Option<String> {
    let (cursor, last) = (after?, page.last_change.as_ref()?);
    let last_key = Key::of(&last.key)?;
    let follows = cursor
        .key
        .as_ref()
        .is_some_and(|key| key.may_precede(&last_key));
    let is_repeated = *cursor.timestamp == *last.timestamp && !follows;
    (is_repeated && !page.is_last()).then(|| cursor.timestamp.clone())
}

/// Advances within the records that show one timestamp. After the last of them, the changes
/// from the next timestamp on follow.
fn advance_ties(timestamp: &str, after: Option<&Key>, page: &Page) -> Result<Position, FeedError> {
    if page.entries == 0 {
        let next = next_shown(timestamp)
            .ok_or_else(|| FeedError::Stuck(format!("{timestamp} is not a timestamp")))?;
        return Ok(Position::since(next, false));
    }
    if !page.keys_ascend {
        return Err(unordered("the key"));
    }
    match Key::of(&page.last_paging) {
        Some(last) if after.is_none_or(|after| after.may_precede(&last)) => Ok(Position::Ties {
            timestamp: timestamp.to_owned(),
            after: Some(last),
        }),
        _ => Err(filter_ignored()),
    }
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

/// Returns the cursor after a page of changes and the number of records to skip after it.
/// Returns none at the end.
fn advance_cursor(
    after: Option<&Cursor>,
    skip: u64,
    two_steps: bool,
    page: &Page,
) -> Result<Option<(Option<Cursor>, u64)>, FeedError> {
    if page.is_last() {
        let first_step = after.filter(|cursor| two_steps && cursor.key.is_some());
        return Ok(first_step.map(|cursor| {
            let whole_timestamp = Cursor {
                timestamp: cursor.timestamp.clone(),
                sent: cursor.sent.clone(),
                key: None,
            };
            (Some(whole_timestamp), 0)
        }));
    }
    if page.entries == 0 {
        return Err(FeedError::Stuck(
            "a page is empty, but its count says that more records follow".to_owned(),
        ));
    }

    let last = page.last_change.as_ref();
    let Some((last, key)) = last.and_then(|last| Some((last, Key::of(&last.key)?))) else {
        return Ok(Some((after.cloned(), add_skipped(skip, page.entries)?)));
    };
    if after.is_some_and(|after| !may_precede(after, &last.timestamp, &key)) {
        return Err(filter_ignored());
    }
    let cursor = Cursor {
        timestamp: last.timestamp.to_string(),
        sent: last.sent.as_deref().map(str::to_owned),
        key: Some(key),
    };
    Ok(Some((Some(cursor), page.changeless_tail as u64)))
}

/// Returns whether a page that starts after a cursor may end at this timestamp and key.
fn may_precede(after: &Cursor, timestamp: &str, key: &Key) -> bool {
    match after.timestamp.as_str().cmp(timestamp) {
        Ordering::Less => true,
        Ordering::Equal => (after.key.as_ref()).is_none_or(|after| after.may_precede(key)),
        Ordering::Greater => false,
    }
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
            last_tie_ascends: true,
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
            last_tie_ascends: true,
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
        let short = advance(&keyset(10, 50, 0), &keys(1, 11, 0));
        assert_eq!(short.ok(), Some(keyset(11, 50, 0)));
        let end = advance(&keyset(11, 50, 0), &keys(1, 50, 0));
        assert_eq!(end.ok(), Some(Position::Finished));
        let empty = advance(&keyset(11, 50, 0), &Page::default());
        assert_eq!(empty.ok(), Some(Position::Finished));
    }

    #[test]
    fn records_without_a_key_are_skipped() {
        let tail = advance(&keyset(10, 50, 0), &keys(5, 12, 2));
        assert_eq!(tail.ok(), Some(keyset(12, 50, 2)));
        let none = advance(
            &keyset(12, 50, 2),
            &Page {
                entries: 3,
                keys_ascend: true,
                timestamps_ascend: true,
                last_tie_ascends: true,
                ..Page::default()
            },
        );
        assert_eq!(none.ok(), Some(keyset(12, 50, 5)));
    }

    fn changes(after: Option<(&str, i64)>, two_steps: bool) -> Position {
        Position::Changes {
            since: "2026-01-01 00:00:00".to_owned(),
            after: after.map(|(timestamp, key)| Cursor {
                timestamp: timestamp.to_owned(),
                sent: None,
                key: (key > 0).then_some(Key::Number(key)),
            }),
            skip: 0,
            two_steps,
            left: None,
        }
    }

    fn changed(entries: usize, count: u64, last: (&str, i64)) -> Page {
        Page {
            entries,
            count: Some(count),
            last_change: Some(LastChange {
                timestamp: last.0.into(),
                sent: None,
                key: Value::Integer(last.1),
            }),
            keys_ascend: true,
            timestamps_ascend: true,
            last_tie_ascends: true,
            ..Page::default()
        }
    }

    #[test]
    fn changes_end_when_the_count_shows_no_more_records() {
        let (first, later) = ("2026-01-01 00:00:00", "2026-01-02 00:00:00");
        let more = advance(&changes(None, false), &changed(2, 5, (first, 7)));
        let mut after = changes(Some((first, 7)), false);
        if let Position::Changes { left, .. } = &mut after {
            *left = Some(3);
        }
        assert_eq!(more.ok().as_ref(), Some(&after));
        let lost = advance(&after, &changed(1, 2, (later, 4)));
        assert_eq!(lost.ok(), Some(Position::all_of(first)));
        let end = advance(
            &changes(Some((first, 7)), false),
            &changed(3, 3, (later, 4)),
        );
        assert_eq!(end.ok(), Some(Position::Finished));
        let back = advance(
            &changes(Some((later, 4)), false),
            &changed(3, 9, (first, 8)),
        );
        assert!(back.is_err());
    }

    #[test]
    fn in_two_steps_the_end_of_a_timestamp_is_followed_by_later_records() {
        let (first, later) = ("2026-01-01 00:00:00", "2026-01-02 00:00:00");
        let ties = advance(&changes(Some((first, 7)), true), &changed(0, 0, (first, 0)));
        assert_eq!(ties.ok(), Some(changes(Some((first, 0)), true)));
        let end = advance(&changes(Some((first, 0)), true), &changed(1, 1, (later, 1)));
        assert_eq!(end.ok(), Some(Position::Finished));
        // The server compares with more digits than it shows.
        let hidden = advance(&changes(Some((first, 0)), true), &changed(1, 9, (first, 1)));
        assert_eq!(hidden.ok(), Some(Position::all_of(first)));
    }

    #[test]
    fn a_server_that_ignores_the_filter_causes_an_error_and_no_loop() {
        assert!(advance(&keyset(10, 50, 0), &keys(1, 10, 0)).is_err());
    }

    #[test]
    fn an_empty_page_with_a_link_is_followed_unless_it_is_the_same_link() {
        let at = |link: &str| Position::NextLink {
            next_link: Some(link.to_owned()),
        };
        assert_eq!(advance(&at("a"), &links(0, Some("b"))).ok(), Some(at("b")));
        assert_eq!(advance(&at("a"), &links(5, Some("a"))).ok(), Some(at("a")));
        assert_eq!(
            advance(&at("a"), &links(0, Some("a"))).ok(),
            Some(Position::Finished)
        );
        assert_eq!(
            advance(&at("a"), &links(5, None)).ok(),
            Some(Position::Finished)
        );
    }
}
