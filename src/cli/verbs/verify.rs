//! `verify`: compares the mirror with the feed.

use serde::Serialize;

use crate::cli::advice;
use crate::cli::arguments::Arguments;
use crate::cli::display_text::{bytes, counted, nouns_of, thousands, value};
use crate::cli::exit::Exit;
use crate::cli::options::VerifyOptions;
use crate::cli::output::Output;
use crate::cli::photo_text::describe_unavailable;
use crate::cli::progress_display::ProgressDisplay;
use crate::cli::session::Session;
use crate::mirror::Mirror;
use crate::sync::{self, Depth, Difference, FileDifference, FileDifferenceKind, Verified};

/// The JSON document of `verify`.
#[derive(Serialize)]
struct Document<'a> {
    equal: bool,
    exit_code: u8,
    differences: u64,
    #[serde(flatten)]
    verified: &'a Verified,
}

/// The number of records of each resource that are compared field by field by default.
const SAMPLE: u64 = 100;

pub fn run(arguments: &Arguments, wanted: &VerifyOptions, output: &Output) -> anyhow::Result<Exit> {
    let session = Session::open(arguments, output)?;
    let mut mirror = Mirror::open_to_read(&session.config.mirror.database)?;
    sync::check_feed_address(&session.config, &mirror)?;
    let progress = ProgressDisplay::new(output, &session.feed);
    let context = session.context(&progress, 0);
    let resources = &session.config.sync.resources;
    let (depth, sample) = if wanted.deep {
        (Depth::Keys, 0)
    } else {
        (Depth::Counts, SAMPLE)
    };
    let sample = wanted.sample.unwrap_or(sample);
    let verified = sync::verify(
        &context,
        &mut mirror,
        resources,
        depth,
        sample,
        wanted.photos,
    )?;
    let differences = count(&verified);
    let exit = match differences {
        0 => Exit::Done,
        _ => Exit::Partial,
    };
    let document = Document {
        equal: differences == 0,
        exit_code: exit.code(),
        differences,
        verified: &verified,
    };
    let text = output.times().in_text(&describe(&verified));
    output.result(&document, &text)?;
    Ok(exit)
}

fn count(verified: &Verified) -> u64 {
    let each = verified.resources.iter();
    let of_records: usize = each.map(|resource| resource.differences.len()).sum();
    of_records as u64 + count_of_files(verified)
}

/// Counts the differences of files. A folder that cannot be used is one.
fn count_of_files(verified: &Verified) -> u64 {
    let files = verified.files.iter();
    files
        .map(|files| files.differences.len() as u64 + u64::from(files.unusable.is_some()))
        .sum()
}

fn describe(verified: &Verified) -> String {
    let mut text = format!(
        "{:<18}{:>12}{:>12}{:>18}\n",
        "", "in the feed", "mirrored", "compared"
    );
    for resource in &verified.resources {
        let feed = resource.feed.map_or("unknown".to_owned(), thousands);
        text += &format!(
            "{:<18}{feed:>12}{:>12}{:>18}\n",
            resource.resource,
            thousands(resource.mirror),
            thousands(resource.sampled)
        );
    }
    for resource in &verified.resources {
        for difference in &resource.differences {
            text += &format!("{}\n", describe_difference(resource.resource, difference));
        }
    }
    if let Some(files) = &verified.files {
        let checked = counted(files.checked, ("file", "files"));
        text += &format!(
            "photos: {checked} compared with their hashes, {}",
            bytes(files.bytes)
        );
        if files.to_fetch > 0 {
            text += &format!("; {} to fetch", thousands(files.to_fetch));
        }
        if files.unavailable > 0 {
            text += &format!("; {}", describe_unavailable(files.unavailable));
        }
        text.push('\n');
        if let Some(unusable) = &files.unusable {
            text += &format!("photos: {}\n", advice::media_folder(unusable));
        }
        for difference in &files.differences {
            text += &format!("{}\n", describe_file(difference));
        }
    }
    let differences = count(verified);
    let of_files = count_of_files(verified);
    let is_unusable = verified.files.iter().any(|files| files.unusable.is_some());
    if is_unusable && differences == of_files {
        return text + "1 difference\n";
    }
    if differences == of_files && of_files > 0 {
        let differences = counted(of_files, ("difference", "differences"));
        return text + &format!("{differences}; {}\n", advice::PHOTO_FILES_DIFFER);
    }
    if differences == 0 {
        return text + "The mirror equals the feed.\n";
    }
    text += &counted(differences, ("difference", "differences"));
    let all_pending = (verified.resources.iter())
        .flat_map(|resource| &resource.differences)
        .all(Difference::is_pending);
    let advice = if all_pending {
        advice::BEHIND_FEED
    } else {
        advice::DIFFERS_FROM_FEED
    };
    text += &format!("; {advice}\n");
    text
}

fn describe_file(file: &FileDifference) -> String {
    let what = match &file.kind {
        FileDifferenceKind::Missing => "is missing".to_owned(),
        FileDifferenceKind::Changed => "does not match its hash".to_owned(),
        FileDifferenceKind::Unreadable { error } => format!("cannot be read: {error}"),
        FileDifferenceKind::Outdated => "is not the photo of its host".to_owned(),
        FileDifferenceKind::Unanswered { error } => {
            format!("could not be compared with its host: {error}")
        }
    };
    let listing = file.listing_key.as_deref().unwrap_or("none");
    format!(
        "photo {} of listing {listing}: {} {what}",
        file.key, file.path
    )
}

/// Describes a difference of the resource with this name in one line.
pub(super) fn describe_difference(name: &str, difference: &Difference) -> String {
    let (noun, _) = nouns_of(name);
    let later = |since_last_sync: &bool| {
        if *since_last_sync {
            ", changed after the last sync"
        } else {
            ""
        }
    };
    match difference {
        Difference::NeverRead => {
            format!(
                "{name}: has never completed a full sync; {}",
                advice::NEVER_SYNCED
            )
        }
        Difference::Scope { what } => {
            format!("{name}: {what}; {}", advice::SCOPE_CHANGED)
        }
        Difference::Unanswered { error } => format!("{name}: {error}"),
        Difference::Count { counted, read } => format!(
            "{name}: the feed counts {}, and its pages contain {}",
            thousands(*counted),
            thousands(*read)
        ),
        Difference::Missing {
            key,
            since_last_sync,
        } => format!(
            "{noun} {key}: in the feed, not in the mirror{}",
            later(since_last_sync)
        ),
        Difference::Extra { key } => format!("{noun} {key}: in the mirror, not in the feed"),
        Difference::Timestamp {
            key,
            mirror,
            feed,
            since_last_sync,
        } => {
            let text = |timestamp: &Option<String>| timestamp.clone().unwrap_or("none".to_owned());
            format!(
                "{noun} {key}: ModificationTimestamp is {} in the mirror, {} in the feed{}",
                text(mirror),
                text(feed),
                later(since_last_sync)
            )
        }
        Difference::Field {
            key,
            field,
            mirror,
            feed,
        } => format!(
            "{noun} {key}: {field} is {} in the mirror, {} in the feed",
            value(mirror),
            value(feed)
        ),
        Difference::Rejected { key, reason } => format!(
            "{noun} {}: could not be stored: {reason}",
            key.as_deref().unwrap_or("without a key")
        ),
    }
}
