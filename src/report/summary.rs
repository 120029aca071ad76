//! The report: the performance of the syncs, and the moves of the market.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::days::{Days, day};
use super::market::{Logged, Market, market};
use super::performance::{Performance, performance};
use crate::config::Config;
use crate::mirror::{MarketFields, Mirror, ReadTx};
use crate::value::stored_instant;

/// The performance of the syncs, and the moves of the market.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The start of the period, UTC.
    pub since: String,
    /// The end of the period: when the report was made, UTC.
    pub until: String,
    /// The performance of the syncs.
    pub syncs: Performance,
    /// The moves of the market; None if the mirror has no table of listings.
    pub market: Option<Market>,
    /// The omitted parts and the reasons, one sentence each.
    pub left_out: Vec<String>,
}

/// Returns the report since a time in storage form. One read transaction reads all of it.
pub fn report(
    config: &Config,
    mirror: &mut Mirror,
    since: &str,
    now: DateTime<Utc>,
) -> anyhow::Result<Report> {
    let tx = mirror.read()?;
    let first_run = tx.first_run_at()?;
    let days = period(since, first_run.as_deref(), now);
    let syncs = performance(&tx, &config.sync.resources, since, days, now)?;
    let mut left_out = Vec::new();
    let market = match tx.market_fields()? {
        Some(fields) => {
            let ignored = &config.sync.ignore_fields;
            let log_begins = tx.log_begins()?;
            let log_begins = log_begins.as_deref();
            let logged = logged(ignored, &tx, fields, days, log_begins)?;
            left_out = omissions(fields, ignored, &logged, log_begins);
            Some(market(&tx, fields, since, days, logged)?)
        }
        None => {
            left_out.push("there are no listings yet: run `mlsmirror sync`".to_owned());
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

/// Returns the days from `since` or the first run, whichever is later, to today.
fn period(since: &str, first_run: Option<&str>, now: DateTime<Utc>) -> Days {
    let today = now.date_naive();
    let first = first_run.and_then(day).unwrap_or(today);
    let since = day(since).unwrap_or(NaiveDate::MIN);
    Days::between(since.max(first).min(today), today)
}

/// Returns which changes of these days the change log has.
fn logged(
    ignored: &BTreeSet<String>,
    tx: &ReadTx<'_>,
    fields: MarketFields,
    days: Days,
    log_begins: Option<&str>,
) -> anyhow::Result<Logged> {
    let filled = tx.listings_complete_since()?;
    let place = |day: NaiveDate, most: usize| {
        let place = (day - days.day(0)).num_days().max(0);
        usize::try_from(place).unwrap_or(most).min(most)
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
        // The current listings are the inventory of the last day.
        inventory_from: filled.map(|filled| {
            let known = begins.map_or(filled, |begins| begins.max(filled));
            place(known, days.count() - 1)
        }),
    })
}

/// Lists the omitted parts and the reasons.
fn omissions(
    fields: MarketFields,
    ignored: &BTreeSet<String>,
    logged: &Logged,
    log_begins: Option<&str>,
) -> Vec<String> {
    let mut left_out = Vec::new();
    let mut unless_declared = |is_declared: bool, field: &str, omitted: &str| {
        if !is_declared {
            left_out.push(format!("the feed does not declare {field}: {omitted}"));
        }
    };
    unless_declared(
        fields.status,
        "StandardStatus",
        "no inventory, closings, withdrawals, status changes or active listings",
    );
    unless_declared(
        fields.price,
        "ListPrice",
        "no price cuts, increases or median prices",
    );
    if fields.status {
        unless_declared(fields.city, "City", "no active listings by city");
        unless_declared(
            fields.days_on_market,
            "DaysOnMarket",
            "no median days on market",
        );
    }

    for (field, omitted) in [
        (
            "StandardStatus",
            "no inventory, closings, withdrawals or status changes",
        ),
        ("ListPrice", "no price cuts or increases"),
    ] {
        if ignored.contains(field) {
            left_out.push(format!(
                "sync.ignore_fields names {field}, so the log has no changes of it: {omitted}"
            ));
        }
    }
    if let Some(begins) = log_begins
        && logged.from > 0
    {
        left_out.push(format!(
            "`[retention] changes` removed the log before {begins} UTC: no changes of that day or earlier"
        ));
    }
    if logged.status && logged.inventory_from.is_none() {
        left_out.push(
            "Property has not completed its first full sync: no inventory; run `mlsmirror sync`"
                .to_owned(),
        );
    }
    left_out
}
