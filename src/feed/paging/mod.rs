//! Reads a resource page by page: by key, by timestamp or by next link.
//!
//! A [`Sweep`] says which records are read. A walk reads them from one [`Position`] to the
//! end, and each page of a walk is a [`Step`].

mod advance;
mod end_of_pages;
mod key;
mod link_circles;
mod page_request;
mod parallel_reader;
mod position;
mod step;
mod sweep;
mod windows;

pub use end_of_pages::READINGS;
pub use key::{Cursor, Key, KeyRange};
pub use link_circles::Circle;
pub use parallel_reader::ParallelReader;
pub use position::Position;
pub use step::{Loss, Step};
pub use sweep::{PageSize, Sweep};
