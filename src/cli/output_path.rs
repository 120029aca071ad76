//! The path of an output file that the user names.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::exit::UsageError;
use super::whole_file::folder_of;
use crate::config::Config;
use crate::mirror::{DATABASE_SUFFIXES, is_same_file, with_suffix};

/// The file name that means standard output, for verbs that can write there.
pub const STDOUT: &str = "-";

/// Resolves the path of an output file, and refuses paths that mlsmirror itself uses: the mirror,
/// the configuration at `config_path` and the photo folder. Whether another existing file may be
/// replaced is for the verb to decide.
pub fn place(config_path: &Path, config: &Config, file: &Path) -> Result<PathBuf, UsageError> {
    let shown = file.display();
    let refuse = |why: String| Err(UsageError(why));
    if file == Path::new(STDOUT) {
        return refuse("- is no file; for a file of that name, write ./-".to_owned());
    }
    if file.is_dir() {
        return refuse(format!("{shown} is a folder; name a file in it"));
    }
    if file.is_symlink() && !file.exists() {
        return refuse(format!(
            "{shown} is a link to a missing file; name another file"
        ));
    }
    let place = resolved(file)?;
    let there = std::fs::metadata(&place).ok();
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        return refuse(format!("{shown} is not a regular file; name another file"));
    }
    let is_one = |other: &Path| {
        let other = std::fs::metadata(other).ok();
        let pair = there.as_ref().zip(other);
        pair.is_some_and(|(there, other)| is_same_file(there, &other))
    };
    let is_beside = resolved(&config.mirror.database).is_ok_and(|database| {
        let mut beside = DATABASE_SUFFIXES.iter();
        beside.any(|suffix| place == with_suffix(&database, suffix))
    });
    if is_beside || is_one(&config.mirror.database) {
        return refuse(format!("{shown} is the mirror itself; name another file"));
    }
    if is_one(config_path) || resolved(config_path).is_ok_and(|config| config == place) {
        return refuse(format!("{shown} is the configuration; name another file"));
    }
    // If neither media_dir nor its parent folder exists, no file can be in it.
    if resolved(&config.mirror.media_dir).is_ok_and(|media_dir| place.starts_with(media_dir)) {
        return refuse(format!(
            "{shown} is in media_dir, where `sync media --prune` removes other files; name a file in another folder"
        ));
    }
    Ok(place)
}

/// The number of first bytes that identify the kind of a file.
const HEAD_BYTES: u64 = 1_024;

/// Refuses to replace an existing file, unless it is empty or of the verb's own kind, as its
/// first bytes show. `file` is the path that the user named.
pub fn refuse_to_replace(
    file: &Path,
    place: &Path,
    kind: &str,
    is_own: impl FnOnce(&[u8]) -> bool,
) -> anyhow::Result<()> {
    if !place.exists() {
        return Ok(());
    }
    let shown = file.display();
    let mut head = Vec::new();
    let opened = File::open(place);
    let read = opened.and_then(|opened| opened.take(HEAD_BYTES).read_to_end(&mut head));
    read.with_context(|| format!("reading {shown}"))?;
    if head.is_empty() || is_own(&head) {
        return Ok(());
    }
    let why = format!("{shown} exists and was not written by a {kind}; name another file");
    Err(UsageError(why).into())
}

/// Resolves links in a path. The file itself may be missing, but its folder must exist.
fn resolved(file: &Path) -> Result<PathBuf, UsageError> {
    if let Ok(place) = std::fs::canonicalize(file) {
        return Ok(place);
    }
    let shown = file.display();
    let Some(name) = file.file_name() else {
        return Err(UsageError(format!("{shown} is not a file name")));
    };
    let folder = folder_of(file);
    let folder = std::fs::canonicalize(folder).map_err(|error| {
        let folder = folder.display();
        UsageError(format!(
            "{shown}: the folder {folder} cannot be used ({error}); create it, or name a file in another folder"
        ))
    })?;
    Ok(folder.join(name))
}
