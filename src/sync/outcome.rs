//! How runs and jobs end, and the report of a job.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::context::Context;
use super::media_folder::UnusableFolder;
use super::sync_error::SyncError;
use crate::feed::{FeedError, ShapeError};
use crate::mirror::{Purged, RunStatus, RunSummary, WrongCondition};
use crate::resource::Resource;
use crate::stop::{Signal, Stop};

/// How a job ended.
///
/// In rising order: two jobs together end as the later one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Everything was done.
    #[default]
    Done,
    /// Something was left out.
    Partial,
    /// Nothing could be done.
    Failed,
    /// The feed refused the credentials.
    Unauthorized,
    /// The configuration asks for something that the feed refuses.
    Misconfigured,
    /// The job was stopped.
    Interrupted(Signal),
}

impl Ending {
    /// Returns the name that is printed.
    pub fn as_str(&self) -> &'static str {
        match self {
            Ending::Done => "succeeded",
            Ending::Partial => "partial",
            Ending::Failed | Ending::Misconfigured | Ending::Unauthorized => "failed",
            Ending::Interrupted(_) => "interrupted",
        }
    }
}

/// The configuration asks for something that the feed refuses.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misconfigured(pub(super) String);

impl Misconfigured {
    /// Returns the error for a condition of `[media]` that cannot be used.
    pub(super) fn kept_photos(wrong: WrongCondition) -> Misconfigured {
        Misconfigured(format!("[media]: `listings`: {wrong}"))
    }
}

/// A way out of a situation that a user can take. The command line words it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Advice {
    /// Deletions were held back; this number of them would have to be allowed.
    AllowDeletes(u64),
    /// A resource has to be read completely first.
    RunFull,
    /// Photos that failed wait for their next attempt.
    RetryPhotos,
    /// The media folder cannot be used.
    MediaFolder(UnusableFolder),
}

/// The result of a job.
#[derive(Debug, Default)]
pub struct Report {
    /// The runs, one per resource.
    pub runs: Vec<RunSummary>,
    /// The number of soft-deleted rows, by resource and reason.
    pub deleted: Vec<DeletedCount>,
    /// The numbers of files that were downloaded and removed.
    pub files: FileCounts,
    /// Why files of deleted photos could not be removed, in one line.
    pub cleanup_error: Option<String>,
    /// What retention removed for good.
    pub purged: Purged,
    /// Ways for the user to solve the problems of the job.
    pub advice: BTreeSet<Advice>,
    /// What an export wrote.
    pub exported: Option<ExportCounts>,
    /// How the job ended.
    pub ending: Ending,
}

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportCounts {
    /// Tables with a new version.
    pub tables: u64,
    /// Rows in new files.
    pub rows: u64,
    /// Values that their columns cannot hold, in all exported rows.
    pub misfits: u64,
}

impl Report {
    /// Adds the report of further work of the same job.
    pub fn add(&mut self, more: Report) {
        self.runs.extend(more.runs);
        for deleted in more.deleted {
            let is_same = |known: &&mut DeletedCount| {
                (known.resource, known.reason) == (deleted.resource, deleted.reason)
            };
            match self.deleted.iter_mut().find(is_same) {
                Some(known) => known.count += deleted.count,
                None => self.deleted.push(deleted),
            }
        }
        self.files.add(more.files);
        self.cleanup_error = self.cleanup_error.take().or(more.cleanup_error);
        self.purged.rows += more.purged.rows;
        self.purged.changes += more.purged.changes;
        self.purged.runs += more.purged.runs;
        self.exported = self.exported.or(more.exported);
        self.advice.extend(more.advice);
        self.ending = std::mem::take(&mut self.ending).max(more.ending);
    }
}

/// The number of rows of a resource that were soft-deleted for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeletedCount {
    /// The resource.
    pub resource: &'static str,
    /// The reason as in the column `deleted_reason`.
    pub reason: &'static str,
    /// The number of rows.
    pub count: u64,
}

