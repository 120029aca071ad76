//! How an audit ended.

use crate::resource::Resource;

/// How an audit ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    /// Whether counts replaced the reading of all keys.
    pub by_counts: bool,
    /// The feed's count and the smaller number of records in its pages, read 2 times.
    pub contradiction: Option<(u64, u64)>,
    /// Whether a record without a key was read. It may be any record that seems to be missing.
    pub keyless: bool,
    /// The children that came with each listing, and were compared.
    pub nested: Vec<Resource>,
    /// The number of pages of keys.
    pub pages: u64,
    /// The number of records in them.
    pub read: u64,
    /// The number of records of the feed, if it counts them.
    pub records: Option<u64>,
}
