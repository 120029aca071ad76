//! The rate budget as it is shared with other processes, earlier and now.

use std::time::SystemTime;

/// What other processes did with the budget since they were last asked about.
#[derive(Clone, Debug, Default)]
pub struct Spent {
    /// When they sent requests.
    pub requests: Vec<SystemTime>,
    /// Until when the feed asked for a pause.
    pub paused_until: Option<SystemTime>,
}

/// Keeps what was sent for all processes that share a budget. What it cannot keep it
/// tells nobody: a request does not fail for want of a note.
pub trait Ledger: Send + Sync {
    /// Tells what others spent, and lets `take` decide whether a request goes out now;
    /// if so, notes it. Meanwhile no other process decides.
    fn share(&self, take: &mut dyn FnMut(&Spent) -> bool);

    /// Notes that the feed asked for a pause.
    fn pause(&self, until: SystemTime);
}
