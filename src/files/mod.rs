//! The files of photos: the only writer under the configured folder.
//!
//! A file appears whole or not at all: it is written beside its place under a
//! temporary name, flushed, and renamed. Only names within the folder are ever
//! touched, and no link planted in it is followed.

mod dir;
mod incoming;
mod name;
mod stored;
mod walk;

pub use dir::MediaDir;
pub use incoming::{Incoming, NotAnImage};
pub use name::Place;
pub use stored::Stored;
pub use walk::Found;
