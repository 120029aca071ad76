//! Requests to the feed: retries, the token, limits on size and origin.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Response;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, DATE, HeaderMap};
use reqwest::redirect::Policy;
use tokio::sync::Semaphore;
use url::{Url, form_urlencoded};

use super::body_deadline::{BodyDeadline, too_slow};
use super::budget::{RateBudget, ShowWait, Turn};
use super::content_encoding::{is_gzip, unzip};
use super::counting::{Counting, without_count};
use super::credentials::Credentials;
use super::current_token::CurrentToken;
use super::error::{BadBody, FeedError};
use super::error_body::{Meaning, read_error};
use super::failure::{Failure, is_unknown_host};
use super::fixed_filter::FixedFilter;
use super::headers::{asked_pause, header, http_date};
use super::ledger::Ledger;
use super::limits::{DELAY_LIMIT, REDIRECTS_MAX, TOO_MANY_REDIRECTS, http_builder, locked};
use super::next_link::next_link;
use super::oauth::{TokenRequests, one_line};
use super::pace::{ByteLimit, Limit};
use super::quota_headers::quotas;
use super::request_options::{RequestOptions, Tries};
use super::secrets::Secrets;
use super::token::Token;
use super::traffic::{Meter, Traffic};
use crate::config;
use crate::stop::Stop;

/// The largest body that is accepted, before and after decompression. Pages of known servers
/// have a few megabytes.
const BODY_LIMIT_BYTES: u64 = 32 * 1024 * 1024;

/// The largest body of an error that is read.
const ERROR_LIMIT_BYTES: u64 = 256 * 1024;

/// Some servers begin JSON with it, although RFC 8259 forbids it.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// An HTTP client for one feed.
pub struct Client {
    http: reqwest::Client,
    token: CurrentToken,
    /// The headers and the query parameters that every request carries.
    headers: HeaderMap,
    query: Vec<(String, String)>,
    /// All secrets, including the tokens that requests have used.
    secrets: Mutex<Arc<Secrets>>,
    /// The identifier of the account.
    account: String,
    base: Url,
    filter: Option<FixedFilter>,
    timeout: Option<Duration>,
    max_retries: u32,
    retry_delay: Duration,
    budget: RateBudget,
    slots: Semaphore,
    stop: Stop,
    meter: Meter,
    /// The `Date` of the newest response, and when it came.
    date: Mutex<Option<(DateTime<Utc>, Instant)>>,
    has_sent_gzip: AtomicBool,
    counting: Counting,
}

/// A response.
pub struct Received {
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// The link to the next page in the `Link` header.
    pub next_link: Option<String>,
}

impl Client {
    /// Returns a client for the configured feed. Sends no request.
    pub fn new(
        settings: &config::Feed,
        credentials: Credentials,
        stop: Stop,
    ) -> anyhow::Result<Client> {
        let origin = settings.base_url.origin();
        let same_origin = Policy::custom(move |attempt| {
            if attempt.url().origin() != origin {
                let origin = attempt.url().origin().ascii_serialization();
                attempt.error(FeedError::OtherOrigin(origin))
            } else if attempt.previous().len() > REDIRECTS_MAX {
                attempt.error(TOO_MANY_REDIRECTS)
            } else {
                attempt.follow()
            }
        });
        let http = http_builder(settings.timeout)
            .redirect(same_origin)
            // Bodies are decompressed in `content_encoding`.
            .gzip(false)
            .build()?;
        let limits = settings.limits().into_iter().map(|(requests, span)| Limit {
            requests: requests.get(),
            span,
        });
        let byte_limits = settings.byte_limits().into_iter();
        let byte_limits = byte_limits.map(|(bytes, span)| ByteLimit {
            bytes: bytes.get(),
            span,
        });
        let token_requests = TokenRequests {
            feed: settings.base_url.clone(),
            headers: credentials.headers.clone(),
            secrets: credentials.secrets.clone(),
            timeout: settings.timeout,
        };
        Ok(Client {
            account: credentials.account(&settings.base_url.origin()),
            http,
            token: CurrentToken::new(credentials.issuer, token_requests),
            headers: credentials.headers,
            query: credentials.query,
            secrets: Mutex::new(Arc::new(credentials.secrets)),
            base: settings.base_url.clone(),
            filter: settings.filter.as_deref().map(FixedFilter::new),
            timeout: settings.timeout,
            max_retries: settings.max_retries,
            retry_delay: settings.retry_delay,
            budget: RateBudget::new(limits.collect(), byte_limits.collect())
                .with_timezone(settings.timezone),
            slots: Semaphore::new(settings.max_concurrent),
            stop,
            meter: Meter::default(),
            date: Mutex::new(None),
            has_sent_gzip: AtomicBool::new(false),
            counting: Counting::default(),
        })
    }

