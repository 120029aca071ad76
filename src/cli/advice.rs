//! What the user can do about an error of the mirror.

use std::borrow::Cow;

use crate::mirror::{MirrorProblem, NoListing, NotAMirror, is_corrupt};

/// Returns what the user can do about an error, if there is more to say than the error
/// itself does.
pub fn advice(error: &anyhow::Error) -> Option<Cow<'static, str>> {
    if let Some(error) = error.downcast_ref::<NotAMirror>() {
        return Some(of_mirror(error.problem).into());
    }
    if let Some(error) = error.downcast_ref::<NoListing>() {
        return of_listing(error);
    }
    let is_corrupt = error
        .chain()
        .filter_map(|cause| cause.downcast_ref())
        .any(is_corrupt);
    is_corrupt.then_some(
        "the database is damaged: restore a copy that `mlsmirror backup` made, or move the file away and sync again"
            .into(),
    )
}

fn of_mirror(problem: MirrorProblem) -> &'static str {
    match problem {
        MirrorProblem::Missing => "`mlsmirror sync` creates it",
        MirrorProblem::EarlierVersion => "`mlsmirror sync` brings it up to date",
        MirrorProblem::LaterVersion => "update the program",
        _ => "set mirror.database to a new file or to a mirror",
    }
}

fn of_listing(error: &NoListing) -> Option<Cow<'static, str>> {
    match error {
        NoListing::Unknown { key, same_id } => same_id
            .is_empty()
            .then(|| format!("if the feed has it, `mlsmirror refresh {key}` fetches it").into()),
        NoListing::Purged { key } => Some(
            format!("`mlsmirror changes --listing {key}` prints what the log still has").into(),
        ),
        NoListing::NotYet { .. } | NoListing::LogBegins { .. } => {
            Some("ask for a later time".into())
        }
    }
}
