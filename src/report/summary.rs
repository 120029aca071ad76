//! The report: the performance of the syncs, and the moves of the market.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::days::{Days, local_day};
use super::market::{Logged, Market, market};
use super::omission::Omission;
use super::performance::{Performance, performance};
use super::report_scope::Scope;
use crate::config::Config;
use crate::mirror::{MarketFields, MarketFilter, Mirror, ReadTx};
use crate::value::{stored_instant, stored_second};

/// The performance of the syncs, and the moves of the market.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The start of the period, UTC.
    pub since: String,
    /// The end of the period: when the report was made, UTC.
    pub until: String,
    /// The feed, the period and the listings.
    pub scope: Scope,
    /// The performance of the syncs.
    pub syncs: Performance,
    /// The moves of the market; None if the mirror has no table of listings.
    pub market: Option<Market>,
    /// The omitted parts and the reasons. The command line adds advice to them.
    #[serde(skip)]
    pub omissions: Vec<Omission>,
}

/// Returns the report since the start of a day. The market section covers the listings of the
/// filter. One read transaction reads all of it.
pub fn report(
    config: &Config,
    mirror: &mut Mirror,
    first_day: NaiveDate,
    filter: &MarketFilter,
    now: DateTime<Utc>,
) -> anyhow::Result<Report> {
    let zone = config.schedule.timezone;
    let today = now.with_timezone(&zone).date_naive();
    let period = Days::between(first_day.min(today), today, zone);
    let since = stored_instant(period.start(0));
    let tx = mirror.read()?;
    let first_run = tx.first_run_at()?;
    let first_run = first_run
        .and_then(|at| local_day(&at, zone))
        .unwrap_or(today);
    let days = Days::between(period.day(0).max(first_run).min(today), today, zone);

    let syncs = performance(&tx, &config.sync.resources, &since, days, now)?;
    let mut omitted = Vec::new();
    let market = match tx.market_fields()? {
        Some(fields) => {
            let ignored = &config.sync.ignore_fields;
            let log_begins = tx.log_begins()?;
            let log_begins = log_begins.as_deref();
            let logged = logged(ignored, &tx, fields, [period, days], log_begins)?;
            omitted = omissions(fields, ignored, &logged, log_begins);
            Some(market(&tx, fields, filter, period, days, logged)?)
        }
        None => {
            omitted.push(Omission::NoListings);
            None
        }
    };
    Ok(Report {
        since,
        until: stored_second(now),
        scope: Scope {
            service: config.feed.profile.service,
            host: config
                .feed
                .base_url
                .host_str()
                .unwrap_or_default()
                .to_owned(),
            first_day: period.name(0),
            last_day: today.to_string(),
            timezone: zone.name(),
            property_types: filter.property_types.clone(),
            condition: filter.condition.clone(),
        },
        syncs,
        market,
        omissions: omitted,
    })
}

/// Returns which changes of the period, and of its days since the first run, the change log
/// has.
fn logged(
    ignored: &BTreeSet<String>,
    tx: &ReadTx<'_>,
    fields: MarketFields,
    [period, days]: [Days; 2],
    log_begins: Option<&str>,
) -> anyhow::Result<Logged> {
    let filled = tx.listings_complete_since()?;
    let covers = |days: Days| {
        let start = stored_instant(days.start(0));
        let is_before = |time: &str| time <= start.as_str();
        filled.as_deref().is_some_and(is_before) && log_begins.is_none_or(is_before)
    };
    let (covers_period, covers_previous) = (covers(period), covers(period.previous()));
    let day = |stored: &str| local_day(stored, days.zone());
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
        covers_period,
        covers_previous,
    })
}

/// Lists the omitted parts and the reasons.
fn omissions(
    fields: MarketFields,
    ignored: &BTreeSet<String>,
    logged: &Logged,
    log_begins: Option<&str>,
) -> Vec<Omission> {
    let mut omissions = undeclared(fields);
    let of_log = [
        (
            "StandardStatus",
            "inventory, closings, withdrawals or status changes",
        ),
        ("ListPrice", "price cuts or increases"),
    ];
    for (field, parts) in of_log {
        if ignored.contains(field) {
            omissions.push(Omission::Ignored(field, parts));
        }
    }
    if let Some(begins) = log_begins
        && logged.from > 0
    {
        omissions.push(Omission::LogRemoved(begins.to_owned()));
    }
    if logged.status && logged.inventory_from.is_none() {
        omissions.push(Omission::NeverSynced);
    }
    omissions
}

/// Lists the parts omitted because the feed does not declare a field. Without StandardStatus
/// there are no active listings, so City and DaysOnMarket do not matter.
fn undeclared(fields: MarketFields) -> Vec<Omission> {
    let status = fields.status;
    let needed = [
        (
            fields.closings || !status,
            "ClosePrice or CloseDate",
            "sales",
        ),
        (
            status,
            "StandardStatus",
            "inventory, closings, withdrawals, status changes or active listings",
        ),
        (
            fields.price,
            "ListPrice",
            "price cuts, increases or median prices",
        ),
        (fields.city || !status, "City", "active listings by city"),
        (
            fields.days_on_market || !status,
            "DaysOnMarket",
            "median days on market",
        ),
    ];
    let missing = needed.into_iter().filter(|(is_declared, ..)| !is_declared);
    missing
        .map(|(_, field, parts)| Omission::Undeclared(field, parts))
        .collect()
}
