//! Advice: the next step after an error, a difference or a note.
//!
//! The library returns typed errors and values. The commands to run are worded here.

use std::borrow::Cow;
use std::path::Path;

use super::display_text::quoted;
use super::local_times::LocalTimes;
use crate::config::ConfigError;
use crate::feed::{LOCAL_TOKEN, TokenError};
use crate::files::MARKER;
use crate::mirror::{
    CorruptCopy, MirrorProblem, NoListing, NotAMirror, is_corrupt, is_disk_error, is_moved,
    is_permission_error,
};
use crate::report::{Condition, Omission};
use crate::sync::{
    Advice, DatabaseUnwritable, FolderProblem, HeldDeletions, Note, OtherFeed, UnusableFolder,
};

/// A resource has never completed a full sync.
pub const NEVER_SYNCED: &str = "run `mlsmirror sync`";

/// The filter or the fields of a resource changed after its last full sync.
pub const SCOPE_CHANGED: &str = "`mlsmirror sync` reads it again";

/// The feed has changes that are newer than the last sync, and nothing else differs.
pub const BEHIND_FEED: &str = "run `mlsmirror sync` to bring the mirror up to date";

/// The mirror differs from the feed.
pub const DIFFERS_FROM_FEED: &str = "run `mlsmirror sync reconcile` to fix keys and timestamps, or `mlsmirror sync full` to read all records again";

/// Only photo files are missing or changed.
pub const PHOTO_FILES_DIFFER: &str = "`mlsmirror sync media` fetches missing files, `mlsmirror refresh LISTING` fetches the missing and changed files of a listing";

/// The mirror holds the records of another feed.
const OTHER_FEED: &str = "set mirror.database to a new file; if the same feed has moved to this address, run `mlsmirror sync --feed-moved` once";

/// The configured feed is not the one of the mirror, although it is said to have moved.
const NOT_MOVED: &str =
    "set feed.base_url to the address of the same feed, or mirror.database to a new file";

/// Returns what the user can do about an error, unless its message says so already.
pub fn advice(error: &anyhow::Error) -> Option<Cow<'static, str>> {
    if let Some(ConfigError::Missing { path }) = error.downcast_ref() {
        if path == Path::new("mlsmirror.toml") {
            return Some("`mlsmirror init` writes one".into());
        }
        let path = quoted(path);
        return Some(format!("`mlsmirror --config {path} init` writes one").into());
    }
    if let Some(TokenError::Unset { variable, content }) = error.downcast_ref() {
        return Some(for_variable(variable, content).into());
    }
    if let Some(error) = error.downcast_ref::<NotAMirror>() {
        return Some(for_mirror(error.problem).into());
    }
    if let Some(unusable) = error.downcast_ref() {
        return Some(for_media_folder(unusable).into());
    }
    if let Some(other) = error.downcast_ref::<OtherFeed>() {
        let has_asked = other.asked > 0;
        return Some(if has_asked { NOT_MOVED } else { OTHER_FEED }.into());
    }
    if let Some(error) = error.downcast_ref::<NoListing>() {
        return for_listing(error);
    }
    for_database(error)
}

fn for_variable(variable: &str, content: &str) -> String {
    let other = match content {
        LOCAL_TOKEN => {
            ", or set feed.token_command or [feed.oauth]; the feed is on this machine: a demo's feed answers only while `mlsmirror demo --serve` runs"
        }
        _ if content.ends_with("token") => ", or set feed.token_command or [feed.oauth]",
        _ => "",
    };
    let content = if content == LOCAL_TOKEN {
        "the feed's bearer token"
    } else {
        content
    };
    format!("put {content} there (`export {variable}=…`){other}")
}

/// Returns whether an error has a cause of this kind.
fn has_cause<E: std::error::Error + 'static>(error: &anyhow::Error, is_it: fn(&E) -> bool) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
    causes.any(is_it)
}

fn for_database(error: &anyhow::Error) -> Option<Cow<'static, str>> {
    if has_cause(error, is_moved) {
        return Some("find the program that did that, and run the command again".into());
    }
    if has_cause(error, is_permission_error) {
        return Some("check that its folder exists, and that this user may write in it".into());
    }
    if error.is::<DatabaseUnwritable>() {
        return Some(
            "free space on its disk, or repair it, and run the command again: it resumes".into(),
        );
    }
    // Reading creates files next to the database, too.
    if has_cause(error, is_disk_error) {
        return Some("free space on its disk, or repair it".into());
    }
    if let Some(CorruptCopy { mirror, .. }) = error.downcast_ref() {
        return Some(for_corrupt_copy(mirror).into());
    }
    has_cause(error, is_corrupt).then_some(
        "the database is damaged: restore a copy that `mlsmirror backup` made, or move the file away and sync again"
            .into(),
    )
}

fn for_corrupt_copy(mirror: &Path) -> String {
    format!(
        "if `sqlite3 {} 'PRAGMA integrity_check'` reports the same, restore an earlier copy, or remove the mirror and sync again",
        quoted(mirror)
    )
}

fn for_mirror(problem: MirrorProblem) -> &'static str {
    match problem {
        MirrorProblem::Missing => "`mlsmirror sync` creates it",
        MirrorProblem::EarlierVersion => "`mlsmirror sync` brings it up to date",
        MirrorProblem::LaterVersion => "update the program",
        _ => "set mirror.database to a new file or to a mirror",
    }
}

