//! Parses `[feed.headers]` and `[feed.query]`. Its errors never show a value that could be
//! a secret.

use super::fields::{Result, variable};
use crate::config::parameter::{Parameter, ParameterValue};
use crate::config::secret_names::is_secret_name;
use crate::config::section_reader::{Section, Value};

/// Headers that cannot be configured, in lower case, each with the reason.
const RESERVED_HEADERS: [(&str, &str); 16] = [
    ("authorization", "the token is sent there; see `token_env`"),
    ("host", "it follows from `base_url`"),
    (
        "accept",
        "records are always requested as JSON and $metadata as XML",
    ),
    ("accept-encoding", "gzip is always requested"),
    ("connection", BY_HTTP),
    ("content-length", BY_HTTP),
    ("expect", BY_HTTP),
    ("keep-alive", BY_HTTP),
    ("te", BY_HTTP),
    ("transfer-encoding", BY_HTTP),
    ("upgrade", BY_HTTP),
    ("proxy-authorization", "it would go to the feed"),
    ("range", PARTIAL),
    ("if-modified-since", PARTIAL),
    ("if-none-match", PARTIAL),
    ("if-range", PARTIAL),
];
const BY_HTTP: &str = "it belongs to the connection";
const PARTIAL: &str = "the mirror needs whole answers";

/// Query options that cannot be configured: each request has its own.
const RESERVED_OPTIONS: [&str; 9] = [
    "$filter",
    "$orderby",
    "$top",
    "$skip",
    "$skiptoken",
    "$count",
    "$select",
    "$expand",
    "$format",
];

/// Parses the headers that every request carries.
pub(super) fn headers(feed: Section<'_>) -> Result<Vec<Parameter>> {
    let mut headers: Vec<Parameter> = Vec::new();
    for entry in feed.subsection("feed.headers")?.entries() {
        let name = entry.key;
        if !is_token(name) {
            return Err(entry.fail("is not the name of a header"));
        }
        let reserved = RESERVED_HEADERS
            .iter()
            .find(|(reserved, _)| reserved.eq_ignore_ascii_case(name));
        if let Some((_, reason)) = reserved {
            return Err(entry.fail(format!("cannot be set: {reason}")));
        }
        if headers
            .iter()
            .any(|known| known.name.eq_ignore_ascii_case(name))
        {
            return Err(entry.fail("is set twice"));
        }
        let value = value(entry)?;
        if let ParameterValue::Text(text) = &value
            && !text
                .bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            return Err(entry.fail("must have a value of printable ASCII characters"));
        }
        headers.push(Parameter {
            name: name.to_owned(),
            value,
        });
    }
    Ok(headers)
}

/// Parses the query parameters that every request carries.
pub(super) fn query(feed: Section<'_>) -> Result<Vec<Parameter>> {
    let mut query = Vec::new();
    for entry in feed.subsection("feed.query")?.entries() {
        if RESERVED_OPTIONS.contains(&entry.key.to_ascii_lowercase().as_str()) {
            return Err(entry.fail(
                "cannot be set: every request has its own; see [sync.filter], [sync.select] and \
                 `page_size`",
            ));
        }
        query.push(Parameter {
            name: entry.key.to_owned(),
            value: value(entry)?,
        });
    }
    Ok(query)
}

/// Parses a value: text, or the environment variable that holds it.
fn value(entry: Value<'_>) -> Result<ParameterValue> {
    if let Some(env) = entry.only_entry("env")? {
        return Ok(ParameterValue::Env(variable(env, "the value")?));
    }
    if is_secret_name(entry.key) {
        return Err(entry.fail(format!(
            "must not be in this file; put it in an environment variable and write \
             {} = {{ env = \"NAME\" }}",
            entry.key
        )));
    }
    Ok(ParameterValue::Text(entry.text()?.to_owned()))
}

/// Returns whether the text is a token of RFC 9110, as the name of a header must be.
fn is_token(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}
