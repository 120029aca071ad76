//! Saves the offsets of the feed's time zone for views, since SQLite has no time zones.

use chrono::{DateTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{IANA_TZDB_VERSION, Tz};

use crate::config::Config;
use crate::mirror::{Mirror, UtcOffset};
use crate::value::stored_instant;

/// The key in `_state` of the time zone whose offsets are saved.
const TIME_ZONE: &str = "time_zone";

/// The years whose offsets are saved.
const YEARS: std::ops::Range<i32> = 2000..2051;

/// Saves the offsets of the configured time zone, unless they are saved already.
pub(super) fn save_time_zone(config: &Config, mirror: &mut Mirror) -> rusqlite::Result<()> {
    let timezone = config.schedule.timezone;
    let name = format!("{timezone} {IANA_TZDB_VERSION}");
    if mirror.state(TIME_ZONE)?.as_deref() == Some(&name) {
        return Ok(());
    }
    let write = mirror.write()?;
    write.save_utc_offsets(&offsets(timezone))?;
    write.set_state(TIME_ZONE, &name)?;
    write.commit()
}

/// Returns the offsets of a time zone, each with the time at which it begins.
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
            // The change is at a full minute of this day.
            let (mut before, mut after) = (at, next);
            while after - before > TimeDelta::minutes(1) {
                let middle = before + TimeDelta::minutes((after - before).num_minutes() / 2);
                if minutes(middle) == minutes(before) {
                    before = middle;
                } else {
                    after = middle;
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
