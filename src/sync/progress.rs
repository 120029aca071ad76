//! The progress of a job, as callers receive it.

use std::fmt;

use crate::mirror::RunCounts;
use crate::resource::Resource;

/// Receives the progress of a job.
pub trait Progress {
    /// Reading of a resource begins; `total` is its number of records if the feed counts
    /// them.
    fn begin(&self, resource: Resource, total: Option<u64>);
    /// A page was applied. `counts` are the run's counts so far; `done` is the number of
    /// records of the total that were read, by this run and the runs that it resumes.
    fn page(&self, resource: Resource, counts: &RunCounts, done: u64);
    /// Something that a reader should know while the job continues.
    fn note(&self, note: &Note);
    /// Photos are being downloaded.
    fn photos(&self, progress: &PhotoProgress);
    /// Files were compared with their hashes: their number and their bytes so far.
    fn files(&self, checked: u64, bytes: u64);
    /// The resource was read, or its files were.
    fn end(&self, resource: Resource);
}

/// Something that a reader should know while a job continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The feed has no list of deleted records.
    NoAnnouncements,
    /// The feed announces deletions under these resource names, which the mirror does not
    /// know.
    UnknownAnnounced(String),
    /// All records of a resource are read, for this reason.
    ReadsAll(Resource, &'static str),
    /// The feed does not declare this resource of children, which is left out.
    NotDeclared(Resource, Option<String>),
    /// The records of a resource have no timestamp, so that every sync reads all of them.
    NoTimestamp(Resource),
    /// The feed does not have the resource of these children, which come with their listings.
    ChangesRefused(Resource),
    /// This number of declared fields of a resource has no column.
    FieldsInExtra(Resource, usize),
    /// The resource cannot be compared by its keys.
    NotReconciled(Resource),
    /// This number of files in this folder is missing or damaged, and is downloaded again.
    MissingFiles(String, u64),
    /// This number of files had its extension twice in its name, and was renamed.
    RenamedFiles(u64),
    /// The clock of this machine differs from the feed's by more than a day, so that nothing
    /// is removed by its age.
    ClockDisagrees,
    /// This number of photos waited for a time that is too far away, and waits no longer.
    EndlessPauses(u64),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::NoAnnouncements => write!(f, "Deleted: this feed announces no deletions"),
            Note::UnknownAnnounced(names) => write!(
                f,
                "Deleted: the feed announces deletions of unknown resources: {names}; skipping them"
            ),
            Note::ReadsAll(resource, reason) => {
                write!(f, "{resource}: {reason}; reading all of it")
            }
            Note::NotDeclared(resource, near) => {
                write!(
                    f,
                    "{resource}: this feed does not declare it; leaving it out"
                )?;
                match near {
                    Some(near) => write!(f, "; did you mean {near}?"),
                    None => Ok(()),
                }
            }
            Note::NoTimestamp(resource) => {
                write!(
                    f,
                    "{resource}: its records have no timestamp; every sync reads all of them"
                )
            }
            Note::ChangesRefused(resource) => {
                let (_, records) = resource.nouns();
                write!(
                    f,
                    "{resource}: the feed answers 404; {records} that change without their listing are not read"
                )
            }
            Note::FieldsInExtra(resource, count) => {
                let fields = if *count == 1 {
                    "declared field has"
                } else {
                    "declared fields have"
                };
                write!(
                    f,
                    "{resource}: {count} {fields} no column; `extra` keeps the values"
                )
            }
            Note::NotReconciled(resource) => {
                write!(
                    f,
                    "{resource}: cannot be reconciled separately from its listings"
                )
            }
            Note::MissingFiles(folder, count) => write!(
                f,
                "{folder}: files are missing or damaged; downloading {count} again"
            ),
            Note::RenamedFiles(count) => write!(
                f,
                "photo files had their extension twice in their names, such as a.jpg.jpg; {count} renamed"
            ),
            Note::ClockDisagrees => write!(
                f,
                "the clock of this machine and the feed's differ by more than a day; [retention] removes nothing"
            ),
            Note::EndlessPauses(count) => write!(
                f,
                "photos waited for a time that is too far away; requesting {count} now"
            ),
        }
    }
}

/// How far the download of photos is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhotoProgress {
    /// The number of photos to download.
    pub total: u64,
    /// The number of photos that succeeded or failed so far.
    pub done: u64,
    /// Bytes received so far.
    pub bytes: u64,
}

/// Progress that nobody watches.
pub struct Unwatched;

impl Progress for Unwatched {
    fn begin(&self, _: Resource, _: Option<u64>) {}
    fn page(&self, _: Resource, _: &RunCounts, _: u64) {}
    fn note(&self, _: &Note) {}
    fn photos(&self, _: &PhotoProgress) {}
    fn files(&self, _: u64, _: u64) {}
    fn end(&self, _: Resource) {}
}
