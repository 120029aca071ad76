//! A field's value in its storage form: one spelling for equal values.
//!
//! The feed spells one value in several ways (`1600.0` and `1600`, `…00Z` and
//! `…00.000Z`, an absent field and null). Everything that is stored or compared
//! has passed through a [`ValueForm`] first, so that equal values are equal here.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize, Serializer};

/// A value as SQLite holds it.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Absent, or null: the two mean the same.
    #[default]
    Null,
    /// A whole number, or a boolean as 0 or 1.
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
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Any text.
    Text(&'a str),
}

impl Value {
    /// This value, borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text),
        }
    }

    /// The text of a text value.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as a key: text as it is, a whole number in digits.
    pub fn to_key(&self) -> Option<Box<str>> {
        match self {
            Value::Text(text) if !text.is_empty() => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string().into()),
            _ => None,
        }
    }
}

impl ValueRef<'_> {
    /// An owned copy.
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
    /// The number, the text or null, as it is stored.
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
    /// Numbers are equal by value: SQLite gives a column's numbers back as
    /// whole ones or as floating ones, as the column is declared.
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

/// How a field is stored, from its Edm type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueForm {
    /// `Edm.Int16` to `Edm.Int64`, `Edm.Byte`, `Edm.SByte`.
    Integer,
    /// `Edm.Decimal`: a number, whole where it has no fraction.
    Decimal,
    /// `Edm.Double`, `Edm.Single`.
    Real,
    /// `Edm.Boolean`: 0 or 1.
    Boolean,
    /// `Edm.Date`: `YYYY-MM-DD`.
    Date,
    /// `Edm.DateTimeOffset`: `YYYY-MM-DD HH:MM:SS[.f]` in UTC.
    Timestamp,
    /// `Edm.String` and whatever else is one piece of text.
    Text,
    /// An enumeration: text by either name, or JSON text for a collection.
    Enumeration,
    /// Collections, complex and geography values: JSON text.
    Json,
}

impl ValueForm {
    /// The declared type of a column of this form, before precision and scale.
    pub fn declared_type(self) -> &'static str {
        match self {
            ValueForm::Integer => "INTEGER",
            ValueForm::Decimal => "DECIMAL",
            ValueForm::Real => "REAL",
            ValueForm::Boolean => "BOOLEAN",
            ValueForm::Date => "DATE",
            ValueForm::Timestamp => "TIMESTAMP",
            ValueForm::Text | ValueForm::Enumeration | ValueForm::Json => "TEXT",
        }
    }

    fn expects(self) -> &'static str {
        match self {
            ValueForm::Integer => "a whole number",
            ValueForm::Decimal | ValueForm::Real => "a number",
            ValueForm::Boolean => "true or false",
            ValueForm::Date => "a date",
            ValueForm::Timestamp => "a timestamp",
            ValueForm::Text | ValueForm::Enumeration => "text",
            ValueForm::Json => "JSON",
        }
    }
}

/// A value that is not of its field's type.
#[derive(Debug, PartialEq, Eq)]
pub struct TypeMismatch {
    expected: &'static str,
    found: &'static str,
}

impl fmt::Display for TypeMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is {}, not {}", self.found, self.expected)
    }
}

/// Reads one JSON value into its storage form. A value of the wrong type is no
/// error of the document: it comes back as [`TypeMismatch`], and reading goes on.
impl<'de> DeserializeSeed<'de> for ValueForm {
    type Value = Result<Value, TypeMismatch>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self == ValueForm::Json {
            return canonical_json(deserializer);
        }
        deserializer.deserialize_any(ValueFormVisitor(self))
    }
}

fn canonical_json<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Result<Value, TypeMismatch>, D::Error> {
    let value: serde_json::Value = serde::Deserialize::deserialize(deserializer)?;
    Ok(Ok(match value {
        serde_json::Value::Null => Value::Null,
        other => Value::Text(canonical(other).to_string().into()),
    }))
}

