//! The log line of a job that ended.

use super::arguments::LogFormat;
use super::display_text::{bytes, counted, listed, printable, thousands, time};
use super::local_times::LocalTimes;
use super::output::WATCH_LOG;
use crate::mirror::{Job, RunCounts, RunStatus, RunSummary};
use crate::schedule::{EndedJob, JobOutcome};
use crate::sync::{ExportCounts, Report};

/// Logs at a level that is not known before run time.
macro_rules! log {
    ($level:expr, $($fields:tt)+) => {
        match $level {
            tracing::Level::ERROR => tracing::error!(target: WATCH_LOG, $($fields)+),
            tracing::Level::WARN => tracing::warn!(target: WATCH_LOG, $($fields)+),
            _ => tracing::info!(target: WATCH_LOG, $($fields)+),
        }
    };
}

/// Logs a job that ended. JSON lines also have its numbers as fields.
pub fn log_job(ended: &EndedJob<'_>, format: LogFormat, times: LocalTimes) {
    let level = level(ended);
    let line = times.in_text(&printable(&describe(ended, times)));
    if format == LogFormat::Text {
        log!(level, "{line}");
        return;
    }

    let job = ended.job.to_string();
    let duration_ms = ended.duration.as_millis() as u64;
    let next_at = ended.next.map(|next| next.to_rfc3339());
    match ended.report {
        Err(error) => log!(
            level,
            job,
            status = "failed",
            error = format!("{error:#}"),
            duration_ms,
            next_at,
            "{line}"
        ),
        Ok(report) => {
            let counts = sum_counts(report);
            log!(
                level,
                job,
                status = report.ending.as_str(),
                error = first_error(report),
                duration_ms,
                next_at,
                requests = counts.requests,
                retries = counts.retries,
                throttled_ms = counts.throttled_ms,
                bytes_received = counts.bytes_received,
                records_seen = counts.records_seen,
                inserted = counts.inserted,
                updated = counts.updated,
                unchanged = counts.unchanged,
                deleted = counts.deleted,
                restored = counts.restored,
                rejected = counts.rejected,
                changes_logged = counts.changes_logged,
                files_fetched = report.files.fetched,
                files_removed = report.files.removed,
                files_failed = report.files.failed,
                "{line}"
            );
        }
    }
}

fn level(ended: &EndedJob<'_>) -> tracing::Level {
    match (ended.report, ended.outcome) {
        (_, JobOutcome::Busy) => tracing::Level::INFO,
        (Ok(report), JobOutcome::Ran) if first_error(report).is_none() => tracing::Level::INFO,
        (_, JobOutcome::Ran) => tracing::Level::WARN,
        _ => tracing::Level::ERROR,
    }
}

fn first_error(report: &Report) -> Option<&str> {
    let errors = report.runs.iter().filter_map(|run| run.error.as_deref());
    errors.chain(report.cleanup_error.as_deref()).next()
}

/// Describes a job in one line: its result, its counts, and when it is due next.
fn describe(ended: &EndedJob<'_>, times: LocalTimes) -> String {
    let duration = time(ended.duration);
    let mut line = match ended.report {
        Err(error) => format!("{} failed after {duration}: {error:#}", ended.job),
        Ok(report) => {
            let ending = report.ending.as_str();
            format!(
                "{} {ending} in {duration}: {}",
                ended.job,
                describe_report(report)
            )
        }
    };
    if ended.outcome == JobOutcome::Refused {
        line += "; tries once an hour until the feed accepts the credentials";
    }
    if let Some(next) = ended.next {
        line += &format!("; next at {}", times.named(next));
    }
    line
}

fn describe_report(report: &Report) -> String {
    if let Some(exported) = &report.exported {
        return describe_export(exported);
    }
    let counts = sum_counts(report);
    let parts = count_parts(&counts, report);
    let mut text = if parts.is_empty() {
        "nothing new".to_owned()
    } else {
        listed(&parts)
    };
    text += &format!(
        " ({}, {})",
        counted(counts.requests, ("request", "requests")),
        bytes(counts.bytes_received)
    );
    if let Some(error) = first_error(report) {
        text += &format!("; {error}");
    }
    text
}

fn describe_export(exported: &ExportCounts) -> String {
    let mut text = match exported.tables {
        0 => "nothing new".to_owned(),
        tables => format!(
            "{} with {} written",
            counted(tables, ("table", "tables")),
            counted(exported.rows, ("row", "rows"))
        ),
    };
    if exported.misfits > 0 {
        let values = counted(exported.misfits, ("value does", "values do"));
        text += &format!("; {values} not fit their columns, see the table misfits");
    }
    text
}

/// Describes each count that is not zero.
fn count_parts(counts: &RunCounts, report: &Report) -> Vec<String> {
    const PHOTOS: (&str, &str) = ("photo", "photos");
    let records = [
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
    let records = records.map(|(count, result)| (count, thousands(count), result));
    let files = files.map(|(count, result)| (count, counted(count, PHOTOS), result));

    let mut parts: Vec<String> = (records.iter().chain(&files))
        .filter(|(count, ..)| *count > 0)
        .map(|(_, number, result)| format!("{number} {result}"))
        .collect();

    let reported = reported_transitions(report);
    if reported > 0 {
        let nouns = ("status change", "status changes");
        parts.push(format!("{} reported", counted(reported, nouns)));
    }
    parts
}

/// Returns the number of status changes that were reported.
fn reported_transitions(report: &Report) -> u64 {
    let succeeded = (report.runs.iter()).filter(|run| {
        run.job == Job::Monitor.as_str() && run.status == RunStatus::Succeeded.as_str()
    });
    succeeded.map(|run| run.counts.updated).sum()
}

/// Sums the counts of the runs that read records.
fn sum_counts(report: &Report) -> RunCounts {
    let mut sum = RunCounts::default();
    let reads_records =
        |run: &&RunSummary| run.job != Job::Media.as_str() && run.job != Job::Monitor.as_str();
    for run in report.runs.iter().filter(reads_records) {
        sum.requests += run.counts.requests;
        sum.retries += run.counts.retries;
        sum.throttled_ms += run.counts.throttled_ms;
        sum.bytes_received += run.counts.bytes_received;
        sum.pages += run.counts.pages;
        sum.records_seen += run.counts.records_seen;
        sum.inserted += run.counts.inserted;
        sum.updated += run.counts.updated;
        sum.unchanged += run.counts.unchanged;
        sum.deleted += run.counts.deleted;
        sum.restored += run.counts.restored;
        sum.rejected += run.counts.rejected;
        sum.changes_logged += run.counts.changes_logged;
    }
    sum
}
