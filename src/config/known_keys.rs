//! The known keys of a configuration, and the error for an unknown key.

use toml::de::{DeArray, DeTable, DeValue};

use super::config_error::ConfigError;
use super::nearest_name::nearest_name;
use super::secret_names::is_secret_name;
use super::section_reader::Origin;

/// The sections with their keys, in the order of the template. A section whose keys are
/// names of the user's own is only a key of its parent.
pub(super) const SECTIONS: [(&str, &[&str]); 12] = [
    (
        "feed",
        &[
            "profile",
            "base_url",
            "token_env",
            "token_command",
            "page_size",
            "deleted_when",
            "timestamps",
            "timeout",
            "max_retries",
            "retry_delay",
            "max_concurrent",
            "requests_per_second",
            "requests_per_minute",
            "requests_per_hour",
            "requests_per_day",
            "bytes_per_hour",
            "bytes_per_day",
            "sets",
            "filter",
            "oauth",
            "headers",
            "query",
        ],
    ),
    (
        "feed.oauth",
        &[
            "token_url",
            "grant",
            "client_id_env",
            "client_secret_env",
            "username_env",
            "password_env",
            "client_auth",
            "scope",
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
            "export",
        ],
    ),
    (
        "media",
        &[
            "listings",
            "only",
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
    ("export", &["dir", "keep"]),
    ("retention", &["deleted", "changes", "runs"]),
    ("watch", &["metrics"]),
    ("status", &["max_age"]),
    ("monitor", &["transitions", "command", "timeout"]),
    (
        LIST,
        &["name", "on", "transitions", "where", "command", "timeout"],
    ),
];

/// The only section that may occur several times.
const LIST: &str = "alerts";

/// Returns an error for the first unknown section or key of the file.
pub(super) fn require_known(root: &DeTable<'_>, origin: Origin<'_>) -> Result<(), ConfigError> {
    let mut wrong: Vec<(usize, String)> = Vec::new();
    for (name, value) in root {
        let section = top_sections().find(|(known, _)| known == name.get_ref());
        match (section, value.get_ref()) {
            (Some(section), DeValue::Array(list)) if section.0 == LIST => {
                note_list(*section, list, &mut wrong);
            }
            (Some(section), _) if section.0 == LIST => {
                wrong.push((name.span().start, not_a_list()));
            }
            (Some(section), DeValue::Table(table)) => note_unknown(*section, table, &mut wrong),
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

/// Notes the unknown keys of a section and of the sections in it, each with its line.
fn note_unknown(
    (section, known): (&str, &[&str]),
    table: &DeTable<'_>,
    wrong: &mut Vec<(usize, String)>,
) {
    for (key, value) in table {
        if !known.contains(&key.get_ref().as_ref()) {
            let text = unknown_key(section, known, key.get_ref());
            wrong.push((key.span().start, text));
            continue;
        }
        let name = format!("{section}.{}", key.get_ref());
        let inner = SECTIONS.iter().find(|(known, _)| *known == name);
        if let (Some(inner), DeValue::Table(table)) = (inner, value.get_ref()) {
            note_unknown(*inner, table, wrong);
        }
    }
}

/// Notes the unknown keys of each section in a list.
fn note_list(section: (&str, &[&str]), list: &DeArray<'_>, wrong: &mut Vec<(usize, String)>) {
    for item in list.iter() {
        match item.get_ref().as_table() {
            Some(table) => note_unknown(section, table, wrong),
            None => wrong.push((item.span().start, not_a_list())),
        }
    }
}

fn not_a_list() -> String {
    format!("`{LIST}` must be a list of sections: write [[{LIST}]]")
}

/// Returns the name of a section as the file writes it.
fn heading(section: &str) -> String {
    if section == LIST {
        format!("[[{section}]]")
    } else {
        format!("[{section}]")
    }
}

/// Returns the sections that are in no other section.
fn top_sections() -> impl Iterator<Item = &'static (&'static str, &'static [&'static str])> {
    SECTIONS.iter().filter(|(name, _)| !name.contains('.'))
}

fn unknown_key(section: &str, known: &[&str], key: &str) -> String {
    if is_secret_name(key) {
        return secret(key);
    }
    let unknown = format!("unknown key `{key}` in {}", heading(section));
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
    let known: Vec<&str> = top_sections().map(|(section, _)| *section).collect();
    match (nearest_name(name, &known), name) {
        (_, "filter" | "select") => format!("{unknown}; write [sync.{name}]"),
        (_, "oauth" | "headers" | "query") => format!("{unknown}; write [feed.{name}]"),
        (Some(near), _) => format!("{unknown}; did you mean {}?", heading(near)),
        (None, _) => {
            let known: Vec<String> = known.iter().map(|name| heading(name)).collect();
            format!("{unknown}; known are {}", known.join(", "))
        }
    }
}

fn key_outside_sections(key: &str) -> String {
    if is_secret_name(key) {
        return secret(key);
    }
    let unknown = format!("unknown key `{key}` outside the sections");
    match sections_of(key) {
        Some(sections) => format!("{unknown}; it belongs in {sections}"),
        None => format!("{unknown}; every key belongs in a section such as [feed]"),
    }
}

fn secret(key: &str) -> String {
    let named = match key {
        "client_secret" | "password" => format!("`{key}_env` in [feed.oauth]"),
        _ => "`token_env`".to_owned(),
    };
    let what = if key.ends_with("token") {
        "the token"
    } else {
        "it"
    };
    format!(
        "`{key}` must not be in this file; put {what} in an environment variable and set \
         {named} to its name"
    )
}

/// Returns the sections that have a key, as text.
fn sections_of(key: &str) -> Option<String> {
    let sections: Vec<String> = SECTIONS
        .iter()
        .filter(|(_, keys)| keys.contains(&key))
        .map(|(section, _)| heading(section))
        .collect();
    (!sections.is_empty()).then(|| sections.join(" or "))
}

fn listed(known: &[&str]) -> String {
    let known: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
    known.join(", ")
}
