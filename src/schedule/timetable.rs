//! When each job is due. Computed without I/O.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::ScheduledJob;
use crate::config::{Schedule, When};

/// The pause after the first failure of a job; it doubles with each failure.
const RETRY_FIRST: Duration = Duration::from_secs(60);

/// The longest pause between two tries. It is also the pause after the feed refused the
/// credentials, because more frequent tries may lock the account.
const RETRY_MAX: Duration = Duration::from_secs(3_600);

/// The outcome of a job, which decides when it runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// The job succeeded, fully or partly, or was interrupted.
    Ran,
    /// The job failed. Another try may succeed.
    Failed,
    /// The feed refused the credentials, so every other job would fail too.
    Refused,
    /// Another process was syncing the mirror.
    Busy,
}

/// When each job is due.
#[derive(Clone, Debug)]
pub struct Timetable {
    timezone: Tz,
    entries: Vec<Entry>,
    /// No job is due before this time.
    held_until: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug)]
struct Entry {
    job: ScheduledJob,
    when: When,
    /// When the job last started, or when its schedule was created.
    since: DateTime<Utc>,
    /// When the job is tried again, and the number of its failures.
    retry: Option<(DateTime<Utc>, u32)>,
}

impl Timetable {
    /// Creates the timetable of a schedule. `started` returns when a job last started. A
    /// job that was due since then is due at once.
    pub fn new(
        schedule: &Schedule,
        now: DateTime<Utc>,
        started: impl Fn(ScheduledJob) -> Option<DateTime<Utc>>,
    ) -> Timetable {
        let entries = ScheduledJob::ALL.into_iter().map(|job| Entry {
            job,
            when: job.when(schedule).clone(),
            // If the clock was set back, the last start lies in the future.
            since: started(job).unwrap_or(now).min(now),
            retry: None,
        });
        Timetable {
            timezone: schedule.timezone,
            entries: entries.filter(|entry| entry.when != When::Never).collect(),
            held_until: None,
        }
    }

    /// Returns the job that is due next, and when. If several are due at one time, it is
    /// the first of [`ScheduledJob::ALL`]. Returns None if no job is ever due.
    pub fn next(&self) -> Option<(DateTime<Utc>, ScheduledJob)> {
        let due = self
            .entries
            .iter()
            .filter_map(|entry| Some((self.due(entry)?, entry.job)));
        due.min_by_key(|(at, job)| (*at, ScheduledJob::ALL.iter().position(|other| other == job)))
    }

    /// Returns when a job is due next, or None if never.
    pub fn next_of(&self, job: ScheduledJob) -> Option<DateTime<Utc>> {
        let entry = self.entries.iter().find(|entry| entry.job == job)?;
        self.due(entry)
    }

    fn due(&self, entry: &Entry) -> Option<DateTime<Utc>> {
        let regular = entry.when.next_after(entry.since, self.timezone);
        let retry = entry.retry.map(|(retry, _)| retry);
        // A retry never comes later than the next regular time.
        let due = retry.into_iter().chain(regular).min()?;
        Some(self.held_until.map_or(due, |held| due.max(held)))
    }

    /// Corrects the times that are too late since the clock was set back: a job has not
    /// started after now, and no pause is longer than an hour. Returns whether the clock
    /// was set back by more than a minute since a job started.
    pub fn follow_clock(&mut self, now: DateTime<Utc>) -> bool {
        let latest = now + RETRY_MAX;
        let mut was_set_back = false;
        for entry in &mut self.entries {
            was_set_back |= entry.since > now + RETRY_FIRST;
            entry.since = entry.since.min(now);
            entry.retry = entry.retry.map(|(at, failures)| (at.min(latest), failures));
        }
        self.held_until = self.held_until.map(|held| held.min(latest));
        was_set_back
    }

