//! Renames the files of earlier versions, whose names end in the extension twice.
//!
//! A file is renamed before its row. If a crash separates them, the next job finds the file
//! under its new name, and recognizes it by its hash.

use std::collections::BTreeSet;

use super::cleanup::{EmptyFolder, find_folder};
use crate::files::{MediaDir, Place, rivals};
use crate::mirror::{FileRow, Mirror};
use crate::sync::context::Context;
use crate::sync::media_folder::mark;
use crate::sync::progress::Note;

/// The key in `_state` that is set when no file has its extension twice.
const SHORTENED: &str = "file_names_shortened";

/// The number of files that are renamed before their rows. Flushing the names takes longer
/// than renaming.
const FILES_AT_ONCE: u64 = 5_000;

/// Renames the files whose names end in their extension twice, once for each mirror. Tries
/// again in the next job if the folder cannot be used now.
pub(in crate::sync) fn shorten_names(
    context: &Context<'_>,
    mirror: &mut Mirror,
) -> anyhow::Result<()> {
    if mirror.state(SHORTENED)?.is_some() {
        return Ok(());
    }
    if mirror.has_files()? {
        let Ok(Some(dir)) = find_folder(context, mirror, EmptyFolder::Refuse)? else {
            return Ok(());
        };
        // A download that crashed has names of its own, which are removed first.
        if !mirror.interrupted_downloads()?.is_empty()
            || mark(context.config, &dir, mirror)?.is_err()
        {
            return Ok(());
        }
        let (mut after, mut renamed) = (String::new(), 0);
        loop {
            let files = mirror.files_after(&after, FILES_AT_ONCE)?;
            let Some(last) = files.last() else { break };
            if context.stop.requested().is_some() {
                return Ok(());
            }
            after.clone_from(&last.key);
            renamed += rename(mirror, &dir, &files)?;
        }
        if renamed > 0 {
            context.progress.note(&Note::RenamedFiles(renamed));
        }
    }
    Ok(mirror.set_state(SHORTENED, "1")?)
}

/// Renames files, and then stores their names. Returns their number.
fn rename(mirror: &mut Mirror, dir: &MediaDir, files: &[FileRow]) -> anyhow::Result<u64> {
    let mut renamed = Vec::new();
    let mut folders = BTreeSet::new();
    for file in files {
        let place = Place::of(file.listing_key.as_deref(), &file.key);
        let Some(path) = place.shortened(&file.path) else {
            continue;
        };
        if mirror.has_photo(&rivals(&file.key), None)? {
            continue;
        }
        let is_renamed = match dir.rename(&file.path, &path) {
            Ok(true) => true,
            Ok(false) => was_renamed(dir, file, &path)?,
            Err(error) => {
                tracing::warn!(path = file.path, %error, "a file keeps its extension twice");
                false
            }
        };
        if is_renamed {
            folders.insert(place.folder);
            renamed.push((&file.key, path));
        }
    }
    if renamed.is_empty() {
        return Ok(0);
    }

    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    dir.flush_names(&folders)?;
    let tx = mirror.write()?;
    for (key, path) in &renamed {
        tx.rename_file(key, path)?;
    }
    tx.commit()?;
    Ok(renamed.len() as u64)
}

/// Returns whether a crash came between the renaming of a file and the update of its row.
fn was_renamed(dir: &MediaDir, file: &FileRow, path: &str) -> std::io::Result<bool> {
    if dir.bytes(&file.path)?.is_some() || dir.bytes(path)? != file.bytes {
        return Ok(false);
    }
    let held = dir.read(path)?;
    Ok(held.is_some_and(|held| Some(held.sha256) == file.sha256))
}
