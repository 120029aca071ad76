//! Moves a batch of downloaded photos into place, and updates their rows.
//!
//! The order makes a crash harmless:
//!
//! 1. `_downloads` notes the download before any part of it is on disk.
//! 2. The file is flushed before it gets its name.
//! 3. The row names the file after the file has its name.
//! 4. The note is deleted with the update of the row, or after the removal of the file
//!    that this one replaces.

use std::collections::BTreeSet;

use super::cleanup::remove;
use super::download::{Download, PhotoResult};
use crate::feed::{AssetError, Validators};
use crate::files::{Incoming, MediaDir, Stored};
use crate::mirror::{FetchedFile, Mirror, Photo, WriteTx};

/// A batch is committed at this number of photos, or of bytes.
const PHOTOS_AT_ONCE: usize = 128;
const BYTES_AT_ONCE: u64 = 64_000_000;

/// Downloaded photos that are not in place yet.
#[derive(Default)]
pub(super) struct Batch {
    complete: Vec<Arrived>,
    unchanged: Vec<Photo>,
    bytes: u64,
}

struct Arrived {
    photo: Photo,
    file: Box<Incoming>,
    validators: Validators,
}

/// A photo whose file is in place.
struct Placed {
    photo: Photo,
    path: String,
    stored: Stored,
    validators: Validators,
}

/// The result of committing a batch.
#[derive(Default)]
pub(super) struct Committed {
    pub fetched: u64,
    /// Downloaded photos that had a file before.
    pub replaced: u64,
    pub unchanged: u64,
    /// Bytes of the downloaded photos.
    pub bytes: u64,
    /// Files that were removed because their replacement has another name.
    pub removed: u64,
    /// Photos that could not be moved into place.
    pub failed: Vec<Download>,
    /// Photos that were renamed, but whose folder was not flushed. They stay in
    /// `_downloads`, so that the next run downloads them again.
    pub unflushed: Vec<Download>,
}

impl Batch {
    /// Adds a download to the batch. Returns it if it has failed.
    pub fn add(&mut self, download: Download) -> Option<Download> {
        let Download { photo, result } = download;
        match result {
            PhotoResult::Complete(file, validators) => {
                self.bytes += file.bytes();
                self.complete.push(Arrived {
                    photo,
                    file,
                    validators,
                });
            }
            PhotoResult::Unchanged => self.unchanged.push(photo),
            PhotoResult::Failed(_) => return Some(Download { photo, result }),
        }
        None
    }

    /// Returns whether the batch should be committed now.
    pub fn is_full(&self) -> bool {
        self.complete.len() + self.unchanged.len() >= PHOTOS_AT_ONCE || self.bytes >= BYTES_AT_ONCE
    }

    /// Moves all photos into place and updates their rows, in one transaction with what
    /// `in_transaction` writes. The batch is empty afterwards.
    pub fn commit(
        &mut self,
        dir: &MediaDir,
        mirror: &mut Mirror,
        in_transaction: impl FnOnce(&WriteTx<'_>, &mut Committed) -> anyhow::Result<()>,
    ) -> anyhow::Result<Committed> {
        let mut committed = Committed::default();
        let placed = self.place(dir, &mut committed);

        let tx = mirror.write()?;
        for one in &placed {
            one.update_row(&tx)?;
            committed.replaced += u64::from(one.photo.held.is_some());
            committed.fetched += 1;
            committed.bytes += one.stored.bytes;
        }
        for photo in self.unchanged.drain(..) {
            tx.photo_unchanged(&photo)?;
            tx.end_download(&photo.key)?;
            committed.unchanged += 1;
        }
        in_transaction(&tx, &mut committed)?;
        tx.commit()?;

        committed.removed = remove_replaced(dir, mirror, &placed)?;
        Ok(committed)
    }

    /// Flushes the files and moves them into place.
    fn place(&mut self, dir: &MediaDir, committed: &mut Committed) -> Vec<Placed> {
        self.bytes = 0;
        let complete = std::mem::take(&mut self.complete);
        let files: Vec<&Incoming> = complete.iter().map(|one| &*one.file).collect();
        let flushed = dir.flush(&files);
        let mut placed: Vec<Placed> = Vec::with_capacity(complete.len());
        for one in complete {
            let Arrived {
                photo,
                file,
                validators,
            } = one;
            let placing = match &flushed {
                Ok(()) => file.place(),
                Err(error) => Err(copy_of(error)),
            };
            match placing {
                Ok((path, stored)) => placed.push(Placed {
                    photo,
                    path,
                    stored,
                    validators,
                }),
                Err(error) => committed.failed.push(unwritten(photo, error)),
            }
        }
        if let Err(error) = flush_folders(dir, &placed) {
            let all = placed.into_iter();
            committed
                .unflushed
                .extend(all.map(|one| unwritten(one.photo, copy_of(&error))));
            return Vec::new();
        }
        placed
    }
}

/// Flushes the folders of files, so that their names are on disk.
fn flush_folders(dir: &MediaDir, placed: &[Placed]) -> std::io::Result<()> {
    let folders: BTreeSet<&str> = placed
        .iter()
        .filter_map(|one| Some(one.path.split_once('/')?.0))
        .collect();
    if folders.is_empty() {
        return Ok(());
    }
    dir.flush_names(&folders.into_iter().collect::<Vec<_>>())
}

impl Placed {
    /// Writes the file to the row of the photo. The note of the download stays if the
    /// earlier file must be removed first.
    fn update_row(&self, tx: &WriteTx<'_>) -> rusqlite::Result<()> {
        let file = FetchedFile {
            path: &self.path,
            bytes: self.stored.bytes,
            sha256: &self.stored.sha256,
            etag: self.validators.etag.as_deref(),
            last_modified: self.validators.last_modified.as_deref(),
        };
        tx.photo_fetched(&self.photo, file)?;
        if self.replaced_path().is_none() {
            tx.end_download(&self.photo.key)?;
        }
        Ok(())
    }

    /// Returns the path of its earlier file, if it was another one.
    fn replaced_path(&self) -> Option<&str> {
        let held = self.photo.held.as_ref()?;
        (held.path != self.path).then_some(&*held.path)
    }
}

/// Removes the earlier files of photos whose new files have other names. Returns the number
/// of removed files.
fn remove_replaced(dir: &MediaDir, mirror: &mut Mirror, placed: &[Placed]) -> anyhow::Result<u64> {
    let mut removed = 0;
    let mut removed_keys = Vec::new();
    for one in placed {
        let Some(path) = one.replaced_path() else {
            continue;
        };
        match remove(dir, path) {
            Ok(files) => {
                removed += files;
                removed_keys.push(&one.photo.key);
            }
            // The note stays, so that the next run tries again.
            Err(error) => tracing::warn!(path, %error, "removing a file that was replaced"),
        }
    }
    if removed_keys.is_empty() {
        return Ok(removed);
    }

    let tx = mirror.write()?;
    for key in removed_keys {
        tx.end_download(key)?;
    }
    tx.commit()?;
    Ok(removed)
}

fn unwritten(photo: Photo, error: std::io::Error) -> Download {
    Download::failed(photo, AssetError::Unwritten(error))
}

/// Returns a copy of an error that cannot be cloned.
fn copy_of(error: &std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), error.to_string())
}
