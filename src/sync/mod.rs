//! The jobs: what is asked of the feed, in which order, and what becomes of it.

mod difference;
mod download;
mod failing;
mod fetching;
mod files;
mod glossary;
mod jobs;
mod landing;
mod media;
mod media_job;
mod presence;
mod prune;
mod records;
mod renew;
mod sample;
mod time_zone;
mod verify;
mod verify_files;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::Config;
use crate::feed::{Feed, FeedError, ShapeError};
use crate::mirror::{
    Lease, Mirror, Purged, RequestLedger, RunCounts, RunStatus, RunSummary, WantedPhotos,
};
use crate::resource::Resource;
use crate::stop::{Signal, Stop};

pub use difference::{Difference, Verified, VerifiedResource};
pub use fetching::PhotoProgress;
pub use files::FileCounts;
pub use jobs::deletions::deletions;
pub use jobs::full::full;
pub use jobs::incremental::{fetches_photos, incremental, up_to_date};
pub use jobs::monitor::{Tell, monitor};
pub use jobs::plan::{Plan, ResourcePlan, check, plan, time_at};
pub use jobs::reconcile::reconcile;
pub use jobs::refresh::{Refreshed, refresh};
pub use media::media;
pub use presence::count_missing;
pub use prune::{ForeignFolder, Pruned, Unnamed, prune, unnamed};
pub use verify::verify;
pub use verify_files::{FileDifference, FileDifferenceKind, VerifiedFiles};

/// What a job works with.
pub struct Context<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The feed.
    pub feed: &'a Feed,
    /// The request to stop.
    pub stop: &'a Stop,
    /// Who is told how it goes.
    pub progress: &'a dyn Progress,
    /// How many deletions are allowed beyond the brake.
    pub allow_deletes: u64,
}

/// Who is told how a job goes.
pub trait Progress {
    /// A resource is about to be read; `total` records if the feed counts them.
    fn begin(&self, resource: Resource, total: Option<u64>);
    /// A page was applied; `counts` is what the run did so far, `done` how many
    /// records of the total are behind it, those of earlier runs among them.
    fn page(&self, resource: Resource, counts: &RunCounts, done: u64);
    /// Something that a reader should know while it goes on.
    fn note(&self, what: &str);
    /// Photos are being fetched, and it has come so far.
    fn photos(&self, progress: &PhotoProgress);
    /// So many files were held against their hashes, of so many bytes.
    fn files(&self, checked: u64, bytes: u64);
    /// The resource was read, or its files were.
    fn end(&self, resource: Resource);
}

/// Progress that nobody watches.
pub struct Unwatched;

impl Progress for Unwatched {
    fn begin(&self, _: Resource, _: Option<u64>) {}
    fn page(&self, _: Resource, _: &RunCounts, _: u64) {}
    fn note(&self, _: &str) {}
    fn photos(&self, _: &PhotoProgress) {}
    fn files(&self, _: u64, _: u64) {}
    fn end(&self, _: Resource) {}
}

/// Under what it is remembered that the feed refuses the credentials.
const CREDENTIALS: &str = "credentials";
const REFUSED: &str = "refused";

/// Whether the feed refused the credentials when it was last asked.
///
/// # Errors
/// If it cannot be read.
pub fn are_credentials_refused(mirror: &Mirror) -> rusqlite::Result<bool> {
    Ok(mirror.state(CREDENTIALS)?.as_deref() == Some(REFUSED))
}

/// Remembers whether the feed refuses the credentials, if that is news.
fn note_credentials(mirror: &mut Mirror, ending: &Ending) -> rusqlite::Result<()> {
    let found = match ending {
        Ending::Unauthorized => REFUSED,
        Ending::Done | Ending::Partial => "accepted",
        _ => return Ok(()),
    };
    if are_credentials_refused(mirror)? == (found == REFUSED) {
        return Ok(());
    }
    let tx = mirror.write()?;
    tx.set_state(CREDENTIALS, found)?;
    tx.commit()
}

/// How a job ended.
///
/// In rising order: one that did both ends as the later one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// All was done.
    #[default]
    Done,
    /// Something was left out.
    Partial,
    /// Nothing could be done.
    Failed,
    /// The feed refused the credentials.
    Unauthorized,
    /// The configuration asks for what the feed refuses.
    Misconfigured,
    /// It was stopped.
    Interrupted(Signal),
}

impl Ending {
    /// Its name in what is printed.
    pub fn as_str(&self) -> &'static str {
        match self {
            Ending::Done => "succeeded",
            Ending::Partial => "partial",
            Ending::Failed | Ending::Misconfigured | Ending::Unauthorized => "failed",
            Ending::Interrupted(_) => "interrupted",
        }
    }
}

/// The configuration asks for what the feed refuses.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misconfigured(String);

/// What a job did.
#[derive(Debug, Default)]
pub struct Report {
    /// Its runs, one a resource.
    pub runs: Vec<RunSummary>,
    /// How many rows it soft-deleted, by resource and reason.
    pub deleted: Vec<DeletedCount>,
    /// What it did about files.
    pub files: FileCounts,
    /// What went wrong with files that were to go, in a line.
    pub complaint: Option<String>,
    /// What was purged for good, as the configuration keeps it only for so long.
    pub purged: Purged,
    /// How it ended.
    pub ending: Ending,
}

impl Report {
    /// Fetches photos after what went well enough, and adds what that did.
    fn add_photos(
        &mut self,
        context: &Context<'_>,
        mirror: &mut Mirror,
        wanted: WantedPhotos<'_>,
    ) -> anyhow::Result<()> {
        if matches!(self.ending, Ending::Done | Ending::Partial) {
            self.add(media::fetch_photos(context, mirror, wanted)?);
        }
        Ok(())
    }

