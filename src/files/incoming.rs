//! A file during its download.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, File, OpenOptions};

use super::place::Place;
use super::stored::{Hash, Stored};

/// The number of first bytes that identify every type of image.
const HEAD_BYTES: usize = 512;

/// The number of last bytes in which an image has its end marker. Some programs append data.
const TAIL_BYTES: usize = 4_096;

/// A temporary file, which is incomplete or not yet renamed. Dropping it removes the
/// file.
pub struct Incoming {
    root: Arc<Dir>,
    /// The folder of the file. None after [`Incoming::close`], because many files may wait
    /// to be renamed and open handles are limited.
    folder: Option<Dir>,
    place: Place,
    file: Option<File>,
    hash: Hash,
    head: Vec<u8>,
    /// The last bytes: more than [`TAIL_BYTES`], if there are as many.
    tail: Vec<u8>,
    is_placed: bool,
}

/// The file is not an image. The message says what it seems to be.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub struct NotAnImage {
    words: String,
    /// Whether it has another known type. Another try would then not help. A web page does
    /// not count, because hosts send one in case of an error.
    pub is_known: bool,
}

impl Incoming {
    pub(super) fn create(root: Arc<Dir>, folder: Dir, place: Place) -> io::Result<Incoming> {
        // A file of an interrupted process is not resumed.
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
            hash: Hash::default(),
            head: Vec::new(),
            tail: Vec::new(),
            is_placed: false,
        })
    }

    /// Appends bytes to the file.
    pub fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(chunk)?;
        }
        self.hash.update(chunk);
        let room = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&chunk[..chunk.len().min(room)]);
        self.tail.extend_from_slice(chunk);
        if self.tail.len() > 16 * TAIL_BYTES {
            self.tail.drain(..self.tail.len() - TAIL_BYTES);
        }
        Ok(())
    }

    /// Returns the number of bytes that were written.
    pub fn bytes(&self) -> u64 {
        self.hash.bytes()
    }

    /// Returns whether enough bytes were written to identify the type.
    pub fn has_head(&self) -> bool {
        self.head.len() == HEAD_BYTES
    }

    /// Returns the file extension for its type of image, by its first bytes.
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

    /// Returns whether an image lacks its end. Types without an end marker count as complete.
    pub fn is_cut(&self) -> bool {
        let tail = &self.tail[self.tail.len().saturating_sub(TAIL_BYTES)..];
        let ends_with = |marker: &[u8]| tail.windows(marker.len()).any(|part| part == marker);
        match self.extension() {
            Ok("jpg") => !ends_with(b"\xFF\xD9"),
            Ok("png") => !ends_with(b"IEND"),
            Ok("gif") => tail.last() != Some(&b';'),
            // The length of the file without the first eight bytes (RIFF).
            Ok("webp") => {
                let length = self
                    .head
                    .get(4..8)
                    .and_then(|length| length.try_into().ok());
                let length = length.map_or(0, u32::from_le_bytes);
                self.bytes() < u64::from(length) + 8
            }
            _ => false,
        }
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

    /// Closes the file. It can be placed later.
    pub fn close(&mut self) {
        self.tail = Vec::new();
        (self.file, self.folder) = (None, None);
    }

    /// Renames the file to its final name and replaces an earlier file. Returns its path
    /// within the folder of photos, its length and its hash.
    ///
    /// # Errors
    /// [`NotAnImage`], as the source of the error.
    pub fn place(mut self) -> io::Result<(String, Stored)> {
        let extension = self.extension().map_err(io::Error::other)?;
        let name = self.place.file(extension);
        self.close();
        let folder = self.root.open_dir_nofollow(&self.place.folder)?;
        folder.rename(self.place.temporary(), &folder, &name)?;
        self.is_placed = true;
        let stored = self.hash.clone().finish();
        Ok((format!("{}/{name}", self.place.folder), stored))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_placed {
            self.close();
            // If this fails, the next process removes the file, because its download is
            // recorded in the mirror.
            if let Ok(folder) = self.root.open_dir_nofollow(&self.place.folder) {
                let _ = folder.remove_file(self.place.temporary());
            }
            // This fails if the folder is not empty, and the folder stays.
            let _ = self.root.remove_dir(&self.place.folder);
        }
    }
}
