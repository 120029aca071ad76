//! `refresh`: reads single listings again.

use serde::Serialize;

use crate::cli::arguments::Arguments;
use crate::cli::display_text::counted;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::named_listing::listing_key;
use crate::cli::options::RefreshOptions;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::mirror::{Job, RunSummary};
use crate::resource::Resource;
use crate::sync::{self, FileCounts};

/// The JSON document of `refresh`.
#[derive(Serialize)]
struct Document<'a> {
    exit_code: u8,
    succeeded: &'a [String],
    failed: Vec<Failed<'a>>,
    files: FileCounts,
    runs: &'a [RunSummary],
}

#[derive(Serialize)]
struct Failed<'a> {
    key: &'a str,
    error: &'a str,
}

pub fn run(
    arguments: &Arguments,
    wanted: &RefreshOptions,
    output: &Output,
) -> anyhow::Result<Exit> {
    let session = Session::open(arguments, output)?;
    let context = session.context(&sync::Unwatched, 0);
    let resources = &session.config.sync.resources;
    if !resources.contains(&Resource::PROPERTY) {
        let what = "refresh: listings are not mirrored; add Property to sync.resources";
        return Err(UsageError(what.to_owned()).into());
    }
    let mut mirror = session.open_for_sync(false)?;
    let mut keys: Vec<String> = Vec::new();
    for text in &wanted.keys {
        let key = listing_key(&mut mirror, text)?;
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let done = sync::refresh(
        &context,
        &mut mirror,
        resources,
        &keys,
        wanted.workers.into(),
    );
    let (report, refreshed) = sync::naming_database(&session.config, done)?;
    let exit = Exit::from(&report.ending);
    let failed = refreshed.failed.iter();
    let document = Document {
        exit_code: exit.code(),
        succeeded: &refreshed.succeeded,
        failed: failed
            .clone()
            .map(|(key, error)| Failed { key, error })
            .collect(),
        files: report.files,
        runs: &report.runs,
    };
    let listings = Resource::PROPERTY.nouns();
    let mut text = format!(
        "{} refreshed",
        counted(refreshed.succeeded.len() as u64, listings)
    );
    if !refreshed.succeeded.is_empty() {
        text += &format!(": {}", refreshed.succeeded.join(", "));
    }
    text.push('\n');
    if !refreshed.failed.is_empty() {
        let keys: Vec<&str> = failed.clone().map(|(key, _)| key.as_str()).collect();
        let count = counted(keys.len() as u64, listings);
        text += &format!("{count} failed: {}\n", keys.join(", "));
    }
    if report.files.fetched > 0 {
        let fetched = counted(report.files.fetched, ("photo", "photos"));
        text += &format!("{fetched} fetched\n");
    }
    output.result(&document, &text)?;
    let media_runs = (report.runs.iter()).filter(|run| run.job == Job::Media.as_str());
    for error in media_runs.filter_map(|run| run.error.as_deref()) {
        output.complain(error);
    }
    for (key, error) in failed {
        output.complain(&format!("{key}: {error}"));
    }
    Ok(exit)
}
