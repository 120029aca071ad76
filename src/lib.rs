//! mlsmirror: an exact local mirror of an MLS's RESO Web API feed in one SQLite file.
//!
//! # The way of the data
//!
//! ```text
//! config ─► feed (HTTP) ─► page of records ─► sync (decide) ─► mirror (one transaction a page) ─► files
//! ```
//!
//! One direction, no circles. In reading order, each room imports only from
//! those above it:
//!
//! 1. [`resource`]: the RESO resources, their tables, keys, parents and children
//! 2. [`value`]: one field's value in its storage form, equal values equal
//! 3. [`record`]: records of the feed, decoded but not stored; no I/O
//! 4. [`change`]: what differs between a stored row and a record; pure
//! 5. [`config`]: `mlsmirror.toml` as typed settings
//! 6. [`stop`]: a request to stop, seen by all who wait
//! 7. [`feed`]: the one user of the network, for records and for photos
//! 8. [`mirror`]: the one user of the database
//! 9. [`files`]: the one writer in the folder of photos
//! 10. [`sync`]: the jobs: what is asked, in which order, and what becomes of it
//! 11. [`schedule`]: when a job is due, and the daemon that runs it then
//! 12. [`report`]: how the mirror stands, how the syncs did and the market moved: as
//!     values, text and a page
//! 13. [`cli`]: the command line; the only place that prints and knows exit codes
//!
//! The crate [`simulator`] is a feed to try and to test against. It does not depend
//! on this crate.
//!
//! # What always holds
//!
//! - A page's rows, its changes and its run's checkpoint are one transaction.
//!   No transaction spans two pages, and none is open while the network is used.
//! - A value has passed through [`value::ValueForm`] before it is stored or compared.
//! - The feed's clock rules what is asked; the local clock only says when the
//!   mirror did something.
//! - What could not be stored is kept whole, and no watermark passes it.
//! - Nothing is deleted by a sweep that did not finish.
//! - The token has no way to be printed, and no way to a host of photos.
//! - A row names a file only once that is whole and has its name; what is being
//!   fetched is noted before anything of it is on disk.
//!
//! # A full sync, step by step
//!
//! [`sync::full`] asks for `$metadata` and makes the tables. For each resource
//! a sweep asks how much there is and how new it is, cuts the keys into ranges
//! of whole pages, and reads the first page alone, to see whether children come
//! with their listings. Then the ranges are read side by side: the feed's
//! threads request and decode, and the main thread applies page after page.
//! Read in the order of a numeric key, a page tells by itself which held keys
//! are not there any more; where the order is the server's affair, what came is
//! noted instead. At the end what was missed is soft-deleted, unless it is
//! suspiciously much, and the watermark moves to what was newest at the start.
//! A killed sweep leaves its checkpoint in `sync_runs`; the next one goes on, and
//! then catches up with what changed since its first pages were read.
//!
//! # Following the feed, step by step
//!
//! [`sync::up_to_date`] reads what changed since the watermark, less the overlap,
//! in the order of (ModificationTimestamp, key): a page ends at a cursor, and the
//! next one begins behind it, so that no number of equal stamps is too many. The
//! children of what changed come in the same pages; then each child's own changes
//! are read, for a photo can change without its listing. With a filter, keys and
//! stamps of all changes are read first: what is live here and does not match any
//! more gets its last values and leaves. The watermark moves to the newest stamp
//! that is not in the feed's future, and never past a reject. Last come the
//! announced deletions, since a watermark of their own.
//!
//! Entries of the log are netted out within a sync: a field that changed and
//! changed back was not changed. [`sync::reconcile`] finds what is neither stamped
//! nor announced, [`sync::verify`] only tells it.
//!
//! # Keeping photos, step by step
//!
//! Whether a photo is still to be fetched is told by its row alone, and partial
//! indexes hold those that are. [`sync::media`] lines them up in a temporary table,
//! notes a hundred or so at a time as being fetched, and hands them to threads that
//! ask their hosts and write temporary files. The main thread takes in what came:
//! it flushes a batch of files at once, gives them their names, and tells all their
//! rows in one transaction. What failed is lined up for another round, and then
//! pauses over runs. Every job begins and ends by removing what is to go: the files
//! of soft-deleted rows, and what a dead process had noted.
//!
//! # Left alone, step by step
//!
//! [`schedule::Daemon`] asks its timetable which job is due; that is pure, and told
//! only what ran, when, and how it ended. It waits a second at a time, since clocks are
//! set and machines sleep, runs the job as the command line does, and tells its
//! household, which is the `watch` verb. Every job takes the lease of the mirror, a row
//! that names host, process and the moment that this began: one whose process is dead
//! counts for nothing. Requests are written down in a small database beside the mirror
//! before they are sent, so that the next process knows what this one spent.
//!
//! # Read by others, step by step
//!
//! Views are made of the fields that the feed declares, whenever a table is made or
//! gets a column, in words that SQLite 3.37 and DuckDB understand: one that a reader cannot
//! parse would close the whole file to it. SQLite knows no time zones, so a table of the
//! feed's offsets stands beside them. [`mirror::Mirror::listing`] undoes the log, the newest
//! entry first, to tell what was; [`mirror::Mirror::back_up`] copies one moment and gives the
//! copy its name once it was checked. `docs/database.md` describes every column, and is
//! what Datasette is told, too.
#![warn(
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

pub mod change;
pub mod cli;
pub mod config;
pub mod feed;
pub mod files;
pub mod mirror;
pub mod record;
pub mod report;
pub mod resource;
pub mod schedule;
pub mod stop;
pub mod sync;
pub mod value;
