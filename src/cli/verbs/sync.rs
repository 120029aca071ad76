//! `sync`: brings the mirror up to date.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::check::describe;
use super::reconcile_plan;
use crate::cli::advice;
use crate::cli::alert_text::PrintedLine;
use crate::cli::arguments::Arguments;
use crate::cli::display_text::{by_error, bytes, counted, listed, nouns_of, thousands, time};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::local_times::LocalTimes;
use crate::cli::notify::{PrintFormat, current_conditions, notify};
use crate::cli::options::{SyncJob, SyncOptions};
use crate::cli::output::Output;
use crate::cli::photo_text::{self, describe_files};
use crate::cli::progress_display::ProgressDisplay;
use crate::cli::session::{Session, config_path, configuration};
use crate::config::{Alert, Config, MONITOR};
use crate::mirror::{
    Job, Mirror, MirrorProblem, NotAMirror, Purged, RunStatus, RunSummary, WantedPhotos,
};
use crate::resource::Resource;
use crate::stop::Stop;
use crate::sync::{
    self, Advice, AlertHost, AlertLine, Context, DeletedCount, FileCounts, Report, ReportError,
    Unnamed,
};

/// The JSON document of `sync`.
#[derive(Serialize)]
struct Document<'a> {
    status: &'static str,
    exit_code: u8,
    database: &'a Path,
    deleted: &'a [DeletedCount],
    files: FileCounts,
    /// The files that no row named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned: Option<&'a [Unnamed]>,
    /// The status changes that `[monitor]` reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    transitions: Option<Vec<&'a PrintedLine>>,
    /// The lines of the other alerts.
    #[serde(skip_serializing_if = "Option::is_none")]
    alerts: Option<Vec<&'a PrintedLine>>,
    purged: Purged,
    runs: &'a [RunSummary],
}

pub fn run(arguments: &Arguments, wanted: &SyncOptions, output: &Output) -> anyhow::Result<Exit> {
    let can_plan = [SyncJob::Full, SyncJob::Media, SyncJob::Reconcile];
    if wanted.dry_run && wanted.job.is_some_and(|job| !can_plan.contains(&job)) {
        let what = "--dry-run works without a job, or with the job `full`, `media` or `reconcile`";
        return Err(UsageError(what.to_owned()).into());
    }
    if wanted.dry_run && wanted.job == Some(SyncJob::Media) {
        return photo_text::dry_run(&configuration(arguments, output)?, wanted.prune, output);
    }
    let session = Session::open(arguments, output)
        .inspect_err(|error| report_missing_token(arguments, wanted, output, error))?;
    let configured = &session.config.sync.resources;
    if let Some(other) = wanted
        .only
        .iter()
        .find(|resource| !configured.contains(resource))
    {
        return Err(UsageError::of_resource("--only", *other, configured).into());
    }
    let chosen = |resource: &Resource| wanted.only.is_empty() || wanted.only.contains(resource);
    let resources: Vec<Resource> = configured.iter().copied().filter(chosen).collect();
    let progress = ProgressDisplay::new(output, &session.feed);
    let context = session.context(&progress, wanted.allow_deletes);
    let is_media = wanted.job == Some(SyncJob::Media);
    if is_media && !resources.contains(&Resource::MEDIA) {
        let what =
            "sync media: photos are not mirrored; add Media to sync.resources (or to --only)";
        return Err(UsageError(what.to_owned()).into());
    }
    if wanted.job == Some(SyncJob::Monitor) && !resources.contains(&Resource::PROPERTY) {
        let what = "sync monitor: listings are not mirrored; add Property to sync.resources (or to --only)";
        return Err(UsageError(what.to_owned()).into());
    }
    if wanted.prune && !is_media {
        let what = "--prune works only with the job media: `mlsmirror sync media --prune`";
        return Err(UsageError(what.to_owned()).into());
    }
    if is_media && !session.config.mirror.database.is_file() {
        return Err(
            NotAMirror::new(&session.config.mirror.database, MirrorProblem::Missing).into(),
        );
    }
    if wanted.dry_run && wanted.job == Some(SyncJob::Reconcile) {
        return reconcile_plan::print(&context, &resources, output);
    }
    if wanted.dry_run {
        let plan = sync::plan(&context, &resources)?;
        let times = LocalTimes::of(&session.config);
        output.result(&plan, &describe(&plan, times))?;
        return Ok(Exit::from(&plan.ending));
    }
    let mut mirror = session.open_for_sync(wanted.feed_moved)?;
    if wanted.job == Some(SyncJob::Monitor) {
        sync::check_conditions(&session.config, &mut mirror)?;
    } else {
        sync::check_kept_photos(&session.config, &mut mirror)?;
    }
    let done = do_job(&context, &mut mirror, wanted, &resources, output);
    drop(mirror);
    let done = sync::naming_database(&session.config, done)?;
    print_result(&done, &session.config, output)
}

