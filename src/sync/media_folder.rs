//! The media folder: whether the mirror may write and remove files in it.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::config::Config;
use crate::files::{MARKER, MediaDir};
use crate::mirror::Mirror;

/// The key in `_state` that is set when the folder has its marker file.
const MARKED: &str = "media_dir_marked";

/// The number of rows whose files are looked for in a folder without a marker file.
const ROWS_TRIED: u64 = 1_000;

/// Why the media folder is not used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("media_dir {} {problem}", .path.display())]
pub struct UnusableFolder {
    /// The folder.
    pub path: PathBuf,
    /// Its problem.
    pub problem: FolderProblem,
}

impl Serialize for UnusableFolder {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A problem of the media folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum FolderProblem {
    /// It contains the database or the configuration, or shares a folder with the export.
    #[error("must be a folder of its own: it shares a folder with {}", .0.display())]
    Shared(PathBuf),
    /// It cannot be opened.
    #[error("cannot be opened ({0})")]
    Unopened(String),
    /// Files cannot be created in it.
    #[error("is not writable ({0})")]
    Unwritable(String),
    /// Another mirror, which still exists, stores its photos there.
    #[error("belongs to the mirror {}", .0.display())]
    Taken(PathBuf),
    /// It has no file of the mirror or does not exist, though rows name files in it. It
    /// usually means that a disk is not mounted.
    #[error("is empty, though the mirror has files there")]
    Empty,
    /// It has no marker file, though rows name files in it.
    #[error("has no marker file `{MARKER}`, though the mirror has files there")]
    Unmarked,
    /// It has no marker file, and files of others.
    #[error("has no marker file `{MARKER}` and is not empty")]
    Foreign,
    /// It has this number of files, but no row names any of them.
    #[error("has {}", match .0 {
        1 => "1 file, and no row names it".to_owned(),
        files => format!("{files} files, and no row names any of them"),
    })]
    Unnamed(usize),
}

impl UnusableFolder {
    /// Returns the error that the configured folder has this problem.
    pub(in crate::sync) fn of(config: &Config, problem: FolderProblem) -> UnusableFolder {
        UnusableFolder {
            path: config.mirror.media_dir.clone(),
            problem,
        }
    }
}

/// The media folder, or `None` if it does not exist; or why it is not used.
pub type MediaFolder = Result<Option<MediaDir>, UnusableFolder>;

/// Opens the media folder if it exists. Neither the database nor the configuration may be
/// in it, and neither it nor the folder of the export may be in the other, also not through links
/// and mounts. Changes nothing.
///
/// # Errors
/// [`FolderProblem::Shared`], [`FolderProblem::Unopened`]
pub fn find_media_folder(config: &Config) -> MediaFolder {
    let unopened =
        |error: io::Error| UnusableFolder::of(config, FolderProblem::Unopened(error.to_string()));
    let Some(dir) = MediaDir::find(&config.mirror.media_dir).map_err(unopened)? else {
        return Ok(None);
    };
    for file in [&config.mirror.database, &config.mirror.configuration] {
        let folder = match file.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        if dir.encloses(file).map_err(unopened)? || dir.encloses(folder).map_err(unopened)? {
            return Err(UnusableFolder::of(
                config,
                FolderProblem::Shared(file.clone()),
            ));
        }
    }
    let export = &config.export.dir;
    let of_export = MediaDir::find(export).map_err(unopened)?;
    let is_in_export = of_export.map_or(Ok(false), |of_export| of_export.encloses(dir.path()));
    if is_in_export.map_err(unopened)? || dir.encloses(export).map_err(unopened)? {
        return Err(UnusableFolder::of(
            config,
            FolderProblem::Shared(export.clone()),
        ));
    }
    Ok(Some(dir))
}

/// Finds the media folder and whether it is this mirror's. Changes nothing.
pub fn inspect_media_folder(config: &Config, mirror: &Mirror) -> anyhow::Result<MediaFolder> {
    let has_files = mirror.has_files()?;
    let dir = match find_media_folder(config) {
        Ok(dir) => dir,
        Err(unusable) => return Ok(Err(unusable)),
    };
    let problem = match &dir {
        None => has_files.then_some(FolderProblem::Empty),
        Some(dir) => match problem_of(config, dir, mirror, has_files) {
            Err(error) if error.is::<io::Error>() => {
                Some(FolderProblem::Unopened(error.to_string()))
            }
            problem => problem?,
        },
    };
    Ok(match problem {
        None => Ok(dir),
        Some(problem) => Err(UnusableFolder::of(config, problem)),
    })
}

fn problem_of(
    config: &Config,
    dir: &MediaDir,
    mirror: &Mirror,
    has_files: bool,
) -> anyhow::Result<Option<FolderProblem>> {
    let is_marked = dir.is_marked()?;
    if let Some(other) = dir.other_database(&config.mirror.database)? {
        return Ok(Some(FolderProblem::Taken(other)));
    }
    Ok(match has_files {
        true if dir.is_empty()? || is_marked && !dir.has_files()? => Some(FolderProblem::Empty),
        true if !is_marked && !is_of_earlier_version(dir, mirror)? => Some(FolderProblem::Unmarked),
        false if !is_marked && !dir.is_empty()? => Some(FolderProblem::Foreign),
        _ => None,
    })
}

/// Returns whether the folder was never marked, and has a file that a row names: an earlier
/// version filled it.
fn is_of_earlier_version(dir: &MediaDir, mirror: &Mirror) -> anyhow::Result<bool> {
    if mirror.state(MARKED)?.is_some() {
        return Ok(false);
    }
    for file in mirror.files_after("", ROWS_TRIED)? {
        if dir.bytes(&file.path)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Marks the folder as this mirror's, before files are written or removed in it.
pub(in crate::sync) fn mark(
    config: &Config,
    dir: &MediaDir,
    mirror: &mut Mirror,
) -> anyhow::Result<Result<(), UnusableFolder>> {
    if let Err(error) = dir.mark(&config.mirror.database) {
        let problem = FolderProblem::Unwritable(error.to_string());
        return Ok(Err(UnusableFolder::of(config, problem)));
    }
    if mirror.state(MARKED)?.is_none() {
        mirror.set_state(MARKED, "1")?;
    }
    Ok(Ok(()))
}
