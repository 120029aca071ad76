//! All that lies in the folder, for finding what nothing names.

use std::path::{Path, PathBuf};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;

use super::dir::MediaDir;

/// A file that lies in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path within the folder.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
}

impl MediaDir {
    /// Gives every file in the folder, folder by folder. Links are passed over, and
    /// so are devices and the like.
    ///
    /// # Errors
    /// What the system says, and what `each` returns.
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
