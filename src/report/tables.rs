//! The tables of a report, for the text and for the page.

use std::collections::HashMap;
use std::ops::Range;

use super::days::bins;
use super::market::{Group, Inventory, Market, PriceMoves, TransitionCount, sum};
use super::performance::{JobPerformance, Performance, ProvenResource};
use super::summary::Report;
use super::table::Table;
use super::words::{bytes, dollars, rounded, short_number, short_time, thousands};
use crate::resource::life_cycle;

/// The greatest number of statuses with a column of their own in a terminal.
const STATUSES: usize = 8;

/// Returns the name of a status, or `(none)`.
pub fn status_name(status: Option<&str>) -> &str {
    status.unwrap_or("(none)")
}

/// Returns the performance of each job.
pub fn jobs(syncs: &Performance) -> Table {
    let mut table = Table::new(&[
        "job",
        "runs",
        "ok",
        "median time",
        "longest time",
        "records per second",
        "requests",
        "retries",
        "waited",
        "received",
    ]);
    table.rows = syncs.jobs.iter().map(job).collect();
    table
}

/// Returns when each resource was last compared with the feed and complete.
pub fn complete(report: &Report) -> Table {
    let mut table = Table::new(&["complete", "records", "at", "compared"]);
    let row = |proven: &ProvenResource| {
        let compared = if proven.proof.by_counts {
            "counts"
        } else {
            "all keys"
        };
        vec![
            proven.resource.to_owned(),
            thousands(proven.proof.records),
            report.scope.local_time(&proven.proof.proven_at),
            compared.to_owned(),
        ]
    };
    table.rows = report.syncs.complete.iter().map(row).collect();
    table
}

fn job(job: &JobPerformance) -> Vec<String> {
    let seconds = |ms: Option<f64>| ms.map(|ms| short_time(ms / 1e3));
    vec![
        job.job.clone(),
        short_number(job.runs),
        known(job.success_rate.map(share)),
        known(seconds(job.median_duration_ms)),
        known(seconds(job.longest_duration_ms.map(|ms| ms as f64))),
        known(
            job.records_per_second
                .map(|rate| short_number(rate.round() as u64)),
        ),
        short_number(job.requests),
        short_number(job.retries),
        short_time(job.throttled_ms as f64 / 1e3),
        bytes(job.bytes_received).replace(" bytes", " B"),
    ]
}

/// Formats a share as a percentage. Only a share of 1 gives `100%`.
pub fn share(rate: f64) -> String {
    let percent = (rate * 100.0).round();
    if rate < 1.0 && percent > 99.0 {
        "99%".to_owned()
    } else {
        format!("{percent}%")
    }
}

/// Returns the changes by day, or by bin of days if there are more than `most` days.
pub fn days(market: &Market, syncs: &Performance, most: usize) -> Table {
    let (status, price) = (market.transitions.is_some(), market.prices.is_some());
    let bins = bins(market.days.len(), most);
    let mut head = vec![head_of(&bins), "new"];
    head.extend_from_slice(if status {
        &["closed", "withdrawn"]
    } else {
        &[]
    });
    head.extend(["deleted", "restored"]);
    head.extend_from_slice(if price {
        &["price cuts", "price increases"]
    } else {
        &[]
    });
    head.push("longest lag");
    let mut table = Table::new(&head);
    for bin in bins.into_iter().rev() {
        let days = &market.days[bin.clone()];
        let sum = |count| known(sum(days, count).map(thousands));
        let mut row = vec![days[0].day.clone(), sum(|day| day.new)];
        if status {
            row.push(sum(|day| day.closed));
            row.push(sum(|day| day.withdrawn));
        }
        row.extend([sum(|day| day.deleted), sum(|day| day.restored)]);
        if price {
            row.push(sum(|day| day.price_cuts));
            row.push(sum(|day| day.price_increases));
        }
        let lag = longest_lag(syncs, bin).map(|seconds| short_time(seconds as f64));
        row.push(known(lag));
        table.rows.push(row);
    }
    table
}

/// Returns the name of the column with the first day of each bin.
fn head_of(bins: &[Range<usize>]) -> &'static str {
    if bins.iter().all(|bin| bin.len() == 1) {
        "day"
    } else {
        "from"
    }
}

/// Returns the longest lag within a range of days.
pub fn longest_lag(syncs: &Performance, days: Range<usize>) -> Option<u64> {
    let days = syncs.lag.get(days)?;
    days.iter().filter_map(|day| day.lag_seconds).max()
}

/// Returns the duration of the longest run of each job in each bin, in seconds.
pub fn longest_runs<'s>(
    syncs: &'s Performance,
    bins: &[Range<usize>],
) -> Vec<(&'s str, Vec<Option<f64>>)> {
    let places = syncs.lag.iter().enumerate();
    let places: HashMap<&str, usize> = places.map(|(place, day)| (&*day.day, place)).collect();
    let jobs = syncs.jobs.iter().map(|job| {
        let mut longest: Vec<Option<f64>> = vec![None; bins.len()];
        for of_day in syncs.durations.iter().filter(|one| one.job == job.job) {
            let place = places.get(&*of_day.day).copied().unwrap_or(0);
            let bin = bins.partition_point(|bin| bin.end <= place);
            if let Some(longest) = longest.get_mut(bin) {
                let seconds = of_day.longest_ms as f64 / 1e3;
                *longest = Some(longest.map_or(seconds, |longest| longest.max(seconds)));
            }
        }
        (&*job.job, longest)
    });
    jobs.collect()
}

