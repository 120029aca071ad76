//! A copy of the database, also while a sync writes it: in its place whole, or not at all.

use std::fs::{File, Metadata, OpenOptions};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::mirror::open::APPLICATION_ID;
use crate::mirror::{Mirror, with_suffix};

/// So many pages are copied between two looks at whether to go on: some 16 MB.
const PAGES_AT_ONCE: i32 = 1_000;

impl Mirror {
    /// Copies the mirror, as it is at one moment, to a place, once the copy was checked:
    /// what is there is replaced then, and not before. Syncs may write meanwhile. `each`
    /// is told how many pages of how many are copied, and may break off. Gives the size
    /// of the copy in bytes, or none if it was broken off.
    ///
    /// The copy is one file without a write-ahead log, and no process holds it.
    pub fn back_up(
        &mut self,
        place: &Path,
        each: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> anyhow::Result<Option<u64>> {
        let partial = Partial::beside(place, &self.path)?;
        match self.copy_to(&partial.path, each)? {
            true => partial.settle(&self.path, place).map(Some),
            false => Ok(None),
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
        // It is flushed once it is whole; until then it may be lost.
        copy.pragma_update(None, "synchronous", "OFF")?;
        let moment = self.connection.transaction()?;
        // From here on the moment stays the same: no write lets the copy begin anew.
        moment.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        let backup = Backup::new(&moment, &mut copy).with_context(writing)?;
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
                _ => anyhow::bail!("{}: another program holds it", to.display()),
            }
        }
        drop(backup);
        moment.commit()?;
        copy.pragma_update(None, "journal_mode", "DELETE")
            .with_context(writing)?;
        // Whoever syncs the mirror does not sync its copy.
        copy.execute("DELETE FROM _leases", [])
            .with_context(writing)?;
        let check: String = copy
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .with_context(|| format!("checking {}", to.display()))?;
        anyhow::ensure!(
            check == "ok",
            "the copy is not whole ({check}); if `sqlite3 {}` finds the same with PRAGMA integrity_check, restore an earlier copy, or remove the mirror and sync anew",
            self.path.display()
        );
        copy.close()
            .map_err(|(_, error)| error)
            .with_context(writing)?;
        Ok(true)
    }

    /// Whether the first bytes of a file are those of a copy: a mirror without a
    /// write-ahead log, which one that is in use has
    /// (SQLite's file format, "The Database Header").
    pub fn is_backup_header(header: &[u8]) -> bool {
        header.starts_with(b"SQLite format 3\0")
            && header.get(18..20) == Some(&[1, 1])
            && header.get(68..72) == Some(&APPLICATION_ID.to_be_bytes())
    }
}

/// The copy while it is made, beside its place, under a name that is for this alone:
/// locked, so that what a dead process left is used again and a living one's is not.
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
                "{} is there and no backup left it; move it away",
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
        // It may have got its name between the two.
        if !is_own || !is_at(&file, &path) {
            anyhow::bail!("another backup is writing {}; wait for it", path.display());
        }
        let partial = Partial { path, file };
        partial.clear()?;
        partial.be_private()?;
        Ok(partial)
    }

    /// Nobody else reads it while it is made, whoever may read the mirror.
    fn be_private(&self) -> std::io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let own = std::fs::Permissions::from_mode(0o600);
            self.file.set_permissions(own)?;
        }
        Ok(())
    }

    /// Empties it, and removes what SQLite had beside it.
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

    /// Flushes it and gives it its name: its size in bytes.
    fn settle(&self, database: &Path, place: &Path) -> anyhow::Result<u64> {
        // Who may read the mirror may read its copy, and nobody else.
        let permissions = std::fs::metadata(database)?.permissions();
        self.file.set_permissions(permissions)?;
        self.file.sync_all()?;
        std::fs::rename(&self.path, place)?;
        if let Some(folder) = place.parent() {
            // Not every file system flushes folders; the copy is whole without that.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(self.file.metadata()?.len())
    }
}

impl Drop for Partial {
    /// Removes what did not get its name.
    fn drop(&mut self) {
        if is_at(&self.file, &self.path) {
            let _ = self.clear();
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether a path is that of an open file, and not of a link to it.
fn is_at(file: &File, path: &Path) -> bool {
    if !cfg!(unix) {
        return path.exists();
    }
    let there = std::fs::symlink_metadata(path);
    let pair = file.metadata().ok().zip(there.ok());
    pair.is_some_and(|(file, there)| is_same_file(&file, &there))
}

/// Whether two files are one, whatever their names are. They are not opened: to close
/// one of a database's would end SQLite's own locks on it (SQLite, "How To Corrupt An
/// SQLite Database File").
#[cfg(unix)]
pub fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Elsewhere files have no number that the standard library tells: none is known to be
/// another.
#[cfg(not(unix))]
pub fn is_same_file(_: &Metadata, _: &Metadata) -> bool {
    false
}
