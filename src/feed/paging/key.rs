//! Keys and cursors: places in the feed's order.

use serde::{Deserialize, Serialize};

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

/// A record's place in the order of (ModificationTimestamp, key).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The ModificationTimestamp, in storage form.
    #[serde(rename = "stamp")]
    pub timestamp: String,
    /// The same timestamp as the server wrote it. It is sent back unchanged, because some
    /// servers compare timestamps as text.
    #[serde(default)]
    pub sent: Option<String>,
    /// The key. None means that all records with this timestamp have been read.
    pub key: Option<Key>,
}
