//! Files that are to go: of rows that were soft-deleted, and of processes that died.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::Context;
use crate::files::{MediaDir, Place};
use crate::mirror::{Leftover, Mirror};

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

/// Removes what a dead process left, and the files of soft-deleted rows. What
/// cannot be removed is tried again by the next run.
///
/// # Errors
/// If the database cannot be read or written.
pub(super) fn clear(context: &Context<'_>, mirror: &mut Mirror) -> anyhow::Result<Cleared> {
    let mut cleared = Cleared::default();
    let leftovers = mirror.leftovers()?;
    if leftovers.is_empty() && mirror.files_to_remove(0, 1)?.is_empty() {
        return Ok(cleared);
    }
    let path = &context.config.mirror.media_dir;
    let dir = match MediaDir::find(path) {
        Ok(dir) => dir,
        Err(error) => {
            cleared.counts.failed = 1;
            cleared.complaint = Some(format!(
                "media_dir {}: cannot be opened, and files of deleted photos stay in it ({error})",
                path.display()
            ));
            return Ok(cleared);
        }
    };
    for leftover in leftovers {
        cleared.note(
            forget(dir.as_ref(), mirror, &leftover),
            path,
            &leftover.folder,
        )?;
    }
    cleared.remove_deleted(dir.as_ref(), mirror, path)?;
    Ok(cleared)
}

impl Cleared {
    /// Adds what was done a second time: what fails twice is told once.
    pub fn add(&mut self, more: Cleared) {
        self.counts.removed += more.counts.removed;
        self.counts.failed = more.counts.failed;
        self.complaint = more.complaint;
    }

    /// Counts a removal that failed. What the database says ends all.
    fn note(&mut self, done: anyhow::Result<u64>, dir: &Path, what: &str) -> anyhow::Result<()> {
        match done {
            Ok(removed) => self.counts.removed += removed,
            Err(error) if error.is::<rusqlite::Error>() => return Err(error),
            Err(error) => {
                self.counts.failed += 1;
                let place = dir.join(what);
                self.complaint.get_or_insert(format!(
                    "{} cannot be removed ({error:#}); the next sync tries again",
                    place.display()
                ));
            }
        }
        Ok(())
    }

    fn remove_deleted(
        &mut self,
        dir: Option<&MediaDir>,
        mirror: &mut Mirror,
        path: &Path,
    ) -> anyhow::Result<()> {
        let mut after = 0;
        loop {
            let rows = mirror.files_to_remove(after, ROWS_AT_ONCE)?;
            let Some((last, ..)) = rows.last() else {
                return Ok(());
            };
            after = *last;
            let mut gone = Vec::with_capacity(rows.len());
            for (_, key, file) in rows {
                let failed = self.counts.failed;
                if let (Some(dir), Some(file)) = (dir, &file) {
                    let removed = remove(dir, file);
                    self.note(removed, path, file)?;
                }
                if self.counts.failed == failed {
                    gone.push(key);
                }
            }
            let writing = mirror.write()?;
            for key in gone {
                writing.forget_file(&key)?;
            }
            writing.commit()?;
        }
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
fn forget(dir: Option<&MediaDir>, mirror: &mut Mirror, leftover: &Leftover) -> anyhow::Result<u64> {
    let place = Place {
        folder: leftover.folder.clone(),
        stem: leftover.stem.clone(),
    };
    let mut removed = 0;
    let mut is_as_named = false;
    if let Some(dir) = dir {
        let named = leftover.named.as_ref();
        if let Some((path, sha256)) = named {
            // It may have been replaced before its row was told.
            let held = dir.read(path).context("reading a photo's file")?;
            is_as_named = held.is_some_and(|held| held.sha256 == *sha256);
        }
        let is_kept = |path: &String| is_as_named && named.is_some_and(|(named, _)| named == path);
        let mut files = dir.files_of(&place)?;
        files.extend(leftover.path_before.clone());
        files.sort();
        files.dedup();
        for file in files.iter().filter(|file| !is_kept(file)) {
            removed += remove(dir, file)?;
        }
    }
    let writing = mirror.write()?;
    if leftover.named.is_some() && !is_as_named {
        writing.forget_file(&leftover.key)?;
    }
    writing.end_download(&leftover.key)?;
    writing.commit()?;
    Ok(removed)
}
