//! Values that several sections have.

use crate::config::config_error::ConfigError;
use crate::config::section_reader::Value;

pub(super) type Result<T> = std::result::Result<T, ConfigError>;

/// Parses a program with its arguments. An argument may be empty.
pub(super) fn program(value: Value<'_>) -> Result<Vec<String>> {
    let wrong = || value.fail(r#"must list a program and its arguments, such as ["pass", "mls"]"#);
    let parts = value.texts().map_err(|_| wrong())?;
    if parts.is_empty() {
        return Err(wrong());
    }

    parts
        .iter()
        .map(|part| part.any_text().map(str::to_owned))
        .collect()
}

/// The longest valid name of an environment variable. A longer text is probably the secret
/// itself.
const LONGEST_VARIABLE: usize = 64;

/// Parses the name of an environment variable that holds a secret. `secret` says which one,
/// for errors: they never show the text.
pub(super) fn variable(value: Value<'_>, secret: &str) -> Result<String> {
    let name = value.any_text().unwrap_or_default().trim();
    if !is_name(name) || name.len() > LONGEST_VARIABLE {
        return Err(value.fail(format!(
            "must be the name of an environment variable, not {secret} itself"
        )));
    }
    Ok(name.to_owned())
}

/// Returns whether the text is a valid name of a field or of an environment variable.
pub(super) fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
