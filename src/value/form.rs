//! How values of the feed are read into their storage form.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::canonical::{EXACT_WHOLE, canonical, real};
use super::storage::Value;
use super::time::{date, timestamp};

/// How a field is stored, by its Edm type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueForm {
    /// `Edm.Int16` to `Edm.Int64`, `Edm.Byte`, `Edm.SByte`.
    Integer,
    /// `Edm.Decimal`: a number, stored as an integer if it has no fraction.
    Decimal,
    /// `Edm.Double`, `Edm.Single`.
    Real,
    /// `Edm.Boolean`: 0 or 1.
    Boolean,
    /// `Edm.Date`: `YYYY-MM-DD`.
    Date,
    /// `Edm.DateTimeOffset`: `YYYY-MM-DD HH:MM:SS[.f]` in UTC.
    Timestamp,
    /// `Edm.String` and every other type that is one text.
    Text,
    /// An enumeration: text by either name, or JSON text for a collection.
    Enumeration,
    /// Collections, complex and geography values: JSON text.
    Json,
    /// A value of an unknown type: text as it is, and other values as JSON text.
    Untyped,
}

impl ValueForm {
    /// Returns the declared type of a column of this form, without precision and scale.
    pub fn declared_type(self) -> &'static str {
        match self {
            ValueForm::Integer => "INTEGER",
            ValueForm::Decimal => "NUMERIC",
            ValueForm::Real => "REAL",
            ValueForm::Boolean => "BOOLEAN",
            ValueForm::Date => "DATE",
            ValueForm::Timestamp => "TIMESTAMP",
            ValueForm::Text | ValueForm::Enumeration | ValueForm::Json | ValueForm::Untyped => {
                "TEXT"
            }
        }
    }

    /// Returns whether a value of this form may be JSON of any structure.
    pub fn takes_json(self) -> bool {
        matches!(
            self,
            ValueForm::Enumeration | ValueForm::Json | ValueForm::Untyped
        )
    }

    fn expects(self) -> &'static str {
        match self {
            ValueForm::Integer => "a whole number",
            ValueForm::Decimal | ValueForm::Real => "a number",
            ValueForm::Boolean => "true or false",
            ValueForm::Date => "a date",
            ValueForm::Timestamp => "a timestamp",
            ValueForm::Text | ValueForm::Enumeration => "text",
            ValueForm::Json | ValueForm::Untyped => "JSON",
        }
    }
}

/// A value that does not have its field's type.
#[derive(Debug, PartialEq, Eq)]
pub struct TypeMismatch {
    expected: &'static str,
    found: &'static str,
    /// A number, sent as text, that has more digits than a number of SQLite.
    pub exact: Option<Box<str>>,
}

impl fmt::Display for TypeMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is {}, not {}", self.found, self.expected)
    }
}

/// Reads one JSON value into its storage form. A value of the wrong type is not an
/// error of the document: it is returned as [`TypeMismatch`], and reading continues.
impl<'de> DeserializeSeed<'de> for ValueForm {
    type Value = Result<Value, TypeMismatch>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if matches!(self, ValueForm::Json | ValueForm::Untyped) {
            return self.json(deserializer);
        }
        deserializer.deserialize_any(ValueFormVisitor(self))
    }
}

impl ValueForm {
    fn json<'de, D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Result<Value, TypeMismatch>, D::Error> {
        let value: serde_json::Value = serde::Deserialize::deserialize(deserializer)?;
        Ok(Ok(match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::String(text) if self == ValueForm::Untyped => {
                Value::Text(text.into())
            }
            other => Value::Text(canonical(other).to_string().into()),
        }))
    }
}

struct ValueFormVisitor(ValueForm);

impl ValueFormVisitor {
    fn mistyped<E>(&self, found: &'static str) -> Result<Result<Value, TypeMismatch>, E> {
        Ok(Err(TypeMismatch {
            expected: self.0.expects(),
            found,
            exact: None,
        }))
    }

    /// Refuses a number that would be rounded. `exact` is its text, if it was sent as text.
    fn inexact<E>(&self, exact: Option<&str>) -> Result<Result<Value, TypeMismatch>, E> {
        Ok(Err(TypeMismatch {
            expected: "an exact number",
            found: "a number with too many digits",
            exact: exact.map(Box::from),
        }))
    }

