//! The media job: downloads the photos that have no file.

use super::whole_job::whole_job;
use crate::mirror::{Mirror, WantedPhotos};
use crate::sync::context::Context;
use crate::sync::outcome::Report;
use crate::sync::photos::download_all::{download_photos, empty_folder};

/// Downloads the wanted photos, and removes the files of deleted ones. Failures of files
/// are in the report.
pub fn media(
    context: &Context<'_>,
    mirror: &mut Mirror,
    wanted: WantedPhotos<'_>,
) -> anyhow::Result<Report> {
    whole_job(context, mirror, empty_folder(wanted), |mirror| {
        Ok(download_photos(context, mirror, wanted)?)
    })
}