    /// Returns an identifier of the account: the same for equal credentials at one origin.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Shares the rate budget with other processes, from the next request on.
    pub fn share_budget(&self, ledger: Arc<dyn Ledger>) {
        self.budget.share(ledger);
    }

    /// Passes the end and the cause of each long wait to `show`. Later calls have no effect.
    pub fn show_waits(&self, show: ShowWait) {
        self.budget.show_waits(show);
    }

    /// Expects this number of requests. If they exceed what is left of a limit, they are
    /// spread evenly.
    pub fn expect(&self, requests: u64) {
        self.budget.expect(requests);
    }

    /// Returns the time until the rate limits allow the last of this number of requests.
    pub fn time_for(&self, requests: u64) -> Duration {
        self.budget.time_for(requests)
    }

    /// Returns the URL of a path and query below the service root, with the filter that
    /// every request for records carries.
    pub fn url(&self, path_and_query: &str) -> Result<Url, FeedError> {
        let path_and_query = match &self.filter {
            Some(filter) => Cow::Owned(filter.add_to(path_and_query)),
            None => Cow::Borrowed(path_and_query),
        };
        let root = self.base.as_str().trim_end_matches('/');
        let text = format!("{root}/{path_and_query}");
        Url::parse(&text).map_err(|error| FeedError::Stuck(format!("{error} in a query")))
    }

    /// Returns the URL of a link that the feed sent. A relative link is relative to the service
    /// root, where OData's context URL is.
    ///
    /// # Errors
    /// [`FeedError::OtherOrigin`] for a link to another origin.
    pub fn link(&self, link: &str) -> Result<Url, FeedError> {
        let root = format!("{}/", self.base.as_str().trim_end_matches('/'));
        let url = Url::parse(&root)
            .and_then(|root| root.join(link))
            .map_err(|error| FeedError::Stuck(format!("the next link is not a URL: {error}")))?;
        if url.origin() == self.base.origin() {
            Ok(url)
        } else {
            let origin = url.origin().ascii_serialization();
            Err(FeedError::OtherOrigin(self.redact(&origin)))
        }
    }

    /// Returns a link of the feed without credentials. [`Client::get`] adds the configured
    /// ones to each request.
    pub fn without_secrets(&self, link: &str) -> String {
        let secrets = self.secrets();
        let link = secrets.redact_body(link.as_bytes().to_vec());
        secrets.without_secrets(&String::from_utf8_lossy(&link))
    }

    /// Removes all secrets from text of a server.
    pub fn redact(&self, text: &str) -> String {
        self.secrets().redact(text)
    }

    fn secrets(&self) -> Arc<Secrets> {
        let mut secrets = locked(&self.secrets);
        if let Some(token) = self.token.known()
            && !secrets.contains(token.secret())
        {
            Arc::make_mut(&mut secrets).add(token.secret());
        }
        secrets.clone()
    }

    /// Returns the traffic up to now.
    pub fn traffic(&self) -> Traffic {
        self.meter.traffic()
    }

