//! Field values, and their JSON as the service writes it.

use std::borrow::Cow;
use std::cmp::Ordering;

use chrono::{DateTime, Datelike, NaiveDate};

use super::enumeration::Enumeration;
use super::field::Kind;
use super::json::write_text;
use crate::behaviour::{Names, Spelling};
use crate::dice::mix;

/// Decimals are stored as multiples of 1 / `DECIMAL_ONE`.
pub const DECIMAL_ONE: i64 = 10_000;

/// The value of one field of one record.
#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Int(i64),
    /// In ten-thousandths.
    Decimal(i64),
    Flag(bool),
    Text(Cow<'static, str>),
    /// Days since 1970.
    Date(i64),
    /// Milliseconds since 1970, UTC.
    Timestamp(i64),
    /// Members of an enumeration. Bit `n` selects the member at position `n`.
    Members(&'static Enumeration, u128),
    /// Longitude and latitude.
    Point(f64, f64),
    /// A value from an edit that does not have the field's type.
    Raw(Box<serde_json::Value>),
}

impl Value {
    #[inline]
    pub fn text(text: &'static str) -> Value {
        Value::Text(Cow::Borrowed(text))
    }

    #[inline]
    pub fn owned(text: String) -> Value {
        Value::Text(Cow::Owned(text))
    }

    /// Returns a decimal from whole units.
    pub fn whole(units: i64) -> Value {
        Value::Decimal(units * DECIMAL_ONE)
    }

    /// Returns a timestamp from seconds since 1970.
    pub fn seconds(seconds: i64) -> Value {
        Value::Timestamp(seconds * 1000)
    }

    /// Returns the value of an edit, for a field of this type.
    pub fn from_json(json: &serde_json::Value, kind: Kind) -> Value {
        use serde_json::Value as Json;
        let read = match (kind, json) {
            (_, Json::Null) => Some(Value::Null),
            (Kind::Int32, Json::Number(n)) => n.as_i64().map(Value::Int),
            (Kind::Decimal, Json::Number(n)) => n
                .as_f64()
                .map(|n| Value::Decimal((n * DECIMAL_ONE as f64).round() as i64)),
            (Kind::Boolean, Json::Bool(flag)) => Some(Value::Flag(*flag)),
            (Kind::Text, Json::String(text)) => Some(Value::owned(text.clone())),
            (Kind::Date, Json::String(text)) => parse_date(text).map(Value::Date),
            (Kind::Timestamp, Json::String(text)) => parse_timestamp(text).map(Value::Timestamp),
            (Kind::Enumeration(e), Json::String(text)) => {
                e.members_of(text).map(|m| Value::Members(e, m))
            }
            _ => None,
        };
        read.unwrap_or_else(|| Value::Raw(Box::new(json.clone())))
    }

    /// Compares two values, nulls first. Returns `None` if their types differ.
    pub fn order(&self, other: &Value) -> Option<Ordering> {
        Some(match (self, other) {
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Null, _) => Ordering::Less,
            (_, Value::Null) => Ordering::Greater,
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Decimal(a), Value::Decimal(b)) => a.cmp(b),
            (Value::Int(a), Value::Decimal(b)) => {
                (i128::from(*a) * i128::from(DECIMAL_ONE)).cmp(&i128::from(*b))
            }
            (Value::Decimal(a), Value::Int(b)) => {
                i128::from(*a).cmp(&(i128::from(*b) * i128::from(DECIMAL_ONE)))
            }
            (Value::Flag(a), Value::Flag(b)) => a.cmp(b),
            (Value::Text(a), Value::Text(b)) => a.as_ref().cmp(b.as_ref()),
            (Value::Date(a), Value::Date(b)) | (Value::Timestamp(a), Value::Timestamp(b)) => {
                a.cmp(b)
            }
            (Value::Members(_, a), Value::Members(_, b)) => a.cmp(b),
            _ => return None,
        })
    }

    /// Returns the argument of string functions: the text of a text or enumeration value.
    pub fn as_text(&self) -> Option<String> {
        match self {
            Value::Text(text) => Some(text.clone().into_owned()),
            Value::Members(e, members) => Some(e.text(*members, Names::Display)),
            _ => None,
        }
    }

    /// Appends the value's JSON.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>, spelling: Spelling) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Int(n) => write_int(*n, out),
            Value::Decimal(n) => write_decimal(*n, out),
            Value::Flag(true) => out.extend_from_slice(b"true"),
            Value::Flag(false) => out.extend_from_slice(b"false"),
            Value::Text(text) => write_text(text, out),
            Value::Date(days) => {
                out.push(b'"');
                write_date(*days, out);
                out.push(b'"');
            }
            Value::Timestamp(ms) => {
                out.push(b'"');
                write_timestamp(*ms, spelling, out);
                out.push(b'"');
            }
            Value::Members(e, members) => {
                out.push(b'"');
                let mut first = true;
                e.each(*members, |member| {
                    if !first {
                        out.push(b',');
                    }
                    first = false;
                    out.extend_from_slice(member.json(spelling.names));
                });
                out.push(b'"');
            }
            Value::Point(longitude, latitude) => {
                let json =
                    format!(r#"{{"type":"Point","coordinates":[{longitude:.6},{latitude:.6}]}}"#);
                out.extend_from_slice(json.as_bytes());
            }
            Value::Raw(json) => out.extend_from_slice(json.to_string().as_bytes()),
        }
    }
}

