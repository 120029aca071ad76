//! A file while it comes in.

use std::io::{self, ErrorKind, Write};

use cap_std::fs::{Dir, File, OpenOptions};
use ring::digest::{Context, SHA256};

use super::dir::{Stored, hexadecimal};
use super::name::Place;

/// So much of a file tells every type of image.
const HEAD_BYTES: usize = 512;

/// A file that is not whole yet, or not in its place. Dropped, it leaves no trace.
pub struct Incoming {
    folder: Dir,
    place: Place,
    file: Option<File>,
    hash: Context,
    head: Vec<u8>,
    bytes: u64,
    is_placed: bool,
}

/// What came is no image; the words say what it seems to be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotAnImage(String);

impl Incoming {
    pub(super) fn create(folder: Dir, place: Place) -> io::Result<Incoming> {
        // One that a dead process left is not gone on with.
        match folder.remove_file(place.temporary()) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let file = folder.open_with(place.temporary(), &options)?;
        Ok(Incoming {
            folder,
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
        let start = String::from_utf8_lossy(&self.head)
            .trim_start()
            .to_ascii_lowercase();
        Err(NotAnImage(match kind {
            _ if start.starts_with('<') => "a web page instead of an image".to_owned(),
            Some(kind) => format!("no image, but {}", kind.mime_type()),
            None => "no image, by its first bytes".to_owned(),
        }))
    }

    pub(super) fn flush(&self) -> io::Result<()> {
        match &self.file {
            Some(file) => file.sync_all(),
            None => self.folder.open(self.place.temporary())?.sync_all(),
        }
    }

    /// Closes it: many may wait for their places.
    pub fn close(&mut self) {
        self.file = None;
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
        self.folder
            .rename(self.place.temporary(), &self.folder, &name)?;
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
            self.file = None;
            // If it cannot be removed now, the next process finds it noted.
            let _ = self.folder.remove_file(self.place.temporary());
        }
    }
}
