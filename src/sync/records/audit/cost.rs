//! What an audit of a resource costs.

use serde::Serialize;

use super::audit_resource::Audit;
use super::division::RANGE_ROWS;
use crate::mirror::Mirror;
use crate::sync::sync_error::Result;

/// The requests of an audit that finds no difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditCost {
    /// Whether counts are compared.
    pub by_counts: bool,
    /// The number of requests.
    pub requests: u64,
    /// Why all keys are read, if they are.
    pub why: Option<String>,
}

impl Audit<'_> {
    /// Returns the cost for a resource of `count` records. `listings` is the number of listings.
    pub fn cost(&self, mirror: Option<&Mirror>, count: u64, listings: u64) -> Result<AuditCost> {
        let keys = self.catalog.key_shape(self.resource)?;
        let pages = count.div_ceil(self.context.feed.page_size().into());
        Ok(match self.division(mirror, &keys, count)? {
            Ok(division) => {
                let rows = if division.is_by_listing() {
                    listings
                } else {
                    count
                };
                let ranges = rows.div_ceil(RANGE_ROWS);
                let reads_all = self.reads_all(&division, listings)?;
                let pages = if reads_all {
                    listings.div_ceil(self.context.feed.page_size().into()) + ranges
                } else {
                    0
                };
                // The count of all records, and the changes since the last sync.
                AuditCost {
                    by_counts: !reads_all,
                    requests: 2 + ranges + pages,
                    why: reads_all.then(|| "they come with few pages of listings".to_owned()),
                }
            }
            // A walk by key ends at an empty page, which is read twice.
            Err(why) => AuditCost {
                by_counts: false,
                requests: 3 + pages,
                why: Some(why),
            },
        })
    }
}
