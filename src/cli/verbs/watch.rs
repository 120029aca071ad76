//! `watch`: jobs on their schedule, until it is asked to stop.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sd_notify::NotifyState;

use crate::cli::advice;
use crate::cli::arguments::{Arguments, LogFormat};
use crate::cli::exit::Exit;
use crate::cli::metrics::serve_metrics;
use crate::cli::notify::{PrintFormat, notify};
use crate::cli::output::Output;
use crate::cli::session::configuration;
use crate::cli::signals::{self, listen_for_signals};
use crate::cli::text::{bytes, counted, listed, thousands, time};
use crate::config::Config;
use crate::feed::{Feed, Token};
use crate::mirror::{Job, RunCounts, RunStatus, RunSummary, Transition};
use crate::resource::Resource;
use crate::schedule::{Daemon, DaemonHost, EndedJob, JobOutcome, ScheduledJob, reload_requests};
use crate::stop::{self, Stop};
use crate::sync::{Note, PhotoProgress, Progress, Report};

/// It ends within 10 seconds of being asked to, which is told to its users.
const GRACE: Duration = Duration::from_secs(9);

/// So long nothing may happen before systemd is not told any more that all is well.
const HANGS_AFTER: Duration = Duration::from_secs(900);

pub fn run(arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    let config = configuration(arguments, output)?;
    let (stopper, stop) = stop::channel();
    let (hangup, hung_up) = reload_requests();
    let daemon = signals::DaemonSignals {
        hangup,
        grace: GRACE,
    };
    listen_for_signals(stopper, Some(daemon))?;
    let pulse = Arc::new(Pulse::default());
    let host = WatchHost {
        arguments,
        output,
        stop: stop.clone(),
        pulse: pulse.clone(),
        waits_for: Cell::new(None),
    };
    let feed = host.connect(&config, &stop)?;
    if let Some(address) = config.watch.metrics {
        serve_metrics(address, config.clone())?;
    }
    let daemon = Daemon::new(&host, config, feed, stop, hung_up)?;
    watch_over(pulse);
    daemon.run()?;
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    host.say("stopped", &[]);
    Ok(Exit::Done)
}

/// When something happened last, for systemd's watchdog.
#[derive(Default)]
struct Pulse {
    /// Counts everything that happens.
    beats: AtomicU64,
    feed: Mutex<Weak<Feed>>,
}

impl Pulse {
    fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    fn feed(&self) -> MutexGuard<'_, Weak<Feed>> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes for as long as something happens, were it only that it is waited for
    /// the rate budget.
    fn reading(&self) -> (u64, u64) {
        let feed = self.feed().upgrade();
        let traffic = feed.map(|feed| feed.traffic()).unwrap_or_default();
        let of_feed = traffic.requests + traffic.throttled_ms + traffic.bytes_received;
        (self.beats.load(Ordering::Relaxed), of_feed)
    }
}

/// Tells systemd that all is well, for as long as it is. Without a watchdog there is
/// nobody to tell.
fn watch_over(pulse: Arc<Pulse>) {
    let Some(every) = sd_notify::watchdog_enabled() else {
        return;
    };
    std::thread::spawn(move || {
        let mut last = (pulse.reading(), Instant::now());
        loop {
            let reading = pulse.reading();
            if reading != last.0 {
                last = (reading, Instant::now());
            }
            if last.1.elapsed() < HANGS_AFTER.max(every) {
                let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            }
            // Twice as often as is asked for, as its manual advises.
            std::thread::sleep(every / 2);
        }
    });
}

struct WatchHost<'a> {
    arguments: &'a Arguments,
    output: &'a Output,
    stop: Stop,
    pulse: Arc<Pulse>,
    waits_for: Cell<Option<(DateTime<Utc>, ScheduledJob)>>,
}

