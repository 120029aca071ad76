//! When a resource was last compared with the feed and found to be complete.

use serde::{Deserialize, Serialize};

use crate::mirror::{ReadTx, WriteTx};
use crate::resource::Resource;

/// A comparison that found a resource to be complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// When it ended, UTC.
    pub proven_at: String,
    /// The number of records that the feed and the mirror had.
    pub records: u64,
    /// Whether counts were compared, and keys only where they differed.
    pub by_counts: bool,
}

impl ReadTx<'_> {
    /// Returns the last proof that a resource is complete, if there is one.
    pub fn proof(&self, resource: Resource) -> rusqlite::Result<Option<Proof>> {
        let saved = self.state(&name(resource))?;
        // A later version may write it in another way.
        Ok(saved.and_then(|saved| serde_json::from_str(&saved).ok()))
    }
}

impl WriteTx<'_> {
    /// Saves that a resource with this number of records is complete now.
    pub fn save_proof(
        &self,
        resource: Resource,
        records: u64,
        by_counts: bool,
    ) -> rusqlite::Result<()> {
        let proof = Proof {
            proven_at: self.now().to_owned(),
            records,
            by_counts,
        };
        let text = serde_json::to_string(&proof).unwrap_or_default();
        self.set_state(&name(resource), &text)
    }
}

/// Returns the key in `_state` of the last proof of a resource.
fn name(resource: Resource) -> String {
    format!("proven:{resource}")
}
