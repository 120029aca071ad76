//! A connection to one feed. A request fails with a [`FeedError`].

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::runtime::Runtime;

use super::assets::Assets;
use super::capabilities::Capabilities;
use super::http::{
    BadBody, Client, Credentials, FeedError, Ledger, RequestOptions, ShowWait, Traffic, Tries,
};
use super::odata::query::Query;
use super::odata::{Announced, DeletedBody, DeletedNames, DeletedPosition, Metadata, Page};
use super::paging::{PageSize, ParallelReader, Position, Step, Sweep};
use crate::config::{self, Config, Precision, Profile, Replication};
use crate::record::Shape;
use crate::resource::Resource;
use crate::stop::Stop;

/// A connection to one feed.
pub struct Feed {
    client: Arc<Client>,
    timestamps: Precision,
    profile: &'static Profile,
    page_size: u32,
    max_concurrent: usize,
    runtime: Runtime,
    capabilities: Arc<Capabilities>,
    /// Whether the server has refused GUIDs without quotes.
    quotes_guids: Arc<AtomicBool>,
}

/// The number of threads that receive and decode pages. More threads would only hold more
/// pages in memory.
const THREADS: usize = 2;

impl Feed {
    /// Returns a connection to the configured feed. Sends no request.
    pub fn open(
        settings: &config::Feed,
        credentials: Credentials,
        stop: Stop,
    ) -> anyhow::Result<Feed> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("feed")
            .enable_all()
            .build()?;
        let client = Arc::new(Client::new(settings, credentials, stop)?);
        Ok(Feed {
            capabilities: Arc::new(Capabilities::new(client.clone())),
            client,
            timestamps: settings.timestamps,
            profile: settings.profile,
            page_size: settings.page_size,
            max_concurrent: settings.max_concurrent,
            runtime,
            quotes_guids: Arc::default(),
        })
    }

    /// Returns a client for the hosts of the feed's photos. Sends no request.
    pub fn open_assets(&self, config: &Config, stop: Stop) -> anyhow::Result<Assets> {
        Assets::open(config, self.client.clone(), stop)
    }

    /// Returns the precision of timestamps in a filter.
    pub fn timestamps(&self) -> Precision {
        self.timestamps
    }

    /// Returns the endpoint for all records of a resource, or for all keys, unless the server is
    /// known to refuse it.
    pub fn replication(&self, resource: Resource, is_of_keys: bool) -> Option<Replication> {
        let endpoint = if is_of_keys {
            self.profile.key_list
        } else {
            self.profile.replication
        };
        let set = resource.entity_set();
        endpoint.filter(|endpoint| {
            let has_set = endpoint.sets.is_empty() || endpoint.sets.contains(&set);
            has_set && !self.capabilities.refuses_replication(resource)
        })
    }

    /// Returns what is known of the server.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Returns the number of records per page.
    pub fn page_size(&self) -> u32 {
        self.page_size
    }

    /// Returns the number of keys that fill a request.
    pub fn keys_at_once(&self, resource: Resource) -> usize {
        let keys_max = self.capabilities.key_list(resource).keys_max;
        keys_max.min(self.page_size as usize)
    }

    /// Returns the largest number of requests at the same time.
    pub fn max_concurrent(&self) -> usize {
        self.max_concurrent
    }

    /// Returns whether a link has no part of a secret, so that it may be stored.
    pub fn may_store(&self, link: &str) -> bool {
        self.client.redact(link) == link
    }

    /// Returns the traffic up to now.
    pub fn traffic(&self) -> Traffic {
        self.client.traffic()
    }

    /// Returns an identifier of the account: the same for equal credentials at one origin.
    pub fn account(&self) -> &str {
        self.client.account()
    }

    /// Shares the rate budget with other processes, from the next request on.
    pub fn share_budget(&self, ledger: Arc<dyn Ledger>) {
        self.client.share_budget(ledger);
    }

    /// Passes the end and the cause of each long wait to `show`. Later calls have no effect.
    pub fn show_waits(&self, show: ShowWait) {
        self.client.show_waits(show);
    }

    /// Expects this number of requests. If they exceed what is left of a limit per minute,
    /// they are spread evenly. The next call replaces the number.
    pub fn expect(&self, requests: u64) {
        self.client.expect(requests);
    }

    /// Returns the time until the rate limits allow the last of this number of requests.
    pub fn time_for(&self, requests: u64) -> Duration {
        self.client.time_for(requests)
    }

    /// Returns the feed's time, from the `Date` header of its newest response.
    pub fn date(&self) -> Option<DateTime<Utc>> {
        self.client.date()
    }

    /// Returns by how much the local clock is ahead of the feed's. Returns none before the
    /// first response with a readable `Date` header.
    pub fn clock_error(&self) -> Option<TimeDelta> {
        self.client.clock_error()
    }

    /// Returns the feed's time, or the local time if its responses have no readable `Date`
    /// header. Use it only to recognise timestamps in the future.
    pub fn now(&self) -> DateTime<Utc> {
        self.date().unwrap_or_else(Utc::now)
    }

    /// Reads the feed's `$metadata`.
    pub fn metadata(&self) -> Result<Metadata, FeedError> {
        let url = self.client.url("$metadata")?;
        let decode = |body: &[u8]| {
            Metadata::parse(body).map_err(|error| BadBody::Invalid(error.to_string()))
        };
        self.runtime
            .block_on(self.client.get(&url, RequestOptions::METADATA, decode))
    }

    /// Reads one page.
    pub fn page(
        &self,
        path_and_query: &str,
        shape: &Shape,
        tries: Tries,
    ) -> Result<Page, FeedError> {
        let url = self.client.url(path_and_query)?;
        let options = RequestOptions {
            tries,
            ..RequestOptions::RECORDS
        };
        let decode = |body: &[u8]| Page::decode(body, shape);
        let request = self.client.get(&url, options, decode);
        let page = self.runtime.block_on(request)?;
        self.capabilities.note_count(page.count, page.entries);
        Ok(page)
    }

    /// Reads the page at one position of a sweep.
    pub fn step(&self, sweep: &Sweep, walk: usize, from: &Position) -> Result<Step, FeedError> {
        let step = (self.runtime).block_on(Step::read(sweep, &self.client, walk, from))?;
        self.capabilities.note_step(sweep, &step);
        Ok(step)
    }

    /// Reads the page at a position, of the records that were deleted after a time in storage
    /// form. `entity_set` is none for all entity sets.
    ///
    /// # Errors
    /// [`FeedError`]. A refusal can mean that the server uses other names or has no such
    /// resource.
    pub fn announced(
        &self,
        names: &DeletedNames,
        entity_set: Option<&str>,
        after: &str,
        position: &DeletedPosition,
    ) -> Result<Announced, FeedError> {
        let query = names
            .query(entity_set, after, position, self.timestamps)
            .top(self.page_size.into());
        Ok(self.deleted(&query)?.read(names, position))
    }

    /// Reads the newest announcement, in a page of its own.
    pub fn newest_announced(
        &self,
        names: &DeletedNames,
        entity_set: Option<&str>,
    ) -> Result<Announced, FeedError> {
        let body = self.deleted(&names.newest_query(entity_set))?;
        Ok(body.read(names, &DeletedPosition::default()))
    }

    fn deleted(&self, query: &Query) -> Result<DeletedBody, FeedError> {
        let url = self.client.url(&query.to_path_and_query())?;
        let options = RequestOptions::RECORDS;
        let request = self.client.get(&url, options, DeletedBody::decode);
        self.runtime.block_on(request)
    }

    /// Starts to read a sweep from several positions at once. Each position has the number
    /// of its walk.
    pub fn walk(
        &self,
        sweep: Sweep,
        positions: Vec<(usize, Position)>,
    ) -> impl Iterator<Item = Result<Step, FeedError>> {
        let walked = sweep.clone();
        let reader = ParallelReader::start(&self.runtime, self.client.clone(), sweep, positions);
        reader.inspect(move |step| {
            if let Ok(step) = step {
                self.capabilities.note_step(&walked, step);
            }
        })
    }

    /// Returns whether timestamps are quoted in `$filter`.
    pub fn quotes_timestamps(&self, shape: &Shape) -> bool {
        shape.roles.is_text_timestamp || self.capabilities.quotes_timestamps()
    }

    /// Returns a sweep of the records that match a filter. With `select`, it requests only
    /// the fields of the shape.
    pub fn sweep(&self, shape: Arc<Shape>, filter: Option<String>, select: bool) -> Sweep {
        Sweep {
            quotes_timestamps: Arc::new(self.quotes_timestamps(&shape).into()),
            quotes_guids: self.quotes_guids.clone(),
            shape,
            filter,
            select,
            has_expand_options: Arc::new((!self.capabilities.refuses_expand_options()).into()),
            expand_top: self.profile.expand_top,
            counts: false,
            page_size: PageSize::new(self.page_size),
            timestamps: self.timestamps,
            tries: Tries::Configured,
            trusts_count: self.capabilities.counts_all_matching(),
            top: None,
            replication: None,
        }
    }
}
