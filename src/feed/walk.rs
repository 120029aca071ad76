//! From page to page through a resource: where a walk stands, and what it asks next.

use serde::{Deserialize, Serialize};

use super::error::FeedError;
use super::page::Page;
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
    /// All of it was read.
    Finished,
}

impl Position {
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
                let up_to = up_to.clone();
                let Some(last) = Key::of(&page.last_paging) else {
                    let skip = skip + page.entries as u64;
                    if skip > KEYLESS_MAX {
                        return Err(FeedError::Stuck(format!(
                            "{skip} records in a row have no key"
                        )));
                    }
                    return Ok(Position::Keyset {
                        after: after.clone(),
                        up_to,
                        skip,
                    });
                };
                if up_to.as_ref() == Some(&last) {
                    return Ok(Position::Finished);
                }
                if !leads_on(after.as_ref(), &last) {
                    return Err(FeedError::Stuck(
                        "a page begins again where the one before began; the server seems to ignore $filter"
                            .to_owned(),
                    ));
                }
                let skip = page.keyless_tail as u64;
                Ok(Position::Keyset {
                    after: Some(last),
                    up_to,
                    skip,
                })
            }
        }
    }
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
