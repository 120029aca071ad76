//! Files that rows name and that are not there: they are fetched anew.

use anyhow::Context as _;

use super::Context;
use crate::config::Config;
use crate::files::MediaDir;
use crate::mirror::{FileRow, Mirror, WantedPhotos};

/// A sync along the way looks for so many files, and the next one for the next: a
/// large mirror's files are not all looked for every hour.
const LOOKED_FOR: u64 = 5_000;

/// How many rows are read at once.
const ROWS_AT_ONCE: u64 = 1_000;

/// Under what it is remembered how far the files were looked for.
const STATE: &str = "checked_files_up_to";

/// What came of tx.
#[derive(Default)]
struct Looked {
    /// Files that are not there, or not whole.
    missing: u64,
    /// Files that could not be looked at, which are taken to be there: how many, and what
    /// is wrong with the first of them.
    unseen: Option<(u64, String)>,
}

/// Looks for the files that rows name, and lets those be fetched that are missing or
/// have another length: all of them where all photos are wanted, else some. Those of
/// single listings are held against their hashes. Returns how many could not be looked
/// at, and what is wrong with the first of them.
///
/// # Errors
/// If the database cannot be read or written.
pub(super) fn find_missing(
    context: &Context<'_>,
    mirror: &mut Mirror,
    dir: &MediaDir,
    wanted: WantedPhotos<'_>,
) -> anyhow::Result<Option<(u64, String)>> {
    let mut looked = Looked::default();
    match wanted {
        WantedPhotos::All => {
            let mut next = Some(String::new());
            while let Some(after) = next.filter(|_| context.stop.requested().is_none()) {
                next = looked.behind(mirror, dir, &after)?;
            }
        }
        WantedPhotos::Due => {
            let begun_at = mirror.state(STATE)?.unwrap_or_default();
            let mut next = Some(begun_at.clone());
            for _ in 0..LOOKED_FOR / ROWS_AT_ONCE {
                let Some(after) = next else { break };
                next = looked.behind(mirror, dir, &after)?;
            }
            let next = next.unwrap_or_default();
            if next != begun_at {
                let tx = mirror.write()?;
                tx.set_state(STATE, &next)?;
                tx.commit()?;
            }
        }
        WantedPhotos::Of(listings) => {
            for listing in listings {
                let files = mirror.files_of_listing(listing)?;
                looked.at(mirror, dir, &files, is_as_hashed)?;
            }
        }
    }
    if looked.missing > 0 {
        let path = dir.path().display();
        context.progress.note(&format!(
            "{path}: {} files are not there, or not whole; fetching them anew",
            looked.missing
        ));
    }
    Ok(looked.unseen)
}

impl Looked {
    /// Looks for the next files behind a key. Returns the key behind which to go on.
    fn behind(
        &mut self,
        mirror: &mut Mirror,
        dir: &MediaDir,
        after: &str,
    ) -> anyhow::Result<Option<String>> {
        let files = mirror.files_after(after, ROWS_AT_ONCE)?;
        self.at(mirror, dir, &files, is_there)?;
        let is_full = files.len() as u64 == ROWS_AT_ONCE;
        let last = files.into_iter().next_back().map(|file| file.key);
        Ok(last.filter(|_| is_full))
    }

    /// Looks at files, and lets those be fetched that are not as they are to be.
    fn at(
        &mut self,
        mirror: &mut Mirror,
        dir: &MediaDir,
        files: &[FileRow],
        look: Look,
    ) -> anyhow::Result<()> {
        let mut gone = Vec::new();
        for file in files {
            match look(dir, file) {
                Ok(true) => {}
                Ok(false) => gone.push(&file.key),
                Err(error) => {
                    let path = dir.path().join(&file.path);
                    let what = || {
                        (
                            0,
                            format!("{} cannot be looked at ({error})", path.display()),
                        )
                    };
                    self.unseen.get_or_insert_with(what).0 += 1;
                }
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        self.missing += gone.len() as u64;
        let tx = mirror.write()?;
        for key in gone {
            tx.clear_file(key)?;
        }
        Ok(tx.commit()?)
    }
}

/// How many files that rows name are not there, or not whole, in a folder.
///
/// # Errors
/// If the database or the folder cannot be read.
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
                    .with_context(|| format!("looking at {}", path.join(&file.path).display()))?,
                None => false,
            };
            missing += u64::from(!is_there);
        }
    }
}

/// Whether a file is as its row tells.
type Look = fn(&MediaDir, &FileRow) -> std::io::Result<bool>;

fn is_there(dir: &MediaDir, file: &FileRow) -> std::io::Result<bool> {
    let bytes = dir.bytes(&file.path)?;
    Ok(bytes.is_some() && bytes == file.bytes)
}

fn is_as_hashed(dir: &MediaDir, file: &FileRow) -> std::io::Result<bool> {
    let held = dir.read(&file.path)?;
    Ok(held.is_some_and(|held| Some(held.sha256) == file.sha256))
}
