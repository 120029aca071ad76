//! Parses `[mirror]`.

use std::path::{Component, Path, PathBuf};

use super::fields::Result;
use crate::config::section_reader::Section;
use crate::config::settings::Mirror;

pub(super) fn mirror_section(section: Section<'_>) -> Result<Mirror> {
    let file = section.origin.path;
    let folder = file.parent().unwrap_or(Path::new(""));
    let path = |key: &str, default: &str| match section.value(key) {
        None => Ok(folder.join(default)),
        Some(value) => match value.text()? {
            text if text == "~" || text.starts_with("~/") => {
                Err(value.fail("must be a whole path: `~` is not expanded"))
            }
            text => Ok(folder.join(text)),
        },
    };
    let mirror = Mirror {
        database: path("database", "mirror.db")?,
        media_dir: path("media_dir", "media")?,
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
            return Err(
                match section.value("media_dir").or(section.value("database")) {
                    Some(value) if value.key == "media_dir" => value.fail(message),
                    _ => section.fail(format!("`media_dir` {message}")),
                },
            );
        }
    }
    Ok(mirror)
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
