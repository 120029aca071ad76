//! mlsmirror keeps an exact local copy of an MLS's RESO Web API feed in one SQLite file.
//!
//! # Modules
//!
//! ```text
//! config -> feed (HTTP) -> page of records -> sync (decide) -> mirror (one transaction per page) -> files, export, report
//! ```
//!
//! Dependencies point one way. In reading order, each module imports only from the
//! modules above it:
//!
//! 1. [`resource`]: the RESO resources, with their tables, keys, parents and children
//! 2. [`value`]: the value of one field in storage form, and equality of values
//! 3. [`record`]: records of the feed, decoded but not yet stored; no I/O
//! 4. [`change`]: the differences between a stored row and a record; no I/O
//! 5. [`config`]: `mlsmirror.toml` as typed settings
//! 6. [`stop`]: a request to stop, which every long wait observes
//! 7. [`program`]: runs a program that the configuration names
//! 8. [`feed`]: the only user of the network, for records and for photos
//! 9. [`mirror`]: the only user of the database
//! 10. [`files`]: the only writer in the folder of photos
//! 11. `export`: the only writer in the folder of Delta tables (feature `export`)
//! 12. [`sync`]: the jobs; they decide what to request and how to apply the answers
//! 13. [`schedule`]: when each job is due, and the daemon that runs it
//! 14. [`report`]: the state of the mirror, of the syncs and of the market, as values,
//!     text and HTML
//! 15. [`cli`]: the command line; the only place that prints and knows exit codes
//!
//! The crate `simulator` is a feed for trying and testing. It does not know this crate.
//!
//! # Invariants
//!
//! - The rows of a page, its changes and the checkpoint of its run are committed in one
//!   transaction. No transaction spans two pages, and no transaction is open during a
//!   request.
//! - Every value passes through a [`value::ValueForm`] before it is stored or compared.
//! - Requests depend only on the feed's clock. The local clock only dates what the mirror
//!   did.
//! - A record that cannot be stored is kept completely as a reject, and every sync tries it
//!   again.
//! - A sweep that did not finish deletes nothing.
//! - The token cannot be printed. Only the photo hosts that the configuration names receive
//!   it.
//! - A row names a file only after the file is complete and has its final name. A download
//!   is recorded before its first byte is written.
//!
//! # One page of an incremental sync, file by file
//!
//! A page passes these files from the bytes of the HTTP response to the commit. Files in
//! brackets do a part of the work of that step:
//!
//! 1. `feed/http/client.rs` sends the request, retries it, and returns the body.
//! 2. `feed/odata/page/records_page.rs` decodes the body into records in storage form and
//!    rejects (`seeds.rs`: the JSON; `entry.rs` and `record_builder.rs`: one record).
//! 3. `feed/paging/step.rs` joins the page to the position after it (`advance.rs`).
//! 4. `feed/paging/parallel_reader.rs` runs one task per position and sends the pages to
//!    the thread of the job.
//! 5. `sync/records/reader/pages.rs` receives page after page.
//! 6. `sync/records/reader/resource_reader.rs` opens the transaction of the page, moves the
//!    checkpoint (`checkpoint.rs`), and commits.
//! 7. `sync/records/apply.rs` loads the row of each record (`row_comparison.rs`) and carries
//!    out its plan.
//! 8. `sync/records/record_plan.rs` decides without I/O: insert, update, restore or
//!    nothing, and which changes to log.
//! 9. `mirror/rows/row_writer.rs` writes the row.
//! 10. `mirror/log/change_log.rs` logs the changes (`netting.rs`: within a sync, a field that
//!     changes and changes back leaves no entry).
//! 11. `mirror/runs/run_writer.rs` saves the counts and the checkpoint of each run, which
//!     `sync/records/run_set.rs` holds.
//! 12. `mirror/transaction.rs` starts and commits the transaction.
//!
//! # A full sync
//!
//! [`sync::full`] requests `$metadata` and creates the tables. For each resource, a sweep
//! first requests the number of records and the newest timestamp, and divides the keys into
//! ranges. It reads the first page alone to see whether the server sends children with
//! their listings. Then several tasks request and decode the ranges, and one thread applies
//! the pages. A server that refuses or ignores the order of keys is read by its next links.
//!
//! If the pages are in the order of a numeric key, each page shows which stored keys are
//! missing from the feed. Otherwise the sweep records every key that it sees. At the end,
//! the missing rows are soft-deleted, unless they exceed the deletion limit, and the
//! watermark moves to the newest timestamp of the start. An interrupted sweep leaves its
//! checkpoint in `sync_runs`. The next sweep resumes there, and then reads the changes since
//! its first pages.
//!
//! # An incremental sync
//!
//! [`sync::up_to_date`] reads the changes since the watermark, or since the overlap before the
//! last reading if that is earlier, in the order of (ModificationTimestamp, key). If the feed
//! was quiet, a request for the newest timestamp shows first whether there are changes. A page
//! ends at a cursor and the next one starts after it, so any number of records may share one
//! timestamp. The changed children come in the same pages. Then the sync reads the changes of
//! each child resource, because a photo can change without its listing; a count shows whether
//! all of them came with the listings.
//!
//! With a filter, the sync first reads the keys and timestamps of all changes. A live row
//! that does not match the filter any more gets its last values and is soft-deleted. The
//! watermark moves to the newest timestamp that is not in the future of the feed. Rejected
//! records are read again by their keys or timestamps. Finally, the sync applies the
//! announced deletions, which have a watermark of their own. If the feed announces none, the
//! sync compares the feed's counts with the live rows, and reconciles a resource whose counts
//! differ.
//!
//! [`sync::reconcile`] repairs differences that have no timestamp and no announcement.
//! [`sync::verify`] only reports them.
//!
//! # Photos
//!
//! The row of a photo decides whether its file must be downloaded, and partial indexes
//! cover the rows that need a download. [`sync::media`] copies them into a temporary table,
//! records about a hundred downloads at a time, and passes them to threads that request the
//! photos and write temporary files. The main thread flushes a batch of files, renames them,
//! and updates their rows in one transaction. A failed download is tried again in the same
//! run, and after growing pauses in later runs. Every job starts and ends by removing the
//! files of soft-deleted rows and the recorded files of interrupted processes.
//!
//! # The export
//!
//! `export::export` publishes tables of typed Parquet files with a Delta log. After the first
//! export, triggers note the key of every row that changes, in the transaction of the row. An
//! export rewrites the files whose ranges of keys were touched, from one read transaction for
//! all tables, and publishes a commit for each table. The mirror knows the export that wrote
//! the newest commit. If it finds another one, it exports the table whole. A crash leaves
//! files that no commit names, and the notes; the next export removes the former and uses the
//! latter.
//!
//! # The daemon
//!
//! [`schedule::Daemon`] asks its [`schedule::Timetable`] which job is due. The timetable does
//! no I/O: it only knows which jobs ran, when, and with which outcome. The daemon waits at
//! most one second at a time, because clocks are set and machines sleep. It runs the job as
//! the command line does, and notifies its [`schedule::DaemonHost`], which is the command
//! `watch`.
//!
//! Every job takes the lease of the mirror: a lock of the operating system on a file next to
//! the database, which names the process. Each request is recorded in a small database next
//! to the mirror before it is sent, so that the next process knows how much of the rate
//! budget is used.
//!
//! # Readers
//!
//! Views contain the fields that the feed declares. They are created with a table and
//! updated with each new column, in SQL that SQLite 3.37 and DuckDB understand: one view
//! that a reader cannot parse would make the whole file unreadable to it. SQLite has no
//! time zones, so a table contains the UTC offsets of the feed.
//!
//! [`mirror::Mirror::listing`] reconstructs an earlier state by undoing the log, newest entry
//! first. [`mirror::Mirror::back_up`] copies one snapshot and renames the copy after a check.
//! `docs/database.md` describes every column; Datasette shows the same descriptions.
#![warn(
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

pub mod change;
pub mod cli;
pub mod config;
#[cfg(feature = "export")]
pub mod export;
pub mod feed;
pub mod files;
pub mod mirror;
pub mod program;
pub mod record;
pub mod report;
pub mod resource;
pub mod schedule;
pub mod stop;
pub mod sync;
pub mod value;