    /// Reads a number that was sent as text. OData JSON 4.01, 4.3: with IEEE754Compatible=true
    /// 64-bit integers and decimals are strings. Some servers send all numbers in this way.
    fn read_number<E>(&self, text: &str) -> Result<Result<Value, TypeMismatch>, E> {
        let value = match self.0 {
            ValueForm::Real => double(text),
            _ => decimal(text),
        };
        match value {
            Some(Value::Real(_)) if self.0 == ValueForm::Integer => self.mistyped("a fraction"),
            Some(value) => Ok(Ok(value)),
            None if text.parse().is_ok_and(f64::is_finite) => self.inexact(Some(text)),
            None => self.mistyped("other text"),
        }
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
            ValueForm::Boolean if matches!(number, 0 | 1) => Ok(Ok(Value::Integer(number))),
            _ => self.mistyped("a number"),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        match (i64::try_from(number), self.0) {
            (Ok(number), _) => self.visit_i64(number),
            (Err(_), ValueForm::Text | ValueForm::Enumeration) => {
                Ok(Ok(Value::Text(number.to_string().into())))
            }
            (Err(_), _) => self.visit_f64(number as f64),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        let is_exact = number.abs() < EXACT_WHOLE;
        match (self.0, real(number)) {
            (ValueForm::Real, value) => Ok(Ok(value)),
            (ValueForm::Boolean, Value::Integer(whole)) => self.visit_i64(whole),
            (
                ValueForm::Boolean
                | ValueForm::Date
                | ValueForm::Timestamp
                | ValueForm::Json
                | ValueForm::Untyped,
                _,
            ) => self.mistyped("a number"),
            _ if !is_exact => self.inexact(None),
            (ValueForm::Decimal, value) => Ok(Ok(value)),
            (ValueForm::Integer, whole @ Value::Integer(_)) => Ok(Ok(whole)),
            (ValueForm::Integer, _) => self.mistyped("a fraction"),
            (ValueForm::Text | ValueForm::Enumeration, _) => {
                Ok(Ok(Value::Text(number.to_string().into())))
            }
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let value = match self.0 {
            ValueForm::Text | ValueForm::Enumeration => Some(Value::Text(text.into())),
            // Some servers write an empty string where a date or number is absent.
            _ if text.is_empty() => Some(Value::Null),
            ValueForm::Date => date(text).map(Value::Text),
            ValueForm::Timestamp => timestamp(text).map(Value::Text),
            ValueForm::Boolean => boolean(text),
            ValueForm::Integer | ValueForm::Decimal | ValueForm::Real => {
                return self.read_number(text);
            }
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

/// Reads a decimal number. Returns none for text that is not a number, and for a number that
/// would be rounded.
fn decimal(text: &str) -> Option<Value> {
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        _ => text,
    };
    if let Ok(whole) = whole.parse() {
        return Some(Value::Integer(whole));
    }
    let number: f64 = text.parse().ok()?;
    (number.abs() < EXACT_WHOLE && keeps_digits(text, number)).then(|| real(number))
}

/// The number of significant digits that tell all doubles apart.
const DOUBLE_DIGITS: usize = 17;

/// Reads a double as a JSON number with the same digits is read. Returns none for text that is
/// not a number, and for a number with more digits than a double has.
fn double(text: &str) -> Option<Value> {
    decimal(text).or_else(|| {
        let number: f64 = text
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())?;
        let mantissa = text.split(['e', 'E']).next()?;
        let digits = mantissa.trim_start_matches(['+', '-', '0', '.']);
        let digits = digits.bytes().filter(u8::is_ascii_digit).count();
        (digits <= DOUBLE_DIGITS || keeps_digits(text, number)).then(|| real(number))
    })
}

/// Reads a boolean that was sent as text.
fn boolean(text: &str) -> Option<Value> {
    let spells = |names: [&str; 3]| names.iter().any(|name| name.eq_ignore_ascii_case(text));
    if spells(["true", "y", "1"]) {
        return Some(Value::Integer(1));
    }
    spells(["false", "n", "0"]).then_some(Value::Integer(0))
}

/// Returns whether a number is written with the digits of a text. Up to 15 significant digits
/// always stay.
fn keeps_digits(text: &str, number: f64) -> bool {
    let significant = |text: &str| -> String {
        let text = text.trim_start_matches(['+', '-']).trim_start_matches('0');
        let is_fraction = text.contains('.');
        let text = text.trim_end_matches(|digit| is_fraction && digit == '0');
        text.trim_end_matches('.').to_owned()
    };
    let is_scientific = text.contains(['e', 'E']);
    is_scientific || significant(text) == significant(&number.to_string())
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
                &["463552830012.3334", "\"463552830012.3334\""],
                Ok(Value::Real(463552830012.3334)),
            ),
            (
                ValueForm::Decimal,
                &[
                    "9007199254740993",
                    "\"9007199254740993\"",
                    "\"9007199254740993.00\"",
                ],
                Ok(Value::Integer(9_007_199_254_740_993)),
            ),
            (
                ValueForm::Text,
                &["18446744073709551615"],
                text("18446744073709551615"),
            ),
            (
                ValueForm::Integer,
                &["7", "7.0", "\"7\"", "\"7.0\""],
                Ok(Value::Integer(7)),
            ),
            (
                ValueForm::Real,
                &["1.5", "\"1.5\"", "\"1.50\"", "\"15e-1\""],
                Ok(Value::Real(1.5)),
            ),
            (
                ValueForm::Real,
                &["0.1", "0.10000000000000001", "\"0.10000000000000001\""],
                Ok(Value::Real(0.1)),
            ),
            (
                ValueForm::Real,
                &["1e300", "\"1E+300\""],
                Ok(Value::Real(1e300)),
            ),
            (
                ValueForm::Real,
                &["1e20", "\"100000000000000000000\""],
                Ok(Value::Real(1e20)),
            ),
            (ValueForm::Real, &["2.0", "\"2\""], Ok(Value::Integer(2))),
            (
                ValueForm::Boolean,
                &["true", "1", "1.0", "\"true\"", "\"True\"", "\"Y\"", "\"1\""],
                Ok(Value::Integer(1)),
            ),
            (
                ValueForm::Boolean,
                &["false", "0", "\"FALSE\"", "\"n\"", "\"0\""],
                Ok(Value::Integer(0)),
            ),
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
            (
                ValueForm::Timestamp,
                &[
                    "\"2026-01-02T03:04Z\"",
                    "\"2026-01-02T03:04\"",
                    "\"2026-01-01T20:04-07:00\"",
                ],
                text("2026-01-02 03:04:00"),
            ),
            (
                ValueForm::Timestamp,
                &["\"9999-12-31T23:59:59-07:00\"", "\"9999-12-31T23:59:59Z\""],
                text("9999-12-31 23:59:59"),
            ),
            (
                ValueForm::Timestamp,
                &["\"0000-01-01T00:00:00+07:00\"", "\"0000-01-01T00:00:00Z\""],
                text("0000-01-01 00:00:00"),
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
    fn a_value_of_another_type_is_reported_and_not_stored() {
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
            (
                ValueForm::Decimal,
                "\"9007199254740993.5\"",
                "is a number with too many digits, not an exact number",
            ),
            (
                ValueForm::Decimal,
                "9007199254740993.5",
                "is a number with too many digits, not an exact number",
            ),
            (
                ValueForm::Text,
                "12345678901234567890123",
                "is a number with too many digits, not an exact number",
            ),
            (ValueForm::Decimal, "\"NaN\"", "is other text, not a number"),
            (ValueForm::Boolean, "2", "is a number, not true or false"),
            (
                ValueForm::Boolean,
                "\"maybe\"",
                "is other text, not true or false",
            ),
            (
                ValueForm::Integer,
                "\"4.5\"",
                "is a fraction, not a whole number",
            ),
            (
                ValueForm::Real,
                "\"0.12345678901234567890\"",
                "is a number with too many digits, not an exact number",
            ),
            (ValueForm::Real, "\"NaN\"", "is other text, not a number"),
            (ValueForm::Real, "\"1e999\"", "is other text, not a number"),
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
            let message = read(form, json).map_err(|mistyped| mistyped.to_string());
            assert_eq!(message, Err(expected.to_owned()), "{form:?} {json}");
        }
    }
}
