//! The effect of a record's changes on the files of photos.

use crate::change::FieldChange;
use crate::record::{Record, Shape};
use crate::resource::{MEDIA_URL, PHOTOS_CHANGE_TIMESTAMP, Resource};
use crate::value::is_same_file;

/// What becomes of the files of photos.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum FileEffect {
    /// The rows of the photos decide.
    #[default]
    None,
    /// The file of this photo stays: its URL, which was this one, got another signature.
    Kept(String),
    /// The photos of this listing changed.
    Renewed,
}

/// Decides what becomes of files when a record changes.
pub(super) fn file_effect(shape: &Shape, record: &Record, changes: &[FieldChange]) -> FileEffect {
    for change in changes {
        let Some(old) = change.old.as_text() else {
            continue;
        };
        if is_signature(shape, record, change) {
            return FileEffect::Kept(old.to_owned());
        }
        let is_of_photos = shape
            .fields
            .get(change.position)
            .is_some_and(|field| field.name == PHOTOS_CHANGE_TIMESTAMP);
        if shape.resource == Resource::PROPERTY && is_of_photos {
            return FileEffect::Renewed;
        }
    }
    FileEffect::None
}

/// Returns whether a change is only another signature in the URL of a file.
pub(in crate::sync) fn is_signature(shape: &Shape, record: &Record, change: &FieldChange) -> bool {
    let is_url = shape
        .fields
        .get(change.position)
        .is_some_and(|field| field.name == MEDIA_URL);
    is_url
        && match (
            change.old.as_text(),
            record.values[change.position].as_text(),
        ) {
            (Some(old), Some(new)) => is_same_file(old, new),
            _ => false,
        }
}
