//! Remembers how far the clock of this machine is ahead of the feed's.

use chrono::TimeDelta;

use crate::feed::Feed;
use crate::mirror::Mirror;

/// The key in `_state` of the days by which this machine's clock is ahead.
const AHEAD: &str = "clock_ahead_days";

/// Returns the days by which the clock of this machine was ahead of the feed's in the last
/// job. They are negative if it was behind, and 0 within a day.
pub fn clock_ahead_days(mirror: &Mirror) -> rusqlite::Result<i64> {
    let days = mirror.state(AHEAD)?;
    Ok(days.and_then(|days| days.parse().ok()).unwrap_or(0))
}

/// Remembers the difference of the clocks, if the feed has sent its time and the days have
/// changed.
pub(super) fn save_clock(feed: &Feed, mirror: &mut Mirror) -> rusqlite::Result<()> {
    let Some(error) = feed.clock_error() else {
        return Ok(());
    };
    let days = whole_days(error);
    if clock_ahead_days(mirror)? == days {
        return Ok(());
    }
    mirror.set_state(AHEAD, &days.to_string())
}

/// Rounds a difference of more than a day to days.
fn whole_days(error: TimeDelta) -> i64 {
    if error.abs() <= TimeDelta::days(1) {
        return 0;
    }
    (error.num_seconds() as f64 / 86_400.0).round() as i64
}