/// Returns the longest runs of each job by day, or by bin of days.
pub fn durations(syncs: &Performance, most: usize) -> Table {
    let bins = bins(syncs.lag.len(), most);
    let jobs = longest_runs(syncs, &bins);
    let mut head = vec![head_of(&bins)];
    head.extend(jobs.iter().map(|(job, _)| *job));
    let mut table = Table::new(&head);
    for (at, bin) in bins.into_iter().enumerate().rev() {
        let mut row = vec![syncs.lag[bin.start].day.clone()];
        row.extend(
            jobs.iter()
                .map(|(_, longest)| known(longest[at].map(short_time))),
        );
        table.rows.push(row);
    }
    table
}

/// Returns the listings by status and day for a terminal. If the table is too wide, the last
/// statuses share one column.
pub fn fitting_inventory(inventory: &Inventory, most: usize) -> Table {
    let mut shown = inventory.statuses.len().min(STATUSES);
    loop {
        let table = self::inventory(inventory, shown, most);
        if table.fits() || shown <= 1 {
            return table;
        }
        shown -= 1;
    }
}

/// Returns the listings by status at the end of each day or bin of days. All statuses after
/// the first `shown` share one column.
pub fn inventory(inventory: &Inventory, shown: usize, most: usize) -> Table {
    let names = inventory.statuses.iter().take(shown);
    let mut head = vec!["end of"];
    head.extend(names.map(|name| status_name(name.as_deref())));
    let has_others = shown < inventory.statuses.len();
    if has_others {
        head.push("others");
    }
    head.push("all");
    let mut table = Table::new(&head);
    for bin in bins(inventory.days.len(), most).into_iter().rev() {
        let Some(day) = inventory.days[bin].last() else {
            continue;
        };
        let mut row = vec![day.day.clone()];
        row.extend(
            day.listings
                .iter()
                .take(shown)
                .map(|count| thousands(*count)),
        );
        if has_others {
            row.push(thousands(day.listings.iter().skip(shown).sum()));
        }
        row.push(thousands(day.listings.iter().sum()));
        table.rows.push(row);
    }
    table
}

/// Returns the price changes in both directions.
pub fn prices(market: &Market) -> Option<Table> {
    let prices = market.prices.as_ref()?;
    let mut table = Table::new(&["price", "count", "median", "median percent", "total"]);
    let row = |name: &str, moves: &PriceMoves| {
        let percent = moves.median_percent;
        let percent = percent.map(|percent| format!("{}%", rounded(percent)));
        vec![
            name.to_owned(),
            thousands(moves.count),
            known(moves.median_amount.map(dollars)),
            known(percent),
            dollars(moves.total_amount),
        ]
    };
    table.rows = vec![
        row("cuts", &prices.cuts),
        row("increases", &prices.increases),
    ];
    Some(table)
}

/// Returns the active listings in total and by city, for at most `most` cities.
pub fn cities(market: &Market, most: usize) -> Option<Table> {
    let active = market.active.as_ref()?;
    let mut table = Table::new(&["city", "active", "median price", "median days on market"]);
    let row = |name: &str, group: &Group| {
        vec![
            name.to_owned(),
            thousands(group.listings),
            known(group.median_list_price.map(dollars)),
            known(group.median_days_on_market.map(rounded)),
        ]
    };
    table.rows.push(row("all", &active.all));
    for city in active.cities.iter().flatten().take(most) {
        let name = city.city.as_deref().unwrap_or("(none)");
        table.rows.push(row(name, &city.group));
    }
    Some(table)
}

/// Returns the status changes as a matrix: a row per old status, a column per new one.
pub fn transitions(transitions: &[TransitionCount]) -> Table {
    let ends = |end: fn(&TransitionCount) -> &Option<String>| {
        let mut ends: Vec<&Option<String>> = Vec::new();
        for transition in transitions {
            if !ends.contains(&end(transition)) {
                ends.push(end(transition));
            }
        }
        ends.sort_by_key(|end| (life_cycle(end.as_deref()), *end));
        ends
    };
    let (from, to) = (ends(|one| &one.from), ends(|one| &one.to));
    let mut head = vec!["from \\ to"];
    head.extend(to.iter().map(|to| status_name(to.as_deref())));
    let mut table = Table::new(&head);
    for from in from {
        let mut row = vec![status_name(from.as_deref()).to_owned()];
        row.extend(to.iter().map(|to| {
            let found = transitions
                .iter()
                .find(|one| one.from == *from && one.to == **to);
            found.map_or("·".to_owned(), |found| thousands(found.count))
        }));
        table.rows.push(row);
    }
    table
}

/// Returns the status changes as a list, for when a matrix is too wide.
pub fn transition_list(transitions: &[TransitionCount], most: usize) -> Table {
    let mut table = Table::new(&["from", "to", "count"]);
    table.names = 2;
    let rows = transitions.iter().take(most).map(|one| {
        vec![
            status_name(one.from.as_deref()).to_owned(),
            status_name(one.to.as_deref()).to_owned(),
            thousands(one.count),
        ]
    });
    table.rows = rows.collect();
    table
}

pub(super) fn known(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}