fn for_listing(error: &NoListing) -> Option<Cow<'static, str>> {
    match error {
        // An address or an MLS number is no key that the feed can be asked for.
        NoListing::Unknown { key } | NoListing::NoSuchKey { key } => {
            let key = quoted(Path::new(key));
            Some(
                format!("if it is a ListingKey of the feed, `mlsmirror refresh {key}` fetches it")
                    .into(),
            )
        }
        NoListing::Purged { key } => Some(
            format!(
                "`mlsmirror changes --listing {}` prints what the log still has",
                quoted(Path::new(key))
            )
            .into(),
        ),
        NoListing::NotYet { .. } | NoListing::LogBegins { .. } => {
            Some("ask for a later time".into())
        }
    }
}

/// Returns the command that solves a problem of a sync.
pub fn way_out(advice: &Advice) -> String {
    match advice {
        Advice::AllowDeletes(count) => format!(
            "if these deletions are expected, run the command again with --allow-deletes {count}"
        ),
        Advice::RunFull => "run `mlsmirror sync` to complete the first full sync".to_owned(),
        Advice::RetryPhotos => "`mlsmirror sync media` retries failed photos now".to_owned(),
        Advice::MediaFolder(unusable) => for_media_folder(unusable),
    }
}

/// Returns the problem of the folder of photos with the way to resolve it.
pub fn media_folder(unusable: &UnusableFolder) -> String {
    format!("{unusable}: {}", for_media_folder(unusable))
}

fn for_media_folder(unusable: &UnusableFolder) -> String {
    let marker = unusable.path.join(MARKER);
    let marker = marker.display();
    match unusable.problem {
        FolderProblem::Empty => {
            "mount its disk; if its files are lost, `mlsmirror sync media` downloads them again"
                .to_owned()
        }
        FolderProblem::Unmarked => format!(
            "mount its disk, or set mirror.media_dir to the folder of the photos; if this is that folder, create the empty file {marker}"
        ),
        FolderProblem::Foreign => format!(
            "set mirror.media_dir to a new or empty folder; if this folder has photos of this mirror, create the empty file {marker}"
        ),
        FolderProblem::Taken(_) => format!(
            "set mirror.media_dir to a folder of its own; if that mirror is no longer used, empty the file {marker}"
        ),
        FolderProblem::Unnamed(_) => {
            "it may be the folder of another mirror: check mirror.media_dir, or empty the folder yourself"
                .to_owned()
        }
        FolderProblem::Shared(_) | FolderProblem::Unopened(_) | FolderProblem::Unwritable(_) => {
            "check mirror.media_dir".to_owned()
        }
    }
}

/// Returns a note with the command that follows from it, if any.
pub fn note(note: &Note) -> String {
    match note {
        Note::NoAnnouncements => {
            format!("{note}; `mlsmirror sync reconcile` finds deleted records")
        }
        Note::ChangesRefused(_) => format!("{note}; `mlsmirror sync reconcile` finds them"),
        Note::NotReconciled(_) => format!("{note}; `mlsmirror sync full` reads it"),
        Note::UnknownAnnounced(_)
        | Note::NotDeclared(..)
        | Note::NoTimestamp(_)
        | Note::ReadsAll(..)
        | Note::FieldsInExtra(..)
        | Note::MissingFiles(..)
        | Note::RenamedFiles(_)
        | Note::EndlessPauses(_)
        | Note::ClockDisagrees => note.to_string(),
    }
}

/// Returns a condition that needs attention with the way to resolve it.
pub fn condition(condition: &Condition, times: LocalTimes) -> String {
    let way_out: Cow<'_, str> = match condition {
        Condition::CredentialsRefused => "check the token and the rights of the account".into(),
        Condition::NoToken(_) => "`mlsmirror check` tries again".into(),
        Condition::Paused(_) => "wait; the next sync continues then".into(),
        Condition::InFuture(..) => {
            "the clock of this machine was or is wrong; set the clock and run `mlsmirror sync`".into()
        }
        Condition::WatermarkInFuture(..) => {
            "the clock of this machine or of the feed is wrong; set the clock, and run `mlsmirror sync full`"
                .into()
        }
        Condition::NeverSynced(_) => NEVER_SYNCED.into(),
        Condition::Late { .. } | Condition::TooOld { .. } => {
            "check that `mlsmirror watch` is running, and the errors in `sync_runs`".into()
        }
        Condition::OpenRejects(..) => "see `rejects`".into(),
        Condition::DeletionsHeld(HeldDeletions { job, count, .. }) => format!(
            "`mlsmirror verify` shows them; if they are expected, run `mlsmirror sync {job} --allow-deletes {count}`"
        )
        .into(),
        Condition::CountsDisagree(..) => {
            "`mlsmirror verify` compares; if the mirror is right, ask the MLS".into()
        }
        Condition::Unsettled { problem, .. } => format!(
            "`mlsmirror sync {}` tries again",
            if problem.job == "refresh" { "incremental" } else { &problem.job }
        )
        .into(),
        Condition::PhotosFailing(_) => {
            "see media.download_error; `mlsmirror sync media` retries them now".into()
        }
        Condition::AlertFails(..) => "`mlsmirror sync monitor` tries again".into(),
        Condition::ProgramMissing(..) => "correct `command`".into(),
        Condition::ExportFails(_) => "`mlsmirror export` tries again".into(),
        Condition::Misfits(_) => "the exported table `misfits` has them".into(),
        Condition::MediaFolder(unusable) => for_media_folder(unusable).into(),
        Condition::DiskFull(_) => "free space, and run `mlsmirror sync`".into(),
    };
    format!("{}; {way_out}", condition.in_zone(times.zone()))
}

/// Returns the reason for an omitted part of a report with the command that helps, if any.
pub fn omission(omission: &Omission) -> String {
    match omission {
        Omission::NoListings | Omission::NeverSynced => format!("{omission}; {NEVER_SYNCED}"),
        Omission::Undeclared(..) | Omission::Ignored(..) | Omission::LogRemoved(_) => {
            omission.to_string()
        }
    }
}
