//! The marker file: it shows that the folder belongs to a mirror, and that its disk is
//! mounted.

use std::fs::Metadata;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::OpenOptions;

use super::media_dir::MediaDir;

/// The name of the marker file.
pub const MARKER: &str = ".mlsmirror-media";

/// The content of the marker file, before its last line.
const CONTENT: &str = "mlsmirror stores photos in this folder, and removes photos here that its
database does not know. This file shows that the disk of the folder is mounted.
";

/// The start of the last line of the marker file. The path of the database follows it.
const DATABASE: &str = "Database: ";

/// The longest marker file that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

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

    /// Writes the marker file with the path of the database, unless it has that path.
    pub fn mark(&self, database: &Path) -> io::Result<()> {
        let database = database.canonicalize()?;
        if self.is_marked()? && self.database()?.as_ref() == Some(&database) {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // A link with the name of the marker may lead to a photo.
        options.follow(FollowSymlinks::No);
        let mut file = self.root().open_with(MARKER, &options)?;
        writeln!(file, "{CONTENT}{DATABASE}{}", database.display())
    }

    /// Returns the database that the marker file names. An empty marker file names none, and
    /// neither does that of an earlier version.
    fn database(&self) -> io::Result<Option<PathBuf>> {
        let mut text = Vec::new();
        let file = self.root().open(MARKER)?;
        file.take(MAX_BYTES).read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let path = text.lines().find_map(|line| line.strip_prefix(DATABASE));
        Ok(path.map(PathBuf::from))
    }

    /// Returns the database of another mirror that uses the folder. A database that was deleted or
    /// moved does not use it.
    pub fn other_database(&self, own: &Path) -> io::Result<Option<PathBuf>> {
        if !self.is_marked()? {
            return Ok(None);
        }
        let named = self.database()?;
        Ok(
            named
                .filter(|named| named.is_file() && own.canonicalize().ok().as_ref() != Some(named)),
        )
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