/// Reports to the alerts that there is no token, if that is the error.
fn report_missing_token(
    arguments: &Arguments,
    wanted: &SyncOptions,
    output: &Output,
    error: &anyhow::Error,
) {
    let Some(missing) = error.downcast_ref().filter(|_| !wanted.dry_run) else {
        return;
    };
    let Ok(config) = Config::load(&config_path(arguments)) else {
        return;
    };
    let stop = Stop::never();
    let mut host = AlertPrinter {
        config: &config,
        stop: &stop,
        output,
        reported: Vec::new(),
    };
    if let Err(error) = sync::report_missing_token(&config, &stop, missing, &mut host) {
        tracing::warn!("the missing token is not reported: {error:#}");
    }
}

/// The report of the job, with the results that only some jobs have.
struct JobResult {
    report: Report,
    /// The files that no row named.
    pruned: Option<Vec<Unnamed>>,
    /// The lines of all alerts.
    alerts: Option<Vec<PrintedLine>>,
}

fn do_job(
    context: &Context<'_>,
    mirror: &mut Mirror,
    wanted: &SyncOptions,
    resources: &[Resource],
    output: &Output,
) -> anyhow::Result<JobResult> {
    let mut host = AlertPrinter {
        config: context.config,
        stop: context.stop,
        output,
        reported: Vec::new(),
    };
    let report = match wanted.job {
        None => sync::up_to_date(context, mirror, resources)?,
        Some(SyncJob::Full) => sync::full(context, mirror, resources)?,
        Some(SyncJob::Deletions) => sync::deletions(context, mirror, resources)?,
        Some(SyncJob::Reconcile) => sync::reconcile(context, mirror, resources)?,
        Some(SyncJob::Incremental) => sync::incremental(context, mirror, resources)?,
        Some(SyncJob::Media) if wanted.prune => {
            let (report, pruned) = sync::prune(context, mirror)?;
            return Ok(JobResult {
                report,
                pruned: Some(pruned.files),
                alerts: None,
            });
        }
        Some(SyncJob::Media) => sync::media(context, mirror, WantedPhotos::All)?,
        Some(SyncJob::Monitor) => sync::monitor(context, mirror, resources, &mut host)?,
    };
    Ok(JobResult {
        report,
        pruned: None,
        alerts: (wanted.job == Some(SyncJob::Monitor)).then_some(host.reported),
    })
}

/// Prints the lines of alerts, or collects them for the JSON document.
struct AlertPrinter<'a> {
    config: &'a Config,
    stop: &'a Stop,
    output: &'a Output,
    reported: Vec<PrintedLine>,
}

impl AlertHost for AlertPrinter<'_> {
    fn report(&mut self, alert: &Alert, lines: &[AlertLine]) -> Result<(), ReportError> {
        let format = if self.output.json {
            PrintFormat::None
        } else {
            PrintFormat::Text
        };
        notify(self.config, alert, lines, format, self.stop)?;
        if self.output.json {
            self.reported.extend(lines.iter().map(PrintedLine::of));
        }
        Ok(())
    }

    fn conditions(&mut self, mirror: &mut Mirror) -> anyhow::Result<Vec<String>> {
        current_conditions(self.config, mirror)
    }
}

fn print_result(done: &JobResult, config: &Config, output: &Output) -> anyhow::Result<Exit> {
    let report = &done.report;
    let exit = Exit::from(&report.ending);
    let mut text: String = describe_runs(&report.runs)
        .into_iter()
        .map(|line| line + "\n")
        .collect();
    if !report.deleted.is_empty() {
        text += &format!("deleted: {}\n", describe_deleted(&report.deleted));
    }
    if let Some(files) = describe_files(&report.files, &report.runs) {
        text += &format!("{files}\n");
    }
    if let Some(pruned) = &done.pruned {
        text += &photo_text::describe_unnamed(pruned, "that no row named");
    }
    text += &describe_purged(&report.purged);
    let lines = |wanted: fn(&str) -> bool| {
        let lines = done.alerts.as_ref()?.iter();
        Some(lines.filter(|line| wanted(&line.line.alert)).collect())
    };
    let document = Document {
        status: report.ending.as_str(),
        exit_code: exit.code(),
        database: &config.mirror.database,
        deleted: &report.deleted,
        files: report.files,
        pruned: done.pruned.as_deref(),
        transitions: lines(|name| name == MONITOR),
        alerts: lines(|name| name != MONITOR),
        purged: report.purged,
        runs: &report.runs,
    };
    let printed = output.result(&document, &text);
    print_errors(report, output);
    printed?;
    Ok(exit)
}

