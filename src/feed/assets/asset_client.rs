//! The hosts with the photos: other hosts than the feed's, that never see its token.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::io;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::{SubsecRound, TimeDelta, Utc};
use reqwest::header::{
    CACHE_CONTROL, DATE, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, StatusCode};
use tokio::runtime::Runtime;
use url::Url;

use super::address::{Guard, PrivateAddress};
use crate::config::Config;
use crate::feed::http::{
    DELAY_LIMIT, Limit, Meter, PAUSE_LIMIT, Pace, Patience, REDIRECTS_MAX, TOO_MANY_REDIRECTS,
    Traffic, asked_pause, header, http_builder, http_date, locked, network_words, too_slow,
};
use crate::stop::{Signal, Stop};
use crate::value::stored_instant;

/// Threads that carry the connections; bodies are written by those who ask.
const THREADS: usize = 1;

/// A host that has not answered for so long, and so often, is left for another time.
const DOWN_AFTER: Duration = Duration::from_secs(60);
const DOWN_AFTER_TIMES: u32 = 16;

/// No host is left alone for longer than this at its own word.
const PAUSE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// What a server said of the version of a file, to ask later whether it is the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// Its `ETag`.
    pub etag: Option<String>,
    /// Its `Last-Modified`.
    pub last_modified: Option<String>,
}

/// What a host answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asset {
    /// The file is as it was.
    Same,
    /// It was written, whole.
    Whole(Validators),
}

/// Why what comes is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Untaken {
    /// It cannot be written.
    #[error(transparent)]
    Unwritten(#[from] io::Error),
    /// It is not what was asked for.
    #[error("{0}")]
    Unfit(String),
    /// It is something else than was asked for, and knows itself as that.
    #[error("{0}")]
    Other(String),
}

/// A photo that was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum AssetError {
    /// The URL must not be asked, or asking it again leads nowhere.
    #[error("{0}")]
    Refused(String),
    /// 404 or 410: there is no such file.
    #[error("the host has no such file ({status})")]
    Gone {
        /// The HTTP status.
        status: u16,
    },
    /// What is there is no image, but something else of a known kind.
    #[error("{0}")]
    NoImage(String),
    /// 401 or 403: the URL is not good, or no longer.
    #[error("the host refused the URL ({status}), which may have expired")]
    Expired {
        /// The HTTP status.
        status: u16,
    },
    /// No usable answer; another try may get one.
    #[error("{0}")]
    Unavailable(String),
    /// The host has not answered for a while, and was not asked.
    #[error("not asked: {0} does not answer")]
    Down(String),
    /// The host asks for a longer pause than a run waits, and is left alone for it.
    #[error("the host {host} asks to wait until {until} UTC")]
    AskedToWait {
        /// The host.
        host: String,
        /// When the pause is over, in storage form.
        until: String,
        /// Whether this very photo was asked for.
        was_asked: bool,
    },
    /// The file is larger than the configuration allows.
    #[error("larger than media.max_bytes ({0} bytes)")]
    TooLarge(NonZeroU64),
    /// It cannot be written.
    #[error(transparent)]
    Unwritten(io::Error),
    /// The process was asked to stop.
    #[error("stopped as asked")]
    Interrupted(Signal),
}

/// The connection to the hosts with the photos.
pub struct Assets {
    http: reqwest::Client,
    /// Always there until the end.
    runtime: Option<Runtime>,
    guard: Guard,
    timeout: Option<Duration>,
    retry_delay: Duration,
    requests_per_minute: Option<NonZeroU32>,
    max_bytes: Option<NonZeroU64>,
    hosts: Mutex<HashMap<String, AssetHost>>,
    stop: Stop,
    meter: Meter,
}

/// What is known of one host.
struct AssetHost {
    pace: Pace,
    failing: Option<(Instant, u32)>,
    /// How often in a row it said that it is asked too often, without a pause.
    too_often: u32,
    /// Until when it asks to be left alone, in storage form.
    closed_until: Option<String>,
}

/// Takes what comes, chunk by chunk.
pub type Take<'t> = dyn FnMut(&[u8]) -> Result<(), Untaken> + 't;

impl Assets {
    /// A connection as the configuration wants it. Nothing is sent yet.
    ///
    /// # Errors
    /// If the process cannot start threads or the HTTP library.
    pub fn open(config: &Config, stop: Stop) -> anyhow::Result<Assets> {
        let guard = Guard::of(&config.feed.base_url);
        let http = http_builder(config.feed.timeout)
            // They are followed here, each at its host's own pace.
            .redirect(Policy::none())
            // Images do not get smaller, and their length is checked.
            .no_gzip()
            .dns_resolver(guard.clone())
            .build()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("assets")
            .enable_all()
            .build()?;
        Ok(Assets {
            http,
            runtime: Some(runtime),
            guard,
            timeout: config.feed.timeout,
            retry_delay: config.feed.retry_delay,
            requests_per_minute: config.media.requests_per_minute,
            max_bytes: config.media.max_bytes,
            hosts: Mutex::default(),
            stop,
            meter: Meter::default(),
        })
    }

