//! Opens the database: creates it, recognizes it, or refuses it.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::TimeDelta;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::mirror::Mirror;
use crate::mirror::database::BUSY_TIMEOUT;
use crate::mirror::stored_key::StoredKeys;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Identifies the file as a mirror ("mlsm"), so that other databases are never changed.
pub(super) const APPLICATION_ID: i32 = 0x6d6c_736d;

/// Earlier SQLite can corrupt a database in WAL mode while a checkpoint and a
/// write race (fixed in 3.51.3).
const OLDEST_SQLITE: i32 = 3_051_003;

/// A listing has about 3 KB, and a page holds only whole rows: 16 KB fit five with
/// little space left, while 8 KB fit two and waste a quarter.
const PAGE_SIZE_BYTES: u32 = 16_384;

/// The number of prepared statements that are kept: a few per resource.
const STATEMENTS: usize = 128;

/// The configured database is not a mirror that this program can use. The file is
/// left unchanged.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}", path = .path.display())]
pub struct NotAMirror {
    path: PathBuf,
    /// Why it cannot be used.
    pub problem: MirrorProblem,
}

/// Why a path is not a usable mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MirrorProblem {
    /// Nothing exists there, or the first sync has not created the tables.
    #[error("there is no mirror yet")]
    Missing,
    /// The path is a folder.
    #[error("is a folder, not a file")]
    Folder,
    /// The path is neither a file nor a folder.
    #[error("is a device or the like, not a file")]
    NotAFile,
    /// The file is empty.
    #[error("is an empty file")]
    Empty,
    /// The file is a database of another program.
    #[error("is another program's database")]
    OtherProgram,
    /// The file is not an SQLite database.
    #[error("is not an SQLite database")]
    NotSqlite,
    /// The mirror has an earlier schema, and was opened only to read.
    #[error("is of an earlier version of this program")]
    EarlierVersion,
    /// The mirror has a later schema.
    #[error("is of a later version of this program")]
    LaterVersion,
}

impl NotAMirror {
    /// Creates the error for a path.
    pub fn new(path: &Path, problem: MirrorProblem) -> NotAMirror {
        NotAMirror {
            path: path.to_owned(),
            problem,
        }
    }
}

impl Mirror {
    /// Opens the mirror at `path`, and creates the file if it does not exist.
    ///
    /// # Errors
    ///
    /// [`NotAMirror`] if the path is a folder or another program's file.
    pub fn open(path: &Path) -> anyhow::Result<Mirror> {
        anyhow::ensure!(
            rusqlite::version_number() >= OLDEST_SQLITE,
            "this program was built with SQLite {}, whose write-ahead log can corrupt; build it with 3.51.3 or later",
            rusqlite::version()
        );
        if path.is_dir() {
            return Err(NotAMirror::new(path, MirrorProblem::Folder).into());
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)
                .with_context(|| {
                    let folder = folder.display();
                    format!("mirror.database: the folder {folder} cannot be created; name a file in another folder")
                })?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .with_context(|| format!("opening {}", path.display()))?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        if owner(&connection, path)? == Owner::Nobody {
            claim(&connection).with_context(|| writing(path))?;
        }
        Mirror::prepare(connection, path).with_context(|| writing(path))
    }

    /// Creates a mirror that exists only in memory.
    ///
    /// # Errors
    ///
    /// An error of the database.
    pub fn in_memory() -> anyhow::Result<Mirror> {
        Mirror::prepare(Connection::open_in_memory()?, Path::new(":memory:"))
    }