impl WatchHost<'_> {
    /// A line of the log, with what it says by name for programs.
    fn say(&self, line: &str, named: &[(&str, serde_json::Value)]) {
        if self.output.quiet {
            return;
        }
        self.log("info", line, named);
    }

    fn log(&self, level: &str, line: &str, named: &[(&str, serde_json::Value)]) {
        let at = Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
        match self.arguments.log_format {
            LogFormat::Text => {
                let level = level.to_uppercase();
                self.output.log_line(&format!("{at} {level:>5} {line}"));
            }
            LogFormat::Json => {
                let mut document = serde_json::json!({
                    "timestamp": at, "level": level.to_uppercase(), "message": line,
                });
                for (name, value) in named {
                    document[*name] = value.clone();
                }
                self.output.log_line(&document.to_string());
            }
        }
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
        self.say(&advice::note(note), &[]);
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
        let token = Token::fetch(&config.feed.token)?;
        let feed = Arc::new(Feed::open(&config.feed, token, stop.clone())?);
        *self.pulse.feed() = Arc::downgrade(&feed);
        Ok(feed)
    }

    fn progress(&self) -> &dyn Progress {
        self
    }

    fn notify(&self, config: &Config, transitions: &[Transition]) -> anyhow::Result<()> {
        let printed = match self.output.json {
            true => PrintFormat::JsonLines,
            false => PrintFormat::Text,
        };
        notify(config, transitions, printed, &self.stop)
    }

    fn ready(&self) {
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        self.say("watching", &[]);
    }

    fn waiting_for(&self, next: Option<(DateTime<Utc>, ScheduledJob)>) {
        self.pulse.beat();
        if self.waits_for.replace(next) == next {
            return;
        }
        let status = match next {
            Some((at, job)) => format!("waiting for {job} at {}", at.format("%Y-%m-%d %H:%M UTC")),
            None => "waiting, with nothing scheduled".to_owned(),
        };
        let _ = sd_notify::notify(&[NotifyState::Status(&status)]);
    }

    fn job_started(&self, job: ScheduledJob) {
        self.pulse.beat();
        let _ = sd_notify::notify(&[NotifyState::Status(&format!("running {job}"))]);
    }

    fn job_ended(&self, ended: &EndedJob<'_>) {
        self.waits_for.set(None);
        let level = match (ended.report, ended.outcome) {
            (Ok(report), JobOutcome::Ran) if first_error(report).is_none() => "info",
            (_, JobOutcome::Busy) => "info",
            (_, JobOutcome::Ran) => "warn",
            _ => "error",
        };
        let line = describe(ended);
        let named = fields(ended);
        match level {
            "info" => self.say(&line, &named),
            level => self.log(level, &line, &named),
        }
    }

    fn reload_started(&self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            let _ = sd_notify::notify(&[NotifyState::Reloading, now]);
        }
    }

    fn reload_ended(&self, read: &anyhow::Result<()>) {
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        match read {
            Ok(()) => self.say("read the configuration again", &[]),
            Err(error) => {
                let line = format!("going on with the configuration as it was: {error:#}");
                self.log("error", &line, &[]);
            }
        }
    }
}

fn first_error(report: &Report) -> Option<&str> {
    let errors = report.runs.iter().filter_map(|run| run.error.as_deref());
    errors.chain(report.cleanup_error.as_deref()).next()
}

