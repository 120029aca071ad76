//! The status of a mirror, and the conditions that need attention.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::condition::Condition;
use super::problem::{Problem, unsettled};
use super::resource_status::{ResourceStatus, resource_status};
use super::status_facts::{Facts, conditions};
use crate::config::Config;
use crate::mirror::{
    Backlog, BudgetUnit, Job, Lease, LeaseHolder, Mirror, RequestLedger, RunStatus, RunSummary,
    RunTotals,
};
use crate::schedule::ScheduledJob;
use crate::sync;
use crate::value::{instant, stored_second};

/// The status of a mirror at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The path of the database.
    pub database: PathBuf,
    /// The sizes of the database and of the photos.
    pub sizes: Sizes,
    /// The daemon that watches the mirror.
    pub watching: Option<LeaseHolder>,
    /// The process that syncs the mirror now.
    pub syncing: Option<LeaseHolder>,
    /// The configured resources.
    pub resources: Vec<ResourceStatus>,
    /// The jobs that have run or are scheduled.
    pub jobs: Vec<JobStatus>,
    /// The photos to download.
    pub photos: Backlog,
    /// The requests and bytes that the rate limits still allow.
    pub budget: Vec<Budget>,
    /// The totals of all runs.
    #[serde(skip)]
    pub totals: RunTotals,
    /// The end of the pause that the feed asked for, UTC.
    pub paused_until: Option<String>,
    /// The days by which the clock of this machine was ahead of the feed's in the last job.
    pub clock_ahead_days: i64,
    /// The conditions that need attention. The command line adds advice to them.
    #[serde(skip)]
    pub conditions: Vec<Condition>,
}

/// The sizes of the database and of the photos.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Sizes {
    /// The size of the database and its write-ahead log.
    pub database_bytes: u64,
    /// The number of photo files.
    pub files: u64,
    /// The size of the photo files.
    pub media_bytes: u64,
}

/// The status of a job.
#[derive(Clone, Debug, Serialize)]
pub struct JobStatus {
    /// The name of the job.
    pub job: String,
    /// When the job last started, UTC.
    pub started_at: Option<String>,
    /// The worst status among the job's resources in its last run.
    pub status: Option<String>,
    /// The longest duration among the job's resources in its last run, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The error of the worst problem that no later run has settled, or of the export.
    pub error: Option<String>,
    /// All such problems, by resource. None for the export.
    pub errors: Vec<Problem>,
    /// When the daemon runs the job next, UTC.
    pub next_at: Option<String>,
}

/// The use of one rate limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// The period of the limit, in seconds.
    pub seconds: u64,
    /// The unit of the limit.
    pub unit: BudgetUnit,
    /// The number of requests or bytes allowed per period.
    pub limit: u64,
    /// The number of requests that all processes of the account sent in the last period, or of
    /// the bytes that they received.
    pub sent: u64,
    /// When the limit allows the next request, UTC. It is none while requests are left.
    pub opens_at: Option<String>,
}

impl Budget {
    /// Returns the number of requests or bytes left.
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.sent)
    }
}

/// How the files of photos are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhotoFiles {
    /// In their folder, which takes a while if there are very many.
    Counted,
    /// As the rows say, unless the folder cannot be used.
    AsRecorded,
}

/// Returns the status of a mirror.
pub fn status(
    config: &Config,
    mirror: &mut Mirror,
    photo_files: PhotoFiles,
    now: DateTime<Utc>,
) -> anyhow::Result<Status> {
    let database = &config.mirror.database;
    let left_out = sync::left_out(config, mirror)?;
    let mut resources = Vec::new();
    for &resource in &config.sync.resources {
        let is_declared = !left_out.contains(&resource);
        resources.push(resource_status(mirror, resource, is_declared, now)?);
    }
    let ledger = mirror.request_ledger()?;
    let watching = Lease::Watch.holder(database);
    let mut runs = mirror.last_runs()?;
    runs.extend(last_export(mirror)?);
    let syncing = Lease::Sync.holder(database);
    let problems = unsettled(&mirror.last_ended_runs()?);
    let jobs = jobs(config, &runs, &problems, watching.is_some().then_some(now));
    let media_folder = sync::inspect_media_folder(config, mirror)?;
    let (files, media_bytes) = match (&media_folder, photo_files) {
        (Err(_), _) | (Ok(None), _) => (0, 0),
        (Ok(Some(dir)), PhotoFiles::Counted) => dir.size()?,
        (Ok(Some(_)), PhotoFiles::AsRecorded) => mirror.media_size()?,
    };
    let holds_files = config.sync.download_media || mirror.has_files()?;
    let photos = mirror.photo_backlog()?;
    let paused_until = RequestLedger::paused_until(&ledger)?.map(DateTime::<Utc>::from);
    let facts = Facts {
        now,
        paused_until,
        is_syncing: syncing.is_some(),
        resources: resources.clone(),
        problems,
        photos,
        media_folder: media_folder.err().filter(|_| holds_files),
        ..Facts::default()
    };
    let conditions = conditions(&facts.gather(config, mirror)?);
    Ok(Status {
        database: database.clone(),
        sizes: Sizes {
            database_bytes: std::fs::metadata(database)?.len() + mirror.wal_bytes(),
            files,
            media_bytes,
        },
        watching,
        syncing,
        resources,
        jobs,
        photos,
        budget: budget(config, &ledger)?,
        totals: mirror.run_totals()?,
        clock_ahead_days: sync::clock_ahead_days(mirror)?,
        paused_until: paused_until.map(stored_second),
        conditions,
    })
}

