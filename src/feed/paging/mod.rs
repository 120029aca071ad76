//! Reads a resource page by page: by key, by (timestamp, key) or by next link.

mod position;
mod sweep;

pub use position::{Cursor, Key, Position};
pub use sweep::{ParallelReader, Step, Sweep};
