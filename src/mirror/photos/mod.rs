//! Photos and their files: which are still to fetch, and which are to go.
//!
//! Where a row of `media` and its file stand is told by the row alone. It is to be
//! fetched while `file_source`, what its file was made of, is not what the feed
//! says now; partial indexes hold these rows, so that a mirror with nothing to do
//! finds that out without looking at its photos.

mod downloads;
mod file_columns;
mod named_files;
mod photo_queue;

pub use downloads::{FetchedFile, HeldFile, InterruptedDownload, Photo};
pub(in crate::mirror) use file_columns::{PhotoSql, file_columns, is_file_column};
pub use named_files::FileRow;
pub use photo_queue::{Backlog, WantedPhotos};
