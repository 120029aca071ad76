//! The facts from which the conditions follow that need attention.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::condition::Condition;
use super::problem::Problem;
use super::resource_status::ResourceStatus;
use crate::config::{Config, When};
use crate::mirror::{Backlog, Mirror, RunStatus};
use crate::resource::Resource;
use crate::sync::{self, CredentialsProblem, HeldDeletions, UnusableFolder};
use crate::value::instant;

/// A resource needs attention after this number of intervals without a completed sync.
const INTERVALS: u32 = 3;

/// The tolerated difference between two clocks, in seconds.
const CLOCK_TOLERANCE_SECONDS: i64 = 300;

/// Everything that decides which conditions need attention.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The moment of the facts.
    pub now: DateTime<Utc>,
    /// The interval between two scheduled syncs, if there is one.
    pub interval: Option<Duration>,
    /// The age of the last successful sync that is tolerated. None = any age.
    pub max_age: Option<Duration>,
    /// The problem of the credentials at the last try.
    pub credentials: Option<CredentialsProblem>,
    /// The end of the pause that the feed asked for.
    pub paused_until: Option<DateTime<Utc>>,
    /// Whether a process syncs the mirror now.
    pub is_syncing: bool,
    /// The configured resources.
    pub resources: Vec<ResourceStatus>,
    /// The problems of the last runs that are not settled.
    pub problems: Vec<Problem>,
    /// The deletions that were held back.
    pub held: Vec<HeldDeletions>,
    /// The differences of the counts that a comparison of all keys did not resolve.
    pub count_differences: Vec<(&'static str, i64)>,
    /// The photos to download.
    pub photos: Backlog,
    /// Why the folder of photos cannot be used.
    pub media_folder: Option<UnusableFolder>,
    /// The alerts.
    pub alerts: Vec<AlertFacts>,
    /// Why the last export failed, if it did.
    pub export_error: Option<String>,
    /// The number of exported values that do not fit their columns.
    pub misfits: u64,
    /// The database and the folder of photos if their disk is full, one for each disk.
    pub full_disks: Vec<PathBuf>,
}

/// A disk with less free space than this is full, in bytes: a failed run can be stored in the
/// last megabyte.
const FREE_BYTES_MIN: u64 = 1_000_000;

