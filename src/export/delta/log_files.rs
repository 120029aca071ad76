//! The names of the files in a log, and how they are written.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Returns the name of a commit.
pub(super) fn commit_name(version: i64) -> String {
    format!("{version:020}.json")
}

/// Returns the name of a checkpoint.
pub(super) fn checkpoint_name(version: i64) -> String {
    format!("{version:020}.checkpoint.parquet")
}

/// Returns the version of a file with this ending.
pub(super) fn version_of(name: &str, ending: &str) -> Option<i64> {
    let digits = name.strip_suffix(ending)?;
    let is_version = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_version.then(|| digits.parse().ok())?
}

/// Returns the names of the files in a folder; none if it does not exist.
pub(in crate::export) fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let reading = || format!("reading {}", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(reading),
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is not Unicode is not one of ours.
        names.extend(entry.with_context(reading)?.file_name().into_string());
    }
    Ok(names)
}

/// Writes a file under a temporary name and flushes it. Returns its path.
pub(super) fn write_temporary(
    folder: &Path,
    name: &str,
    content: &[u8],
) -> anyhow::Result<PathBuf> {
    let temporary = folder.join(format!(".{name}.tmp"));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().with_context(|| format!("writing {}", temporary.display()))?;
    Ok(temporary)
}

/// Gives a temporary file its name, unless a file has it already.
pub(super) fn publish_new(temporary: &Path, path: &Path) -> anyhow::Result<()> {
    let linked = std::fs::hard_link(temporary, path);
    let published = match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        // The file system has no links. This program is the only writer of the folder.
        Err(_) if path.exists() => Err(ErrorKind::AlreadyExists.into()),
        Err(_) => return publish(temporary, path),
        Ok(()) => std::fs::remove_file(temporary),
    };
    published.with_context(|| format!("publishing {}", path.display()))?;
    flush_folder_of(path)
}

/// Gives a temporary file its name, in place of an earlier file.
pub(super) fn publish(temporary: &Path, path: &Path) -> anyhow::Result<()> {
    std::fs::rename(temporary, path).with_context(|| format!("publishing {}", path.display()))?;
    flush_folder_of(path)
}

fn flush_folder_of(path: &Path) -> anyhow::Result<()> {
    flush_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Flushes the names of the files in a folder to the disk.
pub(in crate::export) fn flush_folder(folder: &Path) -> anyhow::Result<()> {
    #[cfg(unix)]
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("flushing {}", folder.display()))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
