//! Downloads photos. Only the configured photo hosts receive the feed's token.

use std::error::Error as StdError;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{
    CACHE_CONTROL, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, StatusCode};
use tokio::runtime::Runtime;
use url::Url;

use super::address::{AddressFilter, PrivateAddress};
use super::asset_error::{AssetError, RejectedDownload};
use super::photo_hosts::PhotoHosts;
use super::photo_token::PhotoToken;
use crate::config::Config;
use crate::feed::http::{
    BodyDeadline, Client, Meter, REDIRECTS_MAX, TOO_MANY_REDIRECTS, Traffic, header, http_builder,
    network_problem, too_slow,
};
use crate::stop::Stop;
use crate::value::without_signature;

/// The number of threads for connections. Callers write the files on their own threads.
const THREADS: usize = 1;

/// The version of a file according to its server, for conditional requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// The `ETag`.
    pub etag: Option<String>,
    /// The `Last-Modified` date.
    pub last_modified: Option<String>,
}

/// The result of a successful request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asset {
    /// The file has not changed.
    NotModified,
    /// The receiver got the file.
    Downloaded {
        /// The version of the file.
        validators: Validators,
        /// Whether the host announced the length. Otherwise the body may have been cut off.
        has_length: bool,
    },
}

/// An HTTP client for all photo hosts.
pub struct Assets {
    http: reqwest::Client,
    /// None only while this value is dropped.
    runtime: Option<Runtime>,
    filter: AddressFilter,
    timeout: Option<Duration>,
    max_bytes: Option<NonZeroU64>,
    hosts: PhotoHosts,
    token: PhotoToken,
    /// The connection to the feed, for its token and its limits.
    feed: Arc<Client>,
    shares_limits: bool,
    stop: Stop,
    meter: Meter,
}

/// Receives a body chunk by chunk.
pub type Receiver<'t> = dyn FnMut(&[u8]) -> Result<(), RejectedDownload> + 't;

impl Assets {
    /// Returns a client with the configured limits. Sends no request.
    pub(in crate::feed) fn open(
        config: &Config,
        feed: Arc<Client>,
        stop: Stop,
    ) -> anyhow::Result<Assets> {
        let filter = AddressFilter::of(&config.feed.base_url);
        let http = http_builder(config.feed.timeout)
            // This client follows redirects itself, because each host has its own budget.
            .redirect(Policy::none())
            // Images do not compress, and their length is checked.
            .no_gzip()
            .dns_resolver(filter.clone())
            .build()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("assets")
            .enable_all()
            .build()?;
        Ok(Assets {
            http,
            runtime: Some(runtime),
            filter,
            timeout: config.feed.timeout,
            max_bytes: config.media.max_bytes,
            hosts: PhotoHosts::new(config),
            token: PhotoToken::new(config),
            feed,
            shares_limits: config.media.shares_limits,
            stop,
            meter: Meter::default(),
        })
    }

    /// Returns the traffic up to now.
    pub fn traffic(&self) -> Traffic {
        self.meter.traffic()
    }

    /// Requests a file once and passes its body to `receiver`. With validators the host
    /// may answer that the file has not changed. Blocks; several threads can call it at
    /// the same time.
    pub fn get(
        &self,
        url: &str,
        known: &Validators,
        receiver: &mut Receiver<'_>,
    ) -> Result<Asset, AssetError> {
        let url = Url::parse(url)
            .map_err(|error| AssetError::Refused(format!("invalid photo URL ({error})")))?;
        check_url(&url, &self.filter).map_err(AssetError::Refused)?;
        let host = host_of(&url);
        if self.hosts.is_down(&host) {
            return Err(AssetError::HostDown(host));
        }
        let Some(runtime) = &self.runtime else {
            return Err(AssetError::HostDown(host));
        };
        let result = runtime.block_on(async {
            tokio::select! {
                // A signal takes precedence over the request.
                biased;
                signal = self.stop.wait() => Err(AssetError::Interrupted(signal)),
                result = self.follow(url, known, receiver) => result,
            }
        });
        result.map_err(|error| error.without_secrets(&self.feed))
    }

    /// Requests a file and follows redirects.
    async fn follow(
        &self,
        mut url: Url,
        known: &Validators,
        receiver: &mut Receiver<'_>,
    ) -> Result<Asset, AssetError> {
        for _ in 0..=REDIRECTS_MAX {
            check_url(&url, &self.filter).map_err(AssetError::Refused)?;
            let checked = self.filter.check_behind_proxy(&url).await;
            checked.map_err(|error| AssetError::Refused(error.to_string()))?;
            let host = host_of(&url);
            let result = self.request(&url, &host, known, receiver).await;
            self.hosts.record(&host, result.as_ref().err());
            match result? {
                AssetResponse::Asset(asset) => return Ok(asset),
                AssetResponse::Redirect(next) => url = next,
            }
        }
        Err(AssetError::Unavailable(TOO_MANY_REDIRECTS.to_owned()))
    }

    /// Forgets the failures of all hosts, so that each gets another try.
    pub fn reset_failures(&self) {
        self.hosts.reset_failures();
    }

    /// Counts a request that is sent again.
    pub fn count_retry(&self) {
        self.meter.retry();
    }

