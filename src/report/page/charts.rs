//! The charts of a report.

use std::ops::Range;

use chrono::NaiveDate;

use super::axis::Unit;
use super::chart::{COLOURS, Chart, ChartKind, Series};
use crate::report::days::{bins, day};
use crate::report::market::{Inventory, Market, MarketDay, is_status};
use crate::report::performance::Performance;
use crate::report::tables::{longest_lag, longest_runs, status_name, sum};

/// The greatest number of bins. More would be thinner than a line on a phone.
pub const BINS: usize = 100;

/// The statuses of listings off the market (RESO Data Dictionary, StandardStatus). Their
/// number only grows, so a chart with them would hide the other statuses.
const OFF_MARKET: [&str; 7] = [
    "Canceled",
    "Closed",
    "Delete",
    "Expired",
    "Hold",
    "Incomplete",
    "Withdrawn",
];

/// Returns the chart of the listings on the market by status, and whether it omits listings
/// off the market. If no listing is on the market, the chart shows all listings.
pub fn inventory(inventory: &Inventory) -> (Chart, bool) {
    let (shown, is_part) = shown_statuses(inventory);
    let title = if is_part {
        "Listings on the market, by status"
    } else {
        "Listings by status"
    };
    let names: Vec<&str> = inventory.days.iter().map(|day| &*day.day).collect();
    let bins = bins(names.len(), BINS);
    let sum = |statuses: &[usize], bin: &Range<usize>| {
        let day = inventory.days[bin.clone()].last()?;
        let counts = statuses
            .iter()
            .filter_map(|status| day.listings.get(*status));
        Some(counts.sum::<u64>() as f64)
    };
    let groups = colour_groups(inventory, &shown).into_iter().enumerate();
    let series = groups.map(|(colour, (name, statuses))| {
        series(name, colour, bins.iter().map(|bin| sum(statuses, bin)))
    });
    let chart = Chart {
        id: "inventory",
        title: title.to_owned(),
        description: describe(
            "The number of listings by status at the end of each day",
            &names,
        ),
        series: series.collect(),
        unit: Unit::Count,
        kind: ChartKind::Areas,
        ..over(&names, &bins)
    };
    (chart, is_part)
}

/// Returns the statuses to show, and whether other statuses are omitted.
fn shown_statuses(inventory: &Inventory) -> (Vec<usize>, bool) {
    let all = 0..inventory.statuses.len();
    let is_on_market = |status: &usize| {
        let name = inventory.statuses[*status].as_deref();
        !OFF_MARKET.iter().any(|off| is_status(name, off))
    };
    let on_market: Vec<usize> = all.clone().filter(is_on_market).collect();
    if on_market.is_empty() || on_market.len() == all.len() {
        (all.collect(), false)
    } else {
        (on_market, true)
    }
}

/// Groups the statuses by colour. Those with the fewest listings share the last colour.
fn colour_groups<'i>(inventory: &'i Inventory, shown: &'i [usize]) -> Vec<(&'i str, &'i [usize])> {
    let alone = if shown.len() > COLOURS {
        COLOURS - 1
    } else {
        shown.len()
    };
    let (alone, others) = shown.split_at(alone);
    let name = |status: usize| status_name(inventory.statuses[status].as_deref());
    let groups = alone.chunks(1).map(|status| (name(status[0]), status));
    let mut groups: Vec<(&str, &[usize])> = groups.collect();
    if !others.is_empty() {
        groups.push(("others", others));
    }
    groups
}

/// Returns the chart of the new listings above the axis, and the closed and withdrawn ones
/// below it.
pub fn moves(market: &Market) -> Chart {
    let up = |count: fn(&MarketDay) -> Option<u64>| sums(market, count, 1.0);
    let down = |count: fn(&MarketDay) -> Option<u64>| sums(market, count, -1.0);
    let mut series = vec![series("new", 0, up(|day| day.new))];
    if market.transitions.is_some() {
        let closed = down(|day| day.closed);
        let withdrawn = down(|day| day.withdrawn);
        series.push(self::series("closed", 1, closed));
        series.push(self::series("withdrawn", 2, withdrawn));
    }
    let what = "New listings above the axis, closed and withdrawn ones below it";
    over_market(
        market,
        "moves",
        "New, closed and withdrawn listings",
        what,
        series,
    )
}

