//! What the last successful reading of a resource's changes showed, and how far the next
//! one looks back.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::feed::Feed;
use crate::mirror::{Mirror, WriteTx};
use crate::resource::Resource;
use crate::sync::sync_error::Result;
use crate::value::{instant, stored_instant};

/// The last successful reading of a resource's changes, or of all its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sync) struct LastRead {
    /// The feed's time before the reading, in storage form.
    pub began: String,
    /// The newest timestamp of the feed then, if the reading asked for it.
    pub newest: Option<String>,
}

impl LastRead {
    /// Returns the last reading of a resource, if its time is known.
    pub fn load(mirror: &Mirror, resource: Resource) -> Result<Option<LastRead>> {
        let saved = mirror.state(&state_name(resource))?;
        Ok(saved.and_then(|saved| serde_json::from_str(&saved).ok()))
    }

    /// Saves the reading, in the transaction that ends its run.
    pub fn save(&self, write: &WriteTx<'_>, resource: Resource) -> Result<()> {
        let text = serde_json::json!(self).to_string();
        Ok(write.set_state(&state_name(resource), &text)?)
    }

    /// Returns the time before which this reading has seen all records, in storage form:
    /// records become visible within the overlap after their timestamps.
    pub fn complete_before(&self, overlap: Duration) -> Option<String> {
        earlier(&self.began, overlap)
    }
}

/// Returns the key in `_state` of the last reading of a resource.
fn state_name(resource: Resource) -> String {
    format!("last_read:{resource}")
}

/// Returns the feed's time for a reading that begins now, in storage form. Without a readable
/// `Date` header, or with one in the future of the local clock, nothing is known.
pub(super) fn beginning(feed: &Feed, overlap: Duration) -> Option<String> {
    let tolerance = TimeDelta::from_std(overlap).ok()?;
    let date = feed.date()?;
    (date - Utc::now() <= tolerance).then(|| stored_instant(date))
}

/// Returns the time from which changes are read: the watermark, or the overlap before the last
/// reading if that is earlier. It is never earlier than the overlap before the watermark, which
/// is the start if the time of the last reading is not known.
pub(super) fn read_from(
    watermark: &str,
    last: Option<&LastRead>,
    overlap: Duration,
) -> Option<String> {
    let earliest = earlier(watermark, overlap)?;
    let complete = last.and_then(|last| last.complete_before(overlap));
    Some(match complete {
        Some(complete) => complete.min(watermark.to_owned()).max(earliest),
        None => earliest,
    })
}

/// Returns a timestamp in storage form that is earlier by the overlap.
pub(in crate::sync) fn earlier(timestamp: &str, overlap: Duration) -> Option<String> {
    let overlap = TimeDelta::from_std(overlap).ok()?;
    let earlier = instant(timestamp)?.checked_sub_signed(overlap)?;
    Some(stored_instant(earlier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_from_the_watermark_or_the_overlap_before_the_last_reading() {
        let overlap = Duration::from_secs(1_200);
        let at = |time: &str| format!("2026-03-04 {time}");
        let cases = [
            // The feed was quiet.
            (Some("12:30:00"), "12:00:00"),
            // A record of 11:55 can become visible after 12:10.
            (Some("12:10:00"), "11:50:00"),
            (Some("12:00:00"), "11:40:00"),
            // The feed's clock is behind its timestamps.
            (Some("03:00:00"), "11:40:00"),
            (None, "11:40:00"),
        ];
        for (began, from) in cases {
            let last = began.map(|began| LastRead {
                began: at(began),
                newest: None,
            });
            let found = read_from(&at("12:00:00"), last.as_ref(), overlap);
            assert_eq!(found, Some(at(from)), "{began:?}");
        }
    }
}
