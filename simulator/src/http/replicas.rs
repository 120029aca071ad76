//! Older states of the market, for a service whose replicas lag.

use std::sync::Arc;

use crate::behaviour::{Behaviour, ServerBehaviour};
use crate::market::Market;

/// One period in this number is stale.
const STALE_PERIOD: usize = 3;

/// The states at the starts of the periods between advances of the clock.
#[derive(Debug, Default)]
pub struct Replicas {
    starts: Vec<Arc<Market>>,
}

impl Replicas {
    /// Starts a period with the state at its start.
    pub fn keep(&mut self, market: Market) {
        self.starts.push(Arc::new(market));
    }

    /// Returns the state that pages come from in a stale period: the one at the start of three
    /// periods before.
    pub fn stale(&self, server: &ServerBehaviour) -> Option<Arc<Market>> {
        let period = self.starts.len();
        let is_stale = server.has(Behaviour::StaleReplica)
            && period > 0
            && period.is_multiple_of(STALE_PERIOD);
        is_stale.then(|| Arc::clone(&self.starts[period.saturating_sub(4)]))
    }
}
