//! Values as SQLite stores them.

use serde::{Serialize, Serializer};

/// A value as SQLite stores it.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// An absent field, or null: both mean the same.
    #[default]
    Null,
    /// An integer, or a boolean as 0 or 1.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text, a date, a timestamp, or JSON text.
    Text(Box<str>),
}

/// A borrowed [`Value`].
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// Absent or null.
    Null,
    /// An integer.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// A text.
    Text(&'a str),
}

impl Value {
    /// Borrows the value.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text),
        }
    }

    /// Returns the text of a text value.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the number of a numeric value.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Integer(number) => Some(*number as f64),
            Value::Real(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the value as a key: a text as it is, an integer as digits.
    pub fn to_key(&self) -> Option<Box<str>> {
        match self {
            Value::Text(text) if !text.is_empty() => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string().into()),
            _ => None,
        }
    }
}

impl ValueRef<'_> {
    /// Returns an owned copy.
    pub fn to_owned(self) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Text(text) => Value::Text(text.into()),
        }
    }
}

impl Serialize for Value {
    /// Serializes the stored number, text or null.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_none(),
            Value::Integer(number) => serializer.serialize_i64(*number),
            Value::Real(number) => serializer.serialize_f64(*number),
            Value::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl PartialEq for ValueRef<'_> {
    /// Numbers are equal by value: SQLite returns a column's numbers as integers or as
    /// floats, depending on the column's declaration.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (ValueRef::Null, ValueRef::Null) => true,
            (ValueRef::Integer(a), ValueRef::Integer(b)) => a == b,
            (ValueRef::Real(a), ValueRef::Real(b)) => a == b,
            (ValueRef::Integer(a), ValueRef::Real(b))
            | (ValueRef::Real(b), ValueRef::Integer(a)) => *a as f64 == *b,
            (ValueRef::Text(a), ValueRef::Text(b)) => a == b,
            _ => false,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}
