//! Parses the text of `mlsmirror.toml`, with one file per section.

mod alert_sections;
mod config;
mod feed_section;
mod fields;
mod mirror_section;
mod oauth_section;
mod parameters;
mod schedule_section;
mod small_sections;
mod sync_section;
mod token_setting;

pub(super) use config::config;
pub use mirror_section::share_a_folder;