    /// What went over the wire so far.
    pub fn traffic(&self) -> Traffic {
        self.meter.traffic()
    }

    /// Asks for a file once, and gives what comes to `take`. With validators the
    /// host may answer that it is the same. Blocks; several may ask at a time.
    ///
    /// # Errors
    /// [`AssetError`]
    pub fn get(
        &self,
        url: &str,
        known: &Validators,
        take: &mut Take<'_>,
    ) -> Result<Asset, AssetError> {
        let url = Url::parse(url)
            .map_err(|error| AssetError::Refused(format!("its URL is none ({error})")))?;
        may_ask(&url, &self.guard).map_err(AssetError::Refused)?;
        let host = host_of(&url);
        if self.is_down(&host) {
            return Err(AssetError::Down(host));
        }
        let Some(runtime) = &self.runtime else {
            return Err(AssetError::Down(host));
        };
        runtime.block_on(async {
            tokio::select! {
                // Nothing more is sent once it was asked to stop.
                biased;
                signal = self.stop.wait() => Err(AssetError::Interrupted(signal)),
                asked = self.follow(url, known, take) => asked,
            }
        })
    }

    /// Asks, and follows where the host leads.
    async fn follow(
        &self,
        mut url: Url,
        known: &Validators,
        take: &mut Take<'_>,
    ) -> Result<Asset, AssetError> {
        for _ in 0..=REDIRECTS_MAX {
            may_ask(&url, &self.guard).map_err(AssetError::Refused)?;
            let host = host_of(&url);
            let asked = self.ask(&url, &host, known, take).await;
            self.note(&host, &asked);
            match asked? {
                Answered::Asset(asset) => return Ok(asset),
                Answered::Elsewhere(next) => url = next,
            }
        }
        Err(AssetError::Unavailable(TOO_MANY_REDIRECTS.to_owned()))
    }

    /// Hosts that did not answer get another chance.
    pub fn forget_failures(&self) {
        for host in locked(&self.hosts).values_mut() {
            host.failing = None;
        }
    }

    /// Counts a request that is sent again.
    pub fn count_retry(&self) {
        self.meter.retries.fetch_add(1, Ordering::Relaxed);
    }

    fn is_down(&self, host: &str) -> bool {
        let hosts = locked(&self.hosts);
        let failing = hosts.get(host).and_then(|host| host.failing);
        failing.is_some_and(|(since, times)| {
            times >= DOWN_AFTER_TIMES && since.elapsed() >= DOWN_AFTER
        })
    }

    fn note(&self, host: &str, asked: &Result<Answered, AssetError>) {
        let mut hosts = locked(&self.hosts);
        let Some(host) = hosts.get_mut(host) else {
            return;
        };
        match asked {
            Err(AssetError::Unavailable(_)) => {
                let (since, times) = host.failing.unwrap_or((Instant::now(), 0));
                host.failing = Some((since, times + 1));
            }
            Err(AssetError::Unwritten(_) | AssetError::Interrupted(_)) => {}
            _ => (host.failing, host.too_often) = (None, 0),
        }
    }

    /// Waits until the host's budget has a request left, and takes it.
    ///
    /// # Errors
    /// [`AssetError::AskedToWait`]
    async fn budget(&self, host: &str) -> Result<(), AssetError> {
        loop {
            let now = Instant::now();
            let taken = {
                let mut hosts = locked(&self.hosts);
                let known = hosts.entry(host.to_owned()).or_insert_with(|| AssetHost {
                    pace: Pace::new(self.limits()),
                    failing: None,
                    too_often: 0,
                    closed_until: None,
                });
                if let Some(until) = known.closed_until.clone() {
                    return Err(AssetError::AskedToWait {
                        host: host.to_owned(),
                        until,
                        was_asked: false,
                    });
                }
                known.pace.take(now)
            };
            let Err(pause) = taken else { return Ok(()) };
            tokio::time::sleep(pause).await;
            self.meter.throttled(now.elapsed());
        }
    }

    fn limits(&self) -> Vec<Limit> {
        let per_minute = self.requests_per_minute.map(|requests| Limit {
            requests: requests.get(),
            span: Duration::from_secs(60),
        });
        per_minute.into_iter().collect()
    }

    async fn ask(
        &self,
        url: &Url,
        host: &str,
        known: &Validators,
        take: &mut Take<'_>,
    ) -> Result<Answered, AssetError> {
        self.budget(host).await?;
        let mut request = self
            .http
            .get(url.clone())
            .header("Accept", "image/*, */*;q=0.1");
        if let Some(etag) = &known.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = &known.last_modified {
            request = request.header(IF_MODIFIED_SINCE, date);
        }
        let is_known = *known != Validators::default();
        if is_known {
            // Its stamp has changed since: what a cache on the way remembers is old.
            request = request.header(CACHE_CONTROL, "no-cache");
        }
        self.meter.requests.fetch_add(1, Ordering::Relaxed);
        // Not its query, which may be a signature.
        tracing::debug!(host, path = url.path(), "GET");
        let response = self.send(request).await?;
        let status = response.status();
        match status {
            StatusCode::OK => self.receive(response, take).await.map(Answered::Asset),
            StatusCode::NOT_MODIFIED if is_known => Ok(Answered::Asset(Asset::Same)),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                let location = header(response.headers(), LOCATION.as_str());
                let next = location.and_then(|location| url.join(location).ok());
                next.map(Answered::Elsewhere).ok_or_else(|| {
                    AssetError::Refused(format!("the host answered {status}, and leads nowhere"))
                })
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(AssetError::Gone {
                status: status.as_u16(),
            }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(AssetError::Expired {
                status: status.as_u16(),
            }),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Err(self.unavailable(host, status, response.headers()))
            }
            _ if status.is_client_error() || status.is_redirection() => {
                Err(AssetError::Refused(format!("the host answered {status}")))
            }
            _ => Err(self.unavailable(host, status, response.headers())),
        }
    }