    /// Returns the feed's time, from its newest response.
    pub fn date(&self) -> Option<DateTime<Utc>> {
        (*locked(&self.date)).map(|(date, _)| date)
    }

    /// Returns by how much the local clock is ahead of the feed's. Returns none before the
    /// first response with a date.
    pub fn clock_error(&self) -> Option<TimeDelta> {
        let (date, received) = (*locked(&self.date))?;
        let since = TimeDelta::from_std(received.elapsed()).ok()?;
        Some(Utc::now() - (date + since))
    }

    /// Returns whether the feed has sent a compressed body.
    pub fn has_sent_gzip(&self) -> bool {
        self.has_sent_gzip.load(Ordering::Relaxed)
    }

    /// Requests a URL and decodes the body. Tries again as configured.
    pub async fn get<T>(
        &self,
        url: &Url,
        options: RequestOptions,
        decode: impl Fn(&[u8]) -> Result<T, BadBody>,
    ) -> Result<T, FeedError> {
        let decode = |received: &Received| decode(&received.body);
        self.get_received(url, options, decode).await
    }

    /// Returns whether the server accepts `$count=true`.
    pub fn counting(&self) -> &Counting {
        &self.counting
    }

    /// Requests a URL as [`Client::get`] does, and decodes the body and its next link. If the
    /// server refuses `$count=true` twice and the rest of the request works, this request and the
    /// later ones have none.
    pub async fn get_received<T>(
        &self,
        url: &Url,
        options: RequestOptions,
        decode: impl Fn(&Received) -> Result<T, BadBody>,
    ) -> Result<T, FeedError> {
        if self.counting.is_refused() {
            let plain = without_count(url);
            let url = plain.as_ref().unwrap_or(url);
            return self.get_as_it_is(url, options, &decode).await;
        }
        let result = self.get_as_it_is(url, options, &decode).await;
        let error = match result {
            Ok(value) => {
                self.counting.note_answer(url);
                return Ok(value);
            }
            Err(error) => error,
        };
        let Some(plain) = self.counting.other_request(url, &error) else {
            return Err(error);
        };
        let once = RequestOptions {
            tries: Tries::Once,
            ..options
        };
        let Ok(value) = self.get_as_it_is(&plain, once, &decode).await else {
            return Err(error);
        };
        let again = self.get_as_it_is(url, once, &decode).await;
        Ok(again.unwrap_or_else(|error| {
            self.counting.note_error(&error);
            value
        }))
    }

