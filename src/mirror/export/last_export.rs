//! How the last export ended. An export is no run of a sync.

use serde::{Deserialize, Serialize};

use crate::mirror::Mirror;

/// The fact in the mirror that stores the last export.
const LAST_EXPORT: &str = "last_export";

/// The last export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastExport {
    /// `succeeded`, `partial` or `failed`.
    pub status: String,
    /// When it started, UTC.
    pub started_at: String,
    /// Its duration in milliseconds.
    pub duration_ms: u64,
    /// Why it failed, or what it left out.
    pub error: Option<String>,
}

impl Mirror {
    /// Returns the last export, if one is stored.
    pub fn last_export(&self) -> rusqlite::Result<Option<LastExport>> {
        let stored = self.state(LAST_EXPORT)?;
        Ok(stored.and_then(|stored| serde_json::from_str(&stored).ok()))
    }

    /// Stores the last export.
    pub fn save_last_export(&mut self, export: &LastExport) -> anyhow::Result<()> {
        let stored = serde_json::to_string(export)?;
        Ok(self.set_state(LAST_EXPORT, &stored)?)
    }
}
