//! Copies the database, also while a sync writes it. The copy is complete or absent.

use std::fs::{File, OpenOptions};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::same_file::{is_at, is_same_file};
use crate::mirror::open::APPLICATION_ID;
use crate::mirror::{Mirror, with_suffix};

/// The number of pages that are copied between two calls of `each`: about 16 MB.
const PAGES_AT_ONCE: i32 = 1_000;

/// The copy is corrupt, and possibly the mirror as well.
#[derive(Debug, thiserror::Error)]
#[error("the copy is corrupt ({check})")]
pub struct CorruptCopy {
    /// The first problem that SQLite's integrity check found in the copy.
    check: String,
    /// The path of the mirror.
    pub mirror: PathBuf,
}

impl Mirror {
    /// Copies the mirror, as it is at one moment, to a file. The copy is checked before
    /// it replaces an existing file. Syncs may write at the same time. `each` receives
    /// the numbers of copied and of all pages, and may cancel. Returns the size of the
    /// copy in bytes, or None if it was cancelled.
    ///
    /// The copy is one file without a write-ahead log.
    pub fn back_up(
        &mut self,
        place: &Path,
        each: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> anyhow::Result<Option<u64>> {
        let partial = Partial::beside(place, &self.path)?;
        if self.copy_to(&partial.path, each)? {
            partial.settle(&self.path, place).map(Some)
        } else {
            Ok(None)
        }
    }

    fn copy_to(
        &mut self,
        to: &Path,
        mut each: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> anyhow::Result<bool> {
        let writing = || format!("writing {}", to.display());
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut copy = Connection::open_with_flags(to, flags).with_context(writing)?;
        // The copy is flushed when it is complete; until then it may be lost.
        copy.pragma_update(None, "synchronous", "OFF")?;
        let snapshot = self.connection.transaction()?;
        // The snapshot starts here, so that no write restarts the copy.
        snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        let backup = Backup::new(&snapshot, &mut copy).with_context(writing)?;
        loop {
            let step = backup.step(PAGES_AT_ONCE).with_context(writing)?;
            let progress = backup.progress();
            let pages = u64::from(progress.pagecount.unsigned_abs());
            let left = u64::from(progress.remaining.unsigned_abs());
            let is_done = step == StepResult::Done;
            if each(pages - left, pages).is_break() && !is_done {
                return Ok(false);
            }
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => anyhow::bail!("{}: another program has locked it", to.display()),
            }
        }
        drop(backup);
        snapshot.commit()?;
        copy.pragma_update(None, "journal_mode", "DELETE")
            .with_context(writing)?;
        let check: String = copy
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .with_context(|| format!("checking {}", to.display()))?;
        if check != "ok" {
            let mirror = self.path.clone();
            return Err(CorruptCopy { check, mirror }.into());
        }
        copy.close()
            .map_err(|(_, error)| error)
            .with_context(writing)?;
        Ok(true)
    }

    /// Returns whether a file starts like a backup: a mirror without a write-ahead log.
    /// A mirror in use has one (SQLite's file format, "The Database Header").
    pub fn is_backup_header(header: &[u8]) -> bool {
        header.starts_with(b"SQLite format 3\0")
            && header.get(18..20) == Some(&[1, 1])
            && header.get(68..72) == Some(&APPLICATION_ID.to_be_bytes())
    }
}

/// The unfinished copy, in the folder of its destination, under a reserved name. It is locked, so
/// that only the file of a crashed process is used again.
struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    fn beside(place: &Path, database: &Path) -> anyhow::Result<Partial> {
        let path = with_suffix(place, ".mlsmirror-partial");
        let mirror = std::fs::metadata(database)?;
        if let Ok(there) = std::fs::symlink_metadata(&path)
            && (!there.is_file() || is_same_file(&there, &mirror))
        {
            anyhow::bail!(
                "{} exists but is not an unfinished backup; move it away",
                path.display()
            );
        }
        let mut open = OpenOptions::new();
        open.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
        let file = open
            .open(&path)
            .with_context(|| format!("writing {}", path.display()))?;
        let is_own = file.try_lock().is_ok();
        // Another process may have renamed the file in the meantime.
        if !is_own || !is_at(&file, &path) {
            anyhow::bail!("another backup is writing {}; wait for it", path.display());
        }
        let partial = Partial { path, file };
        partial.clear()?;
        partial.be_private()?;
        Ok(partial)
    }

    /// Makes the file readable only by its owner while it is written.
    fn be_private(&self) -> std::io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let own = std::fs::Permissions::from_mode(0o600);
            self.file.set_permissions(own)?;
        }
        Ok(())
    }

    /// Empties the file, and removes the `-wal` and `-shm` files.
    fn clear(&self) -> anyhow::Result<()> {
        for suffix in ["-wal", "-shm", "-journal"] {
            match std::fs::remove_file(with_suffix(&self.path, suffix)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("clearing {}", self.path.display()));
                }
                _ => {}
            }
        }
        self.file.set_len(0)?;
        Ok(())
    }

    /// Flushes the file and renames it to its destination. Returns its size in bytes.
    fn settle(&self, database: &Path, place: &Path) -> anyhow::Result<u64> {
        // The copy gets the mirror's permissions.
        let permissions = std::fs::metadata(database)?.permissions();
        self.file.set_permissions(permissions)?;
        self.file.sync_all()?;
        std::fs::rename(&self.path, place)?;
        if let Some(folder) = place.parent() {
            // Not every file system can flush folders; the copy is complete without
            // that.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(self.file.metadata()?.len())
    }
}

impl Drop for Partial {
    /// Removes a file that was not renamed.
    fn drop(&mut self) {
        if is_at(&self.file, &self.path) {
            let _ = self.clear();
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
