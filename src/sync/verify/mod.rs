//! Compares the mirror with the feed, and the files with their hashes. Changes nothing.

pub(in crate::sync) mod compare_feed;
pub(in crate::sync) mod compare_files;
mod compare_photos;
pub(in crate::sync) mod difference;
mod sample;