/// A job in a line: how it ended, what it came to, and when it is due again.
fn describe(ended: &EndedJob<'_>) -> String {
    let took = time(ended.duration);
    let mut line = match ended.report {
        Err(error) => format!("{} failed after {took}: {error:#}", ended.job),
        Ok(report) => {
            let mut line = format!("{} {} in {took}", ended.job, report.ending.as_str());
            let counts = count(report);
            let words = [
                (counts.inserted, "new"),
                (counts.updated, "changed"),
                (counts.deleted, "deleted"),
                (counts.restored, "restored"),
                (counts.rejected, "rejected"),
            ];
            let files = [
                (report.files.fetched, "fetched"),
                (report.files.removed, "removed"),
                (report.files.failed, "failed"),
            ];
            let words = words.map(|(count, what)| (count, thousands(count), what));
            let files =
                files.map(|(count, what)| (count, counted(count, ("photo", "photos")), what));
            let mut parts: Vec<String> = (words.iter().chain(&files))
                .filter(|(count, ..)| *count > 0)
                .map(|(_, number, what)| format!("{number} {what}"))
                .collect();
            let told = (report.runs.iter())
                .filter(|run| {
                    run.job == Job::Monitor.as_str() && run.status == RunStatus::Succeeded.as_str()
                })
                .map(|run| run.updated as u64)
                .sum::<u64>();
            if told > 0 {
                let nouns = ("status change", "status changes");
                parts.push(format!("{} reported", counted(told, nouns)));
            }
            match parts.as_slice() {
                [] => line += ": nothing new",
                parts => line += &format!(": {}", listed(parts)),
            }
            line += &format!(
                " ({}, {})",
                counted(counts.requests, ("request", "requests")),
                bytes(counts.bytes_received)
            );
            if let Some(error) = first_error(report) {
                line += &format!("; {error}");
            }
            line
        }
    };
    if ended.outcome == JobOutcome::Refused {
        line += "; until they are accepted nothing is tried more than once an hour";
    }
    if let Some(next) = ended.next {
        line += &format!("; next at {}", next.format("%Y-%m-%d %H:%M:%S UTC"));
    }
    line
}

/// What the runs of a job come to together, but for those that count files.
fn count(report: &Report) -> RunCounts {
    let mut sum = RunCounts::default();
    let of_records =
        |run: &&RunSummary| run.job != Job::Media.as_str() && run.job != Job::Monitor.as_str();
    for run in report.runs.iter().filter(of_records) {
        sum.requests += run.requests as u64;
        sum.retries += run.retries as u64;
        sum.throttled_ms += run.throttled_ms as u64;
        sum.bytes_received += run.bytes_received as u64;
        sum.pages += run.pages as u64;
        sum.records_seen += run.records_seen as u64;
        sum.inserted += run.inserted as u64;
        sum.updated += run.updated as u64;
        sum.unchanged += run.unchanged as u64;
        sum.deleted += run.deleted as u64;
        sum.restored += run.restored as u64;
        sum.rejected += run.rejected as u64;
        sum.changes_logged += run.changes_logged as u64;
    }
    sum
}

/// The same by name.
fn fields(ended: &EndedJob<'_>) -> Vec<(&'static str, serde_json::Value)> {
    let mut fields = vec![
        ("job", ended.job.to_string().into()),
        ("duration_ms", (ended.duration.as_millis() as u64).into()),
        ("next_at", ended.next.map(|next| next.to_rfc3339()).into()),
    ];
    match ended.report {
        Err(error) => {
            fields.push(("status", "failed".into()));
            fields.push(("error", format!("{error:#}").into()));
        }
        Ok(report) => {
            let counts = count(report);
            fields.push(("status", report.ending.as_str().into()));
            fields.push(("error", first_error(report).into()));
            fields.extend([
                ("requests", counts.requests.into()),
                ("retries", counts.retries.into()),
                ("throttled_ms", counts.throttled_ms.into()),
                ("bytes_received", counts.bytes_received.into()),
                ("records_seen", counts.records_seen.into()),
                ("inserted", counts.inserted.into()),
                ("updated", counts.updated.into()),
                ("unchanged", counts.unchanged.into()),
                ("deleted", counts.deleted.into()),
                ("restored", counts.restored.into()),
                ("rejected", counts.rejected.into()),
                ("changes_logged", counts.changes_logged.into()),
                ("files_fetched", report.files.fetched.into()),
                ("files_removed", report.files.removed.into()),
                ("files_failed", report.files.failed.into()),
            ]);
        }
    }
    fields
}
