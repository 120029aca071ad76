//! The hosts with the photos: other hosts than the feed's, that never see its token.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::io;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reqwest::header::{DATE, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use tokio::runtime::Runtime;
use url::Url;

use super::address::{Guard, PrivateAddress};
use super::client::{Meter, PAUSE_LIMIT, Traffic, locked, network_words};
use super::headers::{asked_pause, header, http_date};
use super::pace::{Limit, Pace};
use crate::config::Config;
use crate::stop::{Signal, Stop};

/// Threads that carry the connections; bodies are written by those who ask.
const THREADS: usize = 1;

/// A host that has not answered for so long, and so often, is left for another time.
const DOWN_AFTER: Duration = Duration::from_secs(60);
const DOWN_AFTER_TIMES: u32 = 16;

/// More redirects than this lead nowhere.
const REDIRECTS_MAX: usize = 5;

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
}

/// A photo that was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum AssetError {
    /// The URL must not be asked.
    #[error("{0}")]
    Forbidden(String),
    /// 404 or 410: there is no such file.
    #[error("the host has no such file ({status})")]
    Gone {
        /// The HTTP status.
        status: u16,
    },
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
    runtime: Runtime,
    guard: Guard,
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
}

/// Takes what comes, chunk by chunk.
pub type Take<'t> = dyn FnMut(&[u8]) -> Result<(), Untaken> + 't;

impl Assets {
    /// A connection as the configuration wants it. Nothing is sent yet.
    ///
    /// # Errors
    /// If the process cannot start threads or the HTTP library.
    pub fn open(config: &Config, stop: Stop) -> anyhow::Result<Assets> {
        // Fails only if a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let guard = Guard::of(&config.feed.base_url);
        let watched = guard.clone();
        let redirects = Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTS_MAX {
                return attempt.error("more than five redirects");
            }
            match may_ask(attempt.url(), &watched) {
                Ok(()) => attempt.follow(),
                Err(why) => attempt.error(RefusedUrl(why)),
            }
        });
        let mut http = reqwest::Client::builder();
        if let Some(timeout) = config.feed.timeout {
            http = http.connect_timeout(timeout).read_timeout(timeout);
        }
        let http = http
            .user_agent(concat!("mlsmirror/", env!("CARGO_PKG_VERSION")))
            .redirect(redirects)
            .referer(false)
            .tcp_nodelay(true)
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
            runtime,
            guard,
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
            .map_err(|error| AssetError::Forbidden(format!("its URL is none ({error})")))?;
        may_ask(&url, &self.guard).map_err(AssetError::Forbidden)?;
        let host = host_of(&url);
        if self.is_down(&host) {
            return Err(AssetError::Down(host));
        }
        let asked = self.runtime.block_on(async {
            tokio::select! {
                asked = self.ask(&url, &host, known, take) => asked,
                signal = self.stop.wait() => Err(AssetError::Interrupted(signal)),
            }
        });
        self.note(&host, &asked);
        asked
    }

    /// A request is sent again that failed before; hosts that did not answer get
    /// another chance.
    pub fn try_again(&self) {
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

    fn note(&self, host: &str, asked: &Result<Asset, AssetError>) {
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
            _ => host.failing = None,
        }
    }

    /// Waits until the host's budget has a request left, and takes it.
    async fn budget(&self, host: &str) {
        loop {
            let now = Instant::now();
            let taken = {
                let mut hosts = locked(&self.hosts);
                let known = hosts.entry(host.to_owned()).or_insert_with(|| AssetHost {
                    pace: Pace::new(self.limits()),
                    failing: None,
                });
                known.pace.take(now)
            };
            let Err(pause) = taken else { return };
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
    ) -> Result<Asset, AssetError> {
        self.budget(host).await;
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
        self.meter.requests.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(url = url.as_str(), "GET");
        let response = request.send().await.map_err(failure)?;
        let status = response.status();
        let is_known = *known != Validators::default();
        match status {
            StatusCode::OK => self.receive(response, take).await,
            StatusCode::NOT_MODIFIED if is_known => Ok(Asset::Same),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(AssetError::Gone {
                status: status.as_u16(),
            }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(AssetError::Expired {
                status: status.as_u16(),
            }),
            // What can be followed was followed.
            _ if status.is_redirection() => Err(AssetError::Forbidden(format!(
                "the host answered {status}, and leads nowhere"
            ))),
            _ => Err(self.refusal(host, status, response.headers())),
        }
    }

    /// What another status comes to. A pause that the host asks for holds for all
    /// that is asked of it.
    fn refusal(&self, host: &str, status: StatusCode, headers: &HeaderMap) -> AssetError {
        let date = header(headers, DATE.as_str()).and_then(http_date);
        let pause = asked_pause(headers, date).filter(|pause| !pause.is_zero());
        let mut words = format!("the host answered {status}");
        if let Some(pause) = pause {
            match pause <= PAUSE_LIMIT {
                true => {
                    if let Some(host) = locked(&self.hosts).get_mut(host) {
                        host.pace.pause(Instant::now(), pause);
                    }
                }
                false => words += &format!(" and asks to wait {} s", pause.as_secs()),
            }
        }
        AssetError::Unavailable(words)
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
        let mut bytes = 0;
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            bytes += chunk.len() as u64;
            self.meter
                .bytes_received
                .fetch_add(chunk.len() as u64, Ordering::Relaxed);
            if let Some(limit) = is_over(bytes) {
                return Err(AssetError::TooLarge(limit));
            }
            take(&chunk).map_err(|untaken| match untaken {
                Untaken::Unwritten(error) => AssetError::Unwritten(error),
                Untaken::Unfit(what) => AssetError::Unavailable(what),
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

/// A redirect that must not be followed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct RefusedUrl(String);

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
        if inner.is::<PrivateAddress>() || inner.is::<RefusedUrl>() {
            return AssetError::Forbidden(inner.to_string());
        }
        cause = inner.source();
    }
    AssetError::Unavailable(network_words(&error, "cannot connect"))
}
