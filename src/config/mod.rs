//! `mlsmirror.toml` as typed settings.
//!
//! [`Config::load`] reads the file, [`template`] writes a new one. Everything
//! is checked here, so that the rest of the house meets no setting that makes
//! no sense. The token itself never passes through: settings say only where it
//! is found.

mod error;
mod keys;
mod parse;
mod profile;
mod reader;
mod schedule;
mod template;
#[cfg(test)]
mod tests;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::{Host, Url};

use crate::resource::Resource;

pub use error::ConfigError;
pub use profile::{Profile, UnknownProfile};
pub use schedule::{Schedule, When};
pub use template::template;
pub use units::duration;

/// The settings of one mirror.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[feed]`: where records come from.
    pub feed: Feed,
    /// `[mirror]`: where they are kept.
    pub mirror: Mirror,
    /// `[sync]`: which records are kept, and with what care.
    pub sync: Sync,
    /// `[schedule]`: when jobs are due.
    pub schedule: Schedule,
    /// `[media]`: how files are fetched.
    pub media: Media,
    /// `[retention]`: how long history stays.
    pub retention: Retention,
    /// `[watch]`: what the daemon serves.
    pub watch: Watch,
    /// `[monitor]`: which status changes are told to whom.
    pub monitor: Monitor,
}

/// Where records come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// The kind of server, which set the defaults.
    pub profile: Profile,
    /// The root of the service, http or https, its path without a trailing slash.
    pub base_url: Url,
    /// Where the bearer token is found.
    pub token: TokenSource,
    /// Records to ask for at once, 1 to 10,000.
    pub page_size: u32,
    /// How long to connect, and to wait for each read. None = for ever.
    pub timeout: Option<Duration>,
    /// Tries after the first.
    pub max_retries: u32,
    /// The wait before the first retry; it doubles.
    pub retry_delay: Duration,
    /// Requests at a time, 1 to 64.
    pub max_concurrent: usize,
    /// None = no limit.
    pub requests_per_minute: Option<NonZeroU32>,
    /// None = no limit.
    pub requests_per_hour: Option<NonZeroU32>,
    /// None = no limit.
    pub requests_per_day: Option<NonZeroU32>,
}

impl Feed {
    /// The configured rate limits, each with its span.
    pub fn limits(&self) -> Vec<(NonZeroU32, Duration)> {
        let limits = [
            (self.requests_per_minute, 60),
            (self.requests_per_hour, 3_600),
            (self.requests_per_day, 86_400),
        ];
        limits
            .into_iter()
            .filter_map(|(limit, seconds)| Some((limit?, Duration::from_secs(seconds))))
            .collect()
    }

    /// Whether there is any rate limit.
    pub fn has_limits(&self) -> bool {
        !self.limits().is_empty()
    }
}

/// Where the bearer token is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// In this environment variable.
    Env(String),
    /// On the standard output of this program; the first part is its name.
    Command(Vec<String>),
}

/// Where the mirror is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The SQLite file. Relative paths in the file start at its folder.
    pub database: PathBuf,
    /// The folder of media files. It holds neither database nor configuration.
    pub media_dir: PathBuf,
}

/// Which records are kept, and with what care.
#[derive(Clone, Debug, PartialEq)]
pub struct Sync {
    /// What to mirror, in the order of jobs; at least one, none twice.
    pub resources: Vec<Resource>,
    /// Whether media files are fetched.
    pub download_media: bool,
    /// How far before the watermark an incremental looks again.
    pub overlap: Duration,
    /// The share of live rows, 0 to 100, that one sweep may delete.
    pub max_delete_percent: f64,
    /// Fields whose changes are not logged.
    pub ignore_fields: BTreeSet<String>,
    /// OData filters; a resource without one is mirrored whole.
    pub filter: BTreeMap<Resource, String>,
    /// The fields to ask for; a resource without them is asked for all.
    pub select: BTreeMap<Resource, Vec<String>>,
}

/// How media files are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Downloads at a time, 1 to 64.
    pub max_concurrent_downloads: usize,
    /// For each host; None = no limit.
    pub requests_per_minute: Option<NonZeroU32>,
    /// The largest file to keep; None = no limit.
    pub max_bytes: Option<NonZeroU64>,
}

/// How long history stays; None = for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Soft-deleted rows.
    pub deleted: Option<Duration>,
    /// The change log.
    pub changes: Option<Duration>,
    /// The runs of jobs.
    pub runs: Option<Duration>,
}

/// What the daemon serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Where Prometheus metrics are served; None = nowhere.
    pub metrics: Option<SocketAddr>,
}

/// Which status changes are told to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// The status changes to tell of.
    pub transitions: Vec<Transition>,
    /// A program that gets one JSON line for each; the first part is its name.
    pub command: Option<Vec<String>>,
}

/// A change of status, written `Active>Pending`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The status before.
    pub from: String,
    /// The status after.
    pub to: String,
}

impl Transition {
    /// Reads `Active>Pending`; None when it does not name two statuses.
    pub fn parse(text: &str) -> Option<Transition> {
        let (from, to) = text.split_once('>')?;
        let (from, to) = (from.trim(), to.trim());
        if from.is_empty() || to.is_empty() || to.contains('>') {
            return None;
        }
        Some(Transition {
            from: from.to_owned(),
            to: to.to_owned(),
        })
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>{}", self.from, self.to)
    }
}

impl Config {
    /// Reads the file at `path`. Relative paths in it start at its folder.
    ///
    /// # Errors
    ///
    /// When there is no such file, it cannot be read, or a setting is wrong;
    /// the error names the file, the line and the way out.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let bytes = std::fs::read(path).map_err(|source| ConfigError::unread(path, source))?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Config::parse(text, path),
            Err(error) => {
                let before = &bytes[..error.valid_up_to()];
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                let message = "not UTF-8 text; save the file as UTF-8";
                Err(ConfigError::invalid(path, line, message))
            }
        }
    }

    /// Reads the text of a file that stands at `origin`, which errors name and
    /// in whose folder relative paths start. Touches no file.
    ///
    /// # Errors
    ///
    /// When a setting is wrong; the error names the line and the way out.
    pub fn parse(text: &str, origin: &Path) -> Result<Config, ConfigError> {
        parse::config(text, origin)
    }

    /// What is allowed and yet likely to surprise, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.feed.base_url.scheme() == "http" && !is_loopback(&self.feed.base_url) {
            warnings.push("`base_url` is http: the token travels in clear; use https".to_owned());
        }
        if let Some(most) = self.feed.profile.largest_page()
            && self.feed.page_size > most
        {
            warnings.push(format!(
                "`page_size` is {}, but {} servers answer at most {most} records at once",
                self.feed.page_size, self.feed.profile
            ));
        }
        let idle = |resource: &&Resource| !self.sync.resources.contains(*resource);
        for resource in self.sync.filter.keys().filter(idle) {
            warnings.push(format!(
                "[sync.filter] names {resource}, which `resources` does not"
            ));
        }
        for resource in self.sync.select.keys().filter(idle) {
            warnings.push(format!(
                "[sync.select] names {resource}, which `resources` does not"
            ));
        }
        warnings
    }
}

/// Whether a URL stays on this machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
