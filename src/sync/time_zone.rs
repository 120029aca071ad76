//! The feed's time zone, written down for views: SQLite knows none.

use chrono::{DateTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{IANA_TZDB_VERSION, Tz};

use crate::config::Config;
use crate::mirror::{Mirror, UtcOffset};
use crate::value::stored_instant;

/// Under what it is remembered which time zone was written down.
const STATE: &str = "time_zone";

/// The years for which it is written down.
const YEARS: std::ops::Range<i32> = 2000..2051;

/// Writes down how far the configured time zone is from UTC, and since when, unless
/// that was done.
///
/// # Errors
/// If the database cannot be read or written.
pub(super) fn keep_time_zone(config: &Config, mirror: &mut Mirror) -> rusqlite::Result<()> {
    let timezone = config.schedule.timezone;
    let name = format!("{timezone} {IANA_TZDB_VERSION}");
    if mirror.state(STATE)?.as_deref() == Some(&name) {
        return Ok(());
    }
    let tx = mirror.write()?;
    tx.save_utc_offsets(&offsets(timezone))?;
    tx.set_state(STATE, &name)?;
    tx.commit()
}

/// The offsets of a time zone, each since when it holds.
fn offsets(timezone: Tz) -> Vec<UtcOffset> {
    let year = |year| Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).single();
    let (Some(mut at), Some(end)) = (year(YEARS.start), year(YEARS.end)) else {
        return Vec::new();
    };
    let minutes = |at: DateTime<Utc>| {
        let local = timezone.offset_from_utc_datetime(&at.naive_utc());
        local.fix().local_minus_utc() / 60
    };
    let since = |at: DateTime<Utc>| UtcOffset {
        since: stored_instant(at),
        minutes: minutes(at),
    };
    let mut found = vec![since(at)];
    while at < end {
        let next = at + TimeDelta::days(1);
        if minutes(next) != minutes(at) {
            // Clocks are set at a full minute within this day.
            let (mut before, mut after) = (at, next);
            while after - before > TimeDelta::minutes(1) {
                let middle = before + TimeDelta::minutes((after - before).num_minutes() / 2);
                match minutes(middle) == minutes(before) {
                    true => before = middle,
                    false => after = middle,
                }
            }
            found.push(since(after));
        }
        at = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offsets_are_those_of_the_time_zone() {
        let denver = offsets(chrono_tz::America::Denver);
        let of_2026: Vec<(&str, i32)> = (denver.iter())
            .filter(|offset| offset.since.starts_with("2026"))
            .map(|offset| (offset.since.as_str(), offset.minutes))
            .collect();
        let expected = [("2026-03-08 09:00:00", -360), ("2026-11-01 08:00:00", -420)];
        assert_eq!(of_2026, expected);
        assert_eq!(offsets(Tz::UTC).len(), 1);
    }
}
