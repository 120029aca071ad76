//! `sync media`: what it would do, and the files that no row names.

use std::path::Path;

use serde::Serialize;

use super::exit::Exit;
use super::output::Output;
use super::session::Session;
use super::text::{bytes, counted, listed};
use crate::mirror::{Backlog, Job, Mirror, RunSummary};
use crate::sync::{self, Context, FileCounts, Unnamed};

/// What `sync media --dry-run --json` prints.
#[derive(Serialize)]
struct Plan<'a> {
    media_dir: &'a Path,
    to_fetch: Backlog,
    to_remove: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    unnamed: Option<Vec<Unnamed>>,
}

const FILES: (&str, &str) = ("file", "files");

/// Tells what `sync media` would do, and changes nothing.
pub fn dry_run(
    session: &Session,
    context: &Context<'_>,
    prunes: bool,
    output: &Output,
) -> anyhow::Result<Exit> {
    let mirror = Mirror::open_to_read(&session.config.mirror.database)?;
    let unnamed = match prunes {
        true => Some(sync::unnamed(context, &mirror)?),
        false => None,
    };
    let plan = Plan {
        media_dir: &session.config.mirror.media_dir,
        to_fetch: mirror.photo_backlog()?,
        to_remove: mirror.count_files_to_remove()?,
        unnamed,
    };
    let mut text = format!(
        "{} to fetch",
        counted(plan.to_fetch.photos, ("photo", "photos"))
    );
    if plan.to_fetch.failing > 0 {
        text += &format!(", of which {} failed before", plan.to_fetch.failing);
    }
    let removed = counted(plan.to_remove, FILES);
    text += &format!("; {removed} of deleted photos to remove\n");
    if let Some(unnamed) = &plan.unnamed {
        text += &describe_unnamed(unnamed, "that no row names, to remove with --prune");
    }
    output.result(&plan, &text)?;
    Ok(Exit::Done)
}

/// Removes the files that no row names.
pub fn prune(context: &Context<'_>, mirror: &Mirror) -> anyhow::Result<(Vec<Unnamed>, FileCounts)> {
    let unnamed = sync::unnamed(context, mirror)?;
    let counts = sync::prune(context, &unnamed)?;
    Ok((unnamed, counts))
}

/// The files, a line each, under how many they are.
pub fn describe_unnamed(unnamed: &[Unnamed], what: &str) -> String {
    let size = unnamed.iter().map(|file| file.bytes).sum();
    let mut text = format!("{} {what}", counted(unnamed.len() as u64, FILES));
    if !unnamed.is_empty() {
        text += &format!(" ({}):", bytes(size));
    }
    text.push('\n');
    for file in unnamed {
        text += &format!("  {}\n", file.path.display());
    }
    text
}

/// What was done about files beside a run that tells of them itself, in a line;
/// none if nothing was.
pub fn describe_files(files: &FileCounts, runs: &[RunSummary]) -> Option<String> {
    let told = |count: fn(&RunSummary) -> i64| {
        let of_files = runs.iter().filter(|run| run.job == Job::Media.as_str());
        of_files.map(|run| count(run) as u64).sum::<u64>()
    };
    let counts = [
        (
            files.removed.saturating_sub(told(|run| run.deleted)),
            "removed",
        ),
        (
            files.failed.saturating_sub(told(|run| run.rejected)),
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
