//! The verify's last part: the files of photos held against their hashes.

use anyhow::Context as _;
use serde::Serialize;

use super::Context;
use crate::feed::FeedError;
use crate::files::MediaDir;
use crate::mirror::{FileRow, Mirror};
use crate::resource::Resource;

/// How many rows are read at once.
const ROWS_AT_ONCE: u64 = 500;

/// What a verify found of the files.
#[derive(Clone, Debug, Default, Serialize)]
pub struct VerifiedFiles {
    /// How many files were read.
    pub checked: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many photos are still to fetch.
    pub to_fetch: u64,
    /// How many photos their hosts did not have when they were asked last.
    pub unavailable: u64,
    /// What differs.
    pub differences: Vec<FileDifference>,
}

/// A file that is not what its photo's row says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileDifference {
    /// The photo's key.
    pub key: String,
    /// The listing it belongs to.
    pub listing_key: Option<String>,
    /// Its path within the folder of photos.
    pub path: String,
    /// In what it differs.
    #[serde(flatten)]
    pub kind: FileDifferenceKind,
}

/// In what a file is not what its photo's row says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FileDifferenceKind {
    /// It is not there.
    Missing,
    /// It holds something else.
    Changed,
    /// It cannot be read.
    Unreadable {
        /// What the system says.
        error: String,
    },
}

/// Holds every file that a live photo's row names against its length and hash.
///
/// # Errors
/// If the mirror cannot be read, or the folder of photos cannot be opened; or if it
/// was stopped.
pub(super) fn verify_files(
    context: &Context<'_>,
    mirror: &Mirror,
) -> anyhow::Result<VerifiedFiles> {
    let backlog = mirror.photo_backlog()?;
    let mut verified = VerifiedFiles {
        to_fetch: backlog.photos,
        unavailable: backlog.unavailable,
        ..VerifiedFiles::default()
    };
    let path = &context.config.mirror.media_dir;
    let dir = MediaDir::find(path).with_context(|| format!("opening {}", path.display()))?;
    let mut after = String::new();
    loop {
        let files = mirror.files_after(&after, ROWS_AT_ONCE)?;
        let Some(last) = files.last() else {
            return Ok(verified);
        };
        after.clone_from(&last.key);
        for file in &files {
            if let Some(signal) = context.stop.requested() {
                return Err(FeedError::Interrupted(signal).into());
            }
            verified.check(mirror, dir.as_ref(), file)?;
        }
        context.progress.files(verified.checked, verified.bytes);
    }
}

impl VerifiedFiles {
    fn check(
        &mut self,
        mirror: &Mirror,
        dir: Option<&MediaDir>,
        file: &FileRow,
    ) -> anyhow::Result<()> {
        let mut difference = differs(dir, file);
        if difference.is_some() {
            // A sync may have replaced it meanwhile.
            let now = mirror.file_of(&file.key)?;
            difference = now.and_then(|now| differs(dir, &now));
        }
        let kind = difference.as_ref().map(|difference| &difference.kind);
        if let None | Some(FileDifferenceKind::Changed) = kind {
            self.checked += 1;
            self.bytes += file.bytes.unwrap_or(0);
        }
        self.differences.extend(difference);
        Ok(())
    }
}

fn differs(dir: Option<&MediaDir>, file: &FileRow) -> Option<FileDifference> {
    let held = dir.map(|dir| dir.read(&file.path)).transpose();
    let kind = match held.map(Option::flatten) {
        Ok(Some(held)) if Some(&held.sha256) == file.sha256.as_ref() => return None,
        Ok(Some(_)) => FileDifferenceKind::Changed,
        Ok(None) => FileDifferenceKind::Missing,
        Err(error) => FileDifferenceKind::Unreadable {
            error: error.to_string(),
        },
    };
    Some(FileDifference {
        key: file.key.clone(),
        listing_key: file.listing_key.clone(),
        path: file.path.clone(),
        kind,
    })
}

/// Whether files of photos are any of a verify's business.
pub(super) fn has_files(resources: &[Resource], mirror: &Mirror) -> rusqlite::Result<bool> {
    Ok(resources.contains(&Resource::Media) && mirror.has_table(Resource::Media)?)
}
