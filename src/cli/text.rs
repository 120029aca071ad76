//! Numbers, times and sizes as people read them.

use std::borrow::Cow;

use crate::value::Value;

pub use crate::report::{bytes, cut, printable, steers, thousands, time};

/// A count with its noun: `1 listing`, `2,000 listings`.
pub fn counted(number: u64, nouns: (&str, &str)) -> String {
    format!(
        "{} {}",
        thousands(number),
        if number == 1 { nouns.0 } else { nouns.1 }
    )
}

/// A stored value; one that is not there, or has no letters, is told, too.
pub fn value(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => "nothing".into(),
        Value::Integer(number) => number.to_string().into(),
        Value::Real(number) => number.to_string().into(),
        Value::Text(text) if text.is_empty() => "\"\"".into(),
        Value::Text(text) => (&**text).into(),
    }
}

/// A list as people write it: `a, b and c`.
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
