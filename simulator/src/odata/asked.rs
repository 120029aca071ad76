//! A request for a document.

use crate::market::Market;

/// A request, with the facts on which its answer depends in addition to the records.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The maximum number of records per page.
    pub page_size: usize,
    /// The service's URL.
    pub root: &'a str,
    /// The decoded path after `root`.
    pub path: &'a str,
    /// The encoded query.
    pub raw_query: &'a str,
    /// The feed's time, in seconds since 1970.
    pub now: i64,
    /// The number of earlier requests for the same path and query.
    pub earlier: u64,
    /// The number of earlier requests.
    pub number: u64,
    /// An older state, if pages come from a stale replica.
    pub older: Option<&'a Market>,
}