/// Returns the chart of the price cuts above the axis, and the price increases below it.
pub fn prices(market: &Market) -> Chart {
    let cuts = sums(market, |day| day.price_cuts, 1.0);
    let increases = sums(market, |day| day.price_increases, -1.0);
    let series = vec![series("cuts", 3, cuts), series("increases", 4, increases)];
    let what = "Price cuts above the axis, price increases below it";
    over_market(market, "prices", "Price cuts and increases", what, series)
}

/// Returns the chart of the longest lag of each day.
pub fn lag(syncs: &Performance) -> Chart {
    let names: Vec<&str> = syncs.lag.iter().map(|day| &*day.day).collect();
    let bins = bins(names.len(), BINS);
    let longest = |bin: &Range<usize>| longest_lag(syncs, bin.clone()).map(|lag| lag as f64);
    Chart {
        id: "lag",
        title: "Longest lag of the mirror".to_owned(),
        description: describe(
            "The longest time since a resource was last brought up to date",
            &names,
        ),
        series: vec![series("lag", 6, bins.iter().map(longest))],
        unit: Unit::Seconds,
        kind: ChartKind::Columns,
        ..over(&names, &bins)
    }
}

/// Returns the chart of the longest run of each job.
pub fn durations(syncs: &Performance) -> Chart {
    let names: Vec<&str> = syncs.lag.iter().map(|day| &*day.day).collect();
    let bins = bins(names.len(), BINS);
    let jobs = longest_runs(syncs, &bins).into_iter().enumerate();
    let jobs = jobs.map(|(colour, (job, longest))| series(job, colour, longest));
    Chart {
        id: "durations",
        title: "Longest run of each job".to_owned(),
        description: describe(
            "The duration of the longest run of each job, on a logarithmic axis",
            &names,
        ),
        series: jobs.collect(),
        unit: Unit::Seconds,
        kind: ChartKind::Dots,
        ..over(&names, &bins)
    }
}

fn over_market(
    market: &Market,
    id: &'static str,
    title: &str,
    what: &str,
    series: Vec<Series>,
) -> Chart {
    let names: Vec<&str> = market.days.iter().map(|day| &*day.day).collect();
    Chart {
        id,
        title: title.to_owned(),
        description: describe(what, &names),
        series,
        unit: Unit::Count,
        kind: ChartKind::Columns,
        ..over(&names, &bins(names.len(), BINS))
    }
}

/// Returns the sum of a count over each bin, multiplied by `sign`.
fn sums(market: &Market, count: fn(&MarketDay) -> Option<u64>, sign: f64) -> Vec<Option<f64>> {
    let bins = bins(market.days.len(), BINS).into_iter();
    bins.map(|bin| Some(sum(&market.days[bin], count)? as f64 * sign))
        .collect()
}

fn series(name: &str, colour: usize, values: impl IntoIterator<Item = Option<f64>>) -> Series {
    Series {
        name: name.to_owned(),
        values: values.into_iter().collect(),
        colour,
    }
}

/// Returns the description of a chart with its first and last day.
fn describe(what: &str, names: &[&str]) -> String {
    match (names.first(), names.last()) {
        (Some(first), Some(last)) => {
            format!("{what}, {first} to {last}, UTC. A table below has the numbers.")
        }
        _ => format!("{what}."),
    }
}

/// Returns an empty chart over bins of these days.
fn over(names: &[&str], bins: &[Range<usize>]) -> Chart {
    let is_long = names.len() > 366;
    let label = |day: NaiveDate| {
        let form = if is_long { "%b %Y" } else { "%b %-d" };
        day.format(form).to_string()
    };
    let name = |bin: &Range<usize>| match bin.len() {
        1 => names[bin.start].to_owned(),
        _ => format!("{} to {}", names[bin.start], names[bin.end - 1]),
    };
    let labels = bins.iter().map(|bin| {
        let last = day(names[bin.end - 1]);
        last.map(label).unwrap_or_default()
    });
    Chart {
        id: "",
        title: String::new(),
        description: String::new(),
        bins: bins.iter().map(name).collect(),
        labels: labels.collect(),
        series: Vec::new(),
        unit: Unit::Count,
        kind: ChartKind::Columns,
    }
}
