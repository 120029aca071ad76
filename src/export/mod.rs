//! Publishes the mirror as Delta tables: typed Parquet files with a log.
//!
//! A table is a folder with data files, each with the rows of one range of keys, and a log
//! whose commits say which files form a version. An export rewrites the files whose rows
//! changed, and one commit replaces them. Until the commit, readers see the earlier version.
//!
//! The steps of an export follow. A crash may interrupt each of them:
//!
//! 1. A write transaction starts a new generation of notes of changes.
//! 2. One read transaction supplies the rows of all tables. Data files get their names when
//!    they are complete.
//! 3. A write transaction stores which versions are about to be published.
//! 4. The commits are published, one table after the other.
//! 5. A write transaction stores the published versions and removes the notes.
//!
//! The mirror recognizes the newest commit of a table by the export that wrote it. If it is
//! another one than the mirror knows, because the database was restored or the folder was
//! replaced, the table is exported whole.

mod column;
mod column_buffer;
mod column_type;
mod data_file;
mod delta;
mod end_of_export;
mod export_folder;
mod export_run;
mod export_settings;
mod exported;
mod file_range;
mod file_stats;
mod publication;
mod run_export;

mod table_plan;
mod table_writer;
mod unused_files;

pub use end_of_export::save_end;
pub use export_folder::ForeignExport;
pub use export_settings::{ExportSettings, ExportStep, RowsPerFile};
pub use exported::{Exported, ExportedTable};
pub use run_export::{export, plan_export};
