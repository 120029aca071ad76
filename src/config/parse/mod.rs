//! Parses the text of `mlsmirror.toml`, with one file per section.

mod config;
mod feed_section;
mod fields;
mod mirror_section;
mod monitor_section;
mod schedule_section;
mod small_sections;
mod sync_section;

pub(super) use config::config;
