//! Files that rows name and that are not there: they are fetched anew.

use super::Context;
use crate::files::MediaDir;
use crate::mirror::{FileRow, Mirror, WantedPhotos};

/// A sync along the way looks for so many files, and the next one for the next: a
/// large mirror's files are not all looked for every hour.
const LOOKED_FOR: u64 = 5_000;

/// How many rows are read at once.
const ROWS_AT_ONCE: u64 = 1_000;

/// Under what it is remembered how far the files were looked for.
const LEARNED: &str = "files_looked_for";

/// Looks for the files that rows name, and lets those be fetched that are missing or
/// have another length: all of them where all photos are wanted, else some. Those of
/// single listings are held against their hashes.
///
/// # Errors
/// If the database cannot be read or written.
pub(super) fn find_missing(
    context: &Context<'_>,
    mirror: &mut Mirror,
    dir: &MediaDir,
    wanted: WantedPhotos<'_>,
) -> anyhow::Result<()> {
    let mut missing = 0;
    match wanted {
        WantedPhotos::All => {
            let mut next = Some(String::new());
            while let Some(after) = next.filter(|_| context.stop.requested().is_none()) {
                next = look_behind(mirror, dir, &after, &mut missing)?;
            }
        }
        WantedPhotos::Due => {
            let begun_at = mirror.learned(LEARNED)?.unwrap_or_default();
            let mut next = Some(begun_at.clone());
            for _ in 0..LOOKED_FOR / ROWS_AT_ONCE {
                let Some(after) = next else { break };
                next = look_behind(mirror, dir, &after, &mut missing)?;
            }
            let next = next.unwrap_or_default();
            if next != begun_at {
                let writing = mirror.write()?;
                writing.learn(LEARNED, &next)?;
                writing.commit()?;
            }
        }
        WantedPhotos::Of(listings) => {
            for listing in listings {
                let files = mirror.files_of_listing(listing)?;
                missing += forget_missing(mirror, dir, &files, is_as_hashed)?;
            }
        }
    }
    if missing > 0 {
        let path = dir.path().display();
        context.progress.note(&format!(
            "{path}: {missing} files are not there, or not whole; fetching them anew"
        ));
    }
    Ok(())
}

/// Looks for the next files behind a key. Returns the key behind which to go on.
fn look_behind(
    mirror: &mut Mirror,
    dir: &MediaDir,
    after: &str,
    missing: &mut usize,
) -> anyhow::Result<Option<String>> {
    let files = mirror.files_behind(after, ROWS_AT_ONCE)?;
    *missing += forget_missing(mirror, dir, &files, is_there)?;
    let is_full = files.len() as u64 == ROWS_AT_ONCE;
    Ok(files
        .into_iter()
        .next_back()
        .map(|file| file.key)
        .filter(|_| is_full))
}

fn forget_missing(
    mirror: &mut Mirror,
    dir: &MediaDir,
    files: &[FileRow],
    is_good: fn(&MediaDir, &FileRow) -> bool,
) -> anyhow::Result<usize> {
    let gone: Vec<&FileRow> = files.iter().filter(|file| !is_good(dir, file)).collect();
    if gone.is_empty() {
        return Ok(0);
    }
    let writing = mirror.write()?;
    for file in &gone {
        writing.forget_file(&file.key)?;
    }
    writing.commit()?;
    Ok(gone.len())
}

/// What cannot be looked at is taken to be there.
fn is_there(dir: &MediaDir, file: &FileRow) -> bool {
    match dir.bytes(&file.path) {
        Ok(bytes) => bytes == Some(file.bytes),
        Err(error) => {
            tracing::warn!(path = file.path, %error, "looking for a photo's file");
            true
        }
    }
}

fn is_as_hashed(dir: &MediaDir, file: &FileRow) -> bool {
    match dir.read(&file.path) {
        Ok(held) => held.is_some_and(|held| held.sha256 == file.sha256),
        Err(error) => {
            tracing::warn!(path = file.path, %error, "reading a photo's file");
            true
        }
    }
}
