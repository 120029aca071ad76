//! Compares the files of photos with those of their hosts.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::difference::{FileDifference, FileDifferenceKind};
use crate::feed::{AssetError, Assets, Validators};
use crate::files::Hash;
use crate::mirror::{FileRow, Mirror};
use crate::sync::context::Context;
use crate::sync::sync_error::Result;
use crate::sync::workers::start_workers;

/// Requests the photos of these files without conditions, and returns the differences.
pub(super) fn compare_with_hosts(
    context: &Context<'_>,
    assets: &Assets,
    mirror: &mut Mirror,
    files: &[FileRow],
) -> Result<Vec<FileDifference>> {
    let mut wanted = Vec::new();
    let read = mirror.read()?;
    for file in files {
        wanted.extend(read.photo(&file.key)?.map(|photo| (file, photo.url)));
    }
    drop(read);

    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = context.config.media.max_concurrent_downloads;
    std::thread::scope(|threads| {
        start_workers(threads, workers.min(wanted.len()), || {
            while let Some((file, url)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                let difference = compare(assets, file, url);
                let mut found = found.lock().unwrap_or_else(|held| held.into_inner());
                found.extend(difference);
            }
        })
    })?;
    context.check_stop()?;
    let mut found = found.into_inner().unwrap_or_else(|held| held.into_inner());
    found.sort_by(|one: &FileDifference, other| one.key.cmp(&other.key));
    Ok(found)
}

fn compare(assets: &Assets, file: &FileRow, url: &str) -> Option<FileDifference> {
    let mut hash = Hash::default();
    let answer = assets.get(url, &Validators::default(), &mut |chunk| {
        hash.update(chunk);
        Ok(())
    });
    let kind = match answer {
        Ok(_) if Some(hash.finish().sha256) == file.sha256 => return None,
        Ok(_) => FileDifferenceKind::Outdated,
        Err(AssetError::Interrupted(_)) => return None,
        Err(error) => FileDifferenceKind::Unanswered {
            error: error.to_string(),
        },
    };
    Some(FileDifference::of(file, kind))
}
