//! From the text of `mlsmirror.toml` to settings.

mod feed;
mod mirror;
mod sync;

use std::num::{NonZeroU32, NonZeroU64};
use std::path::Path;
use std::time::Duration;

use toml::de::DeTable;

use super::keys::require_known;
use super::reader::{Origin, Section, Value};
use super::{
    Config, ConfigError, Media, Monitor, Profile, Retention, Schedule, Transition, Watch, When,
};

type Result<T> = std::result::Result<T, ConfigError>;

pub(super) fn config(text: &str, path: &Path) -> Result<Config> {
    let origin = Origin { path, text };
    let root = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| origin.line(span.start));
        let problem = error.message().replace('\n', " ");
        origin.fail(line, format!("not valid TOML: {problem}"))
    })?;
    let root = root.get_ref();
    require_known(root, origin)?;
    let section = |name| Section::of(root, name, origin);
    let feed = feed::feed(section("feed"))?;
    Ok(Config {
        mirror: mirror::mirror(section("mirror"))?,
        sync: sync::sync(section("sync"))?,
        schedule: schedule(section("schedule"), feed.profile)?,
        media: media(section("media"))?,
        retention: retention(section("retention"))?,
        watch: watch(section("watch"))?,
        monitor: monitor(section("monitor"))?,
        feed,
    })
}

fn schedule(section: Section<'_>, profile: Profile) -> Result<Schedule> {
    let when = |key: &str, default: &str| {
        let value = section.value(key);
        let text = value.map(Value::any_text).transpose()?.unwrap_or(default);
        match (When::parse(text), value) {
            (Some(when), _) => Ok(when),
            (None, Some(value)) => Err(value.must_be(
                r#"five cron fields of times that come, such as "0 * * * *", "every 15m", or "" for never"#,
            )),
            (None, None) => Ok(When::Never),
        }
    };
    let timezone = match section.value("timezone") {
        None => profile.timezone(),
        Some(value) => value.text()?.parse().map_err(|_| {
            value.must_be(r#"the IANA name of a time zone, such as "America/Denver" or "UTC""#)
        })?,
    };
    Ok(Schedule {
        timezone,
        full: when("full", "0 2 * * SUN")?,
        incremental: when("incremental", "0 * * * *")?,
        monitor: when("monitor", "*/15 * * * *")?,
        deletions: when("deletions", "0 3 * * *")?,
        reconcile: when("reconcile", "")?,
        media: when("media", "")?,
    })
}

fn media(section: Section<'_>) -> Result<Media> {
    let max_bytes = section.value("max_bytes").map(Value::size).transpose()?;
    Ok(Media {
        max_concurrent_downloads: section.whole("max_concurrent_downloads", 1..=64, 8)? as usize,
        requests_per_minute: NonZeroU32::new(section.whole(
            "requests_per_minute",
            0..=u32::MAX,
            0,
        )?),
        max_bytes: NonZeroU64::new(max_bytes.unwrap_or(50_000_000)),
    })
}

fn retention(section: Section<'_>) -> Result<Retention> {
    let year = Duration::from_secs(400 * 86_400);
    Ok(Retention {
        deleted: unless_zero(section.duration("deleted", Duration::ZERO)?),
        changes: unless_zero(section.duration("changes", Duration::ZERO)?),
        runs: unless_zero(section.duration("runs", year)?),
    })
}

fn watch(section: Section<'_>) -> Result<Watch> {
    let Some(value) = section.value("metrics") else {
        return Ok(Watch { metrics: None });
    };
    let address = value.any_text()?.trim().parse();
    let address =
        address.map_err(|_| value.must_be(r#"an IP address and port such as "127.0.0.1:9810""#))?;
    Ok(Watch {
        metrics: Some(address),
    })
}

fn monitor(section: Section<'_>) -> Result<Monitor> {
    let mut transitions = Vec::new();
    match section.value("transitions") {
        None => {
            let default = [
                "Active>Pending",
                "Pending>Closed",
                "Active>Withdrawn",
                "Active>Expired",
            ];
            transitions.extend(default.into_iter().filter_map(Transition::parse));
        }
        Some(value) => {
            for part in value.texts()? {
                let text = part.text()?;
                let wrong = || {
                    part.fail(format!(
                        r#"must list changes such as "Active>Pending", and {text:?} is none"#
                    ))
                };
                transitions.push(Transition::parse(text).ok_or_else(wrong)?);
            }
        }
    }
    let command = section.value("command").map(program).transpose()?;
    Ok(Monitor {
        transitions,
        command,
    })
}

/// A program with its arguments, which may be empty text.
fn program(value: Value<'_>) -> Result<Vec<String>> {
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

/// Zero stands for no limit.
fn unless_zero(duration: Duration) -> Option<Duration> {
    Some(duration).filter(|duration| !duration.is_zero())
}

/// Whether it could name a field or an environment variable.
fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
