//! The prune: removes files in the media folder that no row names.

use std::ops::ControlFlow;

use serde::Serialize;

use super::media::media;
use crate::config::Config;
use crate::files::Found;
use crate::mirror::{Mirror, WantedPhotos};
use crate::sync::context::Context;
use crate::sync::media_folder::{
    FolderProblem, UnusableFolder, find_media_folder, inspect_media_folder,
};
use crate::sync::outcome::{Ending, FileCounts, Report};

/// A file that no row names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unnamed {
    /// Its path within the media folder.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// The result of a prune.
#[derive(Debug, Default)]
pub struct Pruned {
    /// The files that no row named.
    pub files: Vec<Unnamed>,
    /// The number of files that were removed, and that could not be removed.
    pub counts: FileCounts,
}

/// Finds the files in the media folder that no row names. Files that are not named as the
/// mirror names its files are skipped, as links are.
///
/// # Errors
/// [`UnusableFolder`], also if the folder has files, but no row names any of them.
pub fn unnamed(config: &Config, mirror: &Mirror) -> anyhow::Result<Vec<Unnamed>> {
    let dir = match inspect_media_folder(config, mirror)? {
        Ok(Some(dir)) => dir,
        Ok(None) => return Ok(Vec::new()),
        Err(unusable) if unusable.problem == FolderProblem::Empty => return Ok(Vec::new()),
        Err(unusable) => return Err(unusable.into()),
    };
    mirror.gather_paths()?;
    let mut unnamed = Vec::new();
    let mut named = 0;
    dir.walk(|Found { path, bytes }| {
        if mirror.is_named(&path)? {
            named += 1;
        } else {
            unnamed.push(Unnamed { path, bytes });
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if named == 0 && !unnamed.is_empty() {
        let problem = FolderProblem::Unnamed(unnamed.len());
        return Err(UnusableFolder::of(config, problem).into());
    }
    unnamed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(unnamed)
}

/// Downloads photos, then removes files that no row names, and folders that are empty
/// without them.
///
/// # Errors
/// [`UnusableFolder`], before anything is downloaded.
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
    let Some(dir) = find_media_folder(context.config)? else {
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
