//! The prune: files in the folder of photos that no row names.

use std::path::PathBuf;

use serde::Serialize;

use super::Context;
use super::files::FileCounts;
use crate::files::MediaDir;
use crate::mirror::Mirror;

/// A file that no row names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unnamed {
    /// Its path within the folder of photos.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// The folder seems not to be this mirror's.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: the mirror names none of its {files} files, so it may not be this mirror's folder; look at mirror.media_dir, or empty it by hand",
    .path.display()
)]
pub struct ForeignFolder {
    path: PathBuf,
    files: usize,
}

/// Finds the files in the folder of photos that no row names. Links are passed over.
///
/// # Errors
/// [`ForeignFolder`] if there are files, and rows name none of them; or if the
/// folder or the database cannot be read.
pub fn unnamed(context: &Context<'_>, mirror: &Mirror) -> anyhow::Result<Vec<Unnamed>> {
    let path = &context.config.mirror.media_dir;
    let Some(dir) = MediaDir::find(path)? else {
        return Ok(Vec::new());
    };
    mirror.gather_paths()?;
    let mut unnamed = Vec::new();
    let mut named = 0;
    dir.walk(|found| {
        match found
            .path
            .to_str()
            .map(|path| mirror.is_named(path))
            .transpose()?
        {
            Some(true) => named += 1,
            _ => unnamed.push(Unnamed {
                path: found.path,
                bytes: found.bytes,
            }),
        }
        Ok(())
    })?;
    if named == 0 && !unnamed.is_empty() {
        return Err(ForeignFolder {
            path: path.clone(),
            files: unnamed.len(),
        }
        .into());
    }
    unnamed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(unnamed)
}

/// Removes files that no row names, and folders that are empty without them.
///
/// # Errors
/// If the folder cannot be opened. A file that cannot be removed is counted.
pub fn prune(context: &Context<'_>, unnamed: &[Unnamed]) -> anyhow::Result<FileCounts> {
    let mut counts = FileCounts::default();
    let Some(dir) = MediaDir::find(&context.config.mirror.media_dir)? else {
        return Ok(counts);
    };
    for file in unnamed {
        if context.stop.requested().is_some() {
            break;
        }
        match dir.remove(&file.path) {
            Ok(was_there) => counts.removed += u64::from(was_there),
            Err(error) => {
                counts.failed += 1;
                tracing::warn!(path = %file.path.display(), %error, "removing a file that no row names");
            }
        }
    }
    Ok(counts)
}