/// Returns the identifier of the disk of a path, if the disk is full. An unknown one is not.
fn full_disk(path: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let disk = rustix::fs::statvfs(path).ok()?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        (free < FREE_BYTES_MIN).then_some(disk.f_fsid)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// The facts about one alert.
#[derive(Clone, Debug, Default)]
pub struct AlertFacts {
    /// Its name.
    pub name: String,
    /// Why its last report failed.
    pub error: Option<String>,
    /// Its program, if there is no such program.
    pub missing_program: Option<String>,
}

impl Facts {
    /// Adds the facts that only the conditions need.
    pub(super) fn gather(mut self, config: &Config, mirror: &Mirror) -> anyhow::Result<Facts> {
        let schedule = &config.schedule;
        let follows = match schedule.incremental {
            When::Never => &schedule.full,
            _ => &schedule.incremental,
        };
        self.interval = follows.interval(self.now, schedule.timezone);
        self.max_age = config.status.max_age;
        self.credentials = sync::credentials_problem(mirror)?;
        for &resource in &config.sync.resources {
            self.held.extend(sync::held_deletions(mirror, resource)?);
            let difference = sync::count_difference(mirror, resource)?;
            let difference = difference.map(|count| (resource.entity_set(), count));
            self.count_differences.extend(difference);
        }
        let mut progress = mirror.alert_progress()?;
        self.alerts = (config.alerts.iter())
            .map(|alert| AlertFacts {
                name: alert.name.clone(),
                error: progress
                    .remove(&alert.name)
                    .and_then(|progress| progress.error),
                missing_program: alert.missing_program().map(str::to_owned),
            })
            .collect();
        let export = mirror.last_export()?;
        let failed = export.filter(|last| last.status == RunStatus::Failed.as_str());
        self.export_error = failed.and_then(|last| last.error);
        self.misfits = mirror.count_misfits()?;
        let mut named = BTreeSet::new();
        self.full_disks = [&config.mirror.database, &config.mirror.media_dir]
            .into_iter()
            .filter(|path| full_disk(path).is_some_and(|disk| named.insert(disk)))
            .cloned()
            .collect();
        Ok(self)
    }
}

/// Lists the conditions that need attention.
pub fn conditions(facts: &Facts) -> Vec<Condition> {
    let mut conditions = Vec::new();
    conditions.extend(facts.credentials.clone().map(|problem| match problem {
        CredentialsProblem::Refused => Condition::CredentialsRefused,
        CredentialsProblem::Missing(reason) => Condition::NoToken(reason),
    }));
    if let Some(until) = facts.paused_until.filter(|until| *until > facts.now) {
        conditions.push(Condition::Paused(until));
    }
    for resource in &facts.resources {
        conditions.extend(of_resource(resource, facts));
    }
    conditions.extend(of_runs(facts));
    conditions.extend(facts.media_folder.clone().map(Condition::MediaFolder));
    let full = facts.full_disks.iter().cloned();
    conditions.extend(full.map(Condition::DiskFull));
    if facts.photos.failing > 0 {
        conditions.push(Condition::PhotosFailing(facts.photos.failing));
    }
    for alert in &facts.alerts {
        let name = alert.name.clone();
        if let Some(program) = &alert.missing_program {
            conditions.push(Condition::ProgramMissing(name, program.clone()));
        } else if let Some(error) = &alert.error {
            conditions.push(Condition::AlertFails(name, error.clone()));
        }
    }
    conditions.extend(facts.export_error.clone().map(Condition::ExportFails));
    if facts.misfits > 0 {
        conditions.push(Condition::Misfits(facts.misfits));
    }
    conditions
}

/// Lists the conditions of a resource.
fn of_resource(one: &ResourceStatus, facts: &Facts) -> Vec<Condition> {
    let resource = one.resource;
    let mut conditions = Vec::new();
    let in_future = |moment: Option<&str>| {
        let moment = instant(moment?)?;
        ((moment - facts.now).num_seconds() > CLOCK_TOLERANCE_SECONDS).then_some(moment)
    };
    if let Some(at) = in_future(one.current_as_of.as_deref()) {
        conditions.push(Condition::InFuture(resource, at));
    }
    if let Some(at) = in_future(one.watermark.as_deref()) {
        conditions.push(Condition::WatermarkInFuture(resource, at));
    }

    let is_older =
        |lag: u64, limit: Option<Duration>| limit.is_some_and(|limit| lag > limit.as_secs());
    match one.lag_seconds {
        None if facts.is_syncing || !one.is_declared => {}
        None => conditions.push(Condition::NeverSynced(resource)),
        Some(lag_seconds) if is_older(lag_seconds, facts.max_age) => {
            let max_age = facts.max_age.unwrap_or_default();
            conditions.push(Condition::TooOld {
                resource,
                lag_seconds,
                max_age,
            });
        }
        Some(lag_seconds) if is_older(lag_seconds, facts.interval.map(|one| one * INTERVALS)) => {
            conditions.push(Condition::Late {
                resource,
                lag_seconds,
                intervals: INTERVALS,
            });
        }
        Some(_) => {}
    }
    if one.open_rejects > 0 {
        conditions.push(Condition::OpenRejects(resource, one.open_rejects));
    }
    let held = facts
        .held
        .iter()
        .filter(|held| held.resource.entity_set() == resource);
    let held = held.filter(|held| !follows_listings(held, facts));
    conditions.extend(held.map(|held| Condition::DeletionsHeld(held.clone())));
    let mut differences = facts.count_differences.iter();
    if let Some((_, difference)) = differences.find(|(of, _)| *of == resource) {
        conditions.push(Condition::CountsDisagree(resource, *difference));
    }
    conditions
}

/// Returns whether the deletions of listings were held back as well: their children are deleted
/// with them.
fn follows_listings(held: &HeldDeletions, facts: &Facts) -> bool {
    let of_listings =
        |other: &HeldDeletions| other.resource == Resource::PROPERTY && other.job == held.job;
    held.is_of_children && facts.held.iter().any(of_listings)
}

/// Lists the problems of the last runs that no other condition covers, one for all
/// resources with the same error.
fn of_runs(facts: &Facts) -> Vec<Condition> {
    let mut conditions: Vec<(Problem, Vec<String>)> = Vec::new();
    for problem in facts
        .problems
        .iter()
        .filter(|problem| !is_covered(problem, facts))
    {
        let is_same = |known: &Problem| {
            (&known.job, &known.status, &known.error)
                == (&problem.job, &problem.status, &problem.error)
        };
        let known = conditions.iter_mut().find(|(known, _)| is_same(known));
        match known {
            Some((_, resources)) => resources.push(problem.resource.clone()),
            None => conditions.push((problem.clone(), vec![problem.resource.clone()])),
        }
    }
    let conditions = conditions.into_iter();
    conditions
        .map(|(problem, resources)| Condition::Unsettled { problem, resources })
        .collect()
}

/// Returns whether another condition says the same as a problem.
fn is_covered(problem: &Problem, facts: &Facts) -> bool {
    let mut resources = facts.resources.iter();
    let resource = resources.find(|one| one.resource == problem.resource);
    match (problem.job.as_str(), problem.status.as_str()) {
        ("monitor", _) => true,
        ("media", "partial") => facts.photos.failing > 0 || facts.media_folder.is_some(),
        (_, "failed") => {
            let is_first = resource.is_some_and(|one| one.lag_seconds.is_none());
            facts.credentials.is_some() || (is_first && facts.is_syncing)
        }
        (job, _) => {
            let mut held = facts.held.iter();
            let mut differences = facts.count_differences.iter();
            let is_held =
                held.any(|held| held.job == job && held.resource.entity_set() == problem.resource);
            is_held
                || job == "incremental" && differences.any(|(of, _)| *of == problem.resource)
                || resource.is_some_and(|one| one.open_rejects > 0)
        }
    }
}
