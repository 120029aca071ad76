//! Where a verb puts a file that the user names.

use std::path::{Path, PathBuf};

use super::exit::UsageError;
use super::whole_file::folder_of;
use crate::config::Config;
use crate::mirror::{DATABASE_SUFFIXES, is_same_file, with_suffix};

/// Where a file that the user names is to be, through links, once it would take the
/// place of nothing that mlsmirror itself goes by: the mirror, the configuration at
/// `config_path`, the photos. What is there besides is the verb's to judge.
///
/// # Errors
/// Why no file is put there.
pub fn place(config_path: &Path, config: &Config, file: &Path) -> Result<PathBuf, UsageError> {
    let shown = file.display();
    let refuse = |why: String| Err(UsageError(why));
    if file.is_dir() {
        return refuse(format!("{shown} is a folder; name a file in it"));
    }
    if file.is_symlink() && !file.exists() {
        return refuse(format!(
            "{shown} is a link that leads nowhere; name another file"
        ));
    }
    let place = resolved(file)?;
    let there = std::fs::metadata(&place).ok();
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        return refuse(format!(
            "{shown} is a device or the like; name another file"
        ));
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
    // A folder that is not there, in one that is not there either, holds no place.
    if resolved(&config.mirror.media_dir).is_ok_and(|media_dir| place.starts_with(media_dir)) {
        return refuse(format!(
            "{shown} is in the folder of photos, where `sync media --prune` removes what is no photo; name a file elsewhere"
        ));
    }
    Ok(place)
}

/// A path through links, also that of a file that is not there yet, in a folder that is.
fn resolved(file: &Path) -> Result<PathBuf, UsageError> {
    if let Ok(place) = std::fs::canonicalize(file) {
        return Ok(place);
    }
    let shown = file.display();
    let Some(name) = file.file_name() else {
        return Err(UsageError(format!("{shown} names no file")));
    };
    let folder = folder_of(file);
    let folder = std::fs::canonicalize(folder).map_err(|error| {
        let folder = folder.display();
        UsageError(format!(
            "{shown}: the folder {folder} cannot be used ({error}); make it, or name a file elsewhere"
        ))
    })?;
    Ok(folder.join(name))
}
