//! A running feed, its records and its statistics.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, bail};
use axum::Router;
use axum::serve::ListenerExt;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};

use super::faults::Host;
use super::photo_file::render;
use super::service::{self, ROOT};
use super::shared::{Request, Shared};
use crate::fields::Set;
use crate::market::Market;
use crate::market::Row;
use crate::options::{Clock, Options};
use crate::world::{Base, MAX_LISTINGS, stride};

/// The number of threads that answer requests.
const THREADS: usize = 4;

/// The approximate size of a listing's JSON without its remarks, in bytes.
const BYTES_BESIDES_REMARKS: usize = 5_600;

/// A feed that runs until this value is dropped.
pub struct Simulator {
    pub(super) shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Simulator {
    /// Starts a feed. On return, both ports listen on 127.0.0.1.
    pub fn start(options: Options) -> anyhow::Result<Simulator> {
        if options.listings > MAX_LISTINGS {
            bail!(
                "a simulated feed has at most {MAX_LISTINGS} listings, not {}",
                options.listings
            );
        }
        let (feed, base_url) = listen(options.port)?;
        let (assets, asset_url) = listen(options.asset_port)?;
        let base_url = format!("{base_url}{ROOT}");
        let start = match options.clock {
            Clock::Real => Utc::now(),
            Clock::Ahead(by) => Utc::now() + by,
            Clock::At(at) => at,
        };
        let base = Base {
            seed: options.seed,
            listings: options.listings,
            offices: (options.listings / 200).clamp(3, 3_000),
            members: (options.listings / 20).clamp(10, 25_000),
            start: start.timestamp(),
            // The other half of the numbers is for photos that are added later.
            photos: options.photos.min(stride(Set::Media) as u32 / 2),
            open_houses: options.open_houses,
            units: options.units,
            remarks_length: options
                .bytes_per_listing
                .saturating_sub(BYTES_BESIDES_REMARKS),
            asset_url: asset_url.clone(),
        };
        let market = Market::new(base, options.server.clone());
        let shared = Arc::new(Shared::new(options, base_url, asset_url, market));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("simulator")
            .enable_all()
            .build()
            .context("starting the simulator's threads")?;
        let feed_router = Router::new()
            .fallback(service::feed)
            .with_state(Arc::clone(&shared));
        let asset_router = Router::new()
            .fallback(service::asset)
            .with_state(Arc::clone(&shared));
        let serve = |listener: TcpListener, router: Router| -> anyhow::Result<()> {
            let _inside = runtime.enter();
            let listener =
                tokio::net::TcpListener::from_std(listener).context("listening on loopback")?;
            let listener = listener.tap_io(|connection| {
                // Otherwise a small response may wait for an acknowledgement from the client.
                let _ = connection.set_nodelay(true);
            });
            runtime.spawn(async move { axum::serve(listener, router).await });
            Ok(())
        };
        serve(feed, feed_router)?;
        serve(assets, asset_router)?;
        Ok(Simulator {
            shared,
            runtime: Some(runtime),
        })
    }

    /// Returns the service's root, such as `http://127.0.0.1:40001/reso/odata`.
    pub fn base_url(&self) -> String {
        self.shared.base_url.clone()
    }

    /// Returns the photo host's root, such as `http://127.0.0.1:40002`.
    pub fn asset_url(&self) -> String {
        self.shared.asset_url.clone()
    }

    /// Returns the token that the service accepts.
    pub fn token(&self) -> &str {
        &self.shared.options.token
    }

    /// Returns the feed's time, in whole seconds.
    pub fn now(&self) -> DateTime<Utc> {
        self.shared.now()
    }

    /// Advances the feed's clock.
    pub fn advance(&self, by: chrono::Duration) {
        self.shared.advance(by);
    }

    /// Returns every record of an entity set that is not deleted, in full and in the order of
    /// keys, without the effect of `spoil`. Returns nothing for an unknown set.
    pub fn truth(&self, entity_set: &str) -> Vec<Map<String, Json>> {
        let Some(set) = Set::named(entity_set) else {
            return Vec::new();
        };
        let market = self.shared.market();
        let ids = market.live(set).into_iter();
        ids.map(|id| Row::new(&market, set, id).to_map()).collect()
    }

    /// Returns a listing's children in an entity set, in full and in the order of keys.
    pub fn truth_children(&self, listing: i64, entity_set: &str) -> Vec<Map<String, Json>> {
        let market = self.shared.market();
        let (Some(index), Some(set)) = (market.base.listing_index(listing), Set::named(entity_set))
        else {
            return Vec::new();
        };
        if !set.is_child() {
            return Vec::new();
        }
        market
            .children_that(set, index, |id| market.is_live(set, id))
            .into_iter()
            .map(|id| Row::new(&market, set, id).to_map())
            .collect()
    }

    /// Returns the current file of a photo.
    pub fn photo_file(&self, media_key: &str) -> anyhow::Result<Vec<u8>> {
        let found = super::assets::photo(&self.shared, media_key);
        let (version, _) = found.with_context(|| format!("the feed has no photo {media_key}"))?;
        render(media_key, version, self.shared.options.photo_bytes)
    }

    /// Returns the key of every listing, in ascending order.
    pub fn listing_keys(&self) -> Vec<i64> {
        let market = self.shared.market();
        let ids = market.live(Set::Property).into_iter();
        ids.map(|id| market.base.listing_key(id)).collect()
    }

    /// Returns the number of records in an entity set that are not deleted.
    pub fn count(&self, entity_set: &str) -> u64 {
        let count = |set| self.shared.market().live(set).len() as u64;
        Set::named(entity_set).map_or(0, count)
    }

    /// Returns the requests to the service among the last 100,000, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.requests_to(Host::Feed)
    }

