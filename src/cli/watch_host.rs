//! The host of the daemon in `watch`: it logs, and notifies systemd.

use std::cell::Cell;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sd_notify::NotifyState;

use super::advice;
use super::arguments::Arguments;
use super::display_text::printable;
use super::job_log::log_job;
use super::notify::{PrintFormat, current_conditions, notify};
use super::output::{Output, WATCH_LOG};
use super::session::configuration;
use super::watchdog::Pulse;
use crate::config::{Alert, Config};
use crate::feed::{Credentials, Feed};
use crate::mirror::{Mirror, RunCounts};
use crate::resource::Resource;
use crate::schedule::{DaemonHost, EndedJob, ScheduledJob};
use crate::stop::Stop;
use crate::sync::{AlertLine, Note, PhotoProgress, Progress, ReportError};

pub struct WatchHost<'a> {
    arguments: &'a Arguments,
    output: &'a Output,
    stop: Stop,
    pulse: Arc<Pulse>,
    /// The job that systemd shows as the next one.
    shown_next: Cell<Option<(DateTime<Utc>, ScheduledJob)>>,
}

impl<'a> WatchHost<'a> {
    pub fn new(
        arguments: &'a Arguments,
        output: &'a Output,
        stop: Stop,
        pulse: Arc<Pulse>,
    ) -> WatchHost<'a> {
        WatchHost {
            arguments,
            output,
            stop,
            pulse,
            shown_next: Cell::new(None),
        }
    }

    pub fn log_info(&self, line: &str) {
        tracing::info!(target: WATCH_LOG, "{}", printable(line));
    }
}

impl Progress for WatchHost<'_> {
    fn begin(&self, _: Resource, _: Option<u64>) {
        self.pulse.beat();
    }

    fn page(&self, _: Resource, _: &RunCounts, _: u64) {
        self.pulse.beat();
    }

    fn note(&self, note: &Note) {
        self.log_info(&advice::note(note));
    }

    fn photos(&self, _: &PhotoProgress) {
        self.pulse.beat();
    }

    fn files(&self, _: u64, _: u64) {
        self.pulse.beat();
    }

    fn end(&self, _: Resource) {
        self.pulse.beat();
    }
}

impl DaemonHost for WatchHost<'_> {
    fn read_config(&self) -> anyhow::Result<Config> {
        configuration(self.arguments, self.output)
    }

    fn connect(&self, config: &Config, stop: &Stop) -> anyhow::Result<Arc<Feed>> {
        let credentials = Credentials::read(&config.feed)?;
        let feed = Arc::new(Feed::open(&config.feed, credentials, stop.clone())?);
        self.pulse.set_feed(&feed);
        Ok(feed)
    }

    fn progress(&self) -> &dyn Progress {
        self
    }

    fn notify(
        &self,
        config: &Config,
        alert: &Alert,
        lines: &[AlertLine],
    ) -> Result<(), ReportError> {
        self.pulse.beat();
        let format = if self.output.json {
            PrintFormat::JsonLines
        } else {
            PrintFormat::Text
        };
        notify(config, alert, lines, format, &self.stop)
    }

    fn conditions(&self, config: &Config, mirror: &mut Mirror) -> anyhow::Result<Vec<String>> {
        current_conditions(config, mirror)
    }

    fn ready(&self) {
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        self.log_info("watching");
    }

    fn waiting_for(&self, next: Option<(DateTime<Utc>, ScheduledJob)>) {
        self.pulse.beat();
        if self.shown_next.replace(next) == next {
            return;
        }
        let status = match next {
            Some((at, job)) => format!("waiting for {job} at {}", self.output.times().named(at)),
            None => "waiting, with nothing scheduled".to_owned(),
        };
        let _ = sd_notify::notify(&[NotifyState::Status(&status)]);
    }

    fn job_started(&self, job: ScheduledJob) {
        self.pulse.beat();
        let _ = sd_notify::notify(&[NotifyState::Status(&format!("running {job}"))]);
    }

    fn job_ended(&self, ended: &EndedJob<'_>) {
        self.shown_next.set(None);
        log_job(ended, self.arguments.log_format, self.output.times());
    }

    fn reload_started(&self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            let _ = sd_notify::notify(&[NotifyState::Reloading, now]);
        }
    }

    fn reload_ended(&self, read: &anyhow::Result<()>) {
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        match read {
            Ok(()) => self.log_info("read the configuration again"),
            Err(error) => {
                let line = format!("the previous configuration stays in force: {error:#}");
                tracing::error!(target: WATCH_LOG, "{}", printable(&line));
            }
        }
    }
}