/// The same JSON value in one spelling: object members by name, numbers without
/// an empty fraction. Members that are null are kept.
pub fn canonical(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::Number(number) => match number.as_f64().map(real) {
            Some(Value::Integer(whole)) if number.is_f64() => whole.into(),
            _ => Json::Number(number),
        },
        Json::Array(items) => items.into_iter().map(canonical).collect(),
        Json::Object(members) => {
            let mut members: Vec<_> = members.into_iter().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            members
                .into_iter()
                .map(|(name, member)| (name, canonical(member)))
                .collect()
        }
        other => other,
    }
}

/// The largest whole number up to which every whole number is also a float.
const EXACT_WHOLE: f64 = 9_007_199_254_740_992.0;

/// A number in storage form: whole where it has no fraction.
fn real(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= EXACT_WHOLE {
        Value::Integer(number as i64)
    } else {
        Value::Real(number)
    }
}

struct ValueFormVisitor(ValueForm);

impl ValueFormVisitor {
    fn mistyped<E>(&self, found: &'static str) -> Result<Result<Value, TypeMismatch>, E> {
        Ok(Err(TypeMismatch {
            expected: self.0.expects(),
            found,
        }))
    }
}

impl<'de> Visitor<'de> for ValueFormVisitor {
    type Value = Result<Value, TypeMismatch>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Ok(Value::Null))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Self::Value, E> {
        match self.0 {
            ValueForm::Boolean => Ok(Ok(Value::Integer(truth.into()))),
            _ => self.mistyped("a boolean"),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        match self.0 {
            ValueForm::Integer | ValueForm::Decimal | ValueForm::Real => {
                Ok(Ok(Value::Integer(number)))
            }
            ValueForm::Text | ValueForm::Enumeration => {
                Ok(Ok(Value::Text(number.to_string().into())))
            }
            _ => self.mistyped("a number"),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => self.visit_f64(number as f64),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        match (self.0, real(number)) {
            (ValueForm::Decimal | ValueForm::Real, value) => Ok(Ok(value)),
            (ValueForm::Integer, whole @ Value::Integer(_)) => Ok(Ok(whole)),
            (ValueForm::Text | ValueForm::Enumeration, _) => {
                Ok(Ok(Value::Text(number.to_string().into())))
            }
            (ValueForm::Integer, _) => self.mistyped("a fraction"),
            _ => self.mistyped("a number"),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let value = match self.0 {
            ValueForm::Text | ValueForm::Enumeration => Some(Value::Text(text.into())),
            // Some servers write an empty string where a date or number is absent.
            _ if text.is_empty() => Some(Value::Null),
            ValueForm::Date => date(text).map(Value::Text),
            ValueForm::Timestamp => timestamp(text).map(Value::Text),
            // OData JSON 4.01, 4.3: with IEEE754Compatible=true numbers of
            // these types are strings.
            ValueForm::Integer => text.parse().ok().map(Value::Integer),
            ValueForm::Decimal => decimal(text),
            _ => None,
        };
        match value {
            Some(value) => Ok(Ok(value)),
            None => self.mistyped("other text"),
        }
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        match self.0 {
            ValueForm::Text | ValueForm::Enumeration => Ok(Ok(Value::Text(text.into()))),
            _ => self.visit_str(&text),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        if self.0 == ValueForm::Enumeration {
            let mut names = Vec::new();
            while let Some(item) = items.next_element::<serde_json::Value>()? {
                names.push(canonical(item));
            }
            return Ok(Ok(Value::Text(
                serde_json::Value::Array(names).to_string().into(),
            )));
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.mistyped("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.mistyped("an object")
    }
}

fn decimal(text: &str) -> Option<Value> {
    let number: f64 = text.parse().ok()?;
    number.is_finite().then(|| real(number))
}

fn date(text: &str) -> Option<Box<str>> {
    let day = text.get(..10).filter(|day| is_date(day.as_bytes()))?;
    match &text[10..] {
        "" => Some(day.into()),
        // A midnight behind the date adds nothing to it.
        _ => timestamp(text)?.ends_with(" 00:00:00").then(|| day.into()),
    }
}

/// Whether digits stand in `bytes` where `pattern` has a `d`, and otherwise the same bytes.
fn fits(bytes: &[u8], pattern: &[u8]) -> bool {
    bytes.len() == pattern.len()
        && bytes
            .iter()
            .zip(pattern)
            .all(|(byte, wanted)| match wanted {
                b'd' => byte.is_ascii_digit(),
                _ => byte == wanted,
            })
}

/// The number of the two digits at a place.
fn two(digits: &[u8], at: usize) -> u32 {
    u32::from(digits[at] - b'0') * 10 + u32::from(digits[at + 1] - b'0')
}

/// Whether the text is a day of the calendar as `YYYY-MM-DD`.
fn is_date(text: &[u8]) -> bool {
    fits(text, b"dddd-dd-dd") && {
        let year = two(text, 0) * 100 + two(text, 2);
        NaiveDate::from_ymd_opt(year as i32, two(text, 5), two(text, 8)).is_some()
    }
}

/// A status without what its two spellings differ in (`Active Under Contract` and
/// `ActiveUnderContract`).
pub fn folded_status(status: &str) -> impl Iterator<Item = char> {
    let letters = status.chars().filter(|letter| *letter != ' ');
    letters.map(|letter| letter.to_ascii_lowercase())
}

/// A timestamp of the feed in storage form: UTC, a space between date and time,
/// a fraction only where there is one. None if it is no timestamp.
pub fn timestamp(text: &str) -> Option<Box<str>> {
    if let Some(stored) = plain_utc(text) {
        return Some(stored);
    }
    let instant = DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.with_timezone(&Utc))
        .or_else(|_| {
            // Without an offset it is UTC, as OData's are by default.
            NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|naive| naive.and_utc())
        })
        .ok()?;
    Some(stored_instant(instant).into())
}

/// An instant in storage form.
pub fn stored_instant(instant: DateTime<Utc>) -> String {
    let text = instant.format("%Y-%m-%d %H:%M:%S%.9f").to_string();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The instant that a text in storage form tells, if it is one.
pub fn instant(stored: &str) -> Option<DateTime<Utc>> {
    let instant = NaiveDateTime::parse_from_str(stored, "%Y-%m-%d %H:%M:%S%.f");
    instant.ok().map(|instant| instant.and_utc())
}

/// The usual spelling, `2026-01-02T03:04:05[.678]Z`, without a full parse.
fn plain_utc(text: &str) -> Option<Box<str>> {
    let bytes = text.as_bytes();
    let (&last, body) = bytes.split_last()?;
    if last != b'Z' || body.len() < 19 || body.len() > 29 {
        return None;
    }
    let (day, time) = (&body[..10], &body[10..19]);
    if !is_date(day) || !fits(time, b"Tdd:dd:dd") {
        return None;
    }
    if two(time, 1) > 23 || two(time, 4) > 59 || two(time, 7) > 59 {
        return None;
    }
    let fraction = match &body[19..] {
        [] => "",
        [b'.', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => text
            [19..text.len() - 1]
            .trim_end_matches('0')
            .trim_end_matches('.'),
        _ => return None,
    };
    Some(format!("{} {}{fraction}", &text[..10], &text[11..19]).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: ValueForm, json: &str) -> Result<Value, TypeMismatch> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        form.deserialize(&mut deserializer)
            .expect("the JSON of a test is JSON")
    }

    fn text(text: &str) -> Result<Value, TypeMismatch> {
        Ok(Value::Text(text.into()))
    }

    #[test]
    fn equal_values_in_other_spellings_have_one_form() {
        let cases: &[(ValueForm, &[&str], Result<Value, TypeMismatch>)] = &[
            (
                ValueForm::Decimal,
                &["1600.0", "1600", "1.6e3", "\"1600.00\""],
                Ok(Value::Integer(1600)),
            ),
            (
                ValueForm::Decimal,
                &["0", "-0.0", "0.00"],
                Ok(Value::Integer(0)),
            ),
            (
                ValueForm::Decimal,
                &["463552830012.3334"],
                Ok(Value::Real(463552830012.3334)),
            ),
            (
                ValueForm::Integer,
                &["7", "7.0", "\"7\""],
                Ok(Value::Integer(7)),
            ),
            (ValueForm::Boolean, &["true"], Ok(Value::Integer(1))),
            (
                ValueForm::Timestamp,
                &[
                    "\"2026-01-02T03:04:05Z\"",
                    "\"2026-01-02T03:04:05.000Z\"",
                    "\"2026-01-02T03:04:05+00:00\"",
                    "\"2026-01-01T20:04:05-07:00\"",
                    "\"2026-01-02T03:04:05\"",
                ],
                text("2026-01-02 03:04:05"),
            ),
            (
                ValueForm::Timestamp,
                &[
                    "\"2026-01-02T03:04:05.670Z\"",
                    "\"2026-01-02T03:04:05.67+00:00\"",
                ],
                text("2026-01-02 03:04:05.67"),
            ),
            (
                ValueForm::Date,
                &["\"2026-01-02\"", "\"2026-01-02T00:00:00Z\""],
                text("2026-01-02"),
            ),
            (ValueForm::Text, &["\"a\\u00e9\""], text("aé")),
            (ValueForm::Text, &["12"], text("12")),
            (
                ValueForm::Enumeration,
                &["[\"A\", \"B\"]"],
                text("[\"A\",\"B\"]"),
            ),
            (
                ValueForm::Json,
                &[
                    "{\"type\": \"Point\", \"coordinates\": [-111.0, 40.5]}",
                    "{\"coordinates\":[-111,40.50],\"type\":\"Point\"}",
                ],
                text("{\"coordinates\":[-111,40.5],\"type\":\"Point\"}"),
            ),
            (ValueForm::Date, &["null", "\"\""], Ok(Value::Null)),
            (ValueForm::Json, &["null"], Ok(Value::Null)),
        ];
        for (form, spellings, expected) in cases {
            for spelling in *spellings {
                assert_eq!(&read(*form, spelling), expected, "{form:?} {spelling}");
            }
        }
    }

    #[test]
    fn a_value_of_another_type_is_told_and_not_stored() {
        let cases = [
            (
                ValueForm::Integer,
                "\"four\"",
                "is other text, not a whole number",
            ),
            (
                ValueForm::Integer,
                "4.5",
                "is a fraction, not a whole number",
            ),
            (
                ValueForm::Decimal,
                "{\"a\": [1]}",
                "is an object, not a number",
            ),
            (ValueForm::Boolean, "1", "is a number, not true or false"),
            (
                ValueForm::Date,
                "\"2026-02-30\"",
                "is other text, not a date",
            ),
            (
                ValueForm::Timestamp,
                "\"yesterday\"",
                "is other text, not a timestamp",
            ),
            (
                ValueForm::Timestamp,
                "\"2026-02-30T00:00:00Z\"",
                "is other text, not a timestamp",
            ),
            (ValueForm::Timestamp, "5", "is a number, not a timestamp"),
            (ValueForm::Text, "[\"a\"]", "is a list, not text"),
            (ValueForm::Text, "true", "is a boolean, not text"),
            (
                ValueForm::Date,
                "\"é026-01-02\"",
                "is other text, not a date",
            ),
        ];
        for (form, json, expected) in cases {
            let told = read(form, json).map_err(|mistyped| mistyped.to_string());
            assert_eq!(told, Err(expected.to_owned()), "{form:?} {json}");
        }
    }
}