    /// Returns the requests to one host among the last 100,000, oldest first.
    pub fn requests_to(&self, host: Host) -> Vec<Request> {
        self.shared
            .log()
            .iter()
            .filter(|request| request.host == host)
            .cloned()
            .collect()
    }

    /// Clears the log of requests, but not the counters.
    pub fn clear_requests(&self) {
        self.shared.log().clear();
    }

    /// Returns the number of requests to the service.
    pub fn request_count(&self) -> u64 {
        self.shared.feed.requests.load(Ordering::SeqCst)
    }

    /// Returns the number of 429 responses of the service.
    pub fn answered_429(&self) -> u64 {
        self.shared.feed.answered_429.load(Ordering::SeqCst)
    }

    /// Returns the number of requests to the asset host.
    pub fn asset_requests(&self) -> u64 {
        self.shared.assets.requests.load(Ordering::SeqCst)
    }

    /// Whether any request to the asset host had an Authorization header.
    pub fn asset_saw_token(&self) -> bool {
        self.shared.assets.saw_token.load(Ordering::SeqCst)
    }

    /// Returns the number of body bytes that the service sent.
    pub fn bytes_sent(&self) -> u64 {
        self.shared.feed.bytes.load(Ordering::SeqCst)
    }

    /// Returns the maximum number of simultaneous requests to the service.
    pub fn max_concurrent_seen(&self) -> usize {
        self.shared.feed.most_busy.load(Ordering::SeqCst)
    }

    /// Returns the maximum number of simultaneous requests to the asset host.
    pub fn max_concurrent_assets_seen(&self) -> usize {
        self.shared.assets.most_busy.load(Ordering::SeqCst)
    }
}

/// Listens on a loopback port. Returns the listener and its URL.
fn listen(port: u16) -> anyhow::Result<(TcpListener, String)> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(wanted).with_context(|| format!("listening on {wanted}"))?;
    listener
        .set_nonblocking(true)
        .context("listening on loopback")?;
    let address = listener.local_addr().context("listening on loopback")?;
    Ok((listener, format!("http://{address}")))
}
