//! The settings of one mirror, by section of `mlsmirror.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use url::Url;

use super::alert::Alert;
use super::deleted_when::DeletedWhen;
use super::job_times::Schedule;
use super::parameter::{Parameter, ParameterValue};
use super::photo_defaults::SendToken;
use super::precision::Precision;
use super::profile::Profile;
use super::token_source::TokenSource;
use crate::resource::Resource;

/// The settings of one mirror.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[feed]`: the feed.
    pub feed: Feed,
    /// `[mirror]`: the places of the mirror.
    pub mirror: Mirror,
    /// `[sync]`: the records to mirror, and the limits of a sync.
    pub sync: Sync,
    /// `[schedule]`: when jobs are due.
    pub schedule: Schedule,
    /// `[media]`: how photos are downloaded.
    pub media: Media,
    /// `[export]`: where and how long exported tables are kept.
    pub export: Export,
    /// `[retention]`: how long history is kept.
    pub retention: Retention,
    /// `[watch]`: the metrics of the daemon.
    pub watch: Watch,
    /// `[status]`: the limits of conditions that need attention.
    pub status: Status,
    /// `[monitor]` and `[[alerts]]`: the reported changes, and the programs that get them. The
    /// first one is that of `[monitor]`.
    pub alerts: Vec<Alert>,
}

/// The settings of the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// The kind of server, which sets the defaults.
    pub profile: &'static Profile,
    /// The time zone of the times in messages, which `[schedule]` names.
    pub timezone: Tz,
    /// The precision of timestamps in a filter.
    pub timestamps: Precision,
    /// The root of the service, http or https. Its path has no trailing slash.
    pub base_url: Url,
    /// How the feed marks deleted records that it still sends. None = it does not.
    pub deleted_when: Option<DeletedWhen>,
    /// The source of the bearer token.
    pub token: TokenSource,
    /// An OData clause that `$filter` of every request for records carries.
    pub filter: Option<String>,
    /// The headers that every request carries.
    pub headers: Vec<Parameter>,
    /// The query parameters that every request carries.
    pub query: Vec<Parameter>,
    /// Records per page, 1 to 10,000.
    pub page_size: u32,
    /// The timeout for connecting and for each read. None = no timeout.
    pub timeout: Option<Duration>,
    /// The number of tries after the first.
    pub max_retries: u32,
    /// The pause before the first retry. It doubles with each retry.
    pub retry_delay: Duration,
    /// The number of simultaneous requests, 1 to 64.
    pub max_concurrent: usize,
    /// None = no limit.
    pub requests_per_second: Option<NonZeroU32>,
    /// None = no limit.
    pub requests_per_minute: Option<NonZeroU32>,
    /// None = no limit.
    pub requests_per_hour: Option<NonZeroU32>,
    /// None = no limit.
    pub requests_per_day: Option<NonZeroU32>,
    /// Bytes of answers as they are sent. None = no limit.
    pub bytes_per_hour: Option<NonZeroU64>,
    /// Bytes of answers as they are sent. None = no limit.
    pub bytes_per_day: Option<NonZeroU64>,
    /// The entity sets of resources that have another name than their resource.
    pub sets: BTreeMap<Resource, String>,
}

impl Feed {
    /// Returns the part of every request that can decide which records the feed sends: the
    /// filter, and the query parameters that are no secrets. Empty if there is none.
    pub fn scope(&self) -> String {
        let parameters = self
            .query
            .iter()
            .filter_map(|parameter| match &parameter.value {
                ParameterValue::Text(text) => Some(format!("{}={text}", parameter.name)),
                ParameterValue::Env(_) => None,
            });
        let parts: Vec<String> = self.filter.iter().cloned().chain(parameters).collect();
        parts.join(" & ")
    }

    /// Returns the names of the environment variables with secrets.
    pub fn secret_variables(&self) -> Vec<&str> {
        let mut names: Vec<&str> = match &self.token {
            TokenSource::Env(name) => vec![name],
            TokenSource::Command(_) => Vec::new(),
            TokenSource::OAuth(oauth) => oauth.secret_variables(),
        };
        let parameters = self.headers.iter().chain(&self.query);
        names.extend(parameters.filter_map(|parameter| match &parameter.value {
            ParameterValue::Env(name) => Some(name.as_str()),
            ParameterValue::Text(_) => None,
        }));
        names
    }

    /// Returns the configured limits of bytes, each with its period.
    pub fn byte_limits(&self) -> Vec<(NonZeroU64, Duration)> {
        let limits = [(self.bytes_per_hour, 3_600), (self.bytes_per_day, 86_400)];
        limits
            .into_iter()
            .filter_map(|(limit, seconds)| Some((limit?, Duration::from_secs(seconds))))
            .collect()
    }

