//! Finds files that rows name and that are missing or damaged, so that they are
//! downloaded again.

use anyhow::Context as _;

use crate::config::Config;
use crate::files::MediaDir;
use crate::mirror::{FileRow, Mirror, WantedPhotos};
use crate::sync::context::Context;
use crate::sync::progress::Note;

/// The number of files that one sync checks. The next sync checks the following ones, so
/// that an hourly sync of a large mirror stays cheap.
const CHECKED_PER_SYNC: u64 = 5_000;

/// The number of rows read at once.
const ROWS_AT_ONCE: u64 = 1_000;

/// The key in `_state` of the last file that was checked.
const CHECKED_UP_TO: &str = "checked_files_up_to";

/// The result of checking files.
#[derive(Default)]
struct Checked {
    /// Files that are missing or damaged.
    missing: u64,
    /// The number of files that could not be read, which count as present, and the error
    /// of the first one.
    unreadable: Option<(u64, String)>,
}

/// Checks the files that rows name. Clears the rows of files that are missing or have
/// another length. Checks all files if all photos are wanted, and some of them if the due
/// ones are wanted. Compares the files of single listings with their hashes. Returns the
/// number of files that could not be read, and the error of the first one.
pub(in crate::sync) fn find_missing(
    context: &Context<'_>,
    mirror: &mut Mirror,
    dir: &MediaDir,
    wanted: WantedPhotos<'_>,
) -> anyhow::Result<Option<(u64, String)>> {
    let mut checked = Checked::default();
    match wanted {
        WantedPhotos::All => {
            let mut next = Some(String::new());
            while let Some(after) = next.filter(|_| context.stop.requested().is_none()) {
                next = checked.check_after(mirror, dir, &after)?;
            }
        }
        WantedPhotos::Due => checked.check_some(mirror, dir)?,
        WantedPhotos::Of(listings) => {
            for listing in listings {
                let files = mirror.files_of_listing(listing)?;
                checked.check(mirror, dir, &files, is_as_hashed)?;
            }
        }
    }
    if checked.missing > 0 {
        let path = dir.path().display();
        let note = Note::MissingFiles(path.to_string(), checked.missing);
        context.progress.note(&note);
    }
    Ok(checked.unreadable)
}

impl Checked {
    /// Checks some files, and continues where the last sync ended.
    fn check_some(&mut self, mirror: &mut Mirror, dir: &MediaDir) -> anyhow::Result<()> {
        let begun_at = mirror.state(CHECKED_UP_TO)?.unwrap_or_default();
        let mut next = Some(begun_at.clone());
        for _ in 0..CHECKED_PER_SYNC / ROWS_AT_ONCE {
            let Some(after) = next else { break };
            next = self.check_after(mirror, dir, &after)?;
        }

        let next = next.unwrap_or_default();
        if next != begun_at {
            mirror.set_state(CHECKED_UP_TO, &next)?;
        }
        Ok(())
    }

    /// Checks the next files after a key. Returns the key after which to continue.
    fn check_after(
        &mut self,
        mirror: &mut Mirror,
        dir: &MediaDir,
        after: &str,
    ) -> anyhow::Result<Option<String>> {
        let files = mirror.files_after(after, ROWS_AT_ONCE)?;
        self.check(mirror, dir, &files, is_there)?;
        let is_full = files.len() as u64 == ROWS_AT_ONCE;
        let last = files.into_iter().next_back().map(|file| file.key);
        Ok(last.filter(|_| is_full))
    }

    /// Checks files. Clears the rows of missing and damaged files.
    fn check(
        &mut self,
        mirror: &mut Mirror,
        dir: &MediaDir,
        files: &[FileRow],
        is_intact: IsIntact,
    ) -> anyhow::Result<()> {
        let mut missing = Vec::new();
        for file in files {
            match is_intact(dir, file) {
                Ok(true) => {}
                Ok(false) => missing.push(&file.key),
                Err(error) => {
                    let path = dir.path().join(&file.path);
                    let what = || (0, format!("{} cannot be read ({error})", path.display()));
                    self.unreadable.get_or_insert_with(what).0 += 1;
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        self.missing += missing.len() as u64;
        let tx = mirror.write()?;
        for key in missing {
            tx.clear_file(key)?;
        }
        Ok(tx.commit()?)
    }
}

/// Counts the files that rows name and that are missing or damaged.
pub fn count_missing(config: &Config, mirror: &Mirror) -> anyhow::Result<u64> {
    let path = &config.mirror.media_dir;
    let dir = MediaDir::find(path).with_context(|| format!("opening {}", path.display()))?;
    let (mut after, mut missing) = (String::new(), 0);
    loop {
        let files = mirror.files_after(&after, ROWS_AT_ONCE)?;
        let Some(last) = files.last() else {
            return Ok(missing);
        };
        after.clone_from(&last.key);
        for file in &files {
            let is_there = match &dir {
                Some(dir) => is_there(dir, file)
                    .with_context(|| format!("reading {}", path.join(&file.path).display()))?,
                None => false,
            };
            missing += u64::from(!is_there);
        }
    }
}

/// Returns whether a file equals its row.
type IsIntact = fn(&MediaDir, &FileRow) -> std::io::Result<bool>;

fn is_there(dir: &MediaDir, file: &FileRow) -> std::io::Result<bool> {
    let bytes = dir.bytes(&file.path)?;
    Ok(bytes.is_some() && bytes == file.bytes)
}

fn is_as_hashed(dir: &MediaDir, file: &FileRow) -> std::io::Result<bool> {
    let held = dir.read(&file.path)?;
    Ok(held.is_some_and(|held| Some(held.sha256) == file.sha256))
}
