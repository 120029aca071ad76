//! The performance of the syncs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::days::Days;
use super::statistics::median;
use crate::mirror::{Proof, ReadTx, RunSummary};
use crate::resource::Resource;
use crate::value::instant;

/// The greatest number of failures in a report.
const FAILURES: usize = 20;

/// The performance of the syncs in a period.
#[derive(Clone, Debug, Serialize)]
pub struct Performance {
    /// The performance of each job, by name.
    pub jobs: Vec<JobPerformance>,
    /// Runs that did not succeed, the newest first.
    pub failures: Vec<Failure>,
    /// The longest lag of each day.
    pub lag: Vec<LagDay>,
    /// The longest run of each day and job that had runs.
    pub durations: Vec<DurationDay>,
    /// When each resource was last compared with the feed and complete, also before the period.
    pub complete: Vec<ProvenResource>,
}

/// The last comparison that found a resource to be complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProvenResource {
    /// The entity set.
    pub resource: &'static str,
    /// The comparison.
    #[serde(flatten)]
    pub proof: Proof,
}

/// The performance of a job. The job has one run per resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct JobPerformance {
    /// The job.
    pub job: String,
    /// The number of started runs.
    pub runs: u64,
    /// Runs that succeeded.
    pub succeeded: u64,
    /// Runs that completed with omissions.
    pub partial: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs that were interrupted.
    pub interrupted: u64,
    /// Runs in progress.
    pub running: u64,
    /// The share of the ended runs that succeeded, from 0 to 1.
    pub success_rate: Option<f64>,
    /// The median duration of the ended runs, in milliseconds.
    pub median_duration_ms: Option<f64>,
    /// The longest duration, in milliseconds.
    pub longest_duration_ms: Option<u64>,
    /// The number of received records.
    pub records_seen: u64,
    /// The received records of the ended runs, divided by their durations.
    pub records_per_second: Option<f64>,
    /// The number of requests, including retries.
    pub requests: u64,
    /// The number of retries.
    pub retries: u64,
    /// The time spent waiting for the rate limits, in milliseconds.
    pub throttled_ms: u64,
    /// The bytes of the received bodies, after decompression.
    pub bytes_received: u64,
}

/// A run that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The job.
    pub job: String,
    /// The entity set.
    pub resource: String,
    /// The status of the run.
    pub status: String,
    /// When the run started, UTC.
    pub started_at: String,
    /// The error of the run.
    pub error: Option<String>,
}

/// The longest lag of a day: the time since a resource was last brought up to date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LagDay {
    /// The day, in the feed's time zone.
    pub day: String,
    /// The lag in seconds; null before the first completed sync.
    pub lag_seconds: Option<u64>,
    /// The resource with this lag.
    pub resource: Option<&'static str>,
}

/// The duration of a job's runs that started on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DurationDay {
    /// The day, in the feed's time zone.
    pub day: String,
    /// The job.
    pub job: String,
    /// The number of ended runs.
    pub runs: u64,
    /// The longest duration, in milliseconds.
    pub longest_ms: u64,
}

/// Returns the performance of the syncs since a time in storage form.
pub fn performance(
    tx: &ReadTx<'_>,
    resources: &[Resource],
    since: &str,
    days: Days,
    now: DateTime<Utc>,
) -> anyhow::Result<Performance> {
    let mut runs = Runs::default();
    tx.read_runs(since, |run| runs.add(run, days))?;

    let (mut lag, mut complete) = (Vec::new(), Vec::new());
    for &resource in resources {
        let proof = tx.proof(resource)?;
        complete.extend(proof.map(|proof| ProvenResource {
            resource: resource.entity_set(),
            proof,
        }));
        let stored = tx.up_to_date_times(resource, since)?;
        let times: Vec<DateTime<Utc>> = stored.iter().filter_map(|at| instant(at)).collect();
        lag.push((resource.entity_set(), lags(&times, days, now)));
    }

    Ok(Performance {
        failures: runs.failures,
        lag: (0..days.count())
            .map(|place| longest_lag(&lag, place, days))
            .collect(),
        durations: duration_days(runs.durations, days),
        complete,
        jobs: runs.jobs.into_values().map(JobRuns::performance).collect(),
    })
}

/// The runs read so far.
#[derive(Default)]
struct Runs {
    jobs: BTreeMap<String, JobRuns>,
    /// The number of ended runs and the longest duration, by day and job.
    durations: BTreeMap<(usize, String), (u64, u64)>,
    failures: Vec<Failure>,
}

/// The runs of a job. The durations and the records are those of the ended runs.
#[derive(Default)]
struct JobRuns {
    performance: JobPerformance,
    durations_ms: Vec<f64>,
    records: u64,
}

