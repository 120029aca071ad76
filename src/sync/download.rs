//! One photo's file, from its host to its folder.

use crate::feed::{Asset, AssetError, Assets, Untaken, Validators};
use crate::files::{Incoming, MediaDir, Place};
use crate::mirror::Photo;

/// What became of a photo that was asked for.
pub(super) struct Done {
    pub photo: Photo,
    pub answer: Answer,
}

/// What its host gave.
pub(super) enum Answer {
    /// It came whole, and waits to be put into its place.
    Whole(Box<Incoming>, Validators),
    /// Its host says that it is as it was.
    Same,
    /// It did not come.
    Failed(AssetError),
}

/// Asks for a photo's file once.
pub(super) fn download(assets: &Assets, dir: &MediaDir, photo: Photo) -> Done {
    let answer = ask(assets, dir, &photo).unwrap_or_else(Answer::Failed);
    Done { photo, answer }
}

fn ask(assets: &Assets, dir: &MediaDir, photo: &Photo) -> Result<Answer, AssetError> {
    let place = Place::of(photo.listing_key.as_deref(), &photo.key);
    let known = known(dir, photo, &place).map_err(AssetError::Unwritten)?;
    let mut incoming: Option<Incoming> = None;
    let mut is_image = false;
    let asked = assets.get(&photo.url, &known, &mut |chunk| {
        let file = match incoming.take() {
            Some(file) => incoming.insert(file),
            None => incoming.insert(dir.begin(&place)?),
        };
        file.write(chunk)?;
        if !is_image && file.has_head() {
            file.extension().map_err(|other| match other.is_known {
                true => Untaken::Other(other.to_string()),
                false => Untaken::Unfit(other.to_string()),
            })?;
            is_image = true;
        }
        Ok(())
    })?;
    match (asked, incoming) {
        (Asset::Same, _) => Ok(Answer::Same),
        (Asset::Whole(_), None) => {
            let empty = "an empty answer instead of an image";
            Err(AssetError::Unavailable(empty.to_owned()))
        }
        (Asset::Whole(validators), Some(mut file)) => {
            file.extension().map_err(|other| match other.is_known {
                true => AssetError::NoImage(other.to_string()),
                false => AssetError::Unavailable(other.to_string()),
            })?;
            file.close();
            Ok(Answer::Whole(Box::new(file), validators))
        }
    }
}

/// What the host may compare with: of the file that is there, if it is.
fn known(dir: &MediaDir, photo: &Photo, place: &Place) -> std::io::Result<Validators> {
    let Some(held) = photo.held.as_ref().filter(|held| place.is_of(&held.path)) else {
        return Ok(Validators::default());
    };
    Ok(match dir.bytes(&held.path)? == Some(held.bytes) {
        true => Validators {
            etag: held.etag.clone(),
            last_modified: held.last_modified.clone(),
        },
        false => Validators::default(),
    })
}
