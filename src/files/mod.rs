//! The files of photos: the only writer under the configured folder.
//!
//! A file is either complete or absent: it is written under a temporary name in its
//! final folder, flushed, and renamed. Only paths within the folder are accessed, and
//! links in it are never followed. Only files of the form `<listing>/<media>.<ext>`, with
//! names that the mirror gives, are removed.
//!
//! Functions that return an [`std::io::Result`] pass on the errors of the operating
//! system.

mod incoming;
mod marker;
mod media_dir;
mod place;
mod stored;
mod walk;

pub use incoming::{Incoming, NotAnImage};
pub use marker::MARKER;
pub use media_dir::MediaDir;
pub use place::{Place, rivals};
pub use stored::{Hash, Stored};
pub use walk::Found;
