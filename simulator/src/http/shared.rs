//! What the two servers and the one who started them share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use chrono::{DateTime, SubsecRound, Utc};

use super::faults::{Faults, Host};
use super::meter::Meter;
use crate::market::Market;
use crate::options::{Clock, Options};

/// Requests that are remembered.
const LOG_LENGTH: usize = 100_000;

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which host it went to.
    pub host: Host,
    /// Its HTTP method.
    pub method: String,
    /// Decoded.
    pub path: String,
    /// Decoded; empty where there was none.
    pub query: String,
    /// The status it got.
    pub status: u16,
    /// Whether it carried an Authorization header.
    pub had_authorization: bool,
    /// By the feed's clock.
    pub at: DateTime<Utc>,
}

/// How much was asked of one server.
#[derive(Debug, Default)]
pub struct Tally {
    pub requests: AtomicU64,
    pub bytes: AtomicU64,
    pub answered_429: AtomicU64,
    pub saw_token: AtomicBool,
    pub busy: Arc<AtomicUsize>,
    pub most_busy: AtomicUsize,
}

/// Everything that a running feed is.
#[derive(Debug)]
pub struct Shared {
    pub options: Options,
    pub base_url: String,
    pub asset_url: String,
    market: RwLock<Market>,
    clock: Mutex<Clock>,
    faults: Mutex<Faults>,
    meter: Mutex<Meter>,
    log: Mutex<VecDeque<Request>>,
    pub feed: Tally,
    pub assets: Tally,
}

impl Shared {
    pub fn new(options: Options, base_url: String, asset_url: String, market: Market) -> Shared {
        Shared {
            base_url,
            asset_url,
            market: RwLock::new(market),
            clock: Mutex::new(options.clock),
            faults: Mutex::new(Faults::new(options.seed)),
            meter: Mutex::default(),
            log: Mutex::default(),
            feed: Tally::default(),
            assets: Tally::default(),
            options,
        }
    }

    pub fn market(&self) -> RwLockReadGuard<'_, Market> {
        self.market.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn market_mut(&self) -> RwLockWriteGuard<'_, Market> {
        self.market.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub fn meter(&self) -> MutexGuard<'_, Meter> {
        lock(&self.meter)
    }

    pub fn log(&self) -> MutexGuard<'_, VecDeque<Request>> {
        lock(&self.log)
    }

    pub fn tally(&self, host: Host) -> &Tally {
        match host {
            Host::Feed => &self.feed,
            Host::Assets => &self.assets,
        }
    }

    /// The feed's time, in whole seconds.
    pub fn now(&self) -> DateTime<Utc> {
        match *lock(&self.clock) {
            Clock::Real => Utc::now().trunc_subsecs(0),
            Clock::Ahead(by) => Utc::now().trunc_subsecs(0) + by,
            Clock::At(at) => at.trunc_subsecs(0),
        }
    }

    pub fn advance(&self, by: chrono::Duration) {
        let mut clock = lock(&self.clock);
        *clock = match *clock {
            Clock::Real => Clock::Ahead(by),
            Clock::Ahead(so_far) => Clock::Ahead(so_far + by),
            Clock::At(at) => Clock::At(at + by),
        };
    }

    /// Remembers an answered request.
    pub fn record(&self, request: Request) {
        let tally = self.tally(request.host);
        tally.requests.fetch_add(1, Ordering::SeqCst);
        if request.status == 429 {
            tally.answered_429.fetch_add(1, Ordering::SeqCst);
        }
        if request.had_authorization {
            tally.saw_token.store(true, Ordering::SeqCst);
        }
        let mut log = self.log();
        if log.len() >= LOG_LENGTH {
            log.pop_front();
        }
        log.push_back(request);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
