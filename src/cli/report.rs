//! `report`: how the syncs did, and how the market moved.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::Utc;
use serde::Serialize;

use super::arguments::{Arguments, ReportWanted};
use super::exit::Exit;
use super::output::Output;
use super::session::configuration;
use crate::mirror::Mirror;
use crate::report::{self, Report};

/// What `report --json` prints.
#[derive(Serialize)]
struct Document<'a> {
    html: Option<&'a Path>,
    #[serde(flatten)]
    report: &'a Report,
}

pub fn run(arguments: &Arguments, wanted: &ReportWanted, output: &Output) -> anyhow::Result<Exit> {
    let config = configuration(arguments, output)?;
    let mut mirror = Mirror::open_to_read(&config.mirror.database)?;
    let report = report::report(&config, &mut mirror, &wanted.since.0, Utc::now())?;
    let html = wanted.html.as_deref();
    let text = match html {
        Some(file) => {
            save(file, &report::page(&report)).with_context(|| {
                format!(
                    "the report could not be written to {}; give --html a file in a folder that you may write",
                    file.display()
                )
            })?;
            format!("the report is in {}\n", file.display())
        }
        None => report::text(&report),
    };
    let document = Document {
        html,
        report: &report,
    };
    output.result(&document, &text)?;
    Ok(Exit::Done)
}

/// Puts a page where a file is or is to be: whole, or not at all.
fn save(file: &Path, page: &str) -> anyhow::Result<()> {
    // Through a link to what it names: the link is to stay one.
    let place = match std::fs::canonicalize(file) {
        Ok(place) => place,
        Err(_) => file.to_owned(),
    };
    let there = std::fs::metadata(&place).ok();
    // A folder, or a device, which a file would take the place of.
    if let Some(there) = &there {
        anyhow::ensure!(there.is_file(), "it is there and is no file");
    }
    let folder = match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut written = temporary().tempfile_in(folder)?;
    if let Some(there) = &there {
        written.as_file().set_permissions(there.permissions())?;
    }
    written.write_all(page.as_bytes())?;
    written.as_file().sync_all()?;
    written.persist(&place)?;
    Ok(())
}

/// A file beside its place, that others may read as the process's mask has it.
fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".mlsmirror-report-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}
