//! Opening the file: made, recognised, or refused.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::Mirror;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Marks the file as a mirror ("mlsm"), so that another program's is never touched.
const APPLICATION_ID: i32 = 0x6d6c_736d;

/// Earlier SQLite can corrupt a database in WAL mode while a checkpoint and a
/// write race (fixed in 3.51.3).
const OLDEST_SQLITE: i32 = 3_051_003;

/// Listings are some 3 KB a row, of which a page holds only whole ones: five fit
/// in 16 KB with little left over, where 8 KB would hold two and waste a quarter.
const PAGE_SIZE_BYTES: u32 = 16_384;

/// How long to wait for another program that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Statements are made once per resource and kind.
const STATEMENTS: usize = 128;

/// The configured database is not a mirror and is left as it is.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}; set mirror.database to a new file or to a mirror", path = .path.display())]
pub struct NotAMirror {
    path: PathBuf,
    what: String,
}

impl Mirror {
    /// Opens the mirror at `path`, making the file if there is none.
    ///
    /// # Errors
    /// [`NotAMirror`] if the path is a folder or another program's file;
    /// otherwise what kept SQLite from opening it.
    pub fn open(path: &Path) -> anyhow::Result<Mirror> {
        anyhow::ensure!(
            rusqlite::version_number() >= OLDEST_SQLITE,
            "this program was built with SQLite {}, whose write-ahead log can corrupt; build it with 3.51.3 or later",
            rusqlite::version()
        );
        let refuse = |what: String| NotAMirror {
            path: path.to_owned(),
            what,
        };
        if path.is_dir() {
            return Err(refuse("is a folder, not a file".to_owned()).into());
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("making the folder {}", folder.display()))?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .with_context(|| format!("opening {}", path.display()))?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        match owner(&connection) {
            Ok(Owner::Mirror) => {}
            Ok(Owner::Nobody) => claim(&connection).with_context(|| writing(path))?,
            Ok(Owner::Other) => {
                return Err(refuse("is another program's database".to_owned()).into());
            }
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
                return Err(refuse("is not an SQLite database".to_owned()).into());
            }
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        }
        Mirror::prepare(connection).with_context(|| writing(path))
    }

    fn prepare(mut connection: Connection) -> anyhow::Result<Mirror> {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A commit survives the process; after a power cut the last ones may be
        // missing, whole, and are fetched again.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "cache_size", -16_000)?;
        // Bounds the log: at most so many pages before they move to the file.
        connection.pragma_update(None, "wal_autocheckpoint", 1_000)?;
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        embedded::migrations::runner()
            .run(&mut connection)
            .context("bringing the database's tables up to date")?;
        Ok(Mirror { connection })
    }
}

fn writing(path: &Path) -> String {
    format!("writing {}", path.display())
}

enum Owner {
    Nobody,
    Mirror,
    Other,
}

fn owner(connection: &Connection) -> rusqlite::Result<Owner> {
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (id, tables) {
        (APPLICATION_ID, _) => Owner::Mirror,
        (0, 0) => Owner::Nobody,
        _ => Owner::Other,
    })
}

fn claim(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", PAGE_SIZE_BYTES)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)
}