impl DeletedCount {
    /// Returns the counts as they are reported.
    pub(super) fn list(counts: &BTreeMap<(Resource, &'static str), u64>) -> Vec<DeletedCount> {
        counts
            .iter()
            .map(|(&(resource, reason), &count)| DeletedCount {
                resource: resource.entity_set(),
                reason,
                count,
            })
            .collect()
    }
}

/// The numbers of files that a job downloaded and removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileCounts {
    /// Files that were downloaded, new ones and replacements.
    pub fetched: u64,
    /// Files whose host answered that they are unchanged.
    pub unchanged: u64,
    /// Files that were removed.
    pub removed: u64,
    /// Files that could not be downloaded or removed.
    pub failed: u64,
    /// Bytes of the downloaded files.
    pub bytes: u64,
}

impl FileCounts {
    /// Adds the counts of further work.
    pub fn add(&mut self, more: FileCounts) {
        self.fetched += more.fetched;
        self.unchanged += more.unchanged;
        self.removed += more.removed;
        self.failed += more.failed;
        self.bytes += more.bytes;
    }
}

/// How the run of one resource ended, in rising order of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Done,
    Partial,
    /// The feed's answers contradict each other. The run failed, and the job is partial.
    Contradictory,
    Failed,
    Forbidden,
    Unauthorized,
    Misconfigured,
    Interrupted,
}

impl Verdict {
    /// Returns the status that `sync_runs` gets.
    pub fn status(self) -> RunStatus {
        match self {
            Verdict::Done => RunStatus::Succeeded,
            Verdict::Partial => RunStatus::Partial,
            Verdict::Interrupted => RunStatus::Interrupted,
            _ => RunStatus::Failed,
        }
    }
}

/// Classifies an error of one resource's run, and words it for `sync_runs`.
pub(super) fn judge(
    context: &Context<'_>,
    resource: Resource,
    error: &SyncError,
) -> (Verdict, String) {
    let filter = context.config.sync.filter.get(&resource);
    judge_request(filter, resource, error)
}

/// Classifies an error of requests with this configured filter, as [`judge`] does.
pub(super) fn judge_request(
    filter: Option<&String>,
    resource: Resource,
    error: &SyncError,
) -> (Verdict, String) {
    let text = format!("{error:#}");
    match (error.feed(), filter) {
        (Some(FeedError::Interrupted(_)), _) => (Verdict::Interrupted, text),
        (Some(FeedError::Unauthorized { status: 401, .. }), _) => (Verdict::Unauthorized, text),
        (Some(FeedError::Unauthorized { .. }), _) => (Verdict::Forbidden, text),
        (Some(FeedError::Refused { status: 400, .. }), Some(filter)) => {
            let text = format!("{text}; check [sync.filter] {resource} = \"{filter}\"");
            (Verdict::Misconfigured, text)
        }
        (
            Some(
                FeedError::Stuck(_)
                | FeedError::Unordered(_)
                | FeedError::NotByKey
                | FeedError::NoRecord,
            ),
            _,
        ) => (Verdict::Contradictory, text),
        _ if matches!(error, SyncError::Shape(ShapeError::NoSuchField { .. })) => {
            (Verdict::Misconfigured, text)
        }
        _ => (Verdict::Failed, text),
    }
}

/// Returns how a whole job ended. Resources that failed while others succeeded make
/// the job partial.
pub(super) fn ending_of(verdicts: &BTreeSet<Verdict>, stop: &Stop) -> Ending {
    let worst = verdicts.last().copied().unwrap_or(Verdict::Done);
    let some_done = verdicts.contains(&Verdict::Done) || verdicts.contains(&Verdict::Partial);
    match worst {
        Verdict::Interrupted => Ending::Interrupted(stop.requested().unwrap_or(Signal::Terminate)),
        Verdict::Misconfigured => Ending::Misconfigured,
        Verdict::Unauthorized => Ending::Unauthorized,
        Verdict::Forbidden | Verdict::Failed | Verdict::Partial if some_done => Ending::Partial,
        Verdict::Forbidden => Ending::Unauthorized,
        Verdict::Failed => Ending::Failed,
        Verdict::Partial | Verdict::Contradictory => Ending::Partial,
        Verdict::Done => Ending::Done,
    }
}

/// Returns the most memory that this process has used so far, in bytes, where the
/// system reports it.
pub(super) fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}
