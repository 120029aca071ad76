//! Photos that came: put into their places, several at once, and then told in
//! their rows.
//!
//! The order is what makes a kill harmless. That a photo is being fetched is noted
//! before anything of it is on disk; its file is flushed before it gets its name,
//! and has its name before its row says so; the note goes with that, or after the
//! file that it replaces.

use std::collections::BTreeSet;

use super::download::{Answer, Done};
use super::files::remove;
use crate::feed::{AssetError, Validators};
use crate::files::{Incoming, MediaDir, Stored};
use crate::mirror::{FetchedFile, Mirror, Photo, WriteTx};

/// What is written at once: so many photos, or so many bytes of them.
const PHOTOS_AT_ONCE: usize = 128;
const BYTES_AT_ONCE: u64 = 64_000_000;

/// Photos that are to be put into their places.
#[derive(Default)]
pub(super) struct Batch {
    whole: Vec<Arrived>,
    same: Vec<Photo>,
    bytes: u64,
}

struct Arrived {
    photo: Photo,
    file: Box<Incoming>,
    validators: Validators,
}

/// A photo that has its file.
struct Placed {
    photo: Photo,
    path: String,
    stored: Stored,
    validators: Validators,
}

/// What became of a batch.
#[derive(Default)]
pub(super) struct Landed {
    pub fetched: u64,
    /// Those of them that had a file before.
    pub replaced: u64,
    pub unchanged: u64,
    /// Bytes of those that were fetched.
    pub bytes: u64,
    /// Files that were replaced by one of another name, and are gone.
    pub removed: u64,
    /// Those that could not be put into their places.
    pub failed: Vec<Done>,
    /// Those that may or may not be in their places after a power cut: they stay
    /// noted, and the next run begins them anew.
    pub adrift: Vec<Done>,
}

impl Batch {
    /// Takes a photo in that came or is the same, or gives it back.
    pub fn take(&mut self, done: Done) -> Option<Done> {
        let Done { photo, answer } = done;
        match answer {
            Answer::Whole(file, validators) => {
                self.bytes += file.bytes();
                self.whole.push(Arrived {
                    photo,
                    file,
                    validators,
                });
            }
            Answer::Same => self.same.push(photo),
            Answer::Failed(_) => return Some(Done { photo, answer }),
        }
        None
    }

    /// Whether it is time to write.
    pub fn is_full(&self) -> bool {
        self.whole.len() + self.same.len() >= PHOTOS_AT_ONCE || self.bytes >= BYTES_AT_ONCE
    }

    /// Puts all of it into its places and tells their rows, along with what `besides`
    /// writes. It is empty afterwards.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn land(
        &mut self,
        dir: &MediaDir,
        mirror: &mut Mirror,
        besides: impl FnOnce(&WriteTx<'_>, &mut Landed) -> anyhow::Result<()>,
    ) -> anyhow::Result<Landed> {
        let mut landed = Landed::default();
        let placed = self.place(dir, &mut landed);
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
            match one.elsewhere() {
                Some(path) => replaced.push((&one.photo.key, path)),
                None => tx.end_download(&one.photo.key)?,
            }
            landed.replaced += u64::from(one.photo.held.is_some());
            landed.fetched += 1;
            landed.bytes += one.stored.bytes;
        }
        for photo in self.same.drain(..) {
            tx.photo_unchanged(&photo)?;
            tx.end_download(&photo.key)?;
            landed.unchanged += 1;
        }
        besides(&tx, &mut landed)?;
        tx.commit()?;
        if replaced.is_empty() {
            return Ok(landed);
        }
        let mut gone = Vec::new();
        for (key, path) in replaced {
            match remove(dir, path) {
                Ok(removed) => {
                    landed.removed += removed;
                    gone.push(key);
                }
                // It stays noted, and the next run tries again.
                Err(error) => tracing::warn!(path, %error, "removing a file that was replaced"),
            }
        }
        let tx = mirror.write()?;
        for key in gone {
            tx.end_download(key)?;
        }
        tx.commit()?;
        Ok(landed)
    }

    /// Flushes the files and gives them their names.
    fn place(&mut self, dir: &MediaDir, landed: &mut Landed) -> Vec<Placed> {
        self.bytes = 0;
        let whole = std::mem::take(&mut self.whole);
        let files: Vec<&Incoming> = whole.iter().map(|one| &*one.file).collect();
        let flushed = dir.flush(&files);
        let mut placed: Vec<Placed> = Vec::with_capacity(whole.len());
        for one in whole {
            let Arrived {
                photo,
                file,
                validators,
            } = one;
            let placing = match &flushed {
                Ok(()) => file.place(),
                Err(error) => Err(again(error)),
            };
            match placing {
                Ok((path, stored)) => placed.push(Placed {
                    photo,
                    path,
                    stored,
                    validators,
                }),
                Err(error) => landed.failed.push(unwritten(photo, error)),
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
            landed
                .adrift
                .extend(all.map(|one| unwritten(one.photo, again(&error))));
            return Vec::new();
        }
        placed
    }
}

impl Placed {
    /// Where its file was before, if that is not where it is now.
    fn elsewhere(&self) -> Option<&str> {
        let held = self.photo.held.as_ref()?;
        (held.path != self.path).then_some(&*held.path)
    }
}

fn unwritten(photo: Photo, error: std::io::Error) -> Done {
    Done {
        photo,
        answer: Answer::Failed(AssetError::Unwritten(error)),
    }
}

/// The same error once more: the library's cannot be copied.
fn again(error: &std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), error.to_string())
}