impl Runs {
    fn add(&mut self, run: RunSummary, days: Days) {
        if let (Some(place), Some(duration_ms)) = (days.place(&run.started_at), run.duration_ms) {
            let of_day = self.durations.entry((place, run.job.clone())).or_default();
            *of_day = (of_day.0 + 1, of_day.1.max(duration_ms));
        }
        self.jobs.entry(run.job.clone()).or_default().add(&run);

        let is_failure = ["partial", "failed", "interrupted"].contains(&run.status.as_str());
        if is_failure && self.failures.len() < FAILURES {
            self.failures.push(Failure {
                job: run.job,
                resource: run.resource,
                status: run.status,
                started_at: run.started_at,
                error: run.error,
            });
        }
    }
}

impl JobRuns {
    fn add(&mut self, run: &RunSummary) {
        self.performance.add(run);
        if let Some(duration_ms) = run.duration_ms {
            self.durations_ms.push(duration_ms as f64);
            self.records = self.records.saturating_add(run.counts.records_seen);
        }
    }

    fn performance(mut self) -> JobPerformance {
        let share = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        let seconds = self.durations_ms.iter().sum::<f64>() / 1e3;
        let runs = self.performance;
        JobPerformance {
            success_rate: share(runs.succeeded as f64, (runs.runs - runs.running) as f64),
            records_per_second: share(self.records as f64, seconds),
            median_duration_ms: median(&mut self.durations_ms),
            ..runs
        }
    }
}

fn duration_days(durations: BTreeMap<(usize, String), (u64, u64)>, days: Days) -> Vec<DurationDay> {
    let durations = durations.into_iter();
    durations
        .map(|((place, job), (runs, longest_ms))| DurationDay {
            day: days.name(place),
            job,
            runs,
            longest_ms,
        })
        .collect()
}

/// Returns the longest lag of all resources on a day.
fn longest_lag(lag: &[(&'static str, Vec<Option<u64>>)], place: usize, days: Days) -> LagDay {
    let longest = lag
        .iter()
        .filter_map(|(resource, lags)| Some((lags[place]?, *resource)))
        .max_by_key(|(seconds, _)| *seconds);
    LagDay {
        day: days.name(place),
        lag_seconds: longest.map(|(seconds, _)| seconds),
        resource: longest.map(|(_, resource)| resource),
    }
}

/// Returns the longest lag of each day, for a resource that was brought up to date at these
/// times.
fn lags(times: &[DateTime<Utc>], days: Days, now: DateTime<Utc>) -> Vec<Option<u64>> {
    let mut lags: Vec<Option<u64>> = vec![None; days.count()];
    let ends = times.iter().skip(1).copied().chain([now]);
    for (begin, end) in times.iter().zip(ends) {
        let last = days.offset(end).min(days.count() as i64 - 1);
        for day in days.offset(*begin).max(0)..=last {
            let seconds = (end.min(days.start(day as usize + 1)) - begin).num_seconds();
            let lag = &mut lags[day as usize];
            *lag = (*lag).max(Some(seconds.max(0) as u64));
        }
    }
    lags
}

impl JobPerformance {
    fn add(&mut self, run: &RunSummary) {
        if self.job.is_empty() {
            self.job = run.job.clone();
        }
        self.runs += 1;
        match run.status.as_str() {
            "succeeded" => self.succeeded += 1,
            "partial" => self.partial += 1,
            "failed" => self.failed += 1,
            "interrupted" => self.interrupted += 1,
            _ => self.running += 1,
        }
        self.longest_duration_ms = self.longest_duration_ms.max(run.duration_ms);
        for (sum, more) in [
            (&mut self.records_seen, run.counts.records_seen),
            (&mut self.requests, run.counts.requests),
            (&mut self.retries, run.counts.retries),
            (&mut self.throttled_ms, run.counts.throttled_ms),
            (&mut self.bytes_received, run.counts.bytes_received),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::super::days::date_of;
    use super::*;

    #[test]
    fn the_lag_of_a_day_is_the_longest_time_since_the_last_sync() {
        let at = |text| instant(text).unwrap_or_default();
        let date = |text| date_of(text).unwrap_or_default();
        let days = Days::between(date("2026-03-01"), date("2026-03-04"), Tz::UTC);
        let now = at("2026-03-04 01:00:00");
        let hour = 3_600;
        let times = [
            at("2026-02-28 22:00:00"),
            at("2026-03-01 01:00:00"),
            at("2026-03-01 02:00:00"),
            at("2026-03-03 02:00:00"),
        ];
        let expected = [22, 46, 48, 23].map(|hours| Some(hours * hour));
        assert_eq!(lags(&times, days, now), expected);
        let expected = [None, None, Some(22 * hour), Some(23 * hour)];
        assert_eq!(lags(&times[3..], days, now), expected);
        assert_eq!(lags(&[], days, now), [None; 4]);
    }
}
