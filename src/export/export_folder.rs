//! The folder of the published tables.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::delta::names;

/// The file that marks a folder as the export of a mirror.
const MARKER: &str = ".mlsmirror-export";

/// The folder that file systems create for files that a repair finds.
const LOST_AND_FOUND: &str = "lost+found";

/// The mirror whose tables a folder has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    /// The name of the mirror: that of its database file.
    pub mirror_name: String,
    /// The address of its feed.
    pub feed: Option<String>,
}

/// The folder is not an export of this mirror. It is left unchanged.
#[derive(Debug, thiserror::Error)]
pub enum ForeignExport {
    /// The folder has other files.
    #[error("{} is not empty and is not an export of a mirror; name another folder", .0.display())]
    OtherFiles(PathBuf),
    /// The path is not one of a folder.
    #[error("{} is not a folder; name another one", .0.display())]
    NoFolder(PathBuf),
    /// The folder has the tables of another mirror.
    #[error(
        "{} has the tables of the mirror {other} of {}; name another folder, or remove it",
        .folder.display(), .feed.as_deref().unwrap_or("an unknown feed")
    )]
    OtherMirror {
        /// The folder.
        folder: PathBuf,
        /// The name of the other mirror.
        other: String,
        /// The address of its feed.
        feed: Option<String>,
    },
}

/// The folder of the published tables.
#[derive(Debug)]
pub(super) struct ExportFolder {
    path: PathBuf,
    /// The mirror that the marker names. None if there is no marker yet.
    pub owner: Option<Owner>,
}

impl ExportFolder {
    /// Finds a folder that is marked as an export, is empty, or does not exist. Creates
    /// nothing.
    pub fn find(path: &Path) -> anyhow::Result<ExportFolder> {
        let marker = path.join(MARKER);
        let owner = match std::fs::read_to_string(&marker) {
            Ok(text) => Some(
                serde_json::from_str(&text)
                    .with_context(|| format!("reading {}", marker.display()))?,
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(ForeignExport::NoFolder(path.to_owned()).into());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("reading {}", marker.display()));
            }
        };
        let is_other = |name: &String| name != LOST_AND_FOUND;
        if owner.is_none() && names(path)?.iter().any(is_other) {
            return Err(ForeignExport::OtherFiles(path.to_owned()).into());
        }
        Ok(ExportFolder {
            path: path.to_owned(),
            owner,
        })
    }

    /// Returns the error for a folder of another mirror.
    pub fn foreign(&self, other: &Owner) -> ForeignExport {
        ForeignExport::OtherMirror {
            folder: self.path.clone(),
            other: other.mirror_name.clone(),
            feed: other.feed.clone(),
        }
    }

    /// Creates the folder and marks it.
    pub fn mark(&self, owner: &Owner) -> anyhow::Result<()> {
        if self.owner.as_ref() == Some(owner) {
            return Ok(());
        }
        let marker = self.path.join(MARKER);
        let temporary = self.path.join(format!("{MARKER}.tmp"));
        let text = serde_json::to_string_pretty(owner)? + "\n";
        std::fs::create_dir_all(&self.path)
            .and_then(|()| std::fs::write(&temporary, text))
            .and_then(|()| std::fs::rename(&temporary, &marker))
            .with_context(|| format!("writing {}", marker.display()))
    }

    /// Returns the folder of a table.
    pub fn of_table(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}
