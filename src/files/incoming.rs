//! A file while it comes in.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, File, OpenOptions};
use ring::digest::{Context, SHA256};

use super::name::Place;
use super::stored::{Stored, hexadecimal};

/// So much of a file tells every type of image.
const HEAD_BYTES: usize = 512;

/// A file that is not whole yet, or not in its place. Dropped, it leaves no trace.
pub struct Incoming {
    root: Arc<Dir>,
    /// Its own folder; none once it is closed, as many may wait for their places.
    folder: Option<Dir>,
    place: Place,
    file: Option<File>,
    hash: Context,
    head: Vec<u8>,
    bytes: u64,
    is_placed: bool,
}

/// What came is no image; the words say what it seems to be.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub struct NotAnImage {
    words: String,
    /// Whether it is of another known kind, which trying again does not change. A web
    /// page is none: it is what hosts answer when something is wrong.
    pub is_known: bool,
}

impl Incoming {
    pub(super) fn create(root: Arc<Dir>, folder: Dir, place: Place) -> io::Result<Incoming> {
        // One that a dead process left is not gone on with.
        match folder.remove_file(place.temporary()) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let file = folder.open_with(place.temporary(), &options)?;
        Ok(Incoming {
            root,
            folder: Some(folder),
            place,
            file: Some(file),
            hash: Context::new(&SHA256),
            head: Vec::new(),
            bytes: 0,
            is_placed: false,
        })
    }

    /// Adds to it.
    ///
    /// # Errors
    /// What the system says, such as that the disk is full.
    pub fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(chunk)?;
        }
        self.hash.update(chunk);
        self.bytes += chunk.len() as u64;
        let room = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&chunk[..chunk.len().min(room)]);
        Ok(())
    }

    /// How much came so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether enough came to tell what it is.
    pub fn has_head(&self) -> bool {
        self.head.len() == HEAD_BYTES
    }

    /// The ending for its type of image, by its first bytes.
    ///
    /// # Errors
    /// [`NotAnImage`]
    pub fn extension(&self) -> Result<&'static str, NotAnImage> {
        let kind = infer::get(&self.head);
        if let Some(kind) = kind.filter(|kind| kind.matcher_type() == infer::MatcherType::Image) {
            return Ok(kind.extension());
        }
        let text = |words: &str| (words.to_owned(), false);
        let start = String::from_utf8_lossy(&self.head)
            .trim_start()
            .to_ascii_lowercase();
        let (words, is_known) = match kind {
            _ if start.starts_with('<') => text("a web page instead of an image"),
            Some(kind) => (format!("no image, but {}", kind.mime_type()), true),
            None => text("no image, by its first bytes"),
        };
        Err(NotAnImage { words, is_known })
    }

    pub(super) fn flush(&self) -> io::Result<()> {
        match &self.file {
            Some(file) => file.sync_all(),
            None => {
                let folder = self.root.open_dir_nofollow(&self.place.folder)?;
                folder.open(self.place.temporary())?.sync_all()
            }
        }
    }

    /// Closes it, to be put into its place later.
    pub fn close(&mut self) {
        (self.file, self.folder) = (None, None);
    }

    /// Renames it into its place, over what was there. Returns its path within the
    /// folder of all, and what it holds.
    ///
    /// # Errors
    /// What the system says; or if it is no image.
    pub fn place(mut self) -> io::Result<(String, Stored)> {
        let extension = self.extension().map_err(io::Error::other)?;
        let name = self.place.file(extension);
        self.close();
        let folder = self.root.open_dir_nofollow(&self.place.folder)?;
        folder.rename(self.place.temporary(), &folder, &name)?;
        self.is_placed = true;
        let stored = Stored {
            bytes: self.bytes,
            sha256: hexadecimal(self.hash.clone().finish().as_ref()),
        };
        Ok((format!("{}/{name}", self.place.folder), stored))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_placed {
            self.close();
            // If it cannot be removed now, the next process finds it noted.
            if let Ok(folder) = self.root.open_dir_nofollow(&self.place.folder) {
                let _ = folder.remove_file(self.place.temporary());
            }
            // It fails where something is in it, which is as good.
            let _ = self.root.remove_dir(&self.place.folder);
        }
    }
}
