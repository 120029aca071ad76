//! Parses `[media]`, `[retention]`, `[watch]` and `[status]`.

use std::time::Duration;

use super::fields::Result;
use crate::config::photo_defaults::SendToken;
use crate::config::profile::Profile;
use crate::config::section_reader::{Section, Value};
use crate::config::settings::{KeptPhotos, Media, Retention, Status, Watch};

pub(super) fn media_section(section: Section<'_>, profile: &Profile) -> Result<Media> {
    let defaults = &profile.photos;
    let send_token = match section.value("send_token") {
        None => defaults.send_token,
        Some(value) => SendToken::named(value.text()?)
            .ok_or_else(|| value.must_be(r#""never", "bearer" or "user-agent""#))?,
    };
    let listings = section.value("listings").map(Value::any_text).transpose()?;
    let listings = listings.unwrap_or_default().trim();
    let only_first = match section.value("only") {
        None => false,
        Some(value) => match value.text()? {
            "all" => false,
            "first" => true,
            _ => return Err(value.must_be(r#""all" or "first""#)),
        },
    };
    let size = section.value("size").map(Value::any_text).transpose()?;
    let size = size.unwrap_or(defaults.size).trim();
    Ok(Media {
        kept: KeptPhotos {
            condition: (!listings.is_empty()).then(|| listings.to_owned()),
            only_first,
        },
        max_concurrent_downloads: section.whole("max_concurrent_downloads", 1..=64, 8)? as usize,
        requests_per_minute: section.limit("requests_per_minute", defaults.requests_per_minute)?,
        requests_per_hour: section.limit("requests_per_hour", defaults.requests_per_hour)?,
        shares_limits: section.flag("shares_limits", defaults.shares_limits)?,
        send_token,
        token_hosts: token_hosts(section, defaults.token_hosts)?,
        size: (!size.is_empty()).then(|| size.to_owned()),
        url_life: section.time_limit("url_life", defaults.url_life)?,
        max_bytes: section.size_limit("max_bytes", 50_000_000)?,
    })
}

/// Parses the hosts that receive the token.
fn token_hosts(section: Section<'_>, default: &[&str]) -> Result<Vec<String>> {
    let Some(value) = section.value("token_hosts") else {
        return Ok(default.iter().map(|host| (*host).to_owned()).collect());
    };
    let mut hosts = Vec::new();
    for part in value.texts()? {
        let host = part.text()?;
        if host.contains(['/', '*', '@', ' ']) {
            let wrong = "must list whole names of hosts, such as \"media.example.com\"";
            return Err(part.fail(wrong));
        }
        hosts.push(host.to_ascii_lowercase());
    }
    Ok(hosts)
}

pub(super) fn retention_section(section: Section<'_>) -> Result<Retention> {
    let year = Duration::from_secs(400 * 86_400);
    Ok(Retention {
        deleted: section.time_limit("deleted", Duration::ZERO)?,
        changes: section.time_limit("changes", Duration::ZERO)?,
        runs: section.time_limit("runs", year)?,
    })
}

pub(super) fn watch_section(section: Section<'_>) -> Result<Watch> {
    let Some(value) = section.value("metrics") else {
        return Ok(Watch { metrics: None });
    };
    let address = value
        .any_text()?
        .trim()
        .parse()
        .map_err(|_| value.must_be(r#"an IP address and port such as "127.0.0.1:9810""#))?;
    Ok(Watch {
        metrics: Some(address),
    })
}

pub(super) fn status_section(section: Section<'_>) -> Result<Status> {
    Ok(Status {
        max_age: section.time_limit("max_age", Duration::ZERO)?,
    })
}
