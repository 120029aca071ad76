//! The place of the request ledger: shared by all mirrors of an account, or else next to the
//! database.

use std::env;
use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};

use crate::mirror::{Mirror, with_suffix};

/// The key in `_state` of the path of the ledger.
const STATE: &str = "request_ledger";

/// The value of [`STATE`] of a mirror that keeps its ledger next to its database.
const KEPT: &str = "next to the database";

impl Mirror {
    /// Returns the path of the ledger that the last sync used.
    pub fn request_ledger(&self) -> rusqlite::Result<PathBuf> {
        let saved = self.state(STATE)?.filter(|saved| saved != KEPT);
        Ok(saved.map_or_else(|| next_to(&self.path), PathBuf::from))
    }

    /// Keeps the ledger of this mirror next to its database, as a demo does: its feed ends with
    /// it, and has no limits to share.
    pub fn keep_request_ledger(&mut self) -> rusqlite::Result<()> {
        self.set_state(STATE, KEPT)
    }

    /// Returns whether the ledger of this mirror is next to its database.
    pub fn keeps_request_ledger(&self) -> rusqlite::Result<bool> {
        Ok(self.state(STATE)?.as_deref() == Some(KEPT))
    }

    /// Saves the path of the ledger, if it has changed.
    pub fn save_request_ledger(&mut self, ledger: &Path) -> rusqlite::Result<()> {
        if self.request_ledger()? == ledger {
            return Ok(());
        }
        self.set_state(STATE, &ledger.to_string_lossy())
    }
}

/// Returns the path of the ledger that all mirrors of an account share, and creates its
/// folder. Returns none if the user has no folder for state.
pub(super) fn shared(account: &str) -> io::Result<Option<PathBuf>> {
    let Some(state) = state_home() else {
        return Ok(None);
    };
    let folder = state.join("mlsmirror");
    create_private(&folder)?;
    Ok(Some(folder.join(format!("requests-{account}.db"))))
}

/// Returns the path of a ledger that belongs to a database.
pub(super) fn next_to(database: &Path) -> PathBuf {
    with_suffix(database, "-requests")
}

/// Returns the folder for a user's state. Source: XDG Base Directory Specification.
fn state_home() -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).map(PathBuf::from);
    let is_usable = |path: &PathBuf| path.is_absolute();
    let configured = folder("XDG_STATE_HOME").filter(is_usable);
    configured.or_else(|| Some(folder("HOME").filter(is_usable)?.join(".local/state")))
}

/// Creates a folder that only the user can read.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
