//! Compares the files of photos with their hashes.

use super::compare_photos::compare_with_hosts;
use super::difference::{FileDifference, FileDifferenceKind, VerifiedFiles};
use crate::files::MediaDir;
use crate::mirror::{FileRow, Mirror};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::media_folder::inspect_media_folder;
use crate::sync::sync_error::Result;

/// The number of rows read at once.
const ROWS_AT_ONCE: u64 = 500;

/// Compares every file that a live photo's row names with its length and hash.
/// With `photos`, compares it with the photo of its host, too.
pub(in crate::sync) fn verify_files(
    context: &Context<'_>,
    mirror: &mut Mirror,
    photos: bool,
) -> Result<VerifiedFiles> {
    let backlog = mirror.photo_backlog()?;
    let mut verified = VerifiedFiles {
        to_fetch: backlog.photos,
        unavailable: backlog.unavailable,
        ..VerifiedFiles::default()
    };
    if !mirror.has_files()? {
        return Ok(verified);
    }
    let dir = match inspect_media_folder(context.config, mirror)? {
        Ok(dir) => dir,
        Err(unusable) => {
            verified.unusable = Some(unusable);
            return Ok(verified);
        }
    };
    let assets = if photos {
        Some(
            context
                .feed
                .open_assets(context.config, context.stop.clone())?,
        )
    } else {
        None
    };
    let mut after = String::new();
    loop {
        let files = mirror.files_after(&after, ROWS_AT_ONCE)?;
        let Some(last) = files.last() else {
            return Ok(verified);
        };
        after.clone_from(&last.key);
        for file in &files {
            context.check_stop()?;
            verified.check(mirror, dir.as_ref(), file)?;
        }
        if let Some(assets) = &assets {
            let outdated = compare_with_hosts(context, assets, mirror, &files)?;
            verified.differences.extend(outdated);
        }
        context.progress.files(verified.checked, verified.bytes);
    }
}

impl VerifiedFiles {
    fn check(&mut self, mirror: &Mirror, dir: Option<&MediaDir>, file: &FileRow) -> Result<()> {
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
    Some(FileDifference::of(file, kind))
}

/// Returns whether the mirror has photos whose files are compared.
pub(in crate::sync) fn has_files(
    resources: &[Resource],
    mirror: &Mirror,
) -> rusqlite::Result<bool> {
    Ok(resources.contains(&Resource::MEDIA) && mirror.has_table(Resource::MEDIA)?)
}
