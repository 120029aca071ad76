//! How a mirror stands, and whether it needs a person.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::config::{Config, When};
use crate::mirror::{Backlog, LastRun, Lease, LeaseHolder, Mirror, RequestLedger};
use crate::resource::Resource;
use crate::schedule::ScheduledJob;
use crate::sync;
use crate::value::{instant, stored_instant};

/// A resource that was not brought up to date for so many of its intervals needs a
/// person.
const INTERVALS: u32 = 3;

/// A time to come by no more than so many seconds is of clocks that differ.
const CLOCKS_DIFFER: i64 = 300;

/// How a mirror stands.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Where the database is.
    pub database: PathBuf,
    /// Sizes in bytes.
    pub sizes: Sizes,
    /// The daemon that watches the mirror.
    pub watching: Option<LeaseHolder>,
    /// The process that syncs it now.
    pub syncing: Option<LeaseHolder>,
    /// The resources.
    pub resources: Vec<ResourceStatus>,
    /// The jobs that ran or are to run.
    pub jobs: Vec<JobStatus>,
    /// The photos that are still to fetch.
    pub photos: Backlog,
    /// What is left of the rate budget.
    pub budget: Vec<Budget>,
    /// What needs a person, a sentence each.
    pub needs: Vec<String>,
}

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Sizes {
    /// Of the database, its log included.
    pub database_bytes: u64,
    /// How many files photos have.
    pub files: u64,
    /// Of these files.
    pub media_bytes: u64,
}

/// How a resource stands.
#[derive(Clone, Debug, Serialize)]
pub struct ResourceStatus {
    /// Its entity set.
    pub resource: &'static str,
    /// The feed's own time up to which it is mirrored.
    pub watermark: Option<String>,
    /// When it was last brought up to date, UTC.
    pub current_as_of: Option<String>,
    /// How long ago that was, in seconds.
    pub lag_seconds: Option<u64>,
    /// Live rows.
    pub live: u64,
    /// Soft-deleted rows.
    pub deleted: u64,
    /// Records that could not be stored, and still cannot be.
    pub open_rejects: u64,
}

/// How a job stands.
#[derive(Clone, Debug, Serialize)]
pub struct JobStatus {
    /// Its name.
    pub job: String,
    /// When it last began, UTC.
    pub started_at: Option<String>,
    /// How it ended then: the worst of its resources.
    pub status: Option<String>,
    /// What went wrong then.
    pub error: Option<String>,
    /// When the daemon runs it next, UTC.
    pub next_at: Option<String>,
}

/// What is left of a rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// The limit's span in seconds.
    pub seconds: u64,
    /// How many requests it allows.
    pub limit: u64,
    /// How many were sent in the last such span, by whichever process.
    pub sent: u64,
}

impl Budget {
    /// How many requests are left.
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.sent)
    }
}

/// Looks at a mirror, at a moment.
///
/// # Errors
/// If it cannot be read.
pub fn status(config: &Config, mirror: &mut Mirror, now: DateTime<Utc>) -> anyhow::Result<Status> {
    let database = &config.mirror.database;
    let mut resources = Vec::new();
    for &resource in &config.sync.resources {
        resources.push(look_at(mirror, resource, now)?);
    }
    let watching = mirror.lease_holder(Lease::Watch)?;
    let runs = mirror.last_runs()?;
    let jobs = jobs(config, &runs, watching.is_some().then_some(now));
    let (files, media_bytes) = mirror.media_size()?;
    let mut status = Status {
        database: database.clone(),
        sizes: Sizes {
            database_bytes: std::fs::metadata(database)?.len() + mirror.wal_bytes(),
            files,
            media_bytes,
        },
        watching,
        syncing: mirror.lease_holder(Lease::Sync)?,
        resources,
        jobs,
        photos: mirror.photo_backlog()?,
        budget: budget(config)?,
        needs: Vec::new(),
    };
    status.needs = needs(config, mirror, &status, now)?;
    Ok(status)
}

