//! Parses `[media]`, `[retention]` and `[watch]`.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use super::fields::{Result, unless_zero};
use crate::config::section_reader::{Section, Value};
use crate::config::settings::{Media, Retention, Watch};

pub(super) fn media_section(section: Section<'_>) -> Result<Media> {
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

pub(super) fn retention_section(section: Section<'_>) -> Result<Retention> {
    let year = Duration::from_secs(400 * 86_400);
    Ok(Retention {
        deleted: unless_zero(section.duration("deleted", Duration::ZERO)?),
        changes: unless_zero(section.duration("changes", Duration::ZERO)?),
        runs: unless_zero(section.duration("runs", year)?),
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
