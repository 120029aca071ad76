//! How a mirror stands, in Prometheus' text format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write as _;

use super::status::Status;
use crate::value::instant;

/// Writes a status as metrics.
pub fn metrics(status: &Status) -> String {
    let mut page = Page::default();
    page.family("mlsmirror_rows", "gauge", "Rows by resource and state");
    for resource in &status.resources {
        let of = |state: &str| format!("resource=\"{}\",state=\"{state}\"", resource.resource);
        page.value(&of("live"), resource.live as f64);
        page.value(&of("deleted"), resource.deleted as f64);
    }
    page.family(
        "mlsmirror_lag_seconds",
        "gauge",
        "Seconds since a resource was brought up to date",
    );
    for resource in &status.resources {
        if let Some(lag) = resource.lag_seconds {
            page.value(&format!("resource=\"{}\"", resource.resource), lag as f64);
        }
    }
    page.family(
        "mlsmirror_watermark_timestamp_seconds",
        "gauge",
        "The feed's time up to which a resource is mirrored",
    );
    for resource in &status.resources {
        if let Some(at) = resource.watermark.as_deref().and_then(unix_seconds) {
            page.value(&format!("resource=\"{}\"", resource.resource), at);
        }
    }
    page.family(
        "mlsmirror_open_rejects",
        "gauge",
        "Records that could not be stored",
    );
    for resource in &status.resources {
        let of = format!("resource=\"{}\"", resource.resource);
        page.value(&of, resource.open_rejects as f64);
    }
    page.family(
        "mlsmirror_job_started_timestamp_seconds",
        "gauge",
        "When a job last began",
    );
    for job in &status.jobs {
        if let Some(at) = job.started_at.as_deref().and_then(unix_seconds) {
            page.value(&format!("job=\"{}\"", job.job), at);
        }
    }
    page.family(
        "mlsmirror_job_last_status",
        "gauge",
        "How a job ended last: 1 for its status",
    );
    for job in &status.jobs {
        if let Some(status) = &job.status {
            page.value(&format!("job=\"{}\",status=\"{status}\"", job.job), 1.0);
        }
    }
    page.family(
        "mlsmirror_photos_to_fetch",
        "gauge",
        "Photos that are still to fetch",
    );
    page.value("", status.photos.photos as f64);
    page.family(
        "mlsmirror_photos_failing",
        "gauge",
        "Photos still to fetch that failed before",
    );
    page.value("", status.photos.failing as f64);
    page.family(
        "mlsmirror_budget_requests_left",
        "gauge",
        "Requests left within a rate limit, by its span",
    );
    for budget in &status.budget {
        page.value(
            &format!("seconds=\"{}\"", budget.seconds),
            budget.left() as f64,
        );
    }
    page.family("mlsmirror_database_bytes", "gauge", "Size of the database");
    page.value("", status.sizes.database_bytes as f64);
    page.family(
        "mlsmirror_media_bytes",
        "gauge",
        "Size of the photos' files",
    );
    page.value("", status.sizes.media_bytes as f64);
    page.family(
        "mlsmirror_needs_attention",
        "gauge",
        "How many things need attention; see `mlsmirror status`",
    );
    page.value("", status.needs.len() as f64);
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}.\n# TYPE {name} {kind}");
        self.name = name;
    }

    fn value(&mut self, labels: &str, value: f64) {
        let _ = match labels {
            "" => writeln!(self.text, "{} {value}", self.name),
            labels => writeln!(self.text, "{}{{{labels}}} {value}", self.name),
        };
    }
}

fn unix_seconds(stored: &str) -> Option<f64> {
    Some(instant(stored)?.timestamp_millis() as f64 / 1e3)
}
