//! From page to page through a resource: where a walk stands, and what it asks next.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::feed::http::FeedError;
use crate::feed::odata::Page;
use crate::feed::odata::query::Literal;
use crate::value::Value;

/// A key as a position in the feed's order, numbers as numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// A numeric key.
    Number(i64),
    /// A text key.
    Text(String),
}

impl Key {
    /// The key as `$filter` takes it.
    pub fn literal(&self) -> Literal {
        match self {
            Key::Number(number) => Literal::Int(*number),
            Key::Text(text) => Literal::Text(text.clone()),
        }
    }

    /// The key that a record's paging value is.
    pub fn of(value: &Value) -> Option<Key> {
        match value {
            Value::Integer(number) => Some(Key::Number(*number)),
            Value::Text(text) => Some(Key::Text(text.to_string())),
            _ => None,
        }
    }
}

/// Where a walk stands: all that is needed to go on from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "paging")]
pub enum Position {
    /// Between two keys: what lies behind `after`, up to and with `up_to`.
    Keyset {
        /// The last key that was read.
        after: Option<Key>,
        /// The last key of the range.
        up_to: Option<Key>,
        /// How many records behind `after` were read that have no key.
        skip: u64,
    },
    /// At a link that the feed gave; none at the start.
    NextLink {
        /// The link.
        next_link: Option<String>,
    },
    /// In the order of (ModificationTimestamp, key), from a moment on.
    Changes {
        /// The moment, in storage form.
        since: String,
        /// The last record that was read.
        after: Option<Cursor>,
        /// How many records behind it were read that have no stamp or no key.
        skip: u64,
        /// Whether the server refuses `or`, so that the records of the cursor's
        /// moment are read apart from those of later ones.
        two_steps: bool,
    },
    /// All of it was read.
    Finished,
}

/// A record's place in the order of (ModificationTimestamp, key).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Its ModificationTimestamp, in storage form.
    pub stamp: String,
    /// Its key; none where all records of that moment are read.
    pub key: Option<Key>,
}

impl Position {
    /// What changed at a moment, in storage form, or later.
    pub fn since(moment: String) -> Position {
        Position::Changes {
            since: moment,
            after: None,
            skip: 0,
            two_steps: false,
        }
    }

    /// The same place for a server that refuses `or`; none where there is none
    /// to leave out.
    pub fn in_two_steps(&self) -> Option<Position> {
        match self {
            Position::Changes {
                since,
                after: Some(after),
                skip,
                two_steps: false,
            } => Some(Position::Changes {
                since: since.clone(),
                after: Some(after.clone()),
                skip: *skip,
                two_steps: true,
            }),
            _ => None,
        }
    }

    /// Whether there is nothing left to read.
    pub fn is_finished(&self) -> bool {
        *self == Position::Finished
    }

    /// Where the walk stands once `page`, read from here, is done with.
    ///
    /// # Errors
    /// [`FeedError::Stuck`] if the page does not lead on: the server ignores the filter.
    pub fn behind(&self, page: &Page) -> Result<Position, FeedError> {
        match self {
            Position::Finished => Ok(Position::Finished),
            Position::NextLink { next_link } => match &page.next_link {
                None => Ok(Position::Finished),
                // The same link again leads on only where it brings records
                // (Trestle answers with one URL throughout).
                link if page.entries == 0 && link == next_link => Ok(Position::Finished),
                link => Ok(Position::NextLink {
                    next_link: link.clone(),
                }),
            },
            Position::Keyset { .. } if page.entries == 0 => Ok(Position::Finished),
            Position::Keyset { after, up_to, skip } => {
                behind_keys(after.as_ref(), up_to.as_ref(), *skip, page)
            }
            Position::Changes {
                since,
                after,
                skip,
                two_steps,
            } => {
                let cursor = behind_changes(after.as_ref(), *skip, *two_steps, page)?;
                Ok(match cursor {
                    None => Position::Finished,
                    Some((after, skip)) => Position::Changes {
                        since: since.clone(),
                        after,
                        skip,
                        two_steps: *two_steps,
                    },
                })
            }
        }
    }
}

fn behind_keys(
    after: Option<&Key>,
    up_to: Option<&Key>,
    skip: u64,
    page: &Page,
) -> Result<Position, FeedError> {
    let at = |after: Option<Key>, skip: u64| Position::Keyset {
        after,
        up_to: up_to.cloned(),
        skip,
    };
    let Some(last) = Key::of(&page.last_paging) else {
        return Ok(at(after.cloned(), stepped_over(skip, page.entries)?));
    };
    if up_to == Some(&last) {
        return Ok(Position::Finished);
    }
    if !leads_on(after, &last) {
        return Err(ignored_filter());
    }
    Ok(at(Some(last), page.keyless_tail as u64))
}

/// The cursor behind a page of changes; none at the end.
fn behind_changes(
    after: Option<&Cursor>,
    skip: u64,
    two_steps: bool,
    page: &Page,
) -> Result<Option<(Option<Cursor>, u64)>, FeedError> {
    if page.is_last() {
        let ties = after.filter(|cursor| two_steps && cursor.key.is_some());
        return Ok(ties.map(|cursor| {
            let all_of_it = Cursor {
                stamp: cursor.stamp.clone(),
                key: None,
            };
            (Some(all_of_it), 0)
        }));
    }
    if page.entries == 0 {
        return Err(FeedError::Stuck(
            "a page is empty though more is counted".to_owned(),
        ));
    }
    let last = page.last_change.as_ref();
    let Some((stamp, key)) = last.and_then(|(stamp, value)| Some((stamp, Key::of(value)?))) else {
        return Ok(Some((after.cloned(), stepped_over(skip, page.entries)?)));
    };
    let leads_on = after.is_none_or(|after| match after.stamp.as_str().cmp(stamp) {
        Ordering::Less => true,
        Ordering::Equal => leads_on(after.key.as_ref(), &key),
        Ordering::Greater => false,
    });
    if !leads_on {
        return Err(ignored_filter());
    }
    let cursor = Cursor {
        stamp: stamp.to_string(),
        key: Some(key),
    };
    Ok(Some((Some(cursor), page.changeless_tail as u64)))
}

