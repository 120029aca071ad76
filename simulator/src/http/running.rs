//! A running feed, and what may be done with it.

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

/// Threads that answer requests.
const THREADS: usize = 4;

/// A listing's JSON without its remarks, about, in bytes.
const BYTES_BESIDES_REMARKS: usize = 5_600;

/// A feed that runs until it is dropped.
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
    /// Starts a feed; when this returns, both ports listen on 127.0.0.1.
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
            // Every photo that comes later needs a number below the stride too.
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
                // Without this a small answer may wait for the client's acknowledgement.
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

    /// The service's root, such as `http://127.0.0.1:40001/reso/odata`.
    pub fn base_url(&self) -> String {
        self.shared.base_url.clone()
    }

    /// The photo host's root, such as `http://127.0.0.1:40002`.
    pub fn asset_url(&self) -> String {
        self.shared.asset_url.clone()
    }

    /// The token that the service wants.
    pub fn token(&self) -> &str {
        &self.shared.options.token
    }

    /// The feed's time, in whole seconds.
    pub fn now(&self) -> DateTime<Utc> {
        self.shared.now()
    }

    /// Moves the feed's clock.
    pub fn advance(&self, by: chrono::Duration) {
        self.shared.advance(by);
    }

    // What the feed holds.

    /// Every record that an entity set holds now, as it is answered in full, by
    /// key; records that `spoil` spoiled come sound. Empty for an unknown set.
    pub fn truth(&self, entity_set: &str) -> Vec<Map<String, Json>> {
        let Some(set) = Set::named(entity_set) else {
            return Vec::new();
        };
        let market = self.shared.market();
        let ids: Vec<u64> = match set.is_child() {
            true => (0..market.end(Set::Property))
                .flat_map(|listing| market.children(set, listing))
                .collect(),
            false => (0..market.end(set))
                .filter(|&id| market.exists(set, id))
                .collect(),
        };
        ids.into_iter()
            .map(|id| Row::new(&market, set, id).to_map())
            .collect()
    }

    /// The children of one kind that a listing has now, as answered, by key.
    pub fn truth_children(&self, listing: i64, entity_set: &str) -> Vec<Map<String, Json>> {
        let market = self.shared.market();
        let (Some(index), Some(set)) = (market.base.listing_index(listing), Set::named(entity_set))
        else {
            return Vec::new();
        };
        if !set.is_child() || !market.exists(Set::Property, index) {
            return Vec::new();
        }
        market
            .children(set, index)
            .into_iter()
            .map(|id| Row::new(&market, set, id).to_map())
            .collect()
    }

    /// The file of a photo that the feed holds, as its host gives it now.
    pub fn photo_file(&self, media_key: &str) -> anyhow::Result<Vec<u8>> {
        let found = super::assets::photo(&self.shared, media_key);
        let (version, _) = found.with_context(|| format!("the feed holds no photo {media_key}"))?;
        render(media_key, version, self.shared.options.photo_bytes)
    }

    /// ListingKeyNumeric of every listing, rising.
    pub fn listing_keys(&self) -> Vec<i64> {
        let market = self.shared.market();
        let ids = (0..market.end(Set::Property)).filter(|&id| market.exists(Set::Property, id));
        ids.map(|id| market.base.listing_key(id)).collect()
    }

    /// How many records an entity set holds.
    pub fn count(&self, entity_set: &str) -> u64 {
        Set::named(entity_set).map_or(0, |set| self.shared.market().count(set))
    }

    // What was asked.

    /// The last 100,000 requests to the service, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.requests_to(Host::Feed)
    }

    /// The requests to one of the hosts, among the last 100,000, oldest first.
    pub fn requests_to(&self, host: Host) -> Vec<Request> {
        self.shared
            .log()
            .iter()
            .filter(|request| request.host == host)
            .cloned()
            .collect()
    }

    /// Forgets the requests; counts stay.
    pub fn clear_requests(&self) {
        self.shared.log().clear();
    }

    /// Requests to the service.
    pub fn request_count(&self) -> u64 {
        self.shared.feed.requests.load(Ordering::SeqCst)
    }

    /// Requests to the service that got 429.
    pub fn answered_429(&self) -> u64 {
        self.shared.feed.answered_429.load(Ordering::SeqCst)
    }

    /// Requests to the asset host.
    pub fn asset_requests(&self) -> u64 {
        self.shared.assets.requests.load(Ordering::SeqCst)
    }

    /// Whether any request to the asset host carried an Authorization header.
    pub fn asset_saw_token(&self) -> bool {
        self.shared.assets.saw_token.load(Ordering::SeqCst)
    }

    /// Bytes of bodies that the service sent.
    pub fn bytes_sent(&self) -> u64 {
        self.shared.feed.bytes.load(Ordering::SeqCst)
    }

    /// The most requests that the service was answering at one time.
    pub fn max_concurrent_seen(&self) -> usize {
        self.shared.feed.most_busy.load(Ordering::SeqCst)
    }

    /// The most requests that the asset host was answering at one time.
    pub fn max_concurrent_assets_seen(&self) -> usize {
        self.shared.assets.most_busy.load(Ordering::SeqCst)
    }
}

/// A listener on a loopback port, and its URL.
fn listen(port: u16) -> anyhow::Result<(TcpListener, String)> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(wanted).with_context(|| format!("listening on {wanted}"))?;
    listener
        .set_nonblocking(true)
        .context("listening on loopback")?;
    let address = listener.local_addr().context("listening on loopback")?;
    Ok((listener, format!("http://{address}")))
}
