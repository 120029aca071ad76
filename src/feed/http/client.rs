//! Requests: the token, the tries, the limits on size, origin and rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, DATE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use tokio::sync::Semaphore;
use url::Url;

use super::error::{BadBody, FeedError};
use super::headers::{asked_pause, header, http_date, until};
use super::ledger::Ledger;
use super::pace::{Limit, Pace};
use super::patience::{Patience, too_slow};
use super::token::Token;
use crate::config;
use crate::stop::Stop;

/// A body over this is refused: no page of any known server comes near it.
const BODY_LIMIT_BYTES: u64 = 256 * 1024 * 1024;

/// The longest pause that a run makes because the feed asks for it.
pub const PAUSE_LIMIT: Duration = Duration::from_secs(3_600);

/// Doubling stops here, so that a run with many tries goes on trying.
pub const DELAY_LIMIT: Duration = Duration::from_secs(300);

/// More redirects than this lead nowhere.
pub const REDIRECTS_MAX: usize = 5;
pub const TOO_MANY_REDIRECTS: &str = "more than five redirects";

/// What went over the wire so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests sent, retries among them.
    pub requests: u64,
    /// Requests sent again after a failure.
    pub retries: u64,
    /// Time spent waiting for the rate budget or as the feed asked, in milliseconds.
    pub throttled_ms: u64,
    /// Bytes of bodies received, after decompression.
    pub bytes_received: u64,
}

impl std::ops::Sub for Traffic {
    type Output = Traffic;

    /// What went over the wire between two readings.
    fn sub(self, earlier: Traffic) -> Traffic {
        Traffic {
            requests: self.requests - earlier.requests,
            retries: self.retries - earlier.retries,
            throttled_ms: self.throttled_ms - earlier.throttled_ms,
            bytes_received: self.bytes_received - earlier.bytes_received,
        }
    }
}

/// Counts what goes over the wire.
#[derive(Default)]
pub struct Meter {
    pub requests: AtomicU64,
    pub retries: AtomicU64,
    pub throttled_ms: AtomicU64,
    pub bytes_received: AtomicU64,
}

impl Meter {
    /// What went over the wire so far.
    pub fn traffic(&self) -> Traffic {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic {
            requests: read(&self.requests),
            retries: read(&self.retries),
            throttled_ms: read(&self.throttled_ms),
            bytes_received: read(&self.bytes_received),
        }
    }

    /// Counts time spent waiting.
    pub fn throttled(&self, waited: Duration) {
        let waited_ms = waited.as_millis() as u64;
        self.throttled_ms.fetch_add(waited_ms, Ordering::Relaxed);
    }
}

/// Whether a request that failed is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tries {
    /// As often as configured.
    Configured,
    /// Only once: there is another way if it fails.
    Once,
}

/// One request, apart from where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// Whether it is tried again.
    pub tries: Tries,
    /// `Prefer: odata.maxpagesize`, for servers that take it.
    pub max_page_size: Option<u32>,
    /// The media type that is wanted.
    pub accept: &'static str,
}

impl Asking {
    /// For records.
    pub const RECORDS: Asking = Asking {
        tries: Tries::Configured,
        max_page_size: None,
        accept: "application/json",
    };
    /// For `$metadata`.
    pub const METADATA: Asking = Asking {
        accept: "application/xml",
        ..Asking::RECORDS
    };
}

/// The connection to one feed.
pub struct Client {
    http: reqwest::Client,
    token: Token,
    base: Url,
    timeout: Option<Duration>,
    max_retries: u32,
    retry_delay: Duration,
    pace: Mutex<Pace>,
    ledger: OnceLock<Arc<dyn Ledger>>,
    slots: Semaphore,
    stop: Stop,
    meter: Meter,
    date: Mutex<Option<DateTime<Utc>>>,
}

/// Nobody closes it; the library's type only allows for it.
const CLOSED: &str = "the client was closed";

/// What one try came to.
enum Failure {
    /// Nothing would change by trying again.
    Final(FeedError),
    /// Another try may do better, after the pause that the feed asked for.
    Passing {
        what: String,
        status: Option<u16>,
        pause: Option<Duration>,
    },
}

