//! The status as Prometheus metrics, in the text format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::condition::Condition;
use super::resource_status::ResourceStatus;
use super::status::Status;
use crate::mirror::{BudgetUnit, RunStatus};
use crate::value::instant;

/// The labels and the value of one sample.
type Sample = (String, f64);

/// A metric.
struct Metric {
    name: &'static str,
    /// `gauge`, `counter` or `summary`.
    kind: &'static str,
    help: &'static str,
    samples: fn(&Status) -> Vec<Sample>,
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    samples: fn(&Status) -> Vec<Sample>,
) -> Metric {
    Metric {
        name,
        kind: "gauge",
        help,
        samples,
    }
}

const fn counter(
    name: &'static str,
    help: &'static str,
    samples: fn(&Status) -> Vec<Sample>,
) -> Metric {
    Metric {
        kind: "counter",
        ..gauge(name, help, samples)
    }
}

const METRICS: [Metric; 23] = [
    gauge(
        "mlsmirror_rows",
        "Number of rows by resource and state",
        rows,
    ),
    gauge(
        "mlsmirror_lag_seconds",
        "Seconds since the resource was brought up to date",
        |status| by_resource(status, |one| one.lag_seconds.map(|lag| lag as f64)),
    ),
    gauge(
        "mlsmirror_watermark_timestamp_seconds",
        "The feed's time up to which the resource is mirrored",
        |status| by_resource(status, |one| unix_seconds(one.watermark.as_deref())),
    ),
    gauge(
        "mlsmirror_open_rejects",
        "Number of records that could not be stored",
        |status| by_resource(status, |one| Some(one.open_rejects as f64)),
    ),
    gauge(
        "mlsmirror_job_started_timestamp_seconds",
        "Last start of the job",
        job_starts,
    ),
    gauge(
        "mlsmirror_job_last_status",
        "1 for the status of the job's last run",
        job_statuses,
    ),
    gauge(
        "mlsmirror_budget_requests_left",
        "Number of requests left within the period of a rate limit",
        |status| left(status, BudgetUnit::Requests),
    ),
    gauge(
        "mlsmirror_budget_bytes_left",
        "Number of bytes left within the period of a limit of bytes",
        |status| left(status, BudgetUnit::Bytes),
    ),
    gauge(
        "mlsmirror_photos_to_fetch",
        "Number of photos to download",
        |status| total(status.photos.photos),
    ),
    gauge(
        "mlsmirror_photos_failing",
        "Number of photos to download whose last download failed",
        |status| total(status.photos.failing),
    ),
    gauge(
        "mlsmirror_database_bytes",
        "Size of the database",
        |status| total(status.sizes.database_bytes),
    ),
    gauge(
        "mlsmirror_media_bytes",
        "Size of the photo files",
        |status| total(status.sizes.media_bytes),
    ),
    gauge(
        "mlsmirror_needs_attention",
        "Number of conditions that need attention",
        |status| total(status.conditions.len() as u64),
    ),
    gauge(
        "mlsmirror_condition",
        "Number of conditions of a kind that need attention",
        conditions,
    ),
    gauge(
        "mlsmirror_job_last_duration_seconds",
        "Duration of the job's last run",
        last_durations,
    ),
    gauge(
        "mlsmirror_build_info",
        "1 for the version of the program",
        |_| vec![(format!("version=\"{}\"", env!("CARGO_PKG_VERSION")), 1.0)],
    ),
    counter(
        "mlsmirror_requests_total",
        "Requests sent, including retries",
        |status| by_job(status, "requests"),
    ),
    counter("mlsmirror_retries_total", "Requests sent again", |status| {
        by_job(status, "retries")
    }),
    counter(
        "mlsmirror_received_bytes_total",
        "Bytes of bodies received, after decompression",
        |status| by_job(status, "bytes_received"),
    ),
    counter(
        "mlsmirror_changes_total",
        "Entries of the change log",
        changes,
    ),
    counter(
        "mlsmirror_photos_total",
        "Requested photos by result",
        photos,
    ),
    counter(
        "mlsmirror_runs_total",
        "Ended runs of a job on a resource",
        |status| by_job(status, "runs"),
    ),
    counter(
        "mlsmirror_run_seconds_total",
        "Duration of the runs of a job on a resource",
        |status| {
            let runs = by_job(status, "duration_ms").into_iter();
            runs.map(|(labels, duration)| (labels, duration / 1e3))
                .collect()
        },
    ),
];

