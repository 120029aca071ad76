//! `sync media`: the text of its results and of `--dry-run`.

use std::path::Path;

use serde::Serialize;

use super::display_text::{bytes, counted, listed, thousands};
use super::exit::Exit;
use super::output::Output;
use crate::config::Config;
use crate::mirror::{Backlog, Job, Mirror, RunSummary};
use crate::sync::{self, FileCounts, Unnamed};

/// The JSON document of `sync media --dry-run`.
#[derive(Serialize)]
struct Plan<'a> {
    media_dir: &'a Path,
    to_fetch: Backlog,
    missing: u64,
    to_remove: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    unnamed: Option<Vec<Unnamed>>,
}

const FILES: (&str, &str) = ("file", "files");
const PHOTOS: (&str, &str) = ("photo", "photos");

/// Prints what `sync media` would do. Changes nothing, sends no request and needs no
/// token.
pub fn dry_run(config: &Config, prunes: bool, output: &Output) -> anyhow::Result<Exit> {
    let mirror = Mirror::open_to_read(&config.mirror.database)?;
    let unnamed = if prunes {
        Some(sync::unnamed(config, &mirror)?)
    } else {
        None
    };
    let plan = Plan {
        media_dir: &config.mirror.media_dir,
        to_fetch: mirror.photo_backlog()?,
        missing: sync::count_missing(config, &mirror)?,
        to_remove: mirror.count_files_to_remove()?,
        unnamed,
    };
    let mut text = describe_backlog(&plan.to_fetch);
    if plan.missing > 0 {
        let missing = counted(plan.missing, FILES);
        text += &format!("; {missing} missing or incomplete, to fetch again");
    }
    let removed = counted(plan.to_remove, FILES);
    text += &format!("; {removed} of deleted photos to remove\n");
    if let Some(unnamed) = &plan.unnamed {
        text += &describe_unnamed(unnamed, "that no row names, to remove with --prune");
    }
    output.result(&plan, &text)?;
    Ok(Exit::Done)
}

/// Describes the photos to download, and the photos that their hosts do not have.
pub fn describe_backlog(photos: &Backlog) -> String {
    let mut text = format!("{} to fetch", counted(photos.photos, PHOTOS));
    let among = [
        (photos.failing, "failed before"),
        (photos.paused, "to try again later"),
    ];
    let among = among.iter().filter(|(count, _)| *count > 0);
    let among: Vec<String> = among
        .map(|(count, what)| format!("{} {what}", thousands(*count)))
        .collect();
    if !among.is_empty() {
        text += &format!(" ({})", among.join(", "));
    }
    if photos.unavailable > 0 {
        text += &format!("; {}", describe_unavailable(photos.unavailable));
    }
    text
}

/// Describes the photos that their hosts do not have.
pub fn describe_unavailable(photos: u64) -> String {
    format!("{} that their hosts do not have", counted(photos, PHOTOS))
}

/// Lists the files, one per line, after a line with their number and size.
pub fn describe_unnamed(unnamed: &[Unnamed], what: &str) -> String {
    let size = unnamed.iter().map(|file| file.bytes).sum();
    let mut text = format!("{} {what}", counted(unnamed.len() as u64, FILES));
    if !unnamed.is_empty() {
        text += &format!(" ({}):", bytes(size));
    }
    text.push('\n');
    for file in unnamed {
        text += &format!("  {}\n", file.path);
    }
    text
}

/// Describes the removed files in one line; `None` if there is nothing to report.
///
/// Failed files that a run of the media job reports are not counted again.
pub fn describe_files(files: &FileCounts, runs: &[RunSummary]) -> Option<String> {
    let media_runs = runs.iter().filter(|run| run.job == Job::Media.as_str());
    let failed_in_runs = media_runs.map(|run| run.counts.rejected).sum::<u64>();
    let counts = [
        (files.removed, "removed"),
        (
            files.failed.saturating_sub(failed_in_runs),
            "could not be removed",
        ),
    ];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", counted(*count, FILES)))
        .collect();
    (!parts.is_empty()).then(|| format!("photos: {}", listed(&parts)))
}
