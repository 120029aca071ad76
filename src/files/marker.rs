//! The marker file: it shows that the folder belongs to a mirror, and that its disk is
//! mounted.

use std::fs::Metadata;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use cap_std::fs::OpenOptions;

use super::media_dir::MediaDir;

/// The name of the marker file.
pub const MARKER: &str = ".mlsmirror-media";

/// The content of the marker file.
const CONTENT: &str = "mlsmirror stores photos in this folder, and removes photos here that its
database does not know. This file shows that the disk of the folder is mounted.
";

/// The folder that file systems create for files that a repair finds.
const LOST_AND_FOUND: &str = "lost+found";

impl MediaDir {
    /// Returns whether the folder has the marker file.
    pub fn is_marked(&self) -> io::Result<bool> {
        match self.root().symlink_metadata(MARKER) {
            Ok(is) => Ok(is.is_file()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Creates the marker file if it does not exist.
    pub fn mark(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        match self.root().open_with(MARKER, &options) {
            Ok(mut file) => file.write_all(CONTENT.as_bytes()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns whether the folder holds nothing, not counting the marker file and the folder
    /// of a file system's repair.
    pub fn is_empty(&self) -> io::Result<bool> {
        for entry in self.root().entries()? {
            let name = entry?.file_name();
            if name != MARKER && name != LOST_AND_FOUND {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns whether a path leads into the folder, also through links and bind mounts. The path
    /// does not have to exist.
    pub fn encloses(&self, path: &Path) -> io::Result<bool> {
        let own = self.root().dir_metadata()?;
        let own_path = self.path().canonicalize()?;
        let path = std::path::absolute(path)?;
        let mut existing = path.ancestors().filter_map(|path| path.canonicalize().ok());
        let Some(path) = existing.next() else {
            return Ok(false);
        };
        let is_own = |above: &Path| {
            above == own_path || above.metadata().is_ok_and(|above| is_same(&own, &above))
        };
        Ok(path.ancestors().any(is_own))
    }
}

#[cfg(unix)]
fn is_same(one: &cap_std::fs::Metadata, other: &Metadata) -> bool {
    use cap_std::fs::MetadataExt;
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Returns false: on other systems the standard library does not identify files.
#[cfg(not(unix))]
fn is_same(_: &cap_std::fs::Metadata, _: &Metadata) -> bool {
    false
}
