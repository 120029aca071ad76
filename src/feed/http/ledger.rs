//! The record of requests that processes with one rate budget share.

use std::time::SystemTime;

/// The part of the budget that other processes used since the last call.
#[derive(Clone, Debug, Default)]
pub struct Spent {
    /// The times of their requests.
    pub requests: Vec<SystemTime>,
    /// The bytes that they received, and when.
    pub received: Vec<(SystemTime, u64)>,
    /// The end of the pause that the feed asked for.
    pub paused_until: Option<SystemTime>,
}

/// Stores the requests of all processes that share a budget. An implementation ignores its
/// own write errors, because a request must not fail for lack of a record.
pub trait Ledger: Send + Sync {
    /// Passes the requests of other processes to `take`, which decides whether a request
    /// is sent now, and stores that request. No other process decides in the meantime. Also
    /// stores the number of bytes that this process received since its last call.
    fn share(&self, received: u64, take: &mut dyn FnMut(&Spent) -> bool);

    /// Stores a pause that the feed asked for.
    fn pause(&self, until: SystemTime);
}
