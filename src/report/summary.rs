//! A report: how the syncs did, and how the market moved.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::days::{Days, day};
use super::market::{Logged, Market, market};
use super::performance::{Performance, performance};
use crate::config::Config;
use crate::mirror::{MarketFields, Mirror, ReadTx};
use crate::value::stored_instant;

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
    let tx = mirror.read()?;
    let first_run = tx.first_run_at()?;
    let days = span(since, first_run.as_deref(), now);
    let syncs = performance(&tx, &config.sync.resources, since, days, now)?;
    let mut left_out = Vec::new();
    let market = match tx.market_fields()? {
        Some(fields) => {
            let ignored = &config.sync.ignore_fields;
            let log_begins = tx.log_begins()?;
            let log_begins = log_begins.as_deref();
            let logged = logged(ignored, &tx, fields, days, log_begins)?;
            left_out = told_left_out(fields, ignored, &logged, log_begins);
            Some(market(&tx, fields, since, days, logged)?)
        }
        None => {
            left_out.push("there are no listings yet: `mlsmirror sync` fetches them".to_owned());
            None
        }
    };
    Ok(Report {
        since: since.to_owned(),
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

/// What the change log tells of the days.
fn logged(
    ignored: &BTreeSet<String>,
    tx: &ReadTx<'_>,
    fields: MarketFields,
    days: Days,
    log_begins: Option<&str>,
) -> anyhow::Result<Logged> {
    let filled = tx.listings_complete_since()?;
    let place = |day: NaiveDate, most: usize| {
        let behind = (day - days.day(0)).num_days().max(0);
        usize::try_from(behind).unwrap_or(most).min(most)
    };
    let begins = log_begins.and_then(day);
    let status = fields.status && !ignored.contains("StandardStatus");
    let filled = filled.as_deref().and_then(day).filter(|_| status);
    Ok(Logged {
        status,
        price: fields.price && !ignored.contains("ListPrice"),
        from: begins
            .and_then(|day| day.succ_opt())
            .map_or(0, |day| place(day, days.count())),
        // The last day is known as it is now.
        inventory_from: filled.map(|filled| {
            let known = begins.map_or(filled, |begins| begins.max(filled));
            place(known, days.count() - 1)
        }),
    })
}

/// What is left out and why, a sentence each.
fn told_left_out(
    fields: MarketFields,
    ignored: &BTreeSet<String>,
    logged: &Logged,
    log_begins: Option<&str>,
) -> Vec<String> {
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
    for (field, what) in [
        (
            "StandardStatus",
            "no inventory, closings, withdrawals or changes of status",
        ),
        ("ListPrice", "no price cuts or increases"),
    ] {
        if ignored.contains(field) {
            left_out.push(format!(
                "sync.ignore_fields names {field}, whose changes are not in the log: {what}"
            ));
        }
    }
    if let Some(begins) = log_begins
        && logged.from > 0
    {
        left_out.push(format!(
            "`[retention] changes` removed what was logged before {begins} UTC: what happened on that day or before is not told"
        ));
    }
    if logged.status && logged.inventory_from.is_none() {
        left_out.push(
            "the listings were never read to their end: no inventory; `mlsmirror sync` goes on"
                .to_owned(),
        );
    }
    left_out
}