    /// Waits until the host's budget has a request left, and takes it.
    async fn wait_for_budget(&self, host: &str) -> Result<(), AssetError> {
        while let Err(pause) = self.hosts.take(host)? {
            let _waiting = self.meter.wait();
            tokio::time::sleep(pause).await;
        }
        if self.shares_limits {
            self.feed
                .wait_for_budget()
                .await
                .map_err(AssetError::of_feed)?;
        }
        Ok(())
    }

    async fn request(
        &self,
        url: &Url,
        host: &str,
        known: &Validators,
        receiver: &mut Receiver<'_>,
    ) -> Result<AssetResponse, AssetError> {
        self.wait_for_budget(host).await?;
        let mut request = self
            .http
            .get(url.clone())
            .header("Accept", "image/*, */*;q=0.1");
        request = self.token.add(request, url, host, &self.feed).await?;
        if let Some(etag) = &known.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = &known.last_modified {
            request = request.header(IF_MODIFIED_SINCE, date);
        }
        let is_known = *known != Validators::default();
        if is_known {
            // The record has changed since, so the response of a cache would be outdated.
            request = request.header(CACHE_CONTROL, "no-cache");
        }
        self.meter.request();
        let path = || self.feed.redact(&without_signature(url.path()));
        tracing::debug!(host, path = path(), "GET");
        let response = self.send(request).await?;
        let status = response.status();
        match status {
            StatusCode::OK => self
                .receive(response, receiver)
                .await
                .map(AssetResponse::Asset),
            StatusCode::NOT_MODIFIED if is_known => Ok(AssetResponse::Asset(Asset::NotModified)),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                let location = header(response.headers(), LOCATION.as_str());
                let next = location.and_then(|location| url.join(location).ok());
                next.map(AssetResponse::Redirect).ok_or_else(|| {
                    AssetError::Refused(format!(
                        "the host answered {status} without a valid location"
                    ))
                })
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(AssetError::NotFound {
                status: status.as_u16(),
            }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(AssetError::Expired {
                status: status.as_u16(),
            }),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Err(self.hosts.unavailable(host, status, response.headers()))
            }
            _ if status.is_client_error() || status.is_redirection() => {
                Err(AssetError::Refused(format!("the host answered {status}")))
            }
            _ => Err(self.hosts.unavailable(host, status, response.headers())),
        }
    }

    /// Sends a request. Connecting and each read have a timeout of their own. This timeout
    /// ends a response whose headers arrive slowly.
    async fn send(&self, request: RequestBuilder) -> Result<Response, AssetError> {
        let sent = match self.timeout {
            None => request.send().await,
            Some(timeout) => tokio::time::timeout(2 * timeout, request.send())
                .await
                .map_err(|_| AssetError::Unavailable("timed out".to_owned()))?,
        };
        sent.map_err(network_error)
    }

    async fn receive(
        &self,
        mut response: Response,
        receiver: &mut Receiver<'_>,
    ) -> Result<Asset, AssetError> {
        let announced = response.content_length();
        let is_over = |bytes: u64| self.max_bytes.filter(|limit| bytes > limit.get());
        if let Some(limit) = announced.and_then(is_over) {
            return Err(AssetError::TooLarge(limit));
        }
        let text = |name| header(response.headers(), name).map(|text| self.feed.redact(text));
        let validators = Validators {
            etag: text(ETAG.as_str()),
            last_modified: text(LAST_MODIFIED.as_str()),
        };
        let deadline = BodyDeadline::start(self.timeout);
        let mut bytes = 0;
        while let Some(chunk) = response.chunk().await.map_err(network_error)? {
            bytes += chunk.len() as u64;
            self.meter.received(&chunk);
            if self.shares_limits {
                self.feed.count_bytes(chunk.len() as u64);
            }
            if let Some(limit) = is_over(bytes) {
                return Err(AssetError::TooLarge(limit));
            }
            if deadline.has_passed(bytes) {
                return Err(AssetError::Unavailable(too_slow(bytes)));
            }
            receiver(&chunk).map_err(|rejected| match rejected {
                RejectedDownload::Unwritten(error) => AssetError::Unwritten(error),
                RejectedDownload::Unusable(problem) => AssetError::Unavailable(problem),
                RejectedDownload::WrongType(problem) => AssetError::NotAnImage(problem),
            })?;
        }
        match announced {
            Some(announced) if announced != bytes => Err(AssetError::Unavailable(format!(
                "the body was cut off: {bytes} of {announced} bytes"
            ))),
            _ => Ok(Asset::Downloaded {
                validators,
                has_length: announced.is_some(),
            }),
        }
    }
}

impl Drop for Assets {
    fn drop(&mut self) {
        // Does not wait for DNS lookups that are still running.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The response to one request.
enum AssetResponse {
    Asset(Asset),
    /// A redirect.
    Redirect(Url),
}

/// Checks that a URL may be requested.
fn check_url(url: &Url, filter: &AddressFilter) -> Result<(), String> {
    match url.scheme() {
        "http" | "https" => filter.check(url).map_err(|error| error.to_string()),
        other => Err(format!(
            "`{other}:` URLs are not downloaded, only http and https"
        )),
    }
}

/// Returns the host with its port.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn network_error(error: reqwest::Error) -> AssetError {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if inner.is::<PrivateAddress>() {
            return AssetError::Refused(inner.to_string());
        }
        cause = inner.source();
    }
    AssetError::Unavailable(network_problem(&error, "cannot connect"))
}
