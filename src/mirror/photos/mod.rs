//! Photos and their files: which must be downloaded, and which must be removed.
//!
//! The row of `media` alone says whether its file is current. A photo has to be
//! downloaded while `file_source`, the source of its current file, differs from the
//! source that the feed names now. Partial indexes hold these rows, so that a mirror
//! with nothing to do need not read its photos. `file_excluded` is set on the photos that
//! `[media]` excludes, which keeps them out of the indexes of photos to download.

mod downloads;
mod file_columns;
mod file_sources;
mod kept_photos;
mod named_files;
mod photo_queue;

pub use downloads::{FetchedFile, HeldFile, InterruptedDownload, Photo};
pub(in crate::mirror) use file_columns::{PhotoSql, file_columns, is_file_column, is_photo};
pub use kept_photos::KeptFiles;
pub use named_files::FileRow;
pub use photo_queue::{Backlog, WantedPhotos};
