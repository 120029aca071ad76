//! Keys and cursors: places in the feed's order.

use serde::{Deserialize, Serialize};

use crate::feed::odata::query::{self, Literal};
use crate::value::Value;

/// A record's key. Numeric keys compare as numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// A numeric key.
    Number(i64),
    /// A text key.
    Text(String),
}

impl Key {
    /// Returns the key as filters have it.
    pub fn literal(&self) -> Literal {
        match self {
            Key::Number(number) => Literal::Int(*number),
            Key::Text(text) => Literal::Text(text.clone()),
        }
    }

    /// Returns the key as records have it.
    pub fn value(&self) -> Value {
        match self {
            Key::Number(number) => Value::Integer(*number),
            Key::Text(text) => Value::Text(text.as_str().into()),
        }
    }

    /// Returns the key with this value, if it is a number or text.
    pub fn of(value: &Value) -> Option<Key> {
        match value {
            Value::Integer(number) => Some(Key::Number(*number)),
            Value::Text(text) => Some(Key::Text(text.to_string())),
            _ => None,
        }
    }

    /// Returns whether a page that starts after `self` may end at `last`. Servers sort text
    /// in different ways, so text keys only have to differ.
    pub fn may_precede(&self, last: &Key) -> bool {
        match (self, last) {
            (Key::Number(after), Key::Number(last)) => last > after,
            (after, last) => after != last,
        }
    }
}

/// A range of keys. A limit that is none does not restrict the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// The key before the first one.
    pub after: Option<Key>,
    /// The last key.
    pub up_to: Option<Key>,
}

impl KeyRange {
    /// Returns whether a key is in the range, in the order of the mirror.
    pub fn contains(&self, key: &Key) -> bool {
        let is_after = |limit: &Key| match (key, limit) {
            (Key::Number(key), Key::Number(limit)) => key > limit,
            (Key::Text(key), Key::Text(limit)) => key > limit,
            _ => false,
        };
        self.after.as_ref().is_none_or(is_after) && !self.up_to.as_ref().is_some_and(is_after)
    }

    /// Returns the filter of the records whose field is in the range. It is empty if there are
    /// no limits.
    pub fn filter(&self, field: &str) -> String {
        let after = self.after.as_ref().map(Key::literal);
        let up_to = self.up_to.as_ref().map(Key::literal);
        query::and([
            after.map_or(String::new(), |after| query::gt(field, &after)),
            up_to.map_or(String::new(), |up_to| query::le(field, &up_to)),
        ])
    }
}

/// A timestamp after which a filter can continue: all records with it have been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The ModificationTimestamp, in storage form.
    #[serde(rename = "stamp")]
    pub timestamp: String,
    /// The same timestamp as the server wrote it. It is sent back unchanged, because some
    /// servers compare timestamps as text.
    #[serde(default)]
    pub sent: Option<String>,
}
