//! The program around the daemon: it supplies the configuration and the connection, and
//! it is notified of everything that happens.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::{JobOutcome, ScheduledJob};
use crate::config::{Alert, Config};
use crate::feed::Feed;
use crate::mirror::Mirror;
use crate::stop::Stop;
use crate::sync::{AlertLine, Progress, Report, ReportError};

/// Counts the requests to read the configuration again.
pub type ReloadSender = watch::Sender<u64>;

/// Returns a channel for requests to read the configuration again.
pub fn reload_requests() -> (ReloadSender, watch::Receiver<u64>) {
    watch::channel(0)
}

/// A job that ended.
pub struct EndedJob<'e> {
    /// The job.
    pub job: ScheduledJob,
    /// The result of the job.
    pub report: &'e anyhow::Result<Report>,
    /// The outcome, which decides when the job runs again.
    pub outcome: JobOutcome,
    /// The duration of the job.
    pub duration: Duration,
    /// When the job is due next.
    pub next: Option<DateTime<Utc>>,
}

/// The program that runs a daemon.
pub trait DaemonHost {
    /// Reads the configuration.
    ///
    /// # Errors
    /// If a setting is wrong. The daemon keeps its previous configuration.
    fn read_config(&self) -> anyhow::Result<Config>;

    /// Fetches the token and connects to the feed.
    ///
    /// # Errors
    /// If there is no token.
    fn connect(&self, config: &Config, stop: &Stop) -> anyhow::Result<Arc<Feed>>;

    /// Returns the receiver of a job's progress.
    fn progress(&self) -> &dyn Progress;

    /// Passes the lines of an alert on.
    ///
    /// # Errors
    /// If that failed. The same lines are then passed on again.
    fn notify(
        &self,
        config: &Config,
        alert: &Alert,
        lines: &[AlertLine],
    ) -> Result<(), ReportError>;

    /// Returns the conditions of the mirror that need attention.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn conditions(&self, config: &Config, mirror: &mut Mirror) -> anyhow::Result<Vec<String>>;

    /// The daemon is set up and waits for its first job.
    fn ready(&self);

    /// The daemon waits for this job. It calls this at least once a second.
    fn waiting_for(&self, next: Option<(DateTime<Utc>, ScheduledJob)>);

    /// A job started.
    fn job_started(&self, job: ScheduledJob);

    /// A job ended.
    fn job_ended(&self, ended: &EndedJob<'_>);

    /// The daemon starts to read the configuration again.
    fn reload_started(&self);

    /// The daemon read the configuration, or kept the previous one after an error.
    fn reload_ended(&self, read: &anyhow::Result<()>);
}
