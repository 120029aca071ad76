//! `$filter` expressions, not yet percent-encoded.

use std::fmt;

/// A value in a filter; `Display` writes it as OData has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A whole number.
    Int(i64),
    /// Text, which is quoted and its quotes doubled.
    Text(String),
    /// A timestamp as [`timestamp_literal`] gives it; never quoted.
    Timestamp(String),
    /// What stands as it is: an enumeration's `Ns.Enum'Member'`, a decimal, `null`.
    Raw(String),
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Int(number) => write!(f, "{number}"),
            Literal::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Literal::Timestamp(text) | Literal::Raw(text) => f.write_str(text),
        }
    }
}

/// `field eq value`.
pub fn eq(field: &str, value: &Literal) -> String {
    format!("{field} eq {value}")
}

/// `field gt value`.
pub fn gt(field: &str, value: &Literal) -> String {
    format!("{field} gt {value}")
}

/// `field ge value`.
pub fn ge(field: &str, value: &Literal) -> String {
    format!("{field} ge {value}")
}

/// `field lt value`.
pub fn lt(field: &str, value: &Literal) -> String {
    format!("{field} lt {value}")
}

/// `field le value`.
pub fn le(field: &str, value: &Literal) -> String {
    format!("{field} le {value}")
}

/// Whether the field is one of the values, as `or` of `eq`: `in` came with
/// OData 4.01 and older servers refuse it. No values match no record.
pub fn is_in(field: &str, values: &[Literal]) -> String {
    match values {
        [] => "false".to_owned(),
        values => or(values.iter().map(|value| eq(field, value))),
    }
}

/// An expression that somebody else wrote, made safe to join: `(text)`.
/// Empty text stays empty, which [`and`] leaves out.
pub fn group(expression: &str) -> String {
    match expression.trim() {
        "" => String::new(),
        text => format!("({text})"),
    }
}

/// All of the parts; empty ones are left out. Parts with an `or` of their own
/// must come from [`or`] or [`group`].
pub fn and<S: AsRef<str>>(parts: impl IntoIterator<Item = S>) -> String {
    joined(parts, " and ").0
}

/// Any of the parts, in parentheses when there are several.
pub fn or<S: AsRef<str>>(parts: impl IntoIterator<Item = S>) -> String {
    match joined(parts, " or ") {
        (text, 2..) => format!("({text})"),
        (text, _) => text,
    }
}

/// The parts that say something, and how many they are.
fn joined<S: AsRef<str>>(parts: impl IntoIterator<Item = S>, word: &str) -> (String, usize) {
    let mut text = String::new();
    let mut count = 0;
    for part in parts {
        let part = part.as_ref();
        if part.is_empty() {
            continue;
        }
        if count > 0 {
            text.push_str(word);
        }
        text.push_str(part);
        count += 1;
    }
    (text, count)
}

/// How fine a timestamp is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// With the fraction that it has, if any.
    AsStored,
    /// With exactly three digits, for servers that compare timestamps as text.
    /// Finer ones are cut off, never rounded up.
    Millis,
}

/// A timestamp in storage form, `2026-01-02 03:04:05[.fff]` in UTC, as an OData
/// literal: `2026-01-02T03:04:05Z`. Text of another form passes through with
/// the same replacements.
pub fn timestamp_literal(stored: &str, precision: Precision) -> String {
    let moment = stored.trim().trim_end_matches('Z').replacen(' ', "T", 1);
    match precision {
        Precision::AsStored => format!("{moment}Z"),
        Precision::Millis => {
            let (second, fraction) = moment.split_once('.').unwrap_or((&moment, ""));
            let digits: String = fraction.chars().take(3).collect();
            format!("{second}.{digits:0<3}Z")
        }
    }
}
