//! `$filter` expressions, before percent-encoding.

use std::fmt;

use crate::config::Precision;

/// A value in a filter. `Display` writes it in OData syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A whole number.
    Int(i64),
    /// Text. It is quoted, and quotes inside are doubled.
    Text(String),
    /// A GUID, without quotes. Source: OData 4.01 ABNF, `guidValue`.
    Guid(String),
    /// A timestamp from [`timestamp_literal`], without quotes.
    Timestamp(String),
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Int(number) => write!(f, "{number}"),
            Literal::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Literal::Guid(text) | Literal::Timestamp(text) => f.write_str(text),
        }
    }
}

/// Returns `field eq value`.
pub fn eq(field: &str, value: &Literal) -> String {
    format!("{field} eq {value}")
}

/// Returns `field ne value`.
pub fn ne(field: &str, value: &Literal) -> String {
    format!("{field} ne {value}")
}

/// Returns `field gt value`.
pub fn gt(field: &str, value: &Literal) -> String {
    format!("{field} gt {value}")
}

/// Returns `field lt value`.
pub fn lt(field: &str, value: &Literal) -> String {
    format!("{field} lt {value}")
}

/// Returns `field ge value`.
pub fn ge(field: &str, value: &Literal) -> String {
    format!("{field} ge {value}")
}

/// Returns `field le value`.
pub fn le(field: &str, value: &Literal) -> String {
    format!("{field} le {value}")
}

/// Matches records whose field has one of the values, with `in`. Servers before OData 4.01
/// reject it for several values. An empty list matches no record.
pub fn is_in(field: &str, values: &[Literal]) -> String {
    if values.len() < 2 {
        return is_any_of(field, values);
    }
    let values: Vec<String> = values.iter().map(Literal::to_string).collect();
    format!("{field} in ({})", values.join(","))
}

/// Matches records whose field has one of the values: joins `eq` terms with `or`. An empty
/// list matches no record.
pub fn is_any_of(field: &str, values: &[Literal]) -> String {
    match values {
        [] => "false".to_owned(),
        values => or(values.iter().map(|value| eq(field, value))),
    }
}

/// Puts an expression in parentheses, so that it can be joined with others. Returns empty
/// text for empty text, which [`and`] skips.
pub fn group(expression: &str) -> String {
    match expression.trim() {
        "" => String::new(),
        text => format!("({text})"),
    }
}

/// Joins parts with `and` and skips empty parts. A part that contains `or` must come from
/// [`or`] or [`group`].
pub fn and<S: AsRef<str>>(parts: impl IntoIterator<Item = S>) -> String {
    joined(parts, " and ").0
}

/// Joins parts with `or`. The result has parentheses if there are several parts.
pub fn or<S: AsRef<str>>(parts: impl IntoIterator<Item = S>) -> String {
    match joined(parts, " or ") {
        (text, 2..) => format!("({text})"),
        (text, _) => text,
    }
}

/// Joins the parts that are not empty, and counts them.
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

/// Returns the OData literal of a timestamp in storage form: `2026-01-02T03:04:05Z` for
/// `2026-01-02 03:04:05[.fff]` in UTC. Applies the same replacements to other text.
pub fn timestamp_literal(stored: &str, precision: Precision) -> String {
    let time = stored.trim().trim_end_matches('Z').replacen(' ', "T", 1);
    match precision {
        Precision::AsStored => format!("{time}Z"),
        Precision::Millis => {
            let (second, fraction) = time.split_once('.').unwrap_or((&time, ""));
            let digits: String = fraction.chars().take(3).collect();
            format!("{second}.{digits:0<3}Z")
        }
    }
}
