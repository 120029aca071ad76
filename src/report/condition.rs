//! The conditions that need attention.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::problem::Problem;
use super::words::time;
use crate::config::MONITOR;
use crate::sync::{HeldDeletions, UnusableFolder};

/// A condition that needs attention.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The feed refuses the credentials.
    CredentialsRefused,
    /// No token could be obtained, for this reason.
    NoToken(String),
    /// The feed asked for a pause that ends then.
    Paused(DateTime<Utc>),
    /// The last completed sync of the resource is in the future.
    InFuture(&'static str, DateTime<Utc>),
    /// The watermark of the resource is in the future.
    WatermarkInFuture(&'static str, DateTime<Utc>),
    /// The resource has not completed its first full sync.
    NeverSynced(&'static str),
    /// The resource was not brought up to date for several intervals.
    Late {
        /// The resource.
        resource: &'static str,
        /// The time since it was brought up to date, in seconds.
        lag_seconds: u64,
        /// The tolerated number of intervals.
        intervals: u32,
    },
    /// The resource was not brought up to date within `[status] max_age`.
    TooOld {
        /// The resource.
        resource: &'static str,
        /// The time since it was brought up to date, in seconds.
        lag_seconds: u64,
        /// The tolerated time.
        max_age: Duration,
    },
    /// The resource has this number of unresolved rejects.
    OpenRejects(&'static str, u64),
    /// The folder of photos cannot be used.
    MediaFolder(UnusableFolder),
    /// Deletions of the resource were held back.
    DeletionsHeld(HeldDeletions),
    /// The feed counts this number of records more than the mirror has, or fewer.
    CountsDisagree(&'static str, i64),
    /// The last run of a job on these resources had a problem that is not settled.
    Unsettled {
        /// The problem, of the first resource.
        problem: Problem,
        /// All resources that have it.
        resources: Vec<String>,
    },
    /// This number of photos could not be downloaded.
    PhotosFailing(u64),
    /// The program of the alert fails, for this reason.
    AlertFails(String, String),
    /// The program of the alert does not exist.
    ProgramMissing(String, String),
    /// The last export failed, for this reason.
    ExportFails(String),
    /// This number of exported values do not fit their columns.
    Misfits(u64),
    /// The disk of this file or folder is full.
    DiskFull(PathBuf),
}

impl Condition {
    /// The names of all kinds of conditions.
    pub const KINDS: [&str; 19] = [
        "credentials_refused",
        "paused",
        "in_future",
        "watermark_in_future",
        "never_synced",
        "late",
        "too_old",
        "open_rejects",
        "deletions_held",
        "counts_disagree",
        "unsettled",
        "photos_failing",
        "alert_fails",
        "program_missing",
        "media_folder",
        "no_token",
        "export_fails",
        "misfits",
        "disk_full",
    ];

    /// Returns the name of its kind.
    pub fn kind(&self) -> &'static str {
        let index = match self {
            Condition::CredentialsRefused => 0,
            Condition::Paused(_) => 1,
            Condition::InFuture(..) => 2,
            Condition::WatermarkInFuture(..) => 3,
            Condition::NeverSynced(_) => 4,
            Condition::Late { .. } => 5,
            Condition::TooOld { .. } => 6,
            Condition::OpenRejects(..) => 7,
            Condition::DeletionsHeld(_) => 8,
            Condition::CountsDisagree(..) => 9,
            Condition::Unsettled { .. } => 10,
            Condition::PhotosFailing(_) => 11,
            Condition::AlertFails(..) => 12,
            Condition::ProgramMissing(..) => 13,
            Condition::MediaFolder(_) => 14,
            Condition::NoToken(_) => 15,
            Condition::ExportFails(_) => 16,
            Condition::Misfits(_) => 17,
            Condition::DiskFull(_) => 18,
        };
        Condition::KINDS[index]
    }

    /// Describes it with times in a time zone.
    pub fn in_zone(&self, zone: Tz) -> String {
        let ago = |seconds: &u64| time(Duration::from_secs(*seconds));
        let local = |at: &DateTime<Utc>| at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z");
        match self {
            Condition::CredentialsRefused => "the feed refuses the credentials".to_owned(),
            Condition::NoToken(reason) => format!("no token could be obtained ({reason})"),
            Condition::Paused(until) => format!(
                "the feed asked for a pause until {} (Retry-After)",
                local(until)
            ),
            Condition::InFuture(resource, at) => format!(
                "{resource} was last brought up to date in the future, at {}",
                local(at)
            ),
            Condition::WatermarkInFuture(resource, at) => {
                format!("{resource} has a watermark in the future, {}", local(at))
            }
            Condition::NeverSynced(resource) => {
                format!("{resource} has not completed its first full sync")
            }
            Condition::Late {
                resource,
                lag_seconds,
                intervals,
            } => format!(
                "{resource} was last brought up to date {} ago, more than {intervals} intervals",
                ago(lag_seconds)
            ),
            Condition::TooOld {
                resource,
                lag_seconds,
                max_age,
            } => format!(
                "{resource} was last brought up to date {} ago, more than status.max_age = {}",
                ago(lag_seconds),
                time(*max_age)
            ),
            Condition::MediaFolder(unusable) => unusable.to_string(),
            Condition::DiskFull(path) => format!("the disk of {} is full", path.display()),
            Condition::OpenRejects(resource, 1) => {
                format!("{resource}: 1 record could not be stored")
            }
            Condition::OpenRejects(resource, count) => {
                format!("{resource}: {count} records could not be stored")
            }
            Condition::DeletionsHeld(HeldDeletions {
                resource, count, ..
            }) => format!(
                "{resource}: deletions of {} were held back (sync.max_delete_percent)",
                resource.counted(*count)
            ),
            Condition::CountsDisagree(resource, difference) => {
                let compared = if *difference > 0 { "more" } else { "fewer" };
                let records = match difference.unsigned_abs() {
                    1 => "1 record".to_owned(),
                    count => format!("{count} records"),
                };
                format!("{resource}: the feed counts {records} {compared} than the mirror has")
            }
            Condition::Unsettled { problem, resources } => {
                let Problem {
                    job, status, error, ..
                } = problem;
                format!("{}: {job} {status}: {error}", resources.join(", "))
            }
            Condition::PhotosFailing(1) => "1 photo could not be downloaded".to_owned(),
            Condition::PhotosFailing(count) => {
                format!("{count} photos could not be downloaded")
            }
            Condition::AlertFails(alert, error) => format!("{}: {error}", title(alert)),
            Condition::ProgramMissing(alert, program) => {
                format!("{}: there is no program `{program}`", title(alert))
            }
            Condition::ExportFails(error) => format!("export failed: {error}"),
            Condition::Misfits(1) => "1 exported value does not fit its column".to_owned(),
            Condition::Misfits(count) => {
                format!("{count} exported values do not fit their columns")
            }
        }
    }
}

fn title(alert: &str) -> String {
    if alert == MONITOR {
        "[monitor]".to_owned()
    } else {
        format!("alert `{alert}`")
    }
}
