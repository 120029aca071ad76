//! `mlsmirror.toml` as typed settings.
//!
//! [`Config::load`] reads the file, and [`template`] returns the text of a new one.
//! Reading checks every setting, so other modules do not check settings again. A
//! configuration never contains the token: it only names the token's source.

mod alert;
mod config_error;
mod deleted_when;
mod job_times;
mod known_keys;
mod load;
mod loopback;
mod nearest_name;
mod parameter;
mod parse;
mod photo_defaults;
mod precision;
mod profile;
mod replication;
mod secret_names;
mod section_reader;
mod settings;
mod template;
#[cfg(test)]
mod tests;
mod token_source;
mod transition;
mod units;
mod vendors;
mod warnings;

pub use alert::{Alert, AlertEvent, MONITOR};
pub use config_error::ConfigError;
pub use deleted_when::DeletedWhen;
pub use job_times::{Schedule, When};
pub use loopback::is_loopback;
pub use nearest_name::nearest_name;
pub use parameter::{Parameter, ParameterValue};
pub use parse::share_a_folder;
pub use photo_defaults::{PhotoDefaults, SendToken};
pub use precision::Precision;
pub use profile::{OAuthDefaults, Profile, placeholders};
pub use replication::Replication;
pub use secret_names::is_secret_name;
pub use settings::{
    Config, Export, Feed, KeptPhotos, Media, Mirror, Retention, Status, Sync, Watch,
};
pub use template::template;
pub use token_source::{ClientAuth, ClientCredentials, Grant, OAuth, TokenSource};
pub use transition::Transition;
pub use units::duration;
pub use vendors::{PROFILES, UnknownProfile, profile};
