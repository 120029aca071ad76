//! Formats counts, values and lists for people.

use std::borrow::Cow;

use crate::value::Value;

pub use crate::report::{
    at_left, bytes, cut, end, printable, start, steers, thousands, time, width,
};

/// Formats a count with its noun: `1 listing`, `2,000 listings`.
pub fn counted(number: u64, nouns: (&str, &str)) -> String {
    format!(
        "{} {}",
        thousands(number),
        if number == 1 { nouns.0 } else { nouns.1 }
    )
}

/// Formats a stored value. NULL is `nothing`, and an empty text is `""`.
pub fn value(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => "nothing".into(),
        Value::Integer(number) => number.to_string().into(),
        Value::Real(number) => number.to_string().into(),
        Value::Text(text) if text.is_empty() => "\"\"".into(),
        Value::Text(text) => (&**text).into(),
    }
}

/// Joins a list: `a, b and c`.
pub fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_has_its_noun() {
        assert_eq!(counted(1, ("listing", "listings")), "1 listing");
        assert_eq!(counted(2_000, ("listing", "listings")), "2,000 listings");
    }
}
