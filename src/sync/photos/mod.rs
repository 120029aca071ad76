//! Downloads the files of photos, and removes those of deleted photos.
//!
//! The files are listed in the order in which they use each other: which files to
//! remove, how one photo is downloaded, which files to rename, how a batch of photos gets into
//! its folder, which failures are retried, and the run that does it all.

pub(in crate::sync) mod cleanup;
mod download;
pub(in crate::sync) mod shorten_names;

mod commit;
mod failures;
pub(in crate::sync) mod missing_files;
mod renew_urls;

mod photo_run;
mod pipeline;

pub(in crate::sync) mod download_all;
