//! Parses the whole file.

use std::path::Path;

use toml::de::DeTable;

use super::alert_sections::alerts;
use super::feed_section::{feed_section, profile};
use super::fields::Result;
use super::mirror_section::{export_section, mirror_section};
use super::schedule_section::schedule_section;
use super::small_sections::{media_section, retention_section, status_section, watch_section};
use super::sync_section::sync_section;
use crate::config::known_keys::require_known;
use crate::config::section_reader::{Origin, Section};
use crate::config::settings::Config;

/// Parses the text of the configuration at `path`.
pub(in crate::config) fn config(text: &str, path: &Path) -> Result<Config> {
    let origin = Origin { path, text };
    let root = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| origin.line(span.start));
        let problem = error.message().replace('\n', " ");
        origin.fail(line, format!("not valid TOML: {problem}"))
    })?;
    let root = root.get_ref();
    require_known(root, origin)?;
    let section = |name| Section::of(root, name, origin);
    let profile = profile(section("feed"))?;
    let schedule = schedule_section(section("schedule"), profile)?;
    let feed = feed_section(section("feed"), profile, schedule.timezone)?;
    let mirror = mirror_section(section("mirror"))?;
    Ok(Config {
        export: export_section(section("export"), &mirror)?,
        mirror,
        sync: sync_section(section("sync"), feed.profile)?,
        schedule,
        media: media_section(section("media"), feed.profile)?,
        retention: retention_section(section("retention"))?,
        watch: watch_section(section("watch"))?,
        status: status_section(section("status"))?,
        alerts: alerts(section("monitor"), &Section::list(root, "alerts", origin))?,
        feed,
    })
}