fn look_at(
    mirror: &mut Mirror,
    resource: Resource,
    now: DateTime<Utc>,
) -> anyhow::Result<ResourceStatus> {
    let watermark = mirror.watermark(resource)?;
    let current_as_of = mirror.current_as_of(resource)?;
    let tx = mirror.read()?;
    let (live, deleted) = if tx.has_table(resource)? {
        tx.count_rows(resource)?
    } else {
        (0, 0)
    };
    let since = current_as_of.as_deref().and_then(instant);
    let lag = since.map(|since| (now - since).to_std().unwrap_or_default());
    Ok(ResourceStatus {
        resource: resource.entity_set(),
        watermark,
        lag_seconds: lag.map(|lag| lag.as_secs()),
        current_as_of,
        live,
        deleted,
        open_rejects: tx.open_rejects(resource)?,
    })
}

/// The jobs that ran or are to run; when they run next is known while a daemon does.
fn jobs(config: &Config, runs: &[LastRun], watched_at: Option<DateTime<Utc>>) -> Vec<JobStatus> {
    let mut jobs = Vec::new();
    let scheduled = ScheduledJob::ALL.map(|job| (job.job().as_str(), Some(job)));
    for (name, scheduled) in scheduled.into_iter().chain([("refresh", None)]) {
        let of_job: Vec<&LastRun> = runs.iter().filter(|run| run.job == name).collect();
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
        jobs.push(JobStatus {
            job: name.to_owned(),
            started_at: newest.cloned(),
            status: worst.map(|run| run.status.clone()),
            error: worst.and_then(|run| run.error.clone()),
            next_at: next.map(|next| next.format("%Y-%m-%d %H:%M:%S").to_string()),
        });
    }
    jobs
}

fn severity(status: &str) -> usize {
    let rising = ["succeeded", "running", "interrupted", "partial", "failed"];
    let place = rising.iter().position(|known| *known == status);
    place.unwrap_or(rising.len())
}

fn budget(config: &Config) -> anyhow::Result<Vec<Budget>> {
    let limits = config.feed.limits();
    let spans: Vec<Duration> = limits.iter().map(|(_, span)| *span).collect();
    let sent = RequestLedger::sent_within(&config.mirror.database, &spans)?;
    let budgets = limits.iter().zip(sent).map(|((limit, span), sent)| Budget {
        seconds: span.as_secs(),
        limit: limit.get().into(),
        sent,
    });
    Ok(budgets.collect())
}

/// What does not get better on its own.
fn needs(
    config: &Config,
    mirror: &Mirror,
    status: &Status,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<String>> {
    let mut needs = Vec::new();
    if sync::are_credentials_refused(mirror)? {
        needs.push(
            "the feed refuses the credentials: check the token and that the account may read"
                .to_owned(),
        );
    }
    let schedule = &config.schedule;
    let follows = match schedule.incremental {
        When::Never => &schedule.full,
        _ => &schedule.incremental,
    };
    let interval = follows.interval(now, schedule.timezone);
    for resource in &status.resources {
        let name = resource.resource;
        let began = resource.current_as_of.as_deref().and_then(instant);
        if let Some(began) = began.filter(|began| (*began - now).num_seconds() > CLOCKS_DIFFER) {
            needs.push(format!(
                "{name} was last brought up to date in the future, at {} UTC: this clock was ahead, or is behind now; set it right and run `mlsmirror sync`",
                stored_instant(began)
            ));
        }
        match (resource.lag_seconds, interval) {
            (None, _) => needs.push(format!(
                "{name} was never read to its end: `mlsmirror sync` does that"
            )),
            (Some(lag), Some(interval)) if lag > (interval * INTERVALS).as_secs() => {
                let hours = lag as f64 / 3_600.0;
                needs.push(format!(
                    "{name} was last brought up to date {hours:.1} hours ago, which is over {INTERVALS} of its intervals: see its last runs, and that `mlsmirror watch` runs"
                ));
            }
            _ => {}
        }
        match resource.open_rejects {
            0 => {}
            1 => needs.push(format!(
                "{name}: 1 record could not be stored: see `rejects`"
            )),
            many => needs.push(format!(
                "{name}: {many} records could not be stored: see `rejects`"
            )),
        }
    }
    Ok(needs)
}
