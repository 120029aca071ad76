//! Parses the source of the token.

use super::fields::{Result, program, variable};
use super::oauth_section::oauth_section;
use crate::config::profile::Profile;
use crate::config::section_reader::Section;
use crate::config::token_source::TokenSource;

/// Parses the source of the token: `token_env`, `token_command` or `[feed.oauth]`. The file
/// has at most one of them. Without any, the profile decides.
pub(super) fn token_source(section: Section<'_>, profile: &Profile) -> Result<TokenSource> {
    let oauth = section.subsection("feed.oauth")?;
    require_one_source(section, oauth)?;
    if let Some(env) = section.value("token_env") {
        return Ok(TokenSource::Env(variable(env, "the token")?));
    }
    if let Some(command) = section.value("token_command") {
        return Ok(TokenSource::Command(program(command)?));
    }
    if oauth.line_if_used().is_some() || profile.oauth.is_some() {
        return Ok(TokenSource::OAuth(oauth_section(oauth, profile)?));
    }
    Ok(TokenSource::Env(profile.token_env()))
}

fn require_one_source(section: Section<'_>, oauth: Section<'_>) -> Result<()> {
    let keys = ["token_env", "token_command"];
    let mut found: Vec<(usize, String)> = keys
        .into_iter()
        .filter_map(|key| Some((section.value(key)?.line, format!("`{key}`"))))
        .collect();
    let oauth = oauth.line_if_used();
    found.extend(oauth.map(|line| (line, "[feed.oauth]".to_owned())));
    found.sort();
    match found.as_slice() {
        [(line, earlier), (later_line, later), ..] => Err(section.origin.fail(
            *later_line,
            format!("{later} and {earlier} (line {line}) exclude each other; keep one"),
        )),
        _ => Ok(()),
    }
}