/// Returns the last export. It is no run of a sync. Of earlier versions of this program, only
/// exports that published a table are known.
fn last_export(mirror: &Mirror) -> anyhow::Result<Option<RunSummary>> {
    if let Some(last) = mirror.last_export()? {
        return Ok(Some(RunSummary {
            job: Job::Export.to_string(),
            status: last.status,
            started_at: last.started_at,
            duration_ms: Some(last.duration_ms),
            error: last.error,
            ..RunSummary::default()
        }));
    }
    let exported_at = mirror.last_started(Job::Export)?;
    Ok(exported_at.map(|at| RunSummary {
        job: Job::Export.to_string(),
        status: RunStatus::Succeeded.as_str().to_owned(),
        started_at: at.clone(),
        finished_at: Some(at),
        ..RunSummary::default()
    }))
}

/// Lists the jobs that have run or are scheduled. The next run is known only while a daemon
/// watches the mirror.
fn jobs(
    config: &Config,
    runs: &[RunSummary],
    problems: &[Problem],
    watched_at: Option<DateTime<Utc>>,
) -> Vec<JobStatus> {
    let mut jobs = Vec::new();
    let scheduled = ScheduledJob::ALL.map(|job| (job.job().as_str(), Some(job)));
    for (name, scheduled) in scheduled.into_iter().chain([("refresh", None)]) {
        let of_job: Vec<&RunSummary> = runs.iter().filter(|run| run.job == name).collect();
        let newest = of_job.iter().map(|run| &run.started_at).max();
        let worst = of_job.iter().max_by_key(|run| severity(&run.status));
        let next = scheduled.zip(watched_at).and_then(|(job, now)| {
            let since = newest.and_then(|started| instant(started)).unwrap_or(now);
            let when = job.when(&config.schedule);
            when.next_after(since, config.schedule.timezone)
        });
        if newest.is_none() && next.is_none() {
            continue;
        }
        let errors = problems.iter().filter(|problem| problem.job == name);
        let errors: Vec<Problem> = errors.cloned().collect();
        let worst_error = errors
            .iter()
            .max_by_key(|problem| severity(&problem.status));
        // An export has no resources.
        let mut whole_job = of_job.iter().filter(|run| run.resource.is_empty());
        let own_error = whole_job.find_map(|run| run.error.clone());
        jobs.push(JobStatus {
            job: name.to_owned(),
            started_at: newest.cloned(),
            status: worst.map(|run| run.status.clone()),
            duration_ms: of_job.iter().filter_map(|run| run.duration_ms).max(),
            error: worst_error
                .map(|problem| problem.error.clone())
                .or(own_error),
            errors,
            next_at: next.map(stored_second),
        });
    }
    jobs
}

fn severity(status: &str) -> usize {
    let rising = ["succeeded", "running", "interrupted", "partial", "failed"];
    let place = rising.iter().position(|known| *known == status);
    place.unwrap_or(rising.len())
}

fn budget(config: &Config, ledger: &Path) -> anyhow::Result<Vec<Budget>> {
    let of_requests = config.feed.limits().into_iter();
    let of_requests =
        of_requests.map(|(limit, span)| (BudgetUnit::Requests, u64::from(limit.get()), span));
    let of_bytes = config.feed.byte_limits().into_iter();
    let of_bytes = of_bytes.map(|(limit, span)| (BudgetUnit::Bytes, limit.get(), span));
    // A limit per second is open again before anyone reads this.
    let limits = of_requests.chain(of_bytes);
    let limits = limits.filter(|(.., span)| *span >= Duration::from_secs(60));
    limits
        .map(|(unit, limit, span)| {
            let (sent, opens) = RequestLedger::spent_within(ledger, unit, limit, span)?;
            Ok(Budget {
                seconds: span.as_secs(),
                unit,
                limit,
                sent,
                opens_at: opens.map(|at| stored_second(at.into())),
            })
        })
        .collect()
}
