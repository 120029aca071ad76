//! `[schedule]`: when jobs are due.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::units;

/// When jobs are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The time zone of cron expressions.
    pub timezone: Tz,
    /// The full sync.
    pub full: When,
    /// The incremental sync.
    pub incremental: When,
    /// The report of status changes.
    pub monitor: When,
    /// The announced deletions.
    pub deletions: When,
    /// The comparison of all keys.
    pub reconcile: When,
    /// The download of photos.
    pub media: When,
    /// The export.
    pub export: When,
}

/// When one job is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Never, written as empty text.
    Never,
    /// This long after the last start, written `every 15m`. Never zero.
    Every(Duration),
    /// At the times of five cron fields.
    Cron(Box<Cron>),
    /// After each job that changes the mirror, written `after sync`. Only for the export.
    AfterSync,
}

impl When {
    /// Parses five cron fields, `every 15m`, or empty text. Returns None for other text,
    /// and for times that never occur, such as 30 February.
    pub fn parse(text: &str) -> Option<When> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        match fields.as_slice() {
            [] => Some(When::Never),
            ["every", every] => match units::duration(every)? {
                Duration::ZERO => None,
                every => Some(When::Every(every)),
            },
            [_, _, _, _, _] => {
                let parser = CronParser::builder()
                    .seconds(Seconds::Disallowed)
                    .year(Year::Disallowed)
                    .build();
                let when = When::Cron(Box::new(parser.parse(&fields.join(" ")).ok()?));
                when.next_after(DateTime::UNIX_EPOCH, Tz::UTC).map(|_| when)
            }
            _ => None,
        }
    }

    /// Returns when the job is due next after a moment.
    ///
    /// Daylight saving time works as in Vixie cron: a job that is due in the hour that
    /// spring skips runs at the end of that hour. A job that is due in the hour that
    /// autumn repeats runs once, unless it runs every hour.
    pub fn next_after(&self, moment: DateTime<Utc>, timezone: Tz) -> Option<DateTime<Utc>> {
        match self {
            When::Never | When::AfterSync => None,
            When::Every(every) => moment.checked_add_signed(TimeDelta::from_std(*every).ok()?),
            When::Cron(cron) => {
                let moment = moment.with_timezone(&timezone);
                let next = cron.find_next_occurrence(&moment, false).ok()?;
                Some(next.with_timezone(&Utc))
            }
        }
    }

    /// Returns the time between the next two runs after a moment, or None if never.
    pub fn interval(&self, moment: DateTime<Utc>, timezone: Tz) -> Option<Duration> {
        let first = self.next_after(moment, timezone)?;
        let second = self.next_after(first, timezone)?;
        (second - first).to_std().ok()
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Never => Ok(()),
            When::Every(every) => write!(f, "every {}", units::duration_text(*every)),
            When::Cron(cron) => f.write_str(cron.as_str()),
            When::AfterSync => f.write_str("after sync"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_cron_an_interval_or_never() {
        let cases = [
            ("", Some("")),
            (" ", Some("")),
            ("every 15m", Some("every 15m")),
            ("every 90m", Some("every 1h30m")),
            ("every 0", None),
            ("every 15", None),
            ("every", None),
            ("15m", None),
            ("0 2 * * SUN", Some("0 2 * * 0")),
            ("*/15  * * * 1-5,7", Some("*/15 * * * 1-5,7")),
            ("0 2 * *", None),
            ("0 0 2 * * *", None),
            ("60 2 * * *", None),
            ("0 24 * * *", None),
            ("0 2 30 2 *", None),
            ("0 2 * * noday", None),
            ("@daily", None),
        ];
        for (text, when) in cases {
            let parsed = When::parse(text).map(|when| when.to_string());
            assert_eq!(parsed.as_deref(), when, "{text}");
        }
    }

    /// Returns the next times after a moment, in the time zone of UtahRealEstate.com.
    fn times(when: &str, behind: &str, count: usize) -> Vec<String> {
        let when = When::parse(when).expect("a schedule of a test");
        let timezone = chrono_tz::America::Denver;
        let mut moment: DateTime<Utc> = behind.parse().expect("a moment of a test");
        let mut times = Vec::new();
        for _ in 0..count {
            moment = when
                .next_after(moment, timezone)
                .expect("there is a next time");
            times.push(
                moment
                    .with_timezone(&timezone)
                    .format("%d %H:%M %Z")
                    .to_string(),
            );
        }
        times
    }

    #[test]
    fn a_job_in_the_hour_that_spring_skips_runs_once_at_its_end() {
        // On 8 March 2026, 02:00 MST is 03:00 MDT.
        assert_eq!(
            times("30 2 * * *", "2026-03-07T00:00:00Z", 4),
            [
                "07 02:30 MST",
                "08 03:00 MDT",
                "09 02:30 MDT",
                "10 02:30 MDT"
            ]
        );
        assert_eq!(
            times("0 2 * * SUN", "2026-03-07T12:00:00Z", 2),
            ["08 03:00 MDT", "15 02:00 MDT"]
        );
        assert_eq!(
            times("*/30 * * * *", "2026-03-08T08:20:00Z", 4),
            [
                "08 01:30 MST",
                "08 03:00 MDT",
                "08 03:30 MDT",
                "08 04:00 MDT"
            ]
        );
    }

    #[test]
    fn what_falls_into_the_hour_that_autumn_repeats_is_due_once_unless_it_is_every_hour() {
        // On 1 November 2026, 02:00 MDT is 01:00 MST.
        assert_eq!(
            times("30 1 * * *", "2026-10-31T12:00:00Z", 3),
            ["01 01:30 MDT", "02 01:30 MST", "03 01:30 MST"]
        );
        assert_eq!(
            times("30 2 * * *", "2026-10-31T12:00:00Z", 2),
            ["01 02:30 MST", "02 02:30 MST"]
        );
        assert_eq!(
            times("0 * * * *", "2026-11-01T06:30:00Z", 4),
            [
                "01 01:00 MDT",
                "01 01:00 MST",
                "01 02:00 MST",
                "01 03:00 MST"
            ]
        );
        assert_eq!(
            times("*/30 * * * *", "2026-11-01T06:50:00Z", 5),
            [
                "01 01:00 MDT",
                "01 01:30 MDT",
                "01 01:00 MST",
                "01 01:30 MST",
                "01 02:00 MST"
            ]
        );
    }

    #[test]
    fn an_interval_is_counted_from_when_it_last_started() {
        let when = When::Every(Duration::from_secs(900));
        let start = DateTime::UNIX_EPOCH;
        let next = when
            .next_after(start, Tz::UTC)
            .expect("there is a next time");
        assert_eq!((next - start).num_seconds(), 900);
        assert_eq!(When::Never.next_after(start, Tz::UTC), None);
        let hourly = When::parse("0 * * * *").expect("hourly");
        assert_eq!(
            hourly.interval(start, Tz::UTC),
            Some(Duration::from_secs(3_600))
        );
    }
}
