//! Files that are to go: of rows that were soft-deleted, and of processes that died.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::Context;
use crate::files::{MediaDir, Place};
use crate::mirror::{InterruptedDownload, Mirror};

/// What was done about files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileCounts {
    /// Files that were fetched, new ones and others' replacements.
    pub fetched: u64,
    /// Files of which their host said that they are the same.
    pub unchanged: u64,
    /// Files that were removed.
    pub removed: u64,
    /// Files that could not be fetched, or not be removed.
    pub failed: u64,
    /// Bytes of the files that were fetched.
    pub bytes: u64,
}

impl FileCounts {
    /// Adds what was done besides.
    pub fn add(&mut self, more: FileCounts) {
        self.fetched += more.fetched;
        self.unchanged += more.unchanged;
        self.removed += more.removed;
        self.failed += more.failed;
        self.bytes += more.bytes;
    }
}

/// What was removed, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Cleared {
    pub counts: FileCounts,
    /// What went wrong, in a line.
    pub complaint: Option<String>,
}

/// How many rows are told in one transaction that their files are gone.
const ROWS_AT_ONCE: usize = 500;

/// Whether a folder of photos is believed that has nothing in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Not while rows name files in it: its disk may not be mounted.
    NotEmpty,
    /// Somebody asked for what is missing to be fetched anew.
    AsItIs,
}

/// The folder of photos, as it is found.
pub(super) enum Folder {
    /// It is there, or there is none, which is as good.
    Found(Option<MediaDir>),
    /// It is not to be trusted, for this reason.
    Doubtful(String),
}

/// Looks for the folder of photos.
///
/// # Errors
/// If the database cannot be read.
pub(super) fn look_for_folder(
    context: &Context<'_>,
    mirror: &Mirror,
    trust: Trust,
) -> rusqlite::Result<Folder> {
    let path = &context.config.mirror.media_dir;
    let found = MediaDir::find(path).and_then(|dir| {
        let is_empty = dir.as_ref().map_or(Ok(true), MediaDir::is_empty)?;
        Ok((dir, is_empty))
    });
    let path = path.display();
    Ok(match found {
        Err(error) => Folder::Doubtful(format!("media_dir {path}: cannot be opened ({error})")),
        Ok((_, true)) if trust == Trust::NotEmpty && mirror.has_files()? => {
            Folder::Doubtful(format!(
                "media_dir {path} has nothing in it, though the mirror has files there; if its disk is not mounted, mount it; else `mlsmirror sync media` fetches all anew"
            ))
        }
        Ok((dir, _)) => Folder::Found(dir),
    })
}

/// Removes what a dead process left, and the files of soft-deleted rows. What
/// cannot be removed is tried again by the next run.
///
/// # Errors
/// If the database cannot be read or written.
pub(super) fn clear(
    context: &Context<'_>,
    mirror: &mut Mirror,
    trust: Trust,
) -> anyhow::Result<Cleared> {
    let mut cleared = Cleared::default();
    let interrupted_downloads = mirror.interrupted_downloads()?;
    if interrupted_downloads.is_empty() && mirror.files_to_remove("", 1)?.is_empty() {
        return Ok(cleared);
    }
    let dir = match look_for_folder(context, mirror, trust)? {
        Folder::Found(dir) => dir,
        Folder::Doubtful(why) => {
            cleared.counts.failed = 1;
            cleared.complaint = Some(format!("{why}; files of deleted photos may stay in it"));
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
    /// Counts a removal, and tells whether it was one. What the database says ends all.
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
                self.complaint.get_or_insert(format!(
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
        // What is left when it was asked to stop, the next run removes.
        while context.stop.requested().is_none() {
            let rows = mirror.files_to_remove(&after, ROWS_AT_ONCE)?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            after.clone_from(last);
            let mut gone = Vec::with_capacity(rows.len());
            for (key, file) in rows {
                let removed = match (dir, &file) {
                    (Some(dir), Some(file)) => remove(dir, file),
                    _ => Ok(0),
                };
                if self.note(removed, path, file.as_deref().unwrap_or_default())? {
                    gone.push(key);
                }
            }
            let tx = mirror.write()?;
            for key in gone {
                tx.clear_file(&key)?;
            }
            tx.commit()?;
        }
        Ok(())
    }
}

/// Removes a file; how many were there.
pub(super) fn remove(dir: &MediaDir, file: &str) -> anyhow::Result<u64> {
    match dir.remove(Path::new(file)) {
        Ok(was_there) => Ok(was_there.into()),
        // What a row names is ours to write; a path that leads elsewhere is not ours.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Brings a photo that was being fetched back to what its row says.
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
            // It may have been replaced before its row was told.
            let held = dir.read(path).context("reading a photo's file")?;
            is_as_named = held.is_some_and(|held| held.sha256 == *sha256);
        }
        let is_kept = |path: &String| is_as_named && named.is_some_and(|(named, _)| named == path);
        let mut files = dir.files_of(&place)?;
        files.extend(download.path_before.clone());
        files.sort();
        files.dedup();
        for file in files.iter().filter(|file| !is_kept(file)) {
            removed += remove(dir, file)?;
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
