//! The state that the servers share with the handle of the feed.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use chrono::{DateTime, SubsecRound, Utc};

use super::faults::{Faults, Host};
use super::meter::Meter;
use super::replicas::Replicas;
use crate::behaviour::{Behaviour, ServerBehaviour};
use crate::market::Market;
use crate::options::{Clock, Options};

/// The maximum number of logged requests.
const LOG_LENGTH: usize = 100_000;

/// An answered request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The host that answered it.
    pub host: Host,
    /// Its HTTP method.
    pub method: String,
    /// The decoded path.
    pub path: String,
    /// The decoded query, or an empty text.
    pub query: String,
    /// The status of the response.
    pub status: u16,
    /// Whether it had an Authorization header.
    pub had_authorization: bool,
    /// Its `User-Agent`, or an empty text.
    pub user_agent: String,
    /// The time by the feed's clock.
    pub at: DateTime<Utc>,
}

/// The statistics of one server.
#[derive(Debug, Default)]
pub struct Tally {
    pub requests: AtomicU64,
    pub bytes: AtomicU64,
    pub answered_429: AtomicU64,
    pub saw_token: AtomicBool,
    pub busy: Arc<AtomicUsize>,
    pub most_busy: AtomicUsize,
}

/// The state of a running feed.
#[derive(Debug)]
pub struct Shared {
    pub options: Options,
    pub base_url: String,
    pub asset_url: String,
    market: RwLock<Market>,
    clock: Mutex<Clock>,
    faults: Mutex<Faults>,
    /// The meters of the service and of the photo host.
    meters: [Mutex<Meter>; 2],
    log: Mutex<VecDeque<Request>>,
    replicas: Mutex<Replicas>,
    /// The number of answers for each path and query since the behaviours changed.
    answers: Mutex<HashMap<String, u64>>,
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
            meters: Default::default(),
            log: Mutex::default(),
            replicas: Mutex::default(),
            answers: Mutex::default(),
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

    pub fn meter(&self, host: Host) -> MutexGuard<'_, Meter> {
        lock(&self.meters[usize::from(host == Host::Assets)])
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

    /// Returns the feed's time, in whole seconds.
    pub fn now(&self) -> DateTime<Utc> {
        match *lock(&self.clock) {
            Clock::Real => Utc::now().trunc_subsecs(0),
            Clock::Ahead(by) => Utc::now().trunc_subsecs(0) + by,
            Clock::At(at) => at.trunc_subsecs(0),
        }
    }

    pub fn replicas(&self) -> MutexGuard<'_, Replicas> {
        lock(&self.replicas)
    }

    /// Switches behaviours on, in place of earlier ones.
    pub fn behave(&self, behaviours: &[Behaviour]) {
        self.market_mut()
            .set_server(|server| server.behaviours = behaviours.iter().copied().collect());
        *self.replicas() = Replicas::default();
        lock(&self.answers).clear();
    }

    /// Counts a request while behaviours are switched on. Returns the number of earlier
    /// requests for the same path and query, and the number of earlier requests.
    pub fn turn(&self, server: &ServerBehaviour, path: &str, query: &str) -> (u64, u64) {
        let number = self.feed.requests.load(Ordering::SeqCst);
        if server.behaviours.is_empty() {
            return (0, number);
        }
        let mut answers = lock(&self.answers);
        let count = answers.entry(format!("{path}?{query}")).or_default();
        *count += 1;
        (*count - 1, number)
    }

    /// Advances the feed's clock.
    pub fn advance(&self, by: chrono::Duration) {
        let market = self.market();
        if market.behaviour.has(Behaviour::StaleReplica) {
            self.replicas().keep(market.clone());
        }
        drop(market);
        let mut clock = lock(&self.clock);
        *clock = match *clock {
            Clock::Real => Clock::Ahead(by),
            Clock::Ahead(so_far) => Clock::Ahead(so_far + by),
            Clock::At(at) => Clock::At(at + by),
        };
        drop(clock);
        let now = self.now().timestamp();
        self.market_mut().remove_old_flagged(now);
    }

    /// Counts and logs an answered request.
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