    /// Opens the mirror at `path` for reading, also while a sync writes it. Creates and
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// [`NotAMirror`] if there is no mirror, or it has the schema of another version.
    pub fn open_to_read(path: &Path) -> anyhow::Result<Mirror> {
        if path.is_dir() {
            return Err(NotAMirror::new(path, MirrorProblem::Folder).into());
        }
        if !path.exists() {
            return Err(NotAMirror::new(path, MirrorProblem::Missing).into());
        }
        if !path.is_file() {
            return Err(NotAMirror::new(path, MirrorProblem::NotAFile).into());
        }
        // A read-only connection would leave SQLite's shared-memory file behind.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .with_context(|| format!("opening {}", path.display()))?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        if owner(&connection, path)? == Owner::Nobody {
            return Err(NotAMirror::new(path, MirrorProblem::Empty).into());
        }
        let reading = || format!("reading {}", path.display());
        if !connection
            .table_exists(None, "refinery_schema_history")
            .with_context(reading)?
        {
            // The first sync has not created the tables yet, or crashed before it did.
            return Err(NotAMirror::new(path, MirrorProblem::Missing).into());
        }
        let version: Option<i32> = connection
            .query_row(
                "SELECT max(version) FROM refinery_schema_history",
                [],
                |row| row.get(0),
            )
            .with_context(reading)?;

        let problem = match version.cmp(&newest_version()) {
            Ordering::Less => MirrorProblem::EarlierVersion,
            Ordering::Greater => MirrorProblem::LaterVersion,
            Ordering::Equal => return Ok(Mirror::with(connection, path)),
        };
        Err(NotAMirror::new(path, problem).into())
    }

    fn prepare(mut connection: Connection, path: &Path) -> anyhow::Result<Mirror> {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A commit survives a crash of the process. After a power failure the last
        // commits may be missing as a whole, and are fetched again.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "cache_size", -16_000)?;
        // The number of pages in the log after which SQLite copies them into the
        // database.
        connection.pragma_update(None, "wal_autocheckpoint", 1_000)?;
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        // The foreign keys are declared for readers. A child may come before its listing.
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        embedded::migrations::runner()
            .run(&mut connection)
            .context("migrating the database")?;
        let mut mirror = Mirror::with(connection, path);
        let tx = mirror.write()?;
        tx.complete_tables()?;
        tx.commit()?;
        Ok(mirror)
    }

    fn with(connection: Connection, path: &Path) -> Mirror {
        Mirror {
            keys: StoredKeys::default(),
            connection,
            path: path.to_owned(),
            opened: std::fs::metadata(path).ok(),
            logged: Default::default(),
            truncated_at: None,
            clock_offset: TimeDelta::zero(),
            lease: None,
        }
    }
}

/// Returns the number of the newest migration.
fn newest_version() -> Option<i32> {
    let runner = embedded::migrations::runner();
    let migrations = runner.get_migrations().iter();
    migrations.map(refinery::Migration::version).max()
}

fn writing(path: &Path) -> String {
    format!("writing {}", path.display())
}

#[derive(PartialEq, Eq)]
enum Owner {
    Nobody,
    Mirror,
}

/// Returns whose file it is.
///
/// # Errors
///
/// [`NotAMirror`] if it belongs to another program.
fn owner(connection: &Connection, path: &Path) -> anyhow::Result<Owner> {
    let found = || -> rusqlite::Result<(i32, i64)> {
        let id = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let count = "SELECT count(*) FROM sqlite_schema";
        Ok((id, connection.query_row(count, [], |row| row.get(0))?))
    };
    match found() {
        Ok((APPLICATION_ID, _)) => Ok(Owner::Mirror),
        Ok((0, 0)) => Ok(Owner::Nobody),
        Ok(_) => Err(NotAMirror::new(path, MirrorProblem::OtherProgram).into()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(NotAMirror::new(path, MirrorProblem::NotSqlite).into())
        }
        Err(error) => {
            let no_shared_memory = matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen)
            );
            let way_out = if no_shared_memory {
                " (SQLite needs a shared-memory file in its folder; run this as a user who can write there)"
            } else {
                ""
            };
            Err(error).with_context(|| format!("reading {}{way_out}", path.display()))
        }
    }
}

fn claim(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", PAGE_SIZE_BYTES)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)
}
