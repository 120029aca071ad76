//! Requests that only find out what the server can do. `check` sends them once for each
//! resource; a sync sends none, because its pages show the same.

use super::by_key::fetch;
use super::catalog::Catalog;
use crate::feed::{Capability, Cursor, FeedError, Page, Position, Sweep, Tries};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::sync_error::{Result, answer_if_any};

/// The way in which changes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sync) enum ChangesWay {
    /// In the order of ModificationTimestamp.
    InOrder,
    /// By the links that the server sends.
    ByNextLinks,
    /// The records have no timestamps, so that all of them are read.
    AllRecords,
    /// They come with the changed listings.
    WithListings,
}

/// The requests for one resource whose first page is known.
pub(in crate::sync) struct Probes<'a> {
    pub context: &'a Context<'a>,
    pub catalog: &'a Catalog,
    pub resource: Resource,
    pub first: &'a Page,
}

impl Probes<'_> {
    /// Finds out how many keys fit in a request, unless it is known.
    pub fn find_key_list(&self) -> Result<()> {
        let (feed, stop) = (self.context.feed, self.context.stop);
        let is_known = (feed.capabilities())
            .get(Some(self.resource), Capability::In)
            .is_some();
        if is_known || self.first.records.len() < 2 {
            return Ok(());
        }
        let keys = self.first.records.iter();
        let keys: Vec<String> = keys.map(|record| record.key.to_string()).collect();
        match fetch(feed, stop, &self.sweep()?, &keys, |_| Ok(())) {
            Err(error) if error.ends_job(false) => Err(error),
            _ => Ok(()),
        }
    }

    /// Finds out how changes are read: requests those after a record of the first page.
    /// Returns none if the answer does not show it.
    pub fn find_changes_way(&self, by_links: bool) -> Result<Option<ChangesWay>> {
        if !self.catalog.key_shape(self.resource)?.has_timestamp() {
            return Ok(Some(ChangesWay::AllRecords));
        }
        if by_links {
            return Ok(Some(ChangesWay::ByNextLinks));
        }
        let Some(last) = &self.first.last_change else {
            return Ok(None);
        };
        let start = Position::after(Cursor {
            timestamp: last.timestamp.to_string(),
            sent: last.sent.as_deref().map(str::to_owned),
        });
        let answered = self.context.feed.step(&self.sweep()?, 0, &start);
        if answered.as_ref().is_err_and(FeedError::may_refuse_order) {
            return Ok(Some(ChangesWay::ByNextLinks));
        }
        Ok(answer_if_any(answered)?.map(|_| ChangesWay::InOrder))
    }

    fn sweep(&self) -> Result<Sweep> {
        let keys = self.catalog.key_shape(self.resource)?;
        let filter = self.catalog.live_filter(self.resource).map(str::to_owned);
        Ok(Sweep {
            tries: Tries::Once,
            ..self.context.feed.sweep(keys, filter, true)
        })
    }
}
