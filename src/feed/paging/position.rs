//! The position of a walk. A checkpoint stores it as JSON.

use serde::{Deserialize, Serialize};

use super::key::{Cursor, Key};
use crate::value::Value;

/// The position of a walk: where its next page starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "paging")]
pub enum Position {
    /// In a range of keys: after `after`, up to and including `up_to`.
    Keyset {
        /// The last key that was read.
        after: Option<Key>,
        /// The last key of the range.
        up_to: Option<Key>,
        /// The number of records without a key that were read after `after`.
        skip: u64,
    },
    /// At a link that the feed sent.
    NextLink {
        /// The link, or none at the start.
        next_link: Option<String>,
    },
    /// In the order of ModificationTimestamp, from a start time on. A page continues after a
    /// timestamp and never within one.
    Changes {
        /// The start time, in storage form.
        since: String,
        /// The last timestamp whose records were read.
        after: Option<Cursor>,
        /// The number of records without a timestamp or key that were read after `after`.
        skip: u64,
        /// The number of matching records that follow `after`, if the server counts.
        #[serde(default)]
        left: Option<u64>,
    },
    /// All records with a timestamp in a window, by next links, in any order. This is the way
    /// for a server that does not obey `$orderby`. The next window follows.
    ChangeLinks {
        /// The start of the window, in storage form. Without one, it has all earlier records.
        since: Option<String>,
        /// The ends of the windows, in storage form, the nearest one last. The window after
        /// them has no end.
        #[serde(default)]
        until: Vec<String>,
        /// The link, or none at the start.
        next_link: Option<String>,
    },
    /// In the order of keys, within all records that show one timestamp. Later changes follow.
    Ties {
        /// The timestamp that the records show, in storage form.
        timestamp: String,
        /// The same timestamp as the server wrote it.
        #[serde(default)]
        sent: Option<String>,
        /// Whether the server compares timestamps with more digits than it shows, so that no
        /// filter on this one continues after its records.
        #[serde(default)]
        hides_digits: bool,
        /// The last key that was read.
        after: Option<Key>,
        /// The number of records without a key that were read after `after`.
        #[serde(default)]
        skip: u64,
        /// The number of records that follow `after`, if it is known. It includes later changes,
        /// unless the server hides digits.
        #[serde(default)]
        left: Option<u64>,
    },
    /// At the end.
    Finished,
}

impl Position {
    /// Returns the start of a whole resource.
    pub fn start(by_links: bool) -> Position {
        if by_links {
            return Position::NextLink { next_link: None };
        }
        Position::Keyset {
            after: None,
            up_to: None,
            skip: 0,
        }
    }

    /// Returns the position before all records that changed at or after a time, in storage
    /// form.
    pub fn since(time: String, by_links: bool) -> Position {
        if by_links {
            return Position::ChangeLinks {
                since: Some(time),
                until: Vec::new(),
                next_link: None,
            };
        }
        Position::Changes {
            since: time,
            after: None,
            skip: 0,
            left: None,
        }
    }

    /// Returns the position after the records with a timestamp.
    pub fn after(cursor: Cursor) -> Position {
        Position::Changes {
            since: cursor.timestamp.clone(),
            after: Some(cursor),
            skip: 0,
            left: None,
        }
    }

    /// Returns the position before all records that show one timestamp, in storage form, on a
    /// server that compares timestamps with more digits than it shows.
    pub fn all_of(timestamp: &str) -> Position {
        Position::Ties {
            timestamp: timestamp.to_owned(),
            sent: None,
            hides_digits: true,
            after: None,
            skip: 0,
            left: None,
        }
    }

    /// Returns the start of the same walk by next links. Returns none if the walk is by
    /// next links already, or at its end.
    pub fn from_start_by_links(&self) -> Option<Position> {
        match self {
            Position::Keyset { .. } => Some(Position::start(true)),
            Position::Changes { since, .. } => Some(Position::since(since.clone(), true)),
            Position::Ties { timestamp, .. } => Some(Position::since(timestamp.clone(), true)),
            _ => None,
        }
    }

    /// Returns whether the query at this position has a key.
    pub fn has_key(&self) -> bool {
        match self {
            Position::Keyset { after, up_to, .. } => after.is_some() || up_to.is_some(),
            Position::Ties { after, .. } => after.is_some(),
            _ => false,
        }
    }

    /// Returns whether the query at this position has a timestamp.
    pub fn has_time(&self) -> bool {
        match self {
            Position::Changes { .. } | Position::Ties { .. } => true,
            Position::ChangeLinks {
                since,
                until,
                next_link,
            } => next_link.is_none() && (since.is_some() || !until.is_empty()),
            _ => false,
        }
    }

    /// Returns the number of records that the query skips. A count includes them.
    pub fn skipped(&self) -> u64 {
        match self {
            Position::Keyset { skip, .. }
            | Position::Changes { skip, .. }
            | Position::Ties { skip, .. } => *skip,
            _ => 0,
        }
    }

    /// Returns whether more changes follow this position than a count says.
    pub(super) fn left_more_than(&self, count: Option<u64>) -> bool {
        let left = match self {
            Position::Changes { left, .. } => *left,
            Position::Ties {
                hides_digits: true,
                left,
                ..
            } => *left,
            _ => None,
        };
        count.zip(left).is_some_and(|(count, left)| count < left)
    }

    /// Returns the key of the last record that was read, in a walk by key.
    pub(super) fn last_key(&self) -> Value {
        match self {
            Position::Keyset { after, .. } | Position::Ties { after, .. } => {
                after.as_ref().map_or(Value::Null, Key::value)
            }
            _ => Value::Null,
        }
    }

    /// Returns whether a record was read before this position.
    pub fn has_cursor(&self) -> bool {
        match self {
            Position::Keyset { after, .. } | Position::Ties { after, .. } => after.is_some(),
            Position::Changes { after, .. } => after.is_some(),
            _ => false,
        }
    }

    /// Returns the link of the next page, if there is one.
    pub fn next_link(&self) -> Option<&str> {
        match self {
            Position::NextLink { next_link } | Position::ChangeLinks { next_link, .. } => {
                next_link.as_deref()
            }
            _ => None,
        }
    }

    /// Moves to the start of the links if the link may not be kept.
    pub fn forget_link(&mut self, may_keep: impl Fn(&str) -> bool) {
        if let Position::NextLink { next_link } | Position::ChangeLinks { next_link, .. } = self {
            *next_link = next_link.take().filter(|link| may_keep(link));
        }
    }

    /// Returns whether the walk is at its end.
    pub fn is_finished(&self) -> bool {
        *self == Position::Finished
    }
}