    /// Sends a request. Connecting and waiting for the answer's head have a timeout each;
    /// this one is for a head that comes in drips.
    async fn send(&self, request: RequestBuilder) -> Result<Response, AssetError> {
        let sent = match self.timeout {
            None => Ok(request.send().await),
            Some(timeout) => tokio::time::timeout(2 * timeout, request.send()).await,
        };
        match sent {
            Ok(answered) => answered.map_err(failure),
            Err(_) => Err(AssetError::Unavailable("timed out".to_owned())),
        }
    }

    /// What a status comes to that may pass. A pause that the host asks for holds for all
    /// that is asked of it.
    fn unavailable(&self, host: &str, status: StatusCode, headers: &HeaderMap) -> AssetError {
        let date = header(headers, DATE.as_str()).and_then(http_date);
        let pause = asked_pause(headers, date).filter(|pause| !pause.is_zero());
        let unavailable = AssetError::Unavailable(format!("the host answered {status}"));
        let mut hosts = locked(&self.hosts);
        let Some(known) = hosts.get_mut(host) else {
            return unavailable;
        };
        match pause {
            Some(pause) if pause > PAUSE_LIMIT => {
                let pause = TimeDelta::from_std(pause.min(PAUSE_MAX)).unwrap_or_default();
                let until = stored_instant((Utc::now() + pause).trunc_subsecs(0));
                known.closed_until = Some(until.clone());
                AssetError::AskedToWait {
                    host: host.to_owned(),
                    until,
                    was_asked: true,
                }
            }
            Some(pause) => {
                known.pace.pause(Instant::now(), pause);
                unavailable
            }
            None if status == StatusCode::TOO_MANY_REQUESTS => {
                let pause = self
                    .retry_delay
                    .saturating_mul(1 << known.too_often.min(16));
                known.too_often += 1;
                known.pace.pause(Instant::now(), pause.min(DELAY_LIMIT));
                unavailable
            }
            None => unavailable,
        }
    }

    async fn receive(
        &self,
        mut response: Response,
        take: &mut Take<'_>,
    ) -> Result<Asset, AssetError> {
        let announced = response.content_length();
        let is_over = |bytes: u64| self.max_bytes.filter(|limit| bytes > limit.get());
        if let Some(limit) = announced.and_then(is_over) {
            return Err(AssetError::TooLarge(limit));
        }
        let text = |name| header(response.headers(), name).map(str::to_owned);
        let validators = Validators {
            etag: text(ETAG.as_str()),
            last_modified: text(LAST_MODIFIED.as_str()),
        };
        let (mut bytes, patience) = (0, Patience::begin(self.timeout));
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            bytes += chunk.len() as u64;
            self.meter
                .bytes_received
                .fetch_add(chunk.len() as u64, Ordering::Relaxed);
            if let Some(limit) = is_over(bytes) {
                return Err(AssetError::TooLarge(limit));
            }
            if patience.is_over(bytes) {
                return Err(AssetError::Unavailable(too_slow(bytes)));
            }
            take(&chunk).map_err(|untaken| match untaken {
                Untaken::Unwritten(error) => AssetError::Unwritten(error),
                Untaken::Unfit(what) => AssetError::Unavailable(what),
                Untaken::Other(what) => AssetError::NoImage(what),
            })?;
        }
        match announced {
            Some(announced) if announced != bytes => Err(AssetError::Unavailable(format!(
                "the body was cut off: {bytes} of {announced} bytes"
            ))),
            _ => Ok(Asset::Whole(validators)),
        }
    }
}

impl Drop for Assets {
    fn drop(&mut self) {
        // A name that is still looked up is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What one request came to.
enum Answered {
    Asset(Asset),
    /// A redirect.
    Elsewhere(Url),
}

/// Whether a URL may be asked.
fn may_ask(url: &Url, guard: &Guard) -> Result<(), String> {
    match url.scheme() {
        "http" | "https" => guard.check(url).map_err(|error| error.to_string()),
        other => Err(format!("`{other}:` is not fetched, only http and https")),
    }
}

/// A host and its port, as it is counted and named.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn failure(error: reqwest::Error) -> AssetError {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if inner.is::<PrivateAddress>() {
            return AssetError::Refused(inner.to_string());
        }
        cause = inner.source();
    }
    AssetError::Unavailable(network_words(&error, "cannot connect"))
}
