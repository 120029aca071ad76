//! How the syncs did.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::days::Days;
use super::statistics::median;
use crate::mirror::{ReadTx, RunRow};
use crate::resource::Resource;
use crate::value::instant;

/// So many errors are told, the newest.
const FAILURES: usize = 20;

/// How the syncs did.
#[derive(Clone, Debug, Serialize)]
pub struct Performance {
    /// By job, in the order of their names.
    pub jobs: Vec<JobPerformance>,
    /// Runs that did not do all they were for, the newest first.
    pub failures: Vec<Failure>,
    /// How far the mirror was behind, for each day of the span.
    pub lag: Vec<LagDay>,
    /// How long runs took, for each day and job that had any.
    pub durations: Vec<DurationDay>,
}

/// How the runs of a job did: a run for each resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct JobPerformance {
    /// The job.
    pub job: String,
    /// How many runs began.
    pub runs: u64,
    /// Those that did all they were for.
    pub succeeded: u64,
    /// Those that left something out.
    pub partial: u64,
    /// Those that could not go on.
    pub failed: u64,
    /// Those that were stopped.
    pub interrupted: u64,
    /// Those under way.
    pub running: u64,
    /// The share of those that ended which succeeded, from 0 to 1.
    pub success_rate: Option<f64>,
    /// How long they took, in the middle, in milliseconds.
    pub median_duration_ms: Option<f64>,
    /// How long the longest took, in milliseconds.
    pub longest_duration_ms: Option<u64>,
    /// Records that came.
    pub records_seen: u64,
    /// Records that came, by the time of the runs that ended.
    pub records_per_second: Option<f64>,
    /// Requests sent, retries among them.
    pub requests: u64,
    /// Requests sent again.
    pub retries: u64,
    /// Time spent waiting for the rate limits, in milliseconds.
    pub throttled_ms: u64,
    /// Bytes of bodies received, after decompression.
    pub bytes_received: u64,
}

/// A run that did not do all that it was for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The job.
    pub job: String,
    /// The entity set.
    pub resource: String,
    /// How it ended.
    pub status: String,
    /// When it began, UTC.
    pub started_at: String,
    /// What went wrong.
    pub error: Option<String>,
}

/// The longest time on a day since a resource was brought up to date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LagDay {
    /// The day, UTC.
    pub day: String,
    /// How long, in seconds; null where none had ever been brought up to date.
    pub lag_seconds: Option<u64>,
    /// The resource that waited so long.
    pub resource: Option<&'static str>,
}

/// How long the runs of a job took that began on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DurationDay {
    /// The day, UTC.
    pub day: String,
    /// The job.
    pub job: String,
    /// How many of them ended.
    pub runs: u64,
    /// How long the longest took, in milliseconds.
    pub longest_ms: u64,
}