#[inline]
fn write_int(n: i64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = n.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if n < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Writes decimals as the service does: `222500.0`, `0.25`, but `0`.
fn write_decimal(n: i64, out: &mut Vec<u8>) {
    if n == 0 {
        return out.push(b'0');
    }
    if n < 0 {
        out.push(b'-');
    }
    let n = n.unsigned_abs();
    write_int((n / DECIMAL_ONE as u64) as i64, out);
    out.push(b'.');
    let mut part = n % DECIMAL_ONE as u64;
    let mut place = DECIMAL_ONE as u64 / 10;
    loop {
        out.push(b'0' + (part / place) as u8);
        part %= place;
        if part == 0 {
            return;
        }
        place /= 10;
    }
}

#[inline]
fn write_padded(n: i64, width: usize, out: &mut Vec<u8>) {
    let from = out.len();
    out.resize(from + width, b'0');
    let mut rest = n;
    for place in out[from..].iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

fn write_date(days: i64, out: &mut Vec<u8>) {
    let date = date_of(days);
    write_padded(i64::from(date.year()), 4, out);
    out.push(b'-');
    write_padded(i64::from(date.month()), 2, out);
    out.push(b'-');
    write_padded(i64::from(date.day()), 2, out);
}

/// Returns the hundreds of nanoseconds that timestamps show after a second without
/// milliseconds, if they have seven fraction digits. The last digit is never 0.
fn fraction(seconds: i64) -> i64 {
    (mix(seconds as u64) % 999_999) as i64 * 10 + 7
}

/// Writes whole seconds, and milliseconds unless they are 0.
fn write_timestamp(ms: i64, spelling: Spelling, out: &mut Vec<u8>) {
    let (seconds, part) = (ms.div_euclid(1000), ms.rem_euclid(1000));
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    write_date(days, out);
    out.push(b'T');
    write_padded(of_day / 3600, 2, out);
    out.push(b':');
    write_padded(of_day / 60 % 60, 2, out);
    out.push(b':');
    write_padded(of_day % 60, 2, out);
    if part != 0 {
        out.push(b'.');
        write_padded(part, 3, out);
    } else if spelling.has_fractions {
        out.push(b'.');
        write_padded(fraction(seconds), 7, out);
    }
    out.push(b'Z');
}

/// Returns the date `days` after 1970-01-01, or 1970-01-01 if chrono cannot represent it.
pub fn date_of(days: i64) -> NaiveDate {
    i32::try_from(days)
        .ok()
        .and_then(NaiveDate::from_epoch_days)
        .unwrap_or_default()
}

/// Parses a date such as `2026-01-02` as days since 1970.
pub fn parse_date(text: &str) -> Option<i64> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .map(|date| i64::from(date.to_epoch_days()))
}

/// Parses a timestamp such as `2026-01-02T03:04:05Z` as milliseconds since 1970.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|at| at.timestamp_millis())
}

/// Parses a timestamp of a filter on a feed whose timestamps have seven fraction digits.
/// Returns the whole second if a record of that second shows this timestamp, else a time just
/// before or after the second.
pub fn parse_with_fraction(text: &str, compares_texts: bool) -> Option<i64> {
    let at = DateTime::parse_from_rfc3339(text).ok()?;
    let seconds = at.timestamp();
    let order = if compares_texts {
        let mut shown = Vec::new();
        let spelling = Spelling {
            has_fractions: true,
            ..Spelling::default()
        };
        write_timestamp(seconds * 1000, spelling, &mut shown);
        text.as_bytes().cmp(&shown)
    } else {
        i64::from(at.timestamp_subsec_nanos()).cmp(&(fraction(seconds) * 100))
    };
    Some(seconds * 1000 + order as i64)
}

/// Parses a decimal number as ten-thousandths, and ignores further digits.
pub fn parse_decimal(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty()
        || !whole
            .bytes()
            .chain(part.bytes())
            .all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let part = format!("{part:0<4}");
    let whole = whole.parse::<i64>().ok()?.checked_mul(DECIMAL_ONE)?;
    Some(sign * whole.checked_add(part[..4].parse().ok()?)?)
}