/// Prints the errors to stderr. An error that several resources share is printed once.
fn print_errors(report: &Report, output: &Output) {
    if let Some(error) = &report.cleanup_error {
        output.complain(error);
    }
    let runs = report.runs.iter();
    let errors = runs.filter_map(|run| Some((run.resource.as_str(), run.error.as_deref()?)));
    for (error, resources) in by_error(errors) {
        output.complain(&format!("{}: {error}", resources.join(", ")));
    }
    let mut all_advice = report.advice.iter().peekable();
    while let Some(advice) = all_advice.next() {
        // The largest number, which is the last one, allows the deletions of every resource.
        let is_allowed = |advice: &Advice| matches!(advice, Advice::AllowDeletes(_));
        if !(is_allowed(advice) && all_advice.peek().is_some_and(|next| is_allowed(next))) {
            output.complain(&advice::way_out(advice));
        }
    }
}

/// Describes in one line what retention purged; empty if it purged nothing.
fn describe_purged(purged: &Purged) -> String {
    let parts = [
        (purged.rows, ("deleted row", "deleted rows")),
        (purged.changes, ("change", "changes")),
        (purged.runs, ("run", "runs")),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, nouns)| counted(count, nouns))
        .collect();
    if parts.is_empty() {
        return String::new();
    }
    format!("retention: {} permanently removed\n", listed(&parts))
}

/// Describes how many rows were deleted, and why.
fn describe_deleted(deleted: &[DeletedCount]) -> String {
    let one = |deleted: &DeletedCount| {
        let count = counted(deleted.count, nouns_of(deleted.resource));
        format!("{count} ({})", deleted.reason)
    };
    listed(&deleted.iter().map(one).collect::<Vec<_>>())
}

/// Describes the runs of a sync, one per line. With runs of several jobs, each line names
/// its job, and runs that had nothing to do are left out.
pub fn describe_runs(runs: &[RunSummary]) -> Vec<String> {
    let jobs: BTreeSet<&str> = runs.iter().map(|run| run.job.as_str()).collect();
    if jobs.len() < 2 {
        return runs.iter().map(describe_run).collect();
    }
    let did_nothing = |run: &&RunSummary| {
        run.status == RunStatus::Succeeded.as_str()
            && run.counts.records_seen + run.counts.deleted + run.counts.requests == 0
    };
    runs.iter()
        .filter(|run| !did_nothing(run))
        .map(|run| format!("{} {}", run.job, describe_run(run)))
        .collect()
}

/// Describes the results of a run in one line.
fn describe_run(run: &RunSummary) -> String {
    let is = |job: Job| run.job == job.as_str();
    let [inserted, updated, unchanged, rejected, read] = match () {
        () if is(Job::Media) => ["fetched", "replaced", "unchanged", "failed", "tried"],
        () if is(Job::Monitor) => ["new", "reported", "unchanged", "rejected", "found"],
        () if is(Job::Deletions) => ["new", "changed", "without effect", "rejected", "read"],
        () => ["new", "changed", "unchanged", "rejected", "read"],
    };
    let done = &run.counts;
    let counts = [
        (done.inserted, inserted),
        (done.updated, updated),
        (done.unchanged, unchanged),
        (done.restored, "restored"),
        (done.rejected, rejected),
    ];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", thousands(*count)))
        .collect();
    let nouns = match () {
        () if is(Job::Deletions) => ("announcement", "announcements"),
        () if is(Job::Monitor) => ("change", "changes"),
        () => nouns_of(&run.resource),
    };
    let mut line = format!("{}: ", run.resource);
    if run.status != RunStatus::Succeeded.as_str() {
        line += &format!("{}: ", run.status);
    }
    let ended = done.inserted + done.updated + done.unchanged + done.rejected;
    // Photos that were not requested count as failed, too.
    let (seen, read) = if is(Job::Media) && ended > done.records_seen {
        (ended, "wanted")
    } else {
        (done.records_seen, read)
    };
    line += &format!("{} {read}", counted(seen, nouns));
    if !parts.is_empty() {
        line += &format!(": {}", listed(&parts));
    }
    // The feed does not send the records that it has deleted.
    if done.deleted > 0 {
        let what = if is(Job::Media) { "removed" } else { "deleted" };
        let deleted = counted(done.deleted, nouns_of(&run.resource));
        line += &format!("; {deleted} {what}");
    }
    if done.requests > 0 {
        let duration = Duration::from_millis(run.duration_ms.unwrap_or(0));
        line += &format!(
            " ({}, {}, {})",
            counted(done.requests, ("request", "requests")),
            bytes(done.bytes_received),
            time(duration)
        );
    }
    line
}
