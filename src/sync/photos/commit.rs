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
        let mut replaced: Vec<(&String, &str)> = Vec::new();
        let tx = mirror.write()?;
        for one in &placed {
            let file = FetchedFile {
                path: &one.path,
                bytes: one.stored.bytes,
                sha256: &one.stored.sha256,
                etag: one.validators.etag.as_deref(),
                last_modified: one.validators.last_modified.as_deref(),
            };
            tx.photo_fetched(&one.photo, file)?;
            match one.replaced_path() {
                Some(path) => replaced.push((&one.photo.key, path)),
                None => tx.end_download(&one.photo.key)?,
            }
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
        if replaced.is_empty() {
            return Ok(committed);
        }
        let mut removed_keys = Vec::new();
        for (key, path) in replaced {
            match remove(dir, path) {
                Ok(removed) => {
                    committed.removed += removed;
                    removed_keys.push(key);
                }
                // The note stays, so that the next run tries again.
                Err(error) => tracing::warn!(path, %error, "removing a file that was replaced"),
            }
        }
        let tx = mirror.write()?;
        for key in removed_keys {
            tx.end_download(key)?;
        }
        tx.commit()?;
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
        let folders: BTreeSet<&str> = placed
            .iter()
            .filter_map(|one| Some(one.path.split_once('/')?.0))
            .collect();
        let folders: Vec<&str> = folders.into_iter().collect();
        if !folders.is_empty()
            && let Err(error) = dir.flush_names(&folders)
        {
            let all = placed.into_iter();
            committed
                .unflushed
                .extend(all.map(|one| unwritten(one.photo, copy_of(&error))));
            return Vec::new();
        }
        placed
    }
}

impl Placed {
    /// Returns the path of its earlier file, if it was another one.
    fn replaced_path(&self) -> Option<&str> {
        let held = self.photo.held.as_ref()?;
        (held.path != self.path).then_some(&*held.path)
    }
}

fn unwritten(photo: Photo, error: std::io::Error) -> Download {
    Download {
        photo,
        result: PhotoResult::Failed(AssetError::Unwritten(error)),
    }
}

/// Returns a copy of an error that cannot be cloned.
fn copy_of(error: &std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), error.to_string())
}
