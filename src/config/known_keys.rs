//! The known keys of a configuration, and the error for an unknown key.

use toml::de::{DeTable, DeValue};

use super::config_error::ConfigError;
use super::nearest_name::nearest_name;
use super::section_reader::Origin;

/// The sections with their keys, in the order of the template.
pub(super) const SECTIONS: [(&str, &[&str]); 8] = [
    (
        "feed",
        &[
            "profile",
            "base_url",
            "token_env",
            "token_command",
            "page_size",
            "deleted_when",
            "timeout",
            "max_retries",
            "retry_delay",
            "max_concurrent",
            "requests_per_minute",
            "requests_per_hour",
            "requests_per_day",
            "sets",
        ],
    ),
    ("mirror", &["database", "media_dir"]),
    (
        "sync",
        &[
            "resources",
            "download_media",
            "overlap",
            "max_delete_percent",
            "ignore_fields",
            "filter",
            "select",
        ],
    ),
    (
        "schedule",
        &[
            "timezone",
            "full",
            "incremental",
            "monitor",
            "deletions",
            "reconcile",
            "media",
        ],
    ),
    (
        "media",
        &[
            "max_concurrent_downloads",
            "requests_per_minute",
            "requests_per_hour",
            "shares_limits",
            "send_token",
            "token_hosts",
            "size",
            "url_life",
            "max_bytes",
        ],
    ),
    ("retention", &["deleted", "changes", "runs"]),
    ("watch", &["metrics"]),
    ("monitor", &["transitions", "command"]),
];

/// Unknown keys that probably hold a secret.
const SECRETS: [&str; 8] = [
    "token",
    "bearer",
    "bearer_token",
    "access_token",
    "api_key",
    "password",
    "secret",
    "client_secret",
];

/// Returns an error for the first unknown section or key of the file.
pub(super) fn require_known(root: &DeTable<'_>, origin: Origin<'_>) -> Result<(), ConfigError> {
    let mut wrong: Vec<(usize, String)> = Vec::new();
    for (name, value) in root {
        let section = SECTIONS.iter().find(|(known, _)| known == name.get_ref());
        match (section, value.get_ref()) {
            (Some((section, known)), DeValue::Table(table)) => {
                let others = table
                    .keys()
                    .filter(|key| !known.contains(&key.get_ref().as_ref()));
                wrong.extend(others.map(|key| {
                    let text = unknown_key(section, known, key.get_ref());
                    (key.span().start, text)
                }));
            }
            (Some((section, _)), _) => {
                let text = format!("`{section}` must be a section: write [{section}]");
                wrong.push((name.span().start, text));
            }
            (None, DeValue::Table(_)) => {
                wrong.push((name.span().start, unknown_section(name.get_ref())));
            }
            (None, _) => wrong.push((name.span().start, key_outside_sections(name.get_ref()))),
        }
    }
    match wrong.into_iter().min() {
        Some((at, message)) => Err(origin.fail(origin.line(at), message)),
        None => Ok(()),
    }
}

fn unknown_key(section: &str, known: &[&str], key: &str) -> String {
    if SECRETS.contains(&key) {
        return secret(key);
    }
    let unknown = format!("unknown key `{key}` in [{section}]");
    if let Some(near) = nearest_name(key, known) {
        return format!("{unknown}; did you mean `{near}`?");
    }
    match sections_of(key) {
        None => format!("{unknown}; known are {}", listed(known)),
        Some(sections) => format!("{unknown}; it belongs in {sections}"),
    }
}

fn unknown_section(name: &str) -> String {
    let unknown = format!("unknown section [{name}]");
    let known = SECTIONS.map(|(section, _)| section);
    match (nearest_name(name, &known), name) {
        (_, "filter" | "select") => format!("{unknown}; write [sync.{name}]"),
        (Some(near), _) => format!("{unknown}; did you mean [{near}]?"),
        (None, _) => {
            let known = known.map(|section| format!("[{section}]"));
            format!("{unknown}; known are {}", known.join(", "))
        }
    }
}

fn key_outside_sections(key: &str) -> String {
    if SECRETS.contains(&key) {
        return secret(key);
    }
    let unknown = format!("unknown key `{key}` outside the sections");
    match sections_of(key) {
        Some(sections) => format!("{unknown}; it belongs in {sections}"),
        None => format!("{unknown}; every key belongs in a section such as [feed]"),
    }
}

fn secret(key: &str) -> String {
    format!(
        "`{key}` must not be in this file; put the token in an environment variable \
         and set `token_env` to its name"
    )
}

/// Returns the sections that have a key, as text.
fn sections_of(key: &str) -> Option<String> {
    let sections: Vec<String> = SECTIONS
        .iter()
        .filter(|(_, keys)| keys.contains(&key))
        .map(|(section, _)| format!("[{section}]"))
        .collect();
    (!sections.is_empty()).then(|| sections.join(" or "))
}

fn listed(known: &[&str]) -> String {
    let known: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
    known.join(", ")
}
