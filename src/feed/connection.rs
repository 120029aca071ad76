//! A connection to one feed.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::runtime::Runtime;

use super::http::{BadBody, Client, FeedError, Ledger, RequestOptions, Token, Traffic, Tries};
use super::odata::{Announced, DeletedBody, DeletedNames, Dialect, Metadata, Page};
use super::paging::{ParallelReader, Position, Step, Sweep};
use crate::config;
use crate::record::Shape;
use crate::stop::Stop;

/// A connection to one feed.
pub struct Feed {
    client: Arc<Client>,
    dialect: &'static Dialect,
    page_size: u32,
    max_concurrent: usize,
    runtime: Runtime,
}

/// Requests are decoded where they are received: two threads keep two cores
/// busy and more would only hold more pages in memory.
const THREADS: usize = 2;

impl Feed {
    /// A connection to the configured feed. Nothing is sent yet.
    ///
    /// # Errors
    /// If the process cannot start threads or the HTTP library.
    pub fn open(settings: &config::Feed, token: Token, stop: Stop) -> anyhow::Result<Feed> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("feed")
            .enable_all()
            .build()?;
        Ok(Feed {
            client: Arc::new(Client::new(settings, token, stop)?),
            dialect: Dialect::of(settings.profile),
            page_size: settings.page_size,
            max_concurrent: settings.max_concurrent,
            runtime,
        })
    }

    /// How this server differs from others.
    pub fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    /// How many records are asked for at once.
    pub fn page_size(&self) -> u32 {
        self.page_size
    }

    /// How many requests may be under way at once.
    pub fn max_concurrent(&self) -> usize {
        self.max_concurrent
    }

    /// What went over the wire so far.
    pub fn traffic(&self) -> Traffic {
        self.client.traffic()
    }

    /// Shares the rate budget with other processes, from the next request on. Without
    /// limits there is no budget to share.
    pub fn share_budget(&self, ledger: Arc<dyn Ledger>) {
        self.client.share_budget(ledger);
    }

    /// The feed's own time, from the `Date` header of its newest answer.
    pub fn date(&self) -> Option<DateTime<Utc>> {
        self.client.date()
    }

    /// The feed's `$metadata`.
    ///
    /// # Errors
    /// [`FeedError`]; a document that is not CSDL counts as no usable answer.
    pub fn metadata(&self) -> Result<Metadata, FeedError> {
        let url = self.client.url("$metadata")?;
        let options = RequestOptions::METADATA;
        self.runtime
            .block_on(self.client.get(&url, options, |body| {
                Metadata::parse(body).map_err(|error| BadBody(error.to_string()))
            }))
    }

    /// One page.
    ///
    /// # Errors
    /// [`FeedError`] when no try gave a usable answer.
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
        self.runtime.block_on(
            self.client
                .get(&url, options, |body| Page::decode(body, shape)),
        )
    }

    /// The page at one position of a sweep.
    ///
    /// # Errors
    /// [`FeedError`] when no try gave a usable answer.
    pub fn step(&self, sweep: &Sweep, walk: usize, from: &Position) -> Result<Step, FeedError> {
        self.runtime.block_on(sweep.step(&self.client, walk, from))
    }

    /// Reads a page of the records that were deleted after a time in storage form, without
    /// the first `skip`. `entity_set` is none for all entity sets.
    ///
    /// # Errors
    /// [`FeedError`]. A refusal can mean that the server uses other names, or has no
    /// such resource.
    pub fn announced(
        &self,
        names: &DeletedNames,
        entity_set: Option<&str>,
        after: &str,
        skip: u64,
    ) -> Result<Announced, FeedError> {
        let query = names
            .query(entity_set, after, skip, self.dialect.timestamps)
            .top(self.page_size.into());
        let url = self.client.url(&query.to_path_and_query())?;
        let request = self
            .client
            .get(&url, RequestOptions::RECORDS, DeletedBody::decode);
        let body = self.runtime.block_on(request)?;
        body.read(names, skip, self.page_size)
    }

    /// Starts reading a resource from several positions at once.
    pub fn walk(&self, sweep: Sweep, positions: Vec<(usize, Position)>) -> ParallelReader {
        ParallelReader::start(&self.runtime, self.client.clone(), sweep, positions)
    }

    /// What a [`Sweep`] of `shape` asks for with this feed's page size.
    pub fn sweep(&self, shape: Arc<Shape>, filter: Option<String>, select: bool) -> Sweep {
        Sweep {
            shape,
            filter,
            select,
            paging: self.dialect.paging,
            page_size: self.page_size,
            timestamps: self.dialect.timestamps,
            tries: Tries::Configured,
        }
    }
}