    /// Makes a job due at this time, in addition to its schedule. Returns false if it has
    /// no schedule.
    pub fn make_due(&mut self, job: ScheduledJob, at: DateTime<Utc>) -> bool {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.job == job) else {
            return false;
        };
        entry.retry = Some((at, 0));
        true
    }

    /// Makes the export due at this time if it follows jobs that change the mirror.
    pub fn synced(&mut self, at: DateTime<Utc>) {
        let mut entries = self.entries.iter();
        if entries.any(|entry| entry.when == When::AfterSync) {
            self.make_due(ScheduledJob::Export, at);
        }
    }

    /// Records that a job ran, and plans its next try.
    pub fn ran(
        &mut self,
        job: ScheduledJob,
        started: DateTime<Utc>,
        ended: DateTime<Utc>,
        outcome: JobOutcome,
    ) {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.job == job) else {
            return;
        };
        entry.since = started;
        self.held_until = None;
        let after = |pause: Duration| {
            ended + TimeDelta::from_std(pause).unwrap_or_else(|_| TimeDelta::hours(1))
        };
        entry.retry = match outcome {
            JobOutcome::Ran => None,
            JobOutcome::Failed => {
                let failures = entry.retry.map_or(0, |(_, failures)| failures) + 1;
                let pause = RETRY_FIRST.saturating_mul(1 << (failures - 1).min(16));
                Some((after(pause.min(RETRY_MAX)), failures))
            }
            JobOutcome::Busy => {
                let failures = entry.retry.map_or(0, |(_, failures)| failures);
                Some((after(RETRY_FIRST), failures))
            }
            JobOutcome::Refused => {
                self.held_until = Some(after(RETRY_MAX));
                Some((after(RETRY_MAX), 0))
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-03-04T{text}Z")
            .parse()
            .expect("a moment of a test")
    }

    fn schedule(jobs: &[(&str, &str)]) -> Schedule {
        let when = |name: &str| {
            let text = jobs
                .iter()
                .find(|(job, _)| *job == name)
                .map_or("", |(_, text)| text);
            if text == "after sync" {
                return When::AfterSync;
            }
            When::parse(text).expect("a schedule of a test")
        };
        Schedule {
            timezone: Tz::UTC,
            full: when("full"),
            incremental: when("incremental"),
            monitor: when("monitor"),
            deletions: when("deletions"),
            reconcile: when("reconcile"),
            media: when("media"),
            export: when("export"),
        }
    }

    fn hourly() -> Timetable {
        let jobs = [("incremental", "0 * * * *"), ("monitor", "*/15 * * * *")];
        Timetable::new(&schedule(&jobs), at("10:50:00"), |_| None)
    }

    const INCREMENTAL: ScheduledJob = ScheduledJob::Incremental;
    const MONITOR: ScheduledJob = ScheduledJob::Monitor;

    #[test]
    fn jobs_are_due_at_their_times_and_at_one_time_in_their_order() {
        let mut table = hourly();
        assert_eq!(table.next(), Some((at("11:00:00"), INCREMENTAL)));
        table.ran(INCREMENTAL, at("11:00:00"), at("11:00:05"), JobOutcome::Ran);
        assert_eq!(table.next(), Some((at("11:00:00"), MONITOR)));
        table.ran(MONITOR, at("11:00:05"), at("11:00:06"), JobOutcome::Ran);
        assert_eq!(table.next(), Some((at("11:15:00"), MONITOR)));
        assert_eq!(table.next_of(INCREMENTAL), Some(at("12:00:00")));
        assert_eq!(table.next_of(ScheduledJob::Full), None);
    }

    #[test]
    fn a_job_that_was_due_during_another_job_or_during_sleep_runs_once() {
        let mut table = hourly();
        // The incremental took until 14:31.
        table.ran(INCREMENTAL, at("11:00:00"), at("14:31:00"), JobOutcome::Ran);
        assert_eq!(table.next(), Some((at("11:00:00"), MONITOR)));
        table.ran(MONITOR, at("14:31:00"), at("14:31:01"), JobOutcome::Ran);
        assert_eq!(table.next(), Some((at("12:00:00"), INCREMENTAL)));
        table.ran(INCREMENTAL, at("14:31:01"), at("14:31:09"), JobOutcome::Ran);
        assert_eq!(table.next(), Some((at("14:45:00"), MONITOR)));
        assert_eq!(table.next_of(INCREMENTAL), Some(at("15:00:00")));
    }

    #[test]
    fn a_job_that_was_due_while_the_daemon_was_off_is_due_at_once() {
        let jobs = [("full", "0 2 * * *"), ("incremental", "every 15m")];
        let last = |job| match job {
            ScheduledJob::Full => Some(at("01:00:00")),
            _ => Some(at("10:45:00")),
        };
        let table = Timetable::new(&schedule(&jobs), at("10:50:00"), last);
        assert_eq!(table.next(), Some((at("02:00:00"), ScheduledJob::Full)));
        assert_eq!(table.next_of(INCREMENTAL), Some(at("11:00:00")));
        // A job that never ran waits for its time. A start in the future counts as now.
        let table = Timetable::new(&schedule(&jobs), at("10:50:00"), |job| {
            (job == INCREMENTAL).then(|| at("23:00:00"))
        });
        assert_eq!(table.next(), Some((at("11:05:00"), INCREMENTAL)));
    }

    #[test]
    fn a_job_that_fails_is_tried_again_with_growing_pauses_up_to_its_next_time() {
        let jobs = [("full", "0 2 * * *")];
        let mut table = Timetable::new(&schedule(&jobs), at("01:59:00"), |_| None);
        let mut now = at("02:00:00");
        let mut pauses = Vec::new();
        for _ in 0..9 {
            table.ran(ScheduledJob::Full, now, now, JobOutcome::Failed);
            let (next, _) = table.next().expect("it is tried again");
            pauses.push((next - now).num_minutes());
            now = next;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        table.ran(ScheduledJob::Full, now, now, JobOutcome::Ran);
        assert_eq!(
            table.next().map(|(at, _)| at),
            Some(at("02:00:00") + TimeDelta::days(1))
        );

        let mut table = hourly();
        for _ in 0..9 {
            table.ran(MONITOR, at("11:00:00"), at("11:00:01"), JobOutcome::Failed);
        }
        assert_eq!(
            table.next_of(MONITOR),
            Some(at("11:15:00")),
            "its next time comes sooner"
        );
    }

    #[test]
    fn after_refused_credentials_there_is_one_try_an_hour() {
        let mut table = hourly();
        table.ran(
            INCREMENTAL,
            at("11:00:00"),
            at("11:00:01"),
            JobOutcome::Refused,
        );
        assert_eq!(table.next(), Some((at("12:00:01"), INCREMENTAL)));
        table.ran(INCREMENTAL, at("12:00:01"), at("12:00:02"), JobOutcome::Ran);
        assert_eq!(
            table.next(),
            Some((at("11:00:00"), MONITOR)),
            "at once again"
        );
    }

    #[test]
    fn a_clock_that_jumps_by_years_and_back_delays_no_job_by_more_than_an_hour() {
        let mut table = hourly();
        let ahead = at("11:00:00") + TimeDelta::days(4 * 365);
        for outcome in [JobOutcome::Ran, JobOutcome::Failed, JobOutcome::Refused] {
            table.ran(INCREMENTAL, ahead, ahead, outcome);
            table.ran(MONITOR, ahead, ahead, JobOutcome::Ran);
            assert!(table.follow_clock(at("10:55:00")), "{outcome:?}");
            assert_eq!(table.next_of(MONITOR), Some(at("11:00:00")), "{outcome:?}");
            let incremental = table.next_of(INCREMENTAL).expect("it has a schedule");
            assert!(incremental <= at("11:55:00"), "{outcome:?}: {incremental}");
            assert!(!table.follow_clock(at("10:55:01")), "{outcome:?}");
        }
        // The corrections of a synchronised clock are not reported.
        table.ran(MONITOR, at("11:00:00"), at("11:00:00"), JobOutcome::Ran);
        assert!(!table.follow_clock(at("10:59:58")));
        assert_eq!(table.next_of(MONITOR), Some(at("11:00:00")));
    }

    #[test]
    fn an_export_after_syncs_is_due_once_after_each_and_is_tried_again() {
        let jobs = [("incremental", "0 * * * *"), ("export", "after sync")];
        let mut table = Timetable::new(&schedule(&jobs), at("10:50:00"), |_| None);
        assert_eq!(table.next_of(ScheduledJob::Export), None);
        table.ran(INCREMENTAL, at("11:00:00"), at("11:00:05"), JobOutcome::Ran);
        table.synced(at("11:00:05"));
        let export = ScheduledJob::Export;
        assert_eq!(table.next(), Some((at("11:00:05"), export)));
        table.ran(export, at("11:00:05"), at("11:00:09"), JobOutcome::Failed);
        assert_eq!(table.next(), Some((at("11:01:09"), export)));
        table.ran(export, at("11:01:09"), at("11:01:10"), JobOutcome::Ran);
        assert_eq!(table.next_of(export), None);
    }

    #[test]
    fn a_job_that_found_the_mirror_busy_is_tried_again_after_a_minute() {
        let mut table = hourly();
        table.ran(
            INCREMENTAL,
            at("11:00:00"),
            at("11:00:00"),
            JobOutcome::Busy,
        );
        assert_eq!(table.next_of(INCREMENTAL), Some(at("11:01:00")));
    }
}