impl From<BadBody> for Failure {
    fn from(bad: BadBody) -> Failure {
        Failure::Passing {
            what: bad.to_string(),
            status: None,
            pause: None,
        }
    }
}

impl Client {
    /// A client for the configured feed. Nothing is sent yet.
    ///
    /// # Errors
    /// If the HTTP library cannot be set up.
    pub fn new(settings: &config::Feed, token: Token, stop: Stop) -> anyhow::Result<Client> {
        let origin = settings.base_url.origin();
        let stay = Policy::custom(move |attempt| {
            if attempt.url().origin() != origin {
                let elsewhere = attempt.url().origin().ascii_serialization();
                attempt.error(FeedError::Elsewhere(elsewhere))
            } else if attempt.previous().len() > REDIRECTS_MAX {
                attempt.error(TOO_MANY_REDIRECTS)
            } else {
                attempt.follow()
            }
        });
        let http = http_builder(settings.timeout).redirect(stay).build()?;
        let limits = settings.limits().into_iter();
        let limits = limits.map(|(requests, span)| Limit {
            requests: requests.get(),
            span,
        });
        Ok(Client {
            http,
            token,
            base: settings.base_url.clone(),
            timeout: settings.timeout,
            max_retries: settings.max_retries,
            retry_delay: settings.retry_delay,
            pace: Mutex::new(Pace::new(limits.collect())),
            ledger: OnceLock::new(),
            slots: Semaphore::new(settings.max_concurrent),
            stop,
            meter: Meter::default(),
            date: Mutex::new(None),
        })
    }

    /// Shares the rate budget with other processes, from the next request on.
    pub fn share_budget(&self, ledger: Arc<dyn Ledger>) {
        // The first one stays.
        let _ = self.ledger.set(ledger);
    }

    /// The URL of a path and query below the service's root.
    pub fn url(&self, path_and_query: &str) -> Result<Url, FeedError> {
        let text = format!(
            "{}/{path_and_query}",
            self.base.as_str().trim_end_matches('/')
        );
        Url::parse(&text).map_err(|error| FeedError::Stuck(format!("{error} in a query")))
    }

    /// A link that the feed gave, if it stays with the feed.
    ///
    /// # Errors
    /// [`FeedError::Elsewhere`] for a link to another origin.
    pub fn link(&self, link: &str) -> Result<Url, FeedError> {
        // A relative link is relative to the service's root.
        let root = format!("{}/", self.base.as_str().trim_end_matches('/'));
        let url = Url::parse(&root)
            .and_then(|root| root.join(link))
            .map_err(|error| FeedError::Stuck(format!("its next link is no URL: {error}")))?;
        if url.origin() == self.base.origin() {
            Ok(url)
        } else {
            Err(FeedError::Elsewhere(url.origin().ascii_serialization()))
        }
    }

    /// What went over the wire so far.
    pub fn traffic(&self) -> Traffic {
        self.meter.traffic()
    }

    /// The feed's own time, as its newest answer gave it.
    pub fn date(&self) -> Option<DateTime<Utc>> {
        *locked(&self.date)
    }

