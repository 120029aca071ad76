//! Formats counts, values and lists for people.

use std::borrow::Cow;
use std::path::Path;

use crate::resource::Resource;
use crate::value::Value;

pub use crate::report::{
    at_left, bytes, cut, dollars, end, printable, rounded, start, steers, thousands, time, width,
};

/// Formats a count with its noun: `1 listing`, `2,000 listings`.
pub fn counted(number: u64, nouns: (&str, &str)) -> String {
    format!(
        "{} {}",
        thousands(number),
        if number == 1 { nouns.0 } else { nouns.1 }
    )
}

/// Returns the nouns of the records of a resource with this name.
pub fn nouns_of(resource: &str) -> (&'static str, &'static str) {
    resource
        .parse()
        .map_or(("record", "records"), Resource::nouns)
}

/// Returns a path or another argument as a shell needs it.
pub fn quoted(argument: &Path) -> String {
    let text = argument.to_string_lossy();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./@%+=:,".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
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

/// Returns whether a field has a time in storage form, by its name.
pub fn is_timestamp(field: &str) -> bool {
    field.ends_with("Timestamp") || field.ends_with("Time")
}

/// Groups the resources with the same error, in the order of their first errors.
pub fn by_error<'a>(
    errors: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (resource, error) in errors {
        match groups.iter_mut().find(|(known, _)| *known == error) {
            Some((_, resources)) if resources.contains(&resource) => {}
            Some((_, resources)) => resources.push(resource),
            None => groups.push((error, vec![resource])),
        }
    }
    groups
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
    fn an_argument_is_quoted_if_a_shell_needs_it() {
        for (argument, quoted) in [
            ("a/b-1.db", "a/b-1.db"),
            ("with space/m.db", "'with space/m.db'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(super::quoted(Path::new(argument)), quoted);
        }
    }

    #[test]
    fn a_count_has_its_noun() {
        assert_eq!(counted(1, ("listing", "listings")), "1 listing");
        assert_eq!(counted(2_000, ("listing", "listings")), "2,000 listings");
    }
}