    async fn get_as_it_is<T>(
        &self,
        url: &Url,
        options: RequestOptions,
        decode: &impl Fn(&Received) -> Result<T, BadBody>,
    ) -> Result<T, FeedError> {
        let retries = if options.tries == Tries::Once {
            0
        } else {
            self.max_retries
        };
        let mut tries = 0;
        loop {
            let result = tokio::select! {
                result = self.attempt(url, options, decode) => result,
                signal = self.stop.wait() => return Err(FeedError::Interrupted(signal)),
            };
            let (problem, status, pause) = match result {
                Ok(value) => return Ok(value),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Temporary {
                    problem,
                    status,
                    pause,
                }) => (problem, status, pause),
            };

            // A pause of zero does not say when the feed will be available.
            let pause = pause.filter(|pause| !pause.is_zero());
            if let Some(pause) = pause {
                self.budget.pause(pause);
            }
            tries += 1;
            if tries > retries {
                return Err(FeedError::Unavailable {
                    tries,
                    last: problem,
                    status,
                });
            }
            self.wait_before_retry(url, tries, &problem, pause).await?;
            self.meter.retry();
        }
    }

    /// Waits for the back-off delay after try number `tries`. For a pause that the feed
    /// asked for, the next request waits.
    async fn wait_before_retry(
        &self,
        url: &Url,
        tries: u32,
        problem: &str,
        pause: Option<Duration>,
    ) -> Result<(), FeedError> {
        let delay = pause.unwrap_or_else(|| self.backoff(tries));
        tracing::warn!(
            path = url.path(),
            try_number = tries,
            delay_ms = delay.as_millis() as u64,
            "{problem}; trying again"
        );
        if pause.is_some() {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(delay) => Ok(()),
            signal = self.stop.wait() => Err(FeedError::Interrupted(signal)),
        }
    }

    /// Returns the delay after try number `tries`. It doubles each time. A random factor
    /// between 0.5 and 1.5 keeps many clients from returning at the same time.
    fn backoff(&self, tries: u32) -> Duration {
        let doubled = self
            .retry_delay
            .saturating_mul(1 << (tries - 1).min(16))
            .min(DELAY_LIMIT);
        doubled.mul_f64(0.5 + fastrand::f64())
    }

    async fn attempt<T>(
        &self,
        url: &Url,
        options: RequestOptions,
        decode: impl Fn(&Received) -> Result<T, BadBody>,
    ) -> Result<T, Failure> {
        let received = {
            // The semaphore is never closed.
            let slot = self.slots.acquire().await;
            let _slot = slot.map_err(|error| Failure::temporary(error.to_string()))?;
            self.wait_for_budget().await?;
            self.receive(url, options).await
        };
        // The next request can use the slot while this body is decoded.
        let decoded = received.and_then(|received| Ok(decode(&received)?));
        decoded.map_err(|failure| failure.without_secrets(&self.secrets()))
    }

    /// Waits until the rate budget has a request left, and takes it.
    pub async fn wait_for_budget(&self) -> Result<(), FeedError> {
        self.turn().wait().await
    }

    /// Counts received bytes of an answer in the rate budget, before they are decompressed.
    pub fn count_bytes(&self, bytes: u64) {
        self.meter.sent(bytes);
        self.budget.receive(bytes);
    }

    fn turn(&self) -> Turn<'_> {
        Turn {
            budget: &self.budget,
            meter: &self.meter,
        }
    }

    /// Returns the token that requests use.
    pub async fn token(&self) -> Result<Token, FeedError> {
        self.token
            .get(self.turn())
            .await
            .map_err(Failure::after_one_try)
    }

    /// Sends a request, and once more with another token if the feed refuses this one.
    async fn receive(&self, url: &Url, options: RequestOptions) -> Result<Received, Failure> {
        let token = self.token.get(self.turn()).await?;
        let message = match self.send(url, options, &token).await {
            Err(Failure::Final(FeedError::Unauthorized {
                status: 401,
                message,
            })) => message,
            result => return result,
        };

        let Some(token) = self.token.renew(&token, self.turn()).await? else {
            return Err(Failure::refused_credentials(message));
        };
        self.wait_for_budget().await?;
        self.meter.retry();
        self.send(url, options, &token).await
    }

    async fn send(
        &self,
        url: &Url,
        options: RequestOptions,
        token: &Token,
    ) -> Result<Received, Failure> {
        let mut request = self
            .http
            .get(self.with_parameters(url))
            .headers(self.headers.clone())
            .header(ACCEPT, options.accept)
            .header(ACCEPT_ENCODING, "gzip");
        if let Some(header) = token.header() {
            request = request.header(AUTHORIZATION, header);
        }
        if let Some(size) = options.max_page_size {
            request = request.header("Prefer", format!("odata.maxpagesize={size}"));
        }
        self.meter.request();
        tracing::debug!(url = self.redact(url.as_str()), "GET");
        let response = request.send().await.map_err(|error| self.not_sent(error))?;
        self.read_headers(response.headers());
        let status = response.status();
        if status.is_success() {
            let next_link = next_link(response.headers(), response.url());
            let body = self.body(response, BODY_LIMIT_BYTES).await?;
            if let Some(code) = refusal_of_credentials(&body) {
                return Err(Failure::refused_credentials(code));
            }
            self.token.accepted(token);
            return Ok(Received { next_link, body });
        }
        let pause = asked_pause(response.headers(), self.date());
        let (meaning, message) = self.error_of(response).await;
        Err(Failure::of_status(status, meaning, message, pause))
    }

    /// Classifies a request without a response. A host that does not exist is asked for again
    /// only if it has answered before: else its name is wrong.
    fn not_sent(&self, error: reqwest::Error) -> Failure {
        let is_final = is_unknown_host(&error) && self.traffic().bytes_received == 0;
        let failure = Failure::of_network(error);
        if is_final {
            return Failure::Final(failure.after_one_try());
        }
        failure
    }

    /// Returns a URL with the configured query parameters that it lacks. Nothing else has
    /// this URL: it may hold secrets.
    fn with_parameters(&self, url: &Url) -> Url {
        let mut url = url.clone();
        for (name, value) in &self.query {
            let is_given = url
                .query_pairs()
                .any(|(given, _)| given.eq_ignore_ascii_case(name));
            if !is_given {
                let pair = query_pair(name, value);
                let query = match url.query() {
                    Some(query) if !query.is_empty() => format!("{query}&{pair}"),
                    _ => pair,
                };
                url.set_query(Some(&query));
            }
        }
        url
    }

    async fn body(&self, mut response: Response, limit_bytes: u64) -> Result<Vec<u8>, Failure> {
        let too_large = || Failure::Final(FeedError::TooLarge);
        let is_gzip = is_gzip(response.headers());
        self.has_sent_gzip.fetch_or(is_gzip, Ordering::Relaxed);
        let announced = response.content_length().unwrap_or(0);
        if announced > limit_bytes {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(announced as usize);
        let deadline = BodyDeadline::start(self.timeout);
        while let Some(chunk) = response.chunk().await.map_err(Failure::of_network)? {
            self.count_bytes(chunk.len() as u64);
            if !is_gzip {
                self.meter.received(&chunk);
            }
            if (body.len() + chunk.len()) as u64 > limit_bytes {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
            let bytes = body.len() as u64;
            if deadline.has_passed(bytes) {
                return Err(Failure::temporary(too_slow(bytes)));
            }
        }

        if is_gzip {
            body = unzip(&body, limit_bytes)?.ok_or_else(too_large)?;
            self.meter.received(&body);
        }
        if body.starts_with(BYTE_ORDER_MARK) {
            body.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(self.secrets().redact_body(body))
    }

    /// Returns what the body of an error means, and the server's message as one line.
    async fn error_of(&self, response: Response) -> (Meaning, String) {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.body(response, ERROR_LIMIT_BYTES).await;
        let body = body.unwrap_or_default();
        let (meaning, message) = read_error(status, &headers, &body);
        (meaning, one_line(&self.redact(&message)))
    }

    /// Reads the feed's time and its counts of requests.
    fn read_headers(&self, headers: &HeaderMap) {
        let date = header(headers, DATE.as_str()).and_then(http_date);
        if let Some(date) = date {
            *locked(&self.date) = Some((date, Instant::now()));
        }
        for quota in quotas(headers, date.or_else(|| self.date())) {
            self.budget.set_remaining(quota);
        }
    }
}

/// Returns the error code of a body that refuses the credentials although its status says
/// success. Source: Rapattoni's clients, whose token had expired.
fn refusal_of_credentials(body: &[u8]) -> Option<String> {
    const LARGEST_BYTES: usize = 4_096;
    const CODES: [&str; 4] = [
        "invalid_grant",
        "invalid_token",
        "invalid_client",
        "expired_token",
    ];
    if body.len() > LARGEST_BYTES {
        return None;
    }
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    let code = json["error"].as_str()?;
    CODES.contains(&code).then(|| code.to_owned())
}

/// Returns a query parameter, percent-encoded. Some servers read `+` literally, so a space
/// is `%20`.
fn query_pair(name: &str, value: &str) -> String {
    let pair = form_urlencoded::Serializer::new(String::new())
        .append_pair(name, value)
        .finish();
    pair.replace('+', "%20").replace("%24", "$")
}