/// Returns a status as metrics.
pub fn metrics(status: &Status) -> String {
    let mut text = String::new();
    for Metric {
        name,
        kind,
        help,
        samples,
    } in METRICS
    {
        let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}");
        for (labels, value) in samples(status) {
            let _ = if labels.is_empty() {
                writeln!(text, "{name} {value}")
            } else {
                writeln!(text, "{name}{{{labels}}} {value}")
            };
        }
    }
    text
}

fn total(value: u64) -> Vec<Sample> {
    vec![(String::new(), value as f64)]
}

fn by_resource(status: &Status, value: fn(&ResourceStatus) -> Option<f64>) -> Vec<Sample> {
    let resources = status.resources.iter();
    resources
        .filter_map(|one| Some((format!("resource=\"{}\"", one.resource), value(one)?)))
        .collect()
}

fn rows(status: &Status) -> Vec<Sample> {
    let resources = status.resources.iter();
    resources
        .flat_map(|one| {
            [("live", one.live), ("deleted", one.deleted)].map(|(state, rows)| {
                let labels = format!("resource=\"{}\",state=\"{state}\"", one.resource);
                (labels, rows as f64)
            })
        })
        .collect()
}

fn job_starts(status: &Status) -> Vec<Sample> {
    let jobs = status.jobs.iter();
    jobs.filter_map(|job| {
        let started = unix_seconds(job.started_at.as_deref())?;
        Some((format!("job=\"{}\"", job.job), started))
    })
    .collect()
}

/// Returns a series for each status that a run can have.
fn job_statuses(status: &Status) -> Vec<Sample> {
    let jobs = status
        .jobs
        .iter()
        .filter_map(|job| Some((&job.job, job.status.as_deref()?)));
    jobs.flat_map(|(job, last)| {
        RunStatus::ALL.map(|known| {
            let known = known.as_str();
            let labels = format!("job=\"{job}\",status=\"{known}\"");
            (labels, f64::from(u8::from(last == known)))
        })
    })
    .collect()
}

fn last_durations(status: &Status) -> Vec<Sample> {
    let jobs = status.jobs.iter();
    jobs.filter_map(|job| {
        let duration = job.duration_ms? as f64 / 1e3;
        Some((format!("job=\"{}\"", job.job), duration))
    })
    .collect()
}

fn conditions(status: &Status) -> Vec<Sample> {
    let kinds = Condition::KINDS.into_iter();
    kinds
        .map(|kind| {
            let of_kind = status.conditions.iter().filter(|one| one.kind() == kind);
            (format!("kind=\"{kind}\""), of_kind.count() as f64)
        })
        .collect()
}

/// Returns the totals of a column of `sync_runs` by job and resource.
fn by_job(status: &Status, column: &str) -> Vec<Sample> {
    let totals = status.totals.of(column);
    totals
        .map(|(job, resource, total)| {
            let labels = format!("job=\"{job}\",resource=\"{resource}\"");
            (labels, total as f64)
        })
        .collect()
}

fn changes(status: &Status) -> Vec<Sample> {
    let mut by_resource = BTreeMap::new();
    for (_, resource, total) in status.totals.of("changes_logged") {
        *by_resource.entry(resource).or_insert(0) += total;
    }
    let by_resource = by_resource.into_iter();
    by_resource
        .map(|(resource, total)| (format!("resource=\"{resource}\""), total as f64))
        .collect()
}

fn photos(status: &Status) -> Vec<Sample> {
    let results = [
        ("fetched", "inserted"),
        ("replaced", "updated"),
        ("unchanged", "unchanged"),
        ("failed", "rejected"),
        ("removed", "deleted"),
    ];
    results
        .into_iter()
        .map(|(result, column)| {
            let media = status.totals.of(column).filter(|(job, ..)| *job == "media");
            let total: u64 = media.map(|(_, _, total)| total).sum();
            (format!("result=\"{result}\""), total as f64)
        })
        .collect()
}

fn left(status: &Status, unit: BudgetUnit) -> Vec<Sample> {
    let budgets = status.budget.iter();
    budgets
        .filter(|budget| budget.unit == unit)
        .map(|budget| {
            let labels = format!("seconds=\"{}\"", budget.seconds);
            (labels, budget.left() as f64)
        })
        .collect()
}

fn unix_seconds(stored: Option<&str>) -> Option<f64> {
    Some(instant(stored?)?.timestamp_millis() as f64 / 1e3)
}
