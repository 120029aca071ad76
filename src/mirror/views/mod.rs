//! Views for readers. They are built from the fields that the feed declares, and rebuilt
//! when these change. A column that the feed does not declare is NULL. All views work
//! with SQLite 3.37.

mod ensure_views;
mod listings;
mod log;
mod open_houses;
mod overview;
mod runs;

pub(super) use listings::{entered, photo_file};
pub(super) use open_houses::local_time;
