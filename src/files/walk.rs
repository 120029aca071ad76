//! Lists all files in the folder, to find files that belong to no photo.

use std::path::{Path, PathBuf};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;

use super::media_dir::MediaDir;

/// A file in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The path within the folder.
    pub path: PathBuf,
    /// The length in bytes.
    pub bytes: u64,
}

impl MediaDir {
    /// Calls `each` with every file in the folder and its subfolders. Skips links and
    /// devices. Stops at the first error of `each`.
    pub fn walk(&self, mut each: impl FnMut(Found) -> anyhow::Result<()>) -> anyhow::Result<()> {
        walk(self.root(), Path::new(""), &mut each)
    }
}

fn walk(
    folder: &Dir,
    path: &Path,
    each: &mut impl FnMut(Found) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for entry in folder.entries()? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let path = path.join(&name);
        if kind.is_dir() {
            walk(&folder.open_dir_nofollow(&name)?, &path, each)?;
        } else if kind.is_file() {
            let bytes = folder.symlink_metadata(&name)?.len();
            each(Found { path, bytes })?;
        }
    }
    Ok(())
}