/// Reads how the syncs did since a time in storage form.
///
/// # Errors
/// If the mirror cannot be read.
pub fn performance(
    tx: &ReadTx<'_>,
    resources: &[Resource],
    since: &str,
    days: Days,
    now: DateTime<Utc>,
) -> anyhow::Result<Performance> {
    let mut jobs: BTreeMap<String, (JobPerformance, Vec<f64>, u64)> = BTreeMap::new();
    let mut durations: BTreeMap<(usize, String), (u64, u64)> = BTreeMap::new();
    let mut failures = Vec::new();
    tx.read_runs(since, |run| {
        if let (Some(place), Some(took)) = (days.place(&run.started_at), run.duration_ms) {
            let of_day = durations.entry((place, run.job.clone())).or_default();
            *of_day = (of_day.0 + 1, of_day.1.max(took));
        }
        let (job, took, records) = jobs.entry(run.job.clone()).or_default();
        job.add(&run);
        if let Some(duration_ms) = run.duration_ms {
            took.push(duration_ms as f64);
            *records = records.saturating_add(run.records_seen);
        }
        let is_failure = ["partial", "failed", "interrupted"].contains(&run.status.as_str());
        if is_failure && failures.len() < FAILURES {
            failures.push(Failure {
                job: run.job,
                resource: run.resource,
                status: run.status,
                started_at: run.started_at,
                error: run.error,
            });
        }
    })?;
    let jobs = jobs
        .into_iter()
        .map(|(name, (job, took, records))| job.told(name, took, records));
    let durations = durations
        .into_iter()
        .map(|((place, job), (runs, longest_ms))| DurationDay {
            day: days.name(place),
            job,
            runs,
            longest_ms,
        });
    let mut lag = Vec::new();
    for &resource in resources {
        let moments = tx.up_to_date_times(resource, since)?;
        let moments: Vec<DateTime<Utc>> = moments.iter().filter_map(|at| instant(at)).collect();
        lag.push((resource.entity_set(), lags(&moments, days, now)));
    }
    Ok(Performance {
        jobs: jobs.collect(),
        failures,
        durations: durations.collect(),
        lag: (0..days.count())
            .map(|place| {
                let worst = lag
                    .iter()
                    .filter_map(|(resource, lags)| Some((lags[place]?, *resource)))
                    .max_by_key(|(seconds, _)| *seconds);
                LagDay {
                    day: days.name(place),
                    lag_seconds: worst.map(|(seconds, _)| seconds),
                    resource: worst.map(|(_, resource)| resource),
                }
            })
            .collect(),
    })
}

/// The longest time that had passed on each day since the last of these moments.
fn lags(moments: &[DateTime<Utc>], days: Days, now: DateTime<Utc>) -> Vec<Option<u64>> {
    let mut lags: Vec<Option<u64>> = vec![None; days.count()];
    let ends = moments.iter().skip(1).copied().chain([now]);
    for (begin, end) in moments.iter().zip(ends) {
        let place = |at: &DateTime<Utc>| (at.date_naive() - days.day(0)).num_days();
        for day in place(begin).max(0)..=place(&end).min(days.count() as i64 - 1) {
            let day_ends = days.day(day as usize + 1).and_time(Default::default());
            let waited = (end.min(day_ends.and_utc()) - begin).num_seconds();
            let lag = &mut lags[day as usize];
            *lag = (*lag).max(Some(waited.max(0) as u64));
        }
    }
    lags
}

impl JobPerformance {
    fn add(&mut self, run: &RunRow) {
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
            (&mut self.records_seen, run.records_seen),
            (&mut self.requests, run.requests),
            (&mut self.retries, run.retries),
            (&mut self.throttled_ms, run.throttled_ms),
            (&mut self.bytes_received, run.bytes_received),
        ] {
            *sum = sum.saturating_add(more);
        }
    }

    fn told(mut self, job: String, mut took_ms: Vec<f64>, records: u64) -> JobPerformance {
        let share = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        let seconds = took_ms.iter().sum::<f64>() / 1e3;
        let ended = self.runs - self.running;
        self.job = job;
        self.success_rate = share(self.succeeded as f64, ended as f64);
        self.records_per_second = share(records as f64, seconds);
        self.median_duration_ms = median(&mut took_ms);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::days::day;
    use super::*;

    #[test]
    fn lag_is_what_had_passed_on_each_day_at_most() {
        let at = |text| instant(text).unwrap_or_default();
        let date = |text| day(text).unwrap_or_default();
        let days = Days::between(date("2026-03-01"), date("2026-03-04"));
        let now = at("2026-03-04 01:00:00");
        let hour = 3_600;
        let moments = [
            at("2026-02-28 22:00:00"),
            at("2026-03-01 01:00:00"),
            at("2026-03-01 02:00:00"),
            at("2026-03-03 02:00:00"),
        ];
        let expected = [22, 46, 48, 23].map(|hours| Some(hours * hour));
        assert_eq!(lags(&moments, days, now), expected);
        let expected = [None, None, Some(22 * hour), Some(23 * hour)];
        assert_eq!(lags(&moments[3..], days, now), expected);
        assert_eq!(lags(&[], days, now), [None; 4]);
    }
}