    /// Adds what was done besides.
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
        self.complaint = self.complaint.take().or(more.complaint);
        self.purged.rows += more.purged.rows;
        self.purged.changes += more.purged.changes;
        self.purged.runs += more.purged.runs;
        self.ending = std::mem::take(&mut self.ending).max(more.ending);
    }
}

/// How many rows of a resource were soft-deleted for one reason.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DeletedCount {
    /// The resource.
    pub resource: &'static str,
    /// As `deleted_reason` has it.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

/// How one resource's run ended, as the whole is judged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Done,
    Partial,
    Failed,
    Forbidden,
    Unauthorized,
    Misconfigured,
    Interrupted,
}

impl Context<'_> {
    /// What an error of a resource's run comes to, and its words for the run.
    fn judge(&self, resource: Resource, error: &anyhow::Error) -> (Verdict, String) {
        let text = format!("{error:#}");
        let filter = self.config.sync.filter.get(&resource);
        match (error.downcast_ref::<FeedError>(), filter) {
            (Some(FeedError::Interrupted(_)), _) => (Verdict::Interrupted, text),
            (Some(FeedError::Unauthorized { status: 401, .. }), _) => (Verdict::Unauthorized, text),
            (Some(FeedError::Unauthorized { .. }), _) => (Verdict::Forbidden, text),
            (Some(FeedError::Refused { status: 400, .. }), Some(filter)) => {
                let told = format!("{text}; look at [sync.filter] {resource} = \"{filter}\"");
                (Verdict::Misconfigured, told)
            }
            _ if wants_no_such_field(error) => (Verdict::Misconfigured, text),
            _ => (Verdict::Failed, text),
        }
    }

    /// How a run ends that met this error, and its words.
    fn failed(
        &self,
        resource: Resource,
        error: &anyhow::Error,
    ) -> (Verdict, RunStatus, Option<String>) {
        match self.judge(resource, error) {
            (Verdict::Interrupted, _) => (Verdict::Interrupted, RunStatus::Interrupted, None),
            (verdict, text) => (verdict, RunStatus::Failed, Some(text)),
        }
    }
}

fn wants_no_such_field(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ShapeError::NoSuchField { .. }))
}

/// Whether an error of one resource ends what asks for several: it was stopped,
/// or the credentials are refused.
fn is_the_end(error: &anyhow::Error, is_first: bool) -> bool {
    match error.downcast_ref() {
        Some(FeedError::Interrupted(_)) => true,
        Some(FeedError::Unauthorized { status, .. }) => *status == 401 || is_first,
        _ => false,
    }
}

/// The ending of a whole job, from its resources'. One that failed beside
/// others that did not is something left out.
fn ending_of(verdicts: &BTreeSet<Verdict>, stop: &Stop) -> Ending {
    let worst = verdicts.last().copied().unwrap_or(Verdict::Done);
    let some_done = verdicts.contains(&Verdict::Done) || verdicts.contains(&Verdict::Partial);
    match worst {
        Verdict::Interrupted => Ending::Interrupted(stop.requested().unwrap_or(Signal::Terminate)),
        Verdict::Misconfigured => Ending::Misconfigured,
        Verdict::Unauthorized => Ending::Unauthorized,
        Verdict::Forbidden | Verdict::Failed | Verdict::Partial if some_done => Ending::Partial,
        Verdict::Forbidden => Ending::Unauthorized,
        Verdict::Failed => Ending::Failed,
        Verdict::Partial => Ending::Partial,
        Verdict::Done => Ending::Done,
    }
}

/// The most memory that this process held so far, in bytes, where the system tells.
fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

/// Shares the feed's rate budget with the other processes that sync this mirror,
/// earlier ones and those of now. Without limits, or before there is a mirror, there
/// is nothing to share.
pub fn share_budget(config: &Config, feed: &Feed) {
    if !config.feed.has_limits() || !config.mirror.database.is_file() {
        return;
    }
    match RequestLedger::open(&config.mirror.database) {
        Ok(ledger) => feed.share_budget(Arc::new(ledger)),
        Err(error) => tracing::warn!(%error, "the rate budget is this process's alone"),
    }
}

/// Names the database in an error that its disk made, and the way out.
///
/// # Errors
/// The one that was given.
pub fn naming_database<T>(config: &Config, done: anyhow::Result<T>) -> anyhow::Result<T> {
    done.map_err(|error| {
        let is_disk_error = |cause: &(dyn std::error::Error + 'static)| {
            cause.downcast_ref().is_some_and(crate::mirror::is_disk_error)
        };
        match error.chain().any(is_disk_error) {
            true => error.context(format!(
                "{} could not be written; make room on its disk, or mend it, and run this again: it goes on where it stopped",
                config.mirror.database.display()
            )),
            false => error,
        }
    })
}

/// Opens the mirror for a job: takes the lease and buries dead runs.
///
/// # Errors
/// [`crate::mirror::LeaseTaken`], [`crate::mirror::NotAMirror`], or what kept the
/// database from opening.
pub fn open_for_sync(config: &Config) -> anyhow::Result<Mirror> {
    let mut mirror = Mirror::open(&config.mirror.database)?;
    mirror.take_lease(Lease::Sync)?;
    mirror.mark_abandoned_runs()?;
    time_zone::keep_time_zone(config, &mut mirror)?;
    Ok(mirror)
}
