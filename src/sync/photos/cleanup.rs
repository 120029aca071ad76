//! Removes files of soft-deleted rows, and partial files of crashed processes.

use std::io::ErrorKind;
use std::path::Path;

use crate::files::{MediaDir, Place, rivals};
use crate::mirror::{InterruptedDownload, Mirror};
use crate::sync::context::Context;
use crate::sync::media_folder::{FolderProblem, MediaFolder, inspect_media_folder, mark};
use crate::sync::outcome::{Advice, FileCounts};
use anyhow::Context as _;

/// The result of a cleanup.
#[derive(Debug, Default)]
pub(in crate::sync) struct Cleared {
    pub counts: FileCounts,
    /// Why a file could not be removed, in one line.
    pub error: Option<String>,
    pub advice: Option<Advice>,
}

/// The number of rows whose file columns are cleared in one transaction.
const ROWS_AT_ONCE: usize = 500;

/// Whether an empty media folder is accepted, though rows name files in it. It usually
/// means that a disk is not mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sync) enum EmptyFolder {
    /// Nothing is done in it.
    Refuse,
    /// Missing files are downloaded again.
    Accept,
}

/// Finds the media folder, and whether the mirror may use it.
pub(in crate::sync) fn find_folder(
    context: &Context<'_>,
    mirror: &Mirror,
    empty: EmptyFolder,
) -> anyhow::Result<MediaFolder> {
    let found = inspect_media_folder(context.config, mirror)?;
    Ok(match found {
        Err(unusable)
            if unusable.problem == FolderProblem::Empty && empty == EmptyFolder::Accept =>
        {
            Ok(None)
        }
        found => found,
    })
}

/// Removes partial files of crashed processes, and files of soft-deleted rows. The next
/// run tries again to remove a file that cannot be removed now.
pub(in crate::sync) fn clear(
    context: &Context<'_>,
    mirror: &mut Mirror,
    empty: EmptyFolder,
) -> anyhow::Result<Cleared> {
    let mut cleared = Cleared::default();
    let interrupted_downloads = mirror.interrupted_downloads()?;
    if interrupted_downloads.is_empty() && mirror.files_to_remove("", 1)?.is_empty() {
        return Ok(cleared);
    }
    let mut found = find_folder(context, mirror, empty)?;
    if let Ok(Some(dir)) = &found
        && let Err(unusable) = mark(context.config, dir, mirror)?
    {
        found = Err(unusable);
    }
    let dir = match found {
        Ok(dir) => dir,
        Err(unusable) => {
            cleared.counts.failed = 1;
            cleared.error = Some(format!(
                "{unusable}; files of deleted photos may remain in it"
            ));
            cleared.advice = Some(Advice::MediaFolder(unusable));
            return Ok(cleared);
        }
    };
    let path = &context.config.mirror.media_dir;
    for download in interrupted_downloads {
        if context.stop.requested().is_some() {
            return Ok(cleared);
        }
        let removed = end_interrupted(dir.as_ref(), mirror, &download);
        cleared.note(removed, path, &download.folder)?;
    }
    cleared.remove_deleted(context, dir.as_ref(), mirror)?;
    Ok(cleared)
}

impl Cleared {
    /// Counts a removal. Returns whether it succeeded; an error of the database is passed
    /// on.
    fn note(&mut self, done: anyhow::Result<u64>, dir: &Path, what: &str) -> anyhow::Result<bool> {
        match done {
            Ok(removed) => {
                self.counts.removed += removed;
                Ok(true)
            }
            Err(error) if error.is::<rusqlite::Error>() => Err(error),
            Err(error) => {
                self.counts.failed += 1;
                let place = dir.join(what);
                self.error.get_or_insert(format!(
                    "{} cannot be removed ({error:#}); the next sync tries again",
                    place.display()
                ));
                Ok(false)
            }
        }
    }

    fn remove_deleted(
        &mut self,
        context: &Context<'_>,
        dir: Option<&MediaDir>,
        mirror: &mut Mirror,
    ) -> anyhow::Result<()> {
        let path = &context.config.mirror.media_dir;
        let mut after = String::new();
        // The next run removes the files that an interrupted one leaves.
        while context.stop.requested().is_none() {
            let rows = mirror.files_to_remove(&after, ROWS_AT_ONCE)?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            after.clone_from(last);
            let mut removed_keys = Vec::with_capacity(rows.len());
            for (key, file) in rows {
                let removed = match (dir, &file) {
                    (Some(dir), Some(file)) => remove(dir, file),
                    _ => Ok(0),
                };
                if self.note(removed, path, file.as_deref().unwrap_or_default())? {
                    removed_keys.push(key);
                }
            }
            let tx = mirror.write()?;
            for key in removed_keys {
                tx.clear_file(&key)?;
            }
            tx.commit()?;
        }
        Ok(())
    }
}

/// Removes a file. Returns the number of files removed, 0 or 1.
pub(in crate::sync) fn remove(dir: &MediaDir, file: &str) -> anyhow::Result<u64> {
    match dir.remove(file) {
        Ok(was_there) => Ok(was_there.into()),
        // The mirror gives no file such a path: the file is not the mirror's.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Removes the files of an interrupted download that its row does not name.
fn end_interrupted(
    dir: Option<&MediaDir>,
    mirror: &mut Mirror,
    download: &InterruptedDownload,
) -> anyhow::Result<u64> {
    let place = Place {
        folder: download.folder.clone(),
        stem: download.stem.clone(),
    };
    let mut removed = 0;
    let mut is_as_named = false;
    if let Some(dir) = dir {
        let named = download.named.as_ref();
        if let Some((path, sha256)) = named {
            // The file may have been replaced before its row was updated.
            let held = dir.read(path).context("reading a photo's file")?;
            is_as_named = held.is_some_and(|held| held.sha256 == *sha256);
        }
        let is_kept = |path: &String| is_as_named && named.is_some_and(|(named, _)| named == path);
        let mut files = dir.files_of(&place)?;
        files.extend(download.path_before.clone());
        files.sort();
        files.dedup();
        let others = rivals(&download.key);
        for file in files.iter().filter(|file| !is_kept(file)) {
            if !mirror.has_photo(&others, Some(file))? {
                removed += remove(dir, file)?;
            }
        }
    }
    let tx = mirror.write()?;
    if download.named.is_some() && !is_as_named {
        tx.clear_file(&download.key)?;
    }
    tx.end_download(&download.key)?;
    tx.commit()?;
    Ok(removed)
}
