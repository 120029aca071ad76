//! `status`: where the mirror stands.

use std::path::Path;

use serde::Serialize;

use super::arguments::Arguments;
use super::exit::Exit;
use super::output::Output;
use super::session::configuration;
use super::text::{counted, thousands};
use crate::mirror::{Backlog, Mirror};
use crate::resource::Resource;

/// What `status --json` prints.
#[derive(Serialize)]
struct Document<'a> {
    database: &'a Path,
    resources: Vec<ResourceStatus>,
    photos: Backlog,
}

#[derive(Serialize)]
struct ResourceStatus {
    resource: &'static str,
    watermark: Option<String>,
    live: u64,
    deleted: u64,
}

pub fn run(arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    let config = configuration(arguments, output)?;
    let mut mirror = Mirror::open_to_read(&config.mirror.database)?;
    let mut resources = Vec::new();
    for &resource in &config.sync.resources {
        resources.push(look_at(&mut mirror, resource)?);
    }
    let document = Document {
        database: &config.mirror.database,
        resources,
        photos: mirror.photo_backlog()?,
    };
    output.result(&document, &describe(&document))?;
    Ok(Exit::Done)
}

fn look_at(mirror: &mut Mirror, resource: Resource) -> anyhow::Result<ResourceStatus> {
    let watermark = mirror.watermark(resource)?;
    let looking = mirror.look()?;
    let (live, deleted) = match looking.has_table(resource)? {
        true => looking.count_rows(resource)?,
        false => (0, 0),
    };
    Ok(ResourceStatus {
        resource: resource.entity_set(),
        watermark,
        live,
        deleted,
    })
}

fn describe(document: &Document<'_>) -> String {
    let mut text = format!(
        "{:<18}{:>12}{:>12}   {}\n",
        "", "live", "deleted", "mirrored up to (UTC, by the feed's clock)"
    );
    for resource in &document.resources {
        text += &format!(
            "{:<18}{:>12}{:>12}   {}\n",
            resource.resource,
            thousands(resource.live),
            thousands(resource.deleted),
            resource
                .watermark
                .as_deref()
                .unwrap_or("never read to its end")
        );
    }
    text + &describe_photos(&document.photos)
}

fn describe_photos(photos: &Backlog) -> String {
    let mut text = format!("{} to fetch", counted(photos.photos, ("photo", "photos")));
    if photos.failing > 0 {
        text += &format!(", of which {} failed before", thousands(photos.failing));
    }
    if photos.paused > 0 {
        text += &format!(" and {} wait to be tried again", thousands(photos.paused));
    }
    text + "\n"
}
