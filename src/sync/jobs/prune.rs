//! The prune: removes files in the media folder that no row names.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Serialize, Serializer};

use super::media::media;
use crate::config::Config;
use crate::files::MediaDir;
use crate::mirror::{Mirror, WantedPhotos};
use crate::sync::context::Context;
use crate::sync::outcome::{Ending, FileCounts, Report};

/// A file that no row names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unnamed {
    /// Its path within the media folder.
    #[serde(serialize_with = "as_text")]
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Serializes a path that may not be valid text.
fn as_text<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&path.to_string_lossy())
}

/// The media folder seems to belong to something else.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: no row names any of its {files} files: it may not be this mirror's folder; check mirror.media_dir, or empty the folder yourself",
    .path.display()
)]
pub struct ForeignFolder {
    path: PathBuf,
    files: usize,
}

/// The result of a prune.
#[derive(Debug, Default)]
pub struct Pruned {
    /// The files that no row named.
    pub files: Vec<Unnamed>,
    /// The number of files that were removed, and that could not be removed.
    pub counts: FileCounts,
}

/// Finds the files in the media folder that no row names. Links are skipped.
///
/// # Errors
/// [`ForeignFolder`] if the folder has files, but no row names any of them.
pub fn unnamed(config: &Config, mirror: &Mirror) -> anyhow::Result<Vec<Unnamed>> {
    let path = &config.mirror.media_dir;
    let found = MediaDir::find(path).with_context(|| format!("opening {}", path.display()))?;
    let Some(dir) = found else {
        return Ok(Vec::new());
    };
    mirror.gather_paths()?;
    let mut unnamed = Vec::new();
    let mut named = 0;
    dir.walk(|found| {
        let name = found.path.to_str();
        match name.map(|name| mirror.is_named(name)).transpose()? {
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

/// Downloads photos, then removes files that no row names, and folders that are empty
/// without them.
///
/// # Errors
/// [`ForeignFolder`], before anything is downloaded.
pub fn prune(context: &Context<'_>, mirror: &mut Mirror) -> anyhow::Result<(Report, Pruned)> {
    // After the download, the folder has files that rows name.
    unnamed(context.config, mirror)?;
    let mut report = media(context, mirror, WantedPhotos::All)?;
    if context.stop.requested().is_some() {
        return Ok((report, Pruned::default()));
    }
    let mut pruned = Pruned {
        files: unnamed(context.config, mirror)?,
        ..Pruned::default()
    };
    let Some(dir) = MediaDir::find(&context.config.mirror.media_dir)? else {
        return Ok((report, pruned));
    };
    for file in &pruned.files {
        match dir.remove(&file.path) {
            Ok(was_there) => pruned.counts.removed += u64::from(was_there),
            Err(error) => {
                pruned.counts.failed += 1;
                let path = dir.path().join(&file.path);
                let error_text = format!("{} cannot be removed ({error})", path.display());
                report.cleanup_error.get_or_insert(error_text);
            }
        }
    }
    report.add(Report {
        files: pruned.counts,
        ending: match pruned.counts.failed {
            0 => Ending::Done,
            _ => Ending::Partial,
        },
        ..Report::default()
    });
    Ok((report, pruned))
}
