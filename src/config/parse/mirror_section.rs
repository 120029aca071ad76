//! Parses `[mirror]` and `[export]`: the folders.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::fields::Result;
use crate::config::section_reader::Section;
use crate::config::settings::{Export, Mirror};

pub(super) fn mirror_section(section: Section<'_>) -> Result<Mirror> {
    let file = section.origin.path;
    let mirror = Mirror {
        database: path(section, "database", "mirror.db")?,
        media_dir: path(section, "media_dir", "media")?,
        configuration: file.to_owned(),
    };
    let media = normalized(&mirror.media_dir);
    for (inside, what) in [
        (mirror.database.as_path(), "`database`"),
        (file, "this file"),
    ] {
        if normalized(inside).starts_with(&media) {
            let message = format!(
                "must be a folder of its own: {what} would be in it, \
                 and files that belong to no photo are removed from it"
            );
            return Err(section.fail_at("media_dir", message));
        }
    }
    Ok(mirror)
}

/// Parses `[export]`.
pub(super) fn export_section(section: Section<'_>, mirror: &Mirror) -> Result<Export> {
    let dir = path(section, "dir", "lake")?;
    if share_a_folder(&dir, &mirror.media_dir) {
        let wrong = "must be a folder of its own: it and `media_dir` share a folder";
        return Err(section.fail_at("dir", wrong));
    }
    let month = Duration::from_secs(30 * 86_400);
    Ok(Export {
        dir,
        keep: section.time_limit("keep", month)?,
    })
}

/// Returns whether a folder is the other one or lies in it. Links are not followed, so that neither
/// has to exist.
pub fn share_a_folder(one: &Path, other: &Path) -> bool {
    let [one, other] = [one, other].map(normalized);
    one.starts_with(&other) || other.starts_with(&one)
}

/// Parses a path. A relative one starts at the folder of the configuration.
fn path(section: Section<'_>, key: &str, default: &str) -> Result<PathBuf> {
    let folder = section.origin.path.parent().unwrap_or(Path::new(""));
    match section.value(key) {
        None => Ok(folder.join(default)),
        Some(value) => match value.text()? {
            text if text == "~" || text.starts_with("~/") => {
                Err(value.fail("must be a whole path: `~` is not expanded"))
            }
            text => Ok(folder.join(text)),
        },
    }
}

/// Returns the absolute path with `.` and `..` resolved. Links are not followed.
fn normalized(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut normalized = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(
                    normalized.components().next_back(),
                    Some(Component::Normal(_))
                ) =>
            {
                normalized.pop();
            }
            component => normalized.push(component),
        }
    }
    normalized
}
