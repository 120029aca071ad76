//! `mlsmirror.toml` as typed settings.
//!
//! [`Config::load`] reads the file, and [`template`] returns the text of a new one.
//! Reading checks every setting, so other modules do not check settings again. A
//! configuration never contains the token: it only names the token's source.

mod config_error;
mod deleted_when;
mod dialect;
mod job_times;
mod known_keys;
mod load;
mod nearest_name;
mod parse;
mod photo_defaults;
mod profile;
mod section_reader;
mod settings;
mod template;
#[cfg(test)]
mod tests;
mod transition;
mod units;
mod vendors;
mod warnings;

pub use config_error::ConfigError;
pub use deleted_when::DeletedWhen;
pub use dialect::{Dialect, Precision};
pub use job_times::{Schedule, When};
pub use nearest_name::nearest_name;
pub use photo_defaults::{PhotoDefaults, SendToken};
pub use profile::{OAuthDefaults, Profile, placeholders};
pub use settings::{Config, Feed, Media, Mirror, Monitor, Retention, Sync, TokenSource, Watch};
pub use template::template;
pub use transition::Transition;
pub use units::duration;
pub use vendors::{PROFILES, UnknownProfile, profile};
