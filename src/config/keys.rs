//! The keys that a configuration may have, and what was meant by another.

use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::reader::Origin;

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
            "timeout",
            "max_retries",
            "retry_delay",
            "max_concurrent",
            "requests_per_minute",
            "requests_per_hour",
            "requests_per_day",
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
            "max_bytes",
        ],
    ),
    ("retention", &["deleted", "changes", "runs"]),
    ("watch", &["metrics"]),
    ("monitor", &["transitions", "command"]),
];

/// Keys under which people would write a secret.
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

/// Refuses the first key, by its line, that no section has.
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
            (None, _) => wrong.push((name.span().start, loose_key(name.get_ref()))),
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
    if let Some(near) = nearest(key, known) {
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
    match (nearest(name, &known), name) {
        (_, "filter" | "select") => format!("{unknown}; write [sync.{name}]"),
        (Some(near), _) => format!("{unknown}; did you mean [{near}]?"),
        (None, _) => {
            let known = known.map(|section| format!("[{section}]"));
            format!("{unknown}; known are {}", known.join(", "))
        }
    }
}

fn loose_key(key: &str) -> String {
    if SECRETS.contains(&key) {
        return secret(key);
    }
    let unknown = format!("unknown key `{key}` outside the sections");
    match sections_of(key) {
        Some(sections) => format!("{unknown}; it belongs in {sections}"),
        None => format!("{unknown}; every key stands in a section such as [feed]"),
    }
}

fn secret(key: &str) -> String {
    format!(
        "`{key}` must not stand in this file; put the token in an environment variable \
         and name that: `token_env`"
    )
}

/// The sections that have a key, as text.
fn sections_of(key: &str) -> Option<String> {
    let having = SECTIONS.iter().filter(|(_, keys)| keys.contains(&key));
    let having: Vec<String> = having.map(|(section, _)| format!("[{section}]")).collect();
    (!having.is_empty()).then(|| having.join(" or "))
}

fn listed(known: &[&str]) -> String {
    let known: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
    known.join(", ")
}

/// The known name that is at most two slips away, and fewer in short names.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).min(2);
    let distances = known
        .iter()
        .map(|candidate| (slips(name, candidate), *candidate));
    let (distance, candidate) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= allowed).then_some(candidate)
}

/// How many letters must be added, left out or replaced (Levenshtein), without
/// regard to case and to `-` for `_`.
fn slips(left: &str, right: &str) -> usize {
    let plain = |c: char| {
        if c == '-' {
            '_'
        } else {
            c.to_ascii_lowercase()
        }
    };
    let right: Vec<char> = right.chars().map(plain).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().map(plain).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