    /// Asks for `url` and decodes the answer, trying again as configured.
    ///
    /// # Errors
    /// [`FeedError`] when no try gave a usable answer, or none would.
    pub async fn get<T>(
        &self,
        url: &Url,
        asking: Asking,
        decode: impl Fn(&[u8]) -> Result<T, BadBody>,
    ) -> Result<T, FeedError> {
        let retries = if asking.tries == Tries::Once {
            0
        } else {
            self.max_retries
        };
        let mut tried = 0;
        loop {
            let outcome = tokio::select! {
                outcome = self.attempt(url, asking, &decode) => outcome,
                signal = self.stop.wait() => return Err(FeedError::Interrupted(signal)),
            };
            let (what, status, pause) = match outcome {
                Ok(value) => return Ok(value),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing {
                    what,
                    status,
                    pause,
                }) => (what, status, pause),
            };
            tried += 1;
            if tried > retries {
                return Err(FeedError::Unavailable {
                    tries: tried,
                    last: what,
                    status,
                });
            }
            // A pause of nothing says nothing of when it will be better.
            let pause = pause.filter(|pause| !pause.is_zero());
            let delay = pause.unwrap_or_else(|| self.backoff(tried));
            if delay > PAUSE_LIMIT {
                let (seconds, limit) = (delay.as_secs(), PAUSE_LIMIT.as_secs());
                return Err(FeedError::TooLong { seconds, limit });
            }
            tracing::warn!(
                path = url.path(),
                try_number = tried,
                delay_ms = delay.as_millis() as u64,
                "{what}; trying again"
            );
            if pause.is_some() {
                locked(&self.pace).pause(Instant::now(), delay);
                if let Some(ledger) = self.ledger.get() {
                    ledger.pause(SystemTime::now() + delay);
                }
            } else {
                self.sleep(delay).await?;
            }
            self.meter.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The delay before try `tried + 1`: doubled each time, and between half
    /// and one and a half of it, so that many clients do not come back as one.
    fn backoff(&self, tried: u32) -> Duration {
        let doubled = self
            .retry_delay
            .saturating_mul(1 << (tried - 1).min(16))
            .min(DELAY_LIMIT);
        doubled.mul_f64(0.5 + fastrand::f64())
    }

    async fn sleep(&self, delay: Duration) -> Result<(), FeedError> {
        tokio::select! {
            () = tokio::time::sleep(delay) => Ok(()),
            signal = self.stop.wait() => Err(FeedError::Interrupted(signal)),
        }
    }

    async fn attempt<T>(
        &self,
        url: &Url,
        asking: Asking,
        decode: impl Fn(&[u8]) -> Result<T, BadBody>,
    ) -> Result<T, Failure> {
        let body = {
            let slot = self.slots.acquire().await;
            let _slot = slot.map_err(|_| Failure::Final(FeedError::Stuck(CLOSED.to_owned())))?;
            self.budget().await;
            self.receive(url, asking).await?
        };
        // The slot is free for the next request while this answer is decoded.
        Ok(decode(&body)?)
    }

    /// Waits until the rate budget has a request left, and takes it.
    async fn budget(&self) {
        loop {
            let Err(pause) = self.take() else { return };
            let started = Instant::now();
            tokio::time::sleep(pause).await;
            self.meter.throttled(started.elapsed());
        }
    }

    /// Takes a request out of the budget that this process shares with others.
    fn take(&self) -> Result<(), Duration> {
        let mut pace = locked(&self.pace);
        let Some(ledger) = self.ledger.get() else {
            return pace.take(Instant::now());
        };
        let mut taken = Ok(());
        ledger.share(&mut |spent| {
            let (now, clock) = (Instant::now(), SystemTime::now());
            for sent in &spent.requests {
                // What another clock puts into the future was sent now.
                let ago = clock.duration_since(*sent).unwrap_or_default();
                pace.note(now.checked_sub(ago).unwrap_or(now));
            }
            if let Some(until) = spent.paused_until {
                let pause = until.duration_since(clock).unwrap_or_default();
                pace.pause(now, pause.min(PAUSE_LIMIT));
            }
            taken = pace.take(now);
            taken.is_ok()
        });
        taken
    }

    async fn receive(&self, url: &Url, asking: Asking) -> Result<Vec<u8>, Failure> {
        let mut request = self.http.get(url.clone()).header("Accept", asking.accept);
        if let Some(header) = self.token.header() {
            request = request.header(AUTHORIZATION, header);
        }
        if let Some(size) = asking.max_page_size {
            request = request.header("Prefer", format!("odata.maxpagesize={size}"));
        }
        self.meter.requests.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(url = url.as_str(), "GET");
        let response = request.send().await.map_err(network)?;
        self.note(response.headers());
        let status = response.status();
        if status.is_success() {
            return self.body(response).await;
        }
        let pause = asked_pause(response.headers(), self.date());
        let message = self.server_words(response).await;
        Err(classify(status, message, pause))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let too_large = || {
            Failure::Final(FeedError::TooLarge {
                limit_bytes: BODY_LIMIT_BYTES,
            })
        };
        let announced = response.content_length().unwrap_or(0);
        if announced > BODY_LIMIT_BYTES {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(announced as usize);
        let patience = Patience::begin(self.timeout);
        while let Some(chunk) = response.chunk().await.map_err(network)? {
            self.meter
                .bytes_received
                .fetch_add(chunk.len() as u64, Ordering::Relaxed);
            if (body.len() + chunk.len()) as u64 > BODY_LIMIT_BYTES {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
            let bytes = body.len() as u64;
            if patience.is_over(bytes) {
                return Err(Failure::Passing {
                    what: too_slow(bytes),
                    status: None,
                    pause: None,
                });
            }
        }
        Ok(body)
    }

    /// What the server says of an error, in at most 300 characters of one line.
    async fn server_words(&self, response: Response) -> String {
        let body = self.body(response).await.unwrap_or_default();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let message = json["error"]["message"]
            .as_str()
            .or(json["message"].as_str());
        // Redacted before it is cut: half a token is a leak too.
        let line: String = self
            .token
            .redact(message.unwrap_or_default())
            .chars()
            .map(|character| {
                if character.is_control() {
                    ' '
                } else {
                    character
                }
            })
            .take(300)
            .collect();
        line.trim().to_owned()
    }

    /// Learns the feed's time and its own count of requests from an answer.
    fn note(&self, headers: &HeaderMap) {
        let date = header(headers, DATE.as_str()).and_then(http_date);
        if let Some(date) = date {
            *locked(&self.date) = Some(date);
        }
        let number = |name| header(headers, name)?.trim().parse::<u64>().ok();
        let remaining = number("X-RateLimit-Remaining");
        if let (Some(remaining), Some(reset)) = (remaining, number("X-RateLimit-Reset"))
            && let Some(reset_in) = until(reset, date.or_else(|| self.date()))
        {
            let reset_in = reset_in.min(PAUSE_LIMIT);
            locked(&self.pace).told_remaining(Instant::now(), remaining, reset_in);
        }
    }
}

/// What all connections have in common.
pub fn http_builder(timeout: Option<Duration>) -> reqwest::ClientBuilder {
    // Fails only if a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut http = reqwest::Client::builder();
    if let Some(timeout) = timeout {
        http = http.connect_timeout(timeout).read_timeout(timeout);
    }
    http.user_agent(concat!("mlsmirror/", env!("CARGO_PKG_VERSION")))
        .referer(false)
        .tcp_nodelay(true)
}

pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn classify(status: StatusCode, message: String, pause: Option<Duration>) -> Failure {
    let code = status.as_u16();
    match code {
        401 | 403 => Failure::Final(FeedError::Unauthorized {
            status: code,
            message,
        }),
        408 | 429 | 500..=599 => Failure::Passing {
            what: match message.as_str() {
                "" => format!("the feed answered {status}"),
                _ => format!("the feed answered {status}: {message}"),
            },
            status: Some(code),
            pause,
        },
        _ => Failure::Final(FeedError::Refused {
            status: code,
            message,
        }),
    }
}

/// A failure below HTTP. The URL is left out: callers name what was asked for.
fn network(error: reqwest::Error) -> Failure {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = source {
        if let Some(FeedError::Elsewhere(origin)) = inner.downcast_ref::<FeedError>() {
            return Failure::Final(FeedError::Elsewhere(origin.clone()));
        }
        source = inner.source();
    }
    let cannot_connect = "cannot connect; check feed.base_url and the network";
    Failure::Passing {
        what: network_words(&error, cannot_connect),
        status: None,
        pause: None,
    }
}

/// What went wrong below HTTP, without the URL.
pub fn network_words(error: &reqwest::Error, cannot_connect: &str) -> String {
    let kind = if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        cannot_connect
    } else if error.is_redirect() {
        "redirected without end"
    } else {
        "the connection broke"
    };
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    format!("{kind} ({cause})")
}
