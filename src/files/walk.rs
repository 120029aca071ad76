//! Lists the files of the mirror in the folder.

use std::ops::ControlFlow;

use cap_fs_ext::DirExt;

use super::media_dir::MediaDir;
use super::place::{is_own_file, is_own_folder};

/// A file in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The path within the folder.
    pub path: String,
    /// The length in bytes.
    pub bytes: u64,
}

impl MediaDir {
    /// Calls `each` with every file that is named as the mirror names its files, until it
    /// breaks. Skips links and devices.
    pub fn walk(
        &self,
        mut each: impl FnMut(Found) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        for entry in self.root().entries()? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(folder) = name.to_str().filter(|name| is_own_folder(name)) else {
                continue;
            };
            if !entry.file_type()?.is_dir() {
                continue;
            }
            let dir = self.root().open_dir_nofollow(folder)?;
            for entry in dir.entries()? {
                let entry = entry?;
                let name = entry.file_name();
                let Some(file) = name.to_str().filter(|name| is_own_file(name)) else {
                    continue;
                };
                if !entry.file_type()?.is_file() {
                    continue;
                }
                let found = Found {
                    path: format!("{folder}/{file}"),
                    bytes: dir.symlink_metadata(file)?.len(),
                };
                if each(found)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Returns whether the folder holds any file of the mirror.
    pub fn has_files(&self) -> anyhow::Result<bool> {
        let mut has_files = false;
        self.walk(|_| {
            has_files = true;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(has_files)
    }

    /// Returns the number of the mirror's files in the folder, and their bytes.
    pub fn size(&self) -> anyhow::Result<(u64, u64)> {
        let (mut files, mut bytes) = (0, 0);
        self.walk(|found| {
            (files, bytes) = (files + 1, bytes + found.bytes);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((files, bytes))
    }
}