    /// Returns the configured rate limits, each with its period.
    pub fn limits(&self) -> Vec<(NonZeroU32, Duration)> {
        let limits = [
            (self.requests_per_second, 1),
            (self.requests_per_minute, 60),
            (self.requests_per_hour, 3_600),
            (self.requests_per_day, 86_400),
        ];
        configured(limits).collect()
    }
}

/// Returns the limits that are configured, with their spans from seconds.
fn configured<const N: usize>(
    limits: [(Option<NonZeroU32>, u64); N],
) -> impl Iterator<Item = (NonZeroU32, Duration)> {
    let limits = limits.into_iter();
    limits.filter_map(|(limit, seconds)| Some((limit?, Duration::from_secs(seconds))))
}

/// The places of the mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The SQLite file. A relative path starts at the folder of the configuration.
    pub database: PathBuf,
    /// The folder of photos. It contains neither the database nor the configuration.
    pub media_dir: PathBuf,
    /// The file of these settings.
    pub configuration: PathBuf,
}

/// The records to mirror, and the limits of a sync.
#[derive(Clone, Debug, PartialEq)]
pub struct Sync {
    /// The resources to mirror, in the order of jobs. At least one, and no duplicates.
    pub resources: Vec<Resource>,
    /// Whether photos are downloaded.
    pub download_media: bool,
    /// How far before the watermark an incremental sync starts to read.
    pub overlap: Duration,
    /// The percentage of live rows, 0 to 100, that one sweep may delete.
    pub max_delete_percent: f64,
    /// Fields whose changes are not logged.
    pub ignore_fields: BTreeSet<String>,
    /// OData filters. A resource without one is mirrored completely.
    pub filter: BTreeMap<Resource, String>,
    /// The fields to mirror. A resource without an entry is mirrored with all fields.
    pub select: BTreeMap<Resource, Vec<String>>,
}

/// The photos that have files. The default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptPhotos {
    /// An SQL condition over `listings`. Photos of other listings have no files. None = all
    /// listings.
    pub condition: Option<String>,
    /// Whether only the first photo of each listing has a file.
    pub only_first: bool,
}

/// How photos are downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The photos that have files.
    pub kept: KeptPhotos,
    /// The number of simultaneous downloads, 1 to 64.
    pub max_concurrent_downloads: usize,
    /// The rate limit per host. None = no limit.
    pub requests_per_minute: Option<NonZeroU32>,
    /// The rate limit per host. None = no limit.
    pub requests_per_hour: Option<NonZeroU32>,
    /// Whether photos also count in the limits of the feed.
    pub shares_limits: bool,
    /// How photo hosts receive the feed's token.
    pub send_token: SendToken,
    /// The hosts that receive it, each with its port if that is not the usual one.
    pub token_hosts: Vec<String>,
    /// The `ImageSizeDescription` of the photos to mirror. None = all.
    pub size: Option<String>,
    /// How long a URL works. None = without an end.
    pub url_life: Option<Duration>,
    /// The size of the largest file to keep. None = no limit.
    pub max_bytes: Option<NonZeroU64>,
}

impl Media {
    /// Returns the limits of requests in a span to a photo host.
    pub fn own_limits(&self) -> impl Iterator<Item = (NonZeroU32, Duration)> {
        configured([
            (self.requests_per_minute, 60),
            (self.requests_per_hour, 3_600),
        ])
    }

    /// Returns the limits to a photo host, with those of the feed if photos count in them.
    pub fn limits(&self, feed: &Feed) -> Vec<(NonZeroU32, Duration)> {
        let shared = feed.limits().into_iter().filter(|_| self.shares_limits);
        self.own_limits().chain(shared).collect()
    }
}

/// Where and how long exported tables are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The folder of the tables. A relative path starts at the folder of the configuration.
    pub dir: PathBuf,
    /// How long past versions of the tables stay readable. None = for ever.
    pub keep: Option<Duration>,
}

/// How long history is kept. None = for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Soft-deleted rows.
    pub deleted: Option<Duration>,
    /// The change log.
    pub changes: Option<Duration>,
    /// The runs of jobs.
    pub runs: Option<Duration>,
}

/// The metrics of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The address that serves Prometheus metrics. None = no metrics.
    pub metrics: Option<SocketAddr>,
}

/// The limits of conditions that need attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The tolerated age of the last successful sync. None = any age.
    pub max_age: Option<Duration>,
}
