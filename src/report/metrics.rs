//! The status as Prometheus metrics, in the text format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write as _;

use super::status::{ResourceStatus, Status};
use crate::value::instant;

/// The labels and the value of one sample.
type Sample = (String, f64);

/// A metric. All metrics are gauges.
struct Gauge {
    name: &'static str,
    help: &'static str,
    samples: fn(&Status) -> Vec<Sample>,
}

const GAUGES: [Gauge; 12] = [
    Gauge {
        name: "mlsmirror_rows",
        help: "Number of rows by resource and state",
        samples: rows,
    },
    Gauge {
        name: "mlsmirror_lag_seconds",
        help: "Seconds since the resource was brought up to date",
        samples: |status| by_resource(status, |one| one.lag_seconds.map(|lag| lag as f64)),
    },
    Gauge {
        name: "mlsmirror_watermark_timestamp_seconds",
        help: "The feed's time up to which the resource is mirrored",
        samples: |status| by_resource(status, |one| unix_seconds(one.watermark.as_deref())),
    },
    Gauge {
        name: "mlsmirror_open_rejects",
        help: "Number of records that could not be stored",
        samples: |status| by_resource(status, |one| Some(one.open_rejects as f64)),
    },
    Gauge {
        name: "mlsmirror_job_started_timestamp_seconds",
        help: "Last start of the job",
        samples: job_starts,
    },
    Gauge {
        name: "mlsmirror_job_last_status",
        help: "1 for the status of the job's last run",
        samples: job_statuses,
    },
    Gauge {
        name: "mlsmirror_budget_requests_left",
        help: "Number of requests left within the period of a rate limit",
        samples: requests_left,
    },
    Gauge {
        name: "mlsmirror_photos_to_fetch",
        help: "Number of photos to download",
        samples: |status| total(status.photos.photos),
    },
    Gauge {
        name: "mlsmirror_photos_failing",
        help: "Number of photos to download whose last download failed",
        samples: |status| total(status.photos.failing),
    },
    Gauge {
        name: "mlsmirror_database_bytes",
        help: "Size of the database",
        samples: |status| total(status.sizes.database_bytes),
    },
    Gauge {
        name: "mlsmirror_media_bytes",
        help: "Size of the photo files",
        samples: |status| total(status.sizes.media_bytes),
    },
    Gauge {
        name: "mlsmirror_needs_attention",
        help: "Number of conditions that need attention",
        samples: |status| total(status.conditions.len() as u64),
    },
];

/// Returns a status as metrics.
pub fn metrics(status: &Status) -> String {
    let mut text = String::new();
    for Gauge {
        name,
        help,
        samples,
    } in GAUGES
    {
        let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge");
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

fn job_statuses(status: &Status) -> Vec<Sample> {
    let jobs = status.jobs.iter();
    jobs.filter_map(|job| {
        let last = job.status.as_deref()?;
        Some((format!("job=\"{}\",status=\"{last}\"", job.job), 1.0))
    })
    .collect()
}

fn requests_left(status: &Status) -> Vec<Sample> {
    let budgets = status.budget.iter();
    budgets
        .map(|budget| {
            let labels = format!("seconds=\"{}\"", budget.seconds);
            (labels, budget.left() as f64)
        })
        .collect()
}

fn unix_seconds(stored: Option<&str>) -> Option<f64> {
    Some(instant(stored?)?.timestamp_millis() as f64 / 1e3)
}
