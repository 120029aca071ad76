//! A [`Reader`] reads one resource page by page, with the children that come along,
//! and applies each page to the mirror together with a checkpoint.
//!
//! The files are listed in the order in which they use each other.

mod came_along;
mod first_checkpoint;
mod resource_reader;

mod begin;
mod behind;
mod compare;
mod confirm;
mod due;
mod left_filter;
mod pages;
mod retry;
mod unchanged;

mod missing;

mod end;

pub(in crate::sync) use came_along::CameAlong;
pub(in crate::sync) use end::rejected_error;
pub(in crate::sync) use resource_reader::Reader;
