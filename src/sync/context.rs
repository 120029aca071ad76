//! The surroundings of a job.

use super::progress::Progress;
use super::sync_error::Result;
use crate::config::Config;
use crate::feed::{Feed, FeedError};
use crate::stop::Stop;

/// The surroundings of a job, borrowed for as long as it runs.
pub struct Context<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The feed.
    pub feed: &'a Feed,
    /// The request to stop.
    pub stop: &'a Stop,
    /// Receives the progress of the job.
    pub progress: &'a dyn Progress,
    /// `--allow-deletes`: the number of deletions of one resource that are allowed
    /// even if they exceed `max_delete_percent`.
    pub allow_deletes: u64,
}

impl Context<'_> {
    /// Returns an error if a stop was requested.
    pub(super) fn check_stop(&self) -> Result<()> {
        match self.stop.requested() {
            Some(signal) => Err(FeedError::Interrupted(signal).into()),
            None => Ok(()),
        }
    }
}
