//! Parses `[feed]`. Its errors never show a value that could be a secret.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;
use url::Url;

use super::fields::{Result, is_name};
use super::parameters::{headers, query};
use super::sync_section::resource;
use super::token_setting::token_source;
use crate::config::deleted_when::DeletedWhen;
use crate::config::precision::Precision;
use crate::config::profile::{Profile, placeholders};
use crate::config::section_reader::{Section, Value};
use crate::config::settings::Feed;
use crate::config::vendors::{self, PROFILES};

/// Returns the kind of server that the section names.
pub(super) fn profile(section: Section<'_>) -> Result<&'static Profile> {
    let Some(value) = section.value("profile") else {
        return Ok(&PROFILES[0]);
    };
    vendors::profile(value.text()?).map_err(|unknown| value.error(unknown.to_string()))
}

pub(super) fn feed_section(
    section: Section<'_>,
    profile: &'static Profile,
    timezone: Tz,
) -> Result<Feed> {
    let [second, minute, hour, day] = profile.rates;
    let [bytes_per_hour, bytes_per_day] = profile.bytes;
    let mut sets = BTreeMap::new();
    for entry in section.subsection("feed.sets")?.entries() {
        let set = entry.text()?;
        if !is_name(set) {
            return Err(entry.must_be("the name of an entity set"));
        }
        sets.insert(resource(entry, entry.key)?, set.to_owned());
    }
    Ok(Feed {
        profile,
        timezone,
        timestamps: timestamps(section, profile)?,
        base_url: base_url(section, profile)?,
        deleted_when: deleted_when(section, profile)?,
        token: token_source(section, profile)?,
        filter: filter(section, profile)?,
        headers: headers(section)?,
        query: query(section)?,
        page_size: section.whole("page_size", 1..=10_000, profile.page_size)?,
        timeout: section.time_limit("timeout", Duration::from_secs(60))?,
        max_retries: section.whole("max_retries", 0..=u32::MAX, 3)?,
        retry_delay: section.duration("retry_delay", Duration::from_secs(5))?,
        max_concurrent: section.whole("max_concurrent", 1..=64, 4)? as usize,
        requests_per_second: section.limit("requests_per_second", second)?,
        requests_per_minute: section.limit("requests_per_minute", minute)?,
        requests_per_hour: section.limit("requests_per_hour", hour)?,
        requests_per_day: section.limit("requests_per_day", day)?,
        bytes_per_hour: section.size_limit("bytes_per_hour", bytes_per_hour)?,
        bytes_per_day: section.size_limit("bytes_per_day", bytes_per_day)?,
        sets,
    })
}

/// Parses the clause of all filters. Empty text means that there is none.
fn filter(section: Section<'_>, profile: &Profile) -> Result<Option<String>> {
    let value = section.value("filter");
    let text = value.map(Value::any_text).transpose()?;
    let text = text.unwrap_or(profile.filter).trim();
    let mut parts = placeholders(profile.filter).into_iter();
    if let Some(part) = parts.find(|part| text.contains(part)) {
        return Err(match value {
            Some(value) => value.fail(format!("still has {part}; write the vendor's name there")),
            None => section.fail(format!(
                "profile \"{profile}\" needs `filter` in [feed]: filter = {text:?}"
            )),
        });
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Parses the root of the service.
fn base_url(section: Section<'_>, profile: &Profile) -> Result<Url> {
    const EXAMPLE: &str = r#"base_url = "https://api.example.com/reso/odata""#;
    let value = section.value("base_url");
    let default = profile.base_url.filter(|url| placeholders(url).is_empty());
    let Some(text) = value.map(Value::text).transpose()?.or(default) else {
        let example = profile.base_url.map(|url| format!("base_url = {url:?}"));
        let example = example.as_deref().unwrap_or(EXAMPLE);
        return Err(section.fail(format!(
            "profile \"{profile}\" needs `base_url`, the root of the service, in [feed]: {example}"
        )));
    };
    let fail = |predicate: String| section.fail_at("base_url", predicate);
    if let Some(part) = placeholders(text).first() {
        return Err(fail(format!(
            "still has {part}; replace it with the name that the vendor gave you"
        )));
    }
    let mut url = Url::parse(text)
        .map_err(|error| fail(format!("is no URL ({error}); such as {EXAMPLE}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(fail("must start with https:// or http://".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fail(
            "must hold no user and password; see `token_env`".to_owned(),
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(fail("must end before any `?` or `#`".to_owned()));
    }
    let root = url.path().trim_end_matches('/').to_owned();
    url.set_path(&root);
    Ok(url)
}

/// Parses the precision of timestamps.
fn timestamps(section: Section<'_>, profile: &Profile) -> Result<Precision> {
    match section.value("timestamps") {
        None => Ok(profile.timestamps),
        Some(value) => Precision::named(value.text()?)
            .ok_or_else(|| value.must_be(r#""as-sent" or "milliseconds""#)),
    }
}

/// Parses the mark of deleted records. Empty text means that there is none.
fn deleted_when(section: Section<'_>, profile: &Profile) -> Result<Option<DeletedWhen>> {
    let Some(value) = section.value("deleted_when") else {
        return Ok(DeletedWhen::parse(profile.deleted_when));
    };
    match value.any_text()?.trim() {
        "" => Ok(None),
        text => DeletedWhen::parse(text).map(Some).ok_or_else(|| {
            value.must_be(r#"a field and its value, such as "MlgCanView eq false""#)
        }),
    }
}
