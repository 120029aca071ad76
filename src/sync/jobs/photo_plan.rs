//! The photos that a sync downloads: their number, bytes and time.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::request_time::time_at;
use crate::config::KeptPhotos;
use crate::feed::Validators;
use crate::mirror::{KeptFiles, Mirror};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::Misconfigured;

/// The photos that a full sync downloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PhotoPlan {
    /// The number of files.
    pub files: u64,
    /// The files that `[media]` keeps and removes, if it does not keep all photos.
    pub kept: Option<KeptPlan>,
    /// Their size, estimated from the files of the mirror or from some photos; `None` if no
    /// photo could be downloaded.
    pub bytes: Option<u64>,
    /// The time that they take, at the limits of their hosts and by the time of some photos;
    /// `None` if it is not known.
    pub seconds: Option<u64>,
}

/// The files that `[media]` keeps and removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KeptPlan {
    /// The number of files that it keeps; `None` if it is not known before the first sync.
    pub files: Option<u64>,
    /// Their size, estimated in the same way as that of the downloads.
    pub bytes: Option<u64>,
    /// The number of files of the mirror that it removes.
    pub removed_files: u64,
    /// Their size.
    pub removed_bytes: u64,
}

/// The number of files, their bytes, and the time of one after the other.
#[derive(Default)]
struct Sample {
    files: u64,
    bytes: u64,
    time: Duration,
}

/// Plans the download of the photos that the feed counts, or of the photos that the mirror lacks.
/// The pair has the feed's counts of photos and of listings.
pub(super) fn plan_photos(
    context: &Context<'_>,
    mirror: Option<&mut Mirror>,
    (photos, listings): (Option<u64>, Option<u64>),
    urls: &[String],
) -> anyhow::Result<Option<PhotoPlan>> {
    if !context.config.sync.download_media {
        return Ok(None);
    }
    let config = &context.config.media.kept;
    let excludes = *config != KeptPhotos::default();
    let mut held = Sample::default();
    // Before the first sync it is not known which listings meet the condition.
    let mut files = match listings {
        Some(listings) if config.only_first => photos.map(|photos| photos.min(listings)),
        _ => photos,
    };
    let mut kept = KeptFiles::default();
    let mut kept_files = files.filter(|_| config.condition.is_none());
    if let Some(mirror) = mirror {
        (held.files, held.bytes) = mirror.media_size()?;
        if mirror.has_finished_full(Resource::MEDIA)? {
            files = Some(mirror.photo_backlog()?.photos);
            if excludes {
                let counted = mirror.count_kept_photos(config)?;
                kept = counted.map_err(Misconfigured::kept_photos)?;
                (files, kept_files) = (Some(kept.to_fetch), Some(kept.photos));
            }
        }
    }
    let Some(files) = files else {
        return Ok(None);
    };
    let sample = download_sample(context, urls)?;
    let of_size = if held.files > 0 { &held } else { &sample };
    let size = |files: u64| (of_size.bytes * files).checked_div(of_size.files);
    let media = &context.config.media;
    let workers = media.max_concurrent_downloads as u64;
    let by_speed = match sample.files {
        0 => None,
        taken => Some(sample.time.as_secs_f64() * files as f64 / (taken * workers) as f64),
    };
    let feed = &context.config.feed;
    let shared = size(files).filter(|_| media.shares_limits);
    let by_bytes = shared.and_then(|bytes| time_at(bytes, "bytes ", &feed.byte_limits()));
    let by_limits = time_at(files, "", &media.limits(feed)).into_iter();
    let seconds = by_limits
        .chain(by_bytes)
        .map(|(time, _)| time.as_secs_f64());
    let seconds = seconds.chain(by_speed).reduce(f64::max);
    Ok(Some(PhotoPlan {
        files,
        bytes: size(files),
        kept: excludes.then(|| KeptPlan {
            files: kept_files,
            bytes: kept_files.and_then(size),
            removed_files: kept.to_remove,
            removed_bytes: kept.bytes_to_remove,
        }),
        seconds: seconds.map(|seconds| seconds.ceil() as u64),
    }))
}

/// Downloads some photos and keeps nothing. Stops at the first failure.
fn download_sample(context: &Context<'_>, urls: &[String]) -> anyhow::Result<Sample> {
    let mut sample = Sample::default();
    if urls.is_empty() {
        return Ok(sample);
    }
    let assets = (context.feed).open_assets(context.config, context.stop.clone())?;
    for url in urls {
        let started = Instant::now();
        let mut bytes = 0;
        let downloaded = assets.get(url, &Validators::default(), &mut |chunk| {
            bytes += chunk.len() as u64;
            Ok(())
        });
        if let Err(error) = downloaded {
            tracing::info!(%error, "the size of photos is not known");
            break;
        }
        sample.files += 1;
        sample.bytes += bytes;
        sample.time += started.elapsed();
    }
    Ok(sample)
}
