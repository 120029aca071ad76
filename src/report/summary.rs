//! A report: how the syncs did, and how the market moved.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;

use super::days::{Days, day};
use super::market::{Market, market};
use super::performance::{Performance, performance};
use crate::config::Config;
use crate::mirror::{MarketFields, Mirror, Writing};
use crate::value::{instant, stored_instant};

/// How the syncs did, and how the market moved.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// From when on it tells, UTC.
    pub since: String,
    /// When it was made, UTC.
    pub until: String,
    /// How the syncs did.
    pub syncs: Performance,
    /// How the market moved; None while the mirror has no table of listings.
    pub market: Option<Market>,
    /// What is left out and why, a sentence each.
    pub left_out: Vec<String>,
}

/// Reads a report since a time in storage form, all of it as of one moment.
///
/// # Errors
/// If the mirror cannot be read.
pub fn report(
    config: &Config,
    mirror: &mut Mirror,
    since: &str,
    now: DateTime<Utc>,
) -> anyhow::Result<Report> {
    let looking = mirror.look()?;
    let first_run = looking.first_run_began()?;
    let days = span(since, first_run.as_deref(), now);
    let syncs = performance(&looking, &config.sync.resources, since, days, now)?;
    let mut left_out = Vec::new();
    let market = match looking.market_fields()? {
        Some(fields) => {
            let known = known_from(config, &looking, days, now)?;
            let filled = known.is_some();
            let is_unlogged = config.sync.ignore_fields.contains("StandardStatus");
            let known = known.filter(|_| !is_unlogged);
            left_out = without(fields, &config.sync.ignore_fields, filled);
            Some(market(&looking, fields, since, days, known)?)
        }
        None => {
            left_out.push("there are no listings yet: `mlsmirror sync` fetches them".to_owned());
            None
        }
    };
    Ok(Report {
        // Changes are recorded by the second.
        since: since.get(..19).unwrap_or(since).to_owned(),
        until: stored_instant(whole_second(now)),
        syncs,
        market,
        left_out,
    })
}

fn whole_second(now: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
}

/// From the day of `since`, but not from before anything ever ran, to today.
fn span(since: &str, first_run: Option<&str>, now: DateTime<Utc>) -> Days {
    let today = now.date_naive();
    let first = first_run.and_then(day).unwrap_or(today);
    let since = day(since).unwrap_or(NaiveDate::MIN);
    Days::between(since.max(first).min(today), today)
}

/// The first day at whose end the inventory is known: the mirror held all listings, and
/// the log was not forgotten since.
fn known_from(
    config: &Config,
    looking: &Writing<'_>,
    days: Days,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<usize>> {
    let Some(filled) = looking.listings_known_from()? else {
        return Ok(None);
    };
    let kept = config.retention.changes.and_then(|kept| {
        let kept = TimeDelta::from_std(kept).ok()?;
        now.checked_sub_signed(kept)
    });
    let filled = instant(&filled).max(kept).unwrap_or(now);
    let behind = (filled.date_naive() - days.day(0)).num_days().max(0);
    Ok(usize::try_from(behind)
        .ok()
        .map(|behind| behind.min(days.count() - 1)))
}

/// What is left out because the feed does not declare its field.
fn without(fields: MarketFields, ignored: &BTreeSet<String>, is_filled: bool) -> Vec<String> {
    let mut left_out = Vec::new();
    let mut leave = |is_there: bool, field: &str, what: &str| {
        if !is_there {
            left_out.push(format!("the feed does not declare {field}: {what}"));
        }
    };
    leave(
        fields.status,
        "StandardStatus",
        "no inventory, closings, withdrawals, changes of status or active listings",
    );
    leave(
        fields.price,
        "ListPrice",
        "no price cuts, increases or median prices",
    );
    if fields.status {
        leave(fields.city, "City", "active listings are not told by city");
        leave(
            fields.days_on_market,
            "DaysOnMarket",
            "no median of the days on market",
        );
    }
    for field in ["StandardStatus", "ListPrice"] {
        if ignored.contains(field) {
            left_out.push(format!(
                "sync.ignore_fields names {field}: its changes are not in the log"
            ));
        }
    }
    if fields.status && !is_filled {
        left_out.push(
            "the listings were never read to their end: no inventory; `mlsmirror sync` goes on"
                .to_owned(),
        );
    }
    left_out
}