/// How many records without a key now lie behind the last one with a key.
fn stepped_over(skip: u64, entries: usize) -> Result<u64, FeedError> {
    let skip = skip + entries as u64;
    if skip > KEYLESS_MAX {
        return Err(FeedError::Stuck(format!(
            "{skip} records in a row have no key"
        )));
    }
    Ok(skip)
}

fn ignored_filter() -> FeedError {
    FeedError::Stuck(
        "a page begins again where the one before began; the server seems to ignore $filter"
            .to_owned(),
    )
}

/// More records without a key than this in a row are no accident.
const KEYLESS_MAX: u64 = 10_000;

/// How a server sorts text is its own affair; of text it is only asked that the
/// key is another one.
fn leads_on(after: Option<&Key>, last: &Key) -> bool {
    match (after, last) {
        (Some(Key::Number(after)), Key::Number(last)) => last > after,
        (Some(after), last) => after != last,
        (None, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(entries: usize, next_link: Option<&str>) -> Page {
        Page {
            entries,
            next_link: next_link.map(str::to_owned),
            ..Page::default()
        }
    }

    fn keys(entries: usize, last: i64, keyless_tail: usize) -> Page {
        Page {
            entries,
            last_paging: Value::Integer(last),
            keyless_tail,
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
        let short = keyset(10, 50, 0).behind(&keys(1, 11, 0));
        assert_eq!(short.ok(), Some(keyset(11, 50, 0)));
        let end = keyset(11, 50, 0).behind(&keys(1, 50, 0));
        assert_eq!(end.ok(), Some(Position::Finished));
        let empty = keyset(11, 50, 0).behind(&Page::default());
        assert_eq!(empty.ok(), Some(Position::Finished));
    }

    #[test]
    fn records_without_a_key_are_stepped_over() {
        let tail = keyset(10, 50, 0).behind(&keys(5, 12, 2));
        assert_eq!(tail.ok(), Some(keyset(12, 50, 2)));
        let none = keyset(12, 50, 2).behind(&Page {
            entries: 3,
            ..Page::default()
        });
        assert_eq!(none.ok(), Some(keyset(12, 50, 5)));
    }

    fn changes(after: Option<(&str, i64)>, two_steps: bool) -> Position {
        Position::Changes {
            since: "2026-01-01 00:00:00".to_owned(),
            after: after.map(|(stamp, key)| Cursor {
                stamp: stamp.to_owned(),
                key: (key > 0).then_some(Key::Number(key)),
            }),
            skip: 0,
            two_steps,
        }
    }

    fn changed(entries: usize, count: u64, last: (&str, i64)) -> Page {
        Page {
            entries,
            count: Some(count),
            last_change: Some((last.0.into(), Value::Integer(last.1))),
            ..Page::default()
        }
    }

    #[test]
    fn changes_end_where_the_count_says_that_nothing_is_behind() {
        let (first, later) = ("2026-01-01 00:00:00", "2026-01-02 00:00:00");
        let more = changes(None, false).behind(&changed(2, 5, (first, 7)));
        assert_eq!(more.ok(), Some(changes(Some((first, 7)), false)));
        let end = changes(Some((first, 7)), false).behind(&changed(3, 3, (later, 4)));
        assert_eq!(end.ok(), Some(Position::Finished));
        let back = changes(Some((later, 4)), false).behind(&changed(3, 9, (first, 8)));
        assert!(back.is_err());
    }

    #[test]
    fn in_two_steps_the_end_of_a_moment_leads_to_later_ones() {
        let (first, later) = ("2026-01-01 00:00:00", "2026-01-02 00:00:00");
        let ties = changes(Some((first, 7)), true).behind(&changed(0, 0, (first, 0)));
        assert_eq!(ties.ok(), Some(changes(Some((first, 0)), true)));
        let end = changes(Some((first, 0)), true).behind(&changed(1, 1, (later, 1)));
        assert_eq!(end.ok(), Some(Position::Finished));
    }

    #[test]
    fn a_server_that_ignores_the_filter_is_an_error_and_not_a_loop() {
        assert!(keyset(10, 50, 0).behind(&keys(1, 10, 0)).is_err());
    }

    #[test]
    fn an_empty_page_with_a_link_leads_on_unless_it_is_the_same_link() {
        let at = |link: &str| Position::NextLink {
            next_link: Some(link.to_owned()),
        };
        assert_eq!(at("a").behind(&links(0, Some("b"))).ok(), Some(at("b")));
        assert_eq!(at("a").behind(&links(5, Some("a"))).ok(), Some(at("a")));
        assert_eq!(
            at("a").behind(&links(0, Some("a"))).ok(),
            Some(Position::Finished)
        );
        assert_eq!(
            at("a").behind(&links(5, None)).ok(),
            Some(Position::Finished)
        );
    }
}
