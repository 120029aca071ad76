//! `[mirror]`: where the mirror is kept.

use std::path::{Component, Path, PathBuf};

use super::Result;
use crate::config::Mirror;
use crate::config::reader::Section;

pub(super) fn mirror(section: Section<'_>) -> Result<Mirror> {
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
    };
    let media = plain(&mirror.media_dir);
    for (inside, what) in [
        (mirror.database.as_path(), "`database`"),
        (file, "this file"),
    ] {
        if plain(inside).starts_with(&media) {
            let message = format!(
                "must be a folder of its own: {what} would lie in it, \
                 and files that no photo names are removed there"
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

/// An absolute path without `.` and with `..` taken back, to compare with
/// others; links are not followed.
fn plain(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(plain.components().next_back(), Some(Component::Normal(_))) =>
            {
                plain.pop();
            }
            component => plain.push(component),
        }
    }
    plain
}
