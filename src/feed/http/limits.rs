//! Limits and set-up that requests to the feed and to photo hosts share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest pause that a run makes because a server asks for it, unless a longer window
/// is configured.
pub const PAUSE_LIMIT: Duration = Duration::from_secs(3_600);

/// The longest delay between two tries. Doubling stops here.
pub const DELAY_LIMIT: Duration = Duration::from_secs(300);

/// The largest number of redirects that a request follows.
pub const REDIRECTS_MAX: usize = 5;

/// The problem of a request that is redirected more often.
pub const TOO_MANY_REDIRECTS: &str = "more than five redirects";

/// Returns the settings that all HTTP clients share.
pub fn http_builder(timeout: Option<Duration>) -> reqwest::ClientBuilder {
    // Fails only if a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut http = reqwest::Client::builder();
    if let Some(timeout) = timeout {
        http = http.connect_timeout(timeout).read_timeout(timeout);
    }
    http.user_agent(concat!("mlsmirror/", env!("CARGO_PKG_VERSION")))
        .referer(false)
        .tcp_nodelay(true)
}

/// Locks a mutex, even after another thread panicked while it held the lock.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
