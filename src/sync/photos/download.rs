//! Downloads one photo from its host.

use crate::feed::{Asset, AssetError, Assets, RejectedDownload, Validators};
use crate::files::{Incoming, MediaDir, Place};
use crate::mirror::Photo;

/// One attempted download.
pub(super) struct Download {
    pub photo: Photo,
    pub result: PhotoResult,
}

impl Download {
    /// Returns the failed download of a photo.
    pub fn failed(photo: Photo, error: AssetError) -> Download {
        Download {
            photo,
            result: PhotoResult::Failed(error),
        }
    }
}

/// The result of one attempted download.
pub(super) enum PhotoResult {
    /// A complete temporary file, not yet moved into place.
    Complete(Box<Incoming>, Validators),
    /// The host answered that the photo is unchanged.
    Unchanged,
    /// The photo was not downloaded.
    Failed(AssetError),
}

/// Requests a photo once.
pub(super) fn download(assets: &Assets, dir: &MediaDir, photo: Photo) -> Download {
    let result = request(assets, dir, &photo).unwrap_or_else(PhotoResult::Failed);
    Download { photo, result }
}

/// Returns the place of a photo's file.
pub(super) fn place_of(photo: &Photo) -> Place {
    let listing_key = photo.listing_key.as_deref();
    if photo.has_rival {
        Place::distinct(listing_key, &photo.key)
    } else {
        Place::of(listing_key, &photo.key)
    }
}

fn request(assets: &Assets, dir: &MediaDir, photo: &Photo) -> Result<PhotoResult, AssetError> {
    let place = place_of(photo);
    let known = known(dir, photo, &place).map_err(AssetError::Unwritten)?;
    let mut incoming: Option<Incoming> = None;
    let mut is_image = false;
    let answer = assets.get(&photo.url, &known, &mut |chunk| {
        let file = match incoming.take() {
            Some(file) => incoming.insert(file),
            None => incoming.insert(dir.begin(&place)?),
        };
        file.write(chunk)?;
        if !is_image && file.has_head() {
            file.extension().map_err(|other| {
                if other.is_known {
                    RejectedDownload::WrongType(other.to_string())
                } else {
                    RejectedDownload::Unusable(other.to_string())
                }
            })?;
            is_image = true;
        }
        Ok(())
    })?;
    match (answer, incoming) {
        (Asset::NotModified, _) => Ok(PhotoResult::Unchanged),
        (Asset::Downloaded { .. }, None) => {
            let empty = "an empty answer instead of an image";
            Err(AssetError::Unavailable(empty.to_owned()))
        }
        (
            Asset::Downloaded {
                validators,
                has_length,
            },
            Some(mut file),
        ) => {
            file.extension().map_err(|other| {
                if other.is_known {
                    AssetError::NotAnImage(other.to_string())
                } else {
                    AssetError::Unavailable(other.to_string())
                }
            })?;
            if !has_length && file.is_cut() {
                let cut = "the image was cut off: it has no end marker";
                return Err(AssetError::Unavailable(cut.to_owned()));
            }
            file.close();
            Ok(PhotoResult::Complete(Box::new(file), validators))
        }
    }
}

/// Returns the validators of the file that exists, for a conditional request.
fn known(dir: &MediaDir, photo: &Photo, place: &Place) -> std::io::Result<Validators> {
    let Some(held) = photo.held.as_ref().filter(|held| place.is_of(&held.path)) else {
        return Ok(Validators::default());
    };
    if dir.bytes(&held.path)? != Some(held.bytes) {
        return Ok(Validators::default());
    }
    Ok(Validators {
        etag: held.etag.clone(),
        last_modified: held.last_modified.clone(),
    })
}
