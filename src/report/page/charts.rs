//! The charts of a report.

use std::ops::Range;

use chrono::NaiveDate;

use super::axis::Unit;
use super::chart::{Chart, ChartKind, Series};
use crate::report::days::{bins, date_of};
use crate::report::market::{Inventory, Market, MarketDay, is_status, sum};
use crate::report::performance::Performance;
use crate::report::tables::{longest_lag, longest_runs, status_name};

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
    let groups = colour_groups(inventory, &shown).into_iter();
    let series = groups.map(|(name, colour, statuses)| {
        series(&name, colour, bins.iter().map(|bin| sum(&statuses, bin)))
    });
    let what = "The number of listings by status at the end of each day";
    let chart = Chart {
        series: series.collect(),
        kind: ChartKind::Areas,
        ..over(&names, &bins, ["inventory", title, what])
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

/// The colour of each status, the same in every report.
const STATUS_COLOURS: [(&str, usize); 7] = [
    ("Active", 0),
    ("Active Under Contract", 1),
    ("Pending", 2),
    (CLOSED, 3),
    (WITHDRAWN, 4),
    ("Coming Soon", 5),
    ("Expired", 7),
];

const CLOSED: &str = "Closed";
const WITHDRAWN: &str = "Withdrawn";

/// The colour that all other statuses share.
const OTHER_COLOUR: usize = 6;

/// Returns the colour of a status.
fn status_colour(status: Option<&str>) -> usize {
    let known = STATUS_COLOURS
        .iter()
        .find(|(name, _)| is_status(status, name));
    known.map_or(OTHER_COLOUR, |(_, colour)| *colour)
}

/// Groups the statuses by colour, in order: the name, the colour and the statuses of each group.
fn colour_groups(inventory: &Inventory, shown: &[usize]) -> Vec<(String, usize, Vec<usize>)> {
    let mut groups: Vec<(String, usize, Vec<usize>)> = Vec::new();
    for status in shown {
        let name = inventory.statuses[*status].as_deref();
        let colour = status_colour(name);
        match groups.iter_mut().find(|(_, known, _)| *known == colour) {
            Some((known, _, statuses)) => {
                "others".clone_into(known);
                statuses.push(*status);
            }
            None => groups.push((status_name(name).to_owned(), colour, vec![*status])),
        }
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
        series.push(self::series("closed", status_colour(Some(CLOSED)), closed));
        series.push(self::series(
            "withdrawn",
            status_colour(Some(WITHDRAWN)),
            withdrawn,
        ));
    }
    let what = "New listings above the axis, closed and withdrawn ones below it";
    let title = "New, closed and withdrawn listings";
    over_market(market, ["moves", title, what], series)
}

/// Returns the chart of the price cuts above the axis, and the price increases below it.
pub fn prices(market: &Market) -> Chart {
    let cuts = sums(market, |day| day.price_cuts, 1.0);
    let increases = sums(market, |day| day.price_increases, -1.0);
    let series = vec![series("cuts", 7, cuts), series("increases", 2, increases)];
    let what = "Price cuts above the axis, price increases below it";
    over_market(market, ["prices", "Price cuts and increases", what], series)
}

/// Returns the chart of the longest lag of each day.
pub fn lag(syncs: &Performance) -> Chart {
    let names: Vec<&str> = syncs.lag.iter().map(|day| &*day.day).collect();
    let bins = bins(names.len(), BINS);
    let longest = |bin: &Range<usize>| longest_lag(syncs, bin.clone()).map(|lag| lag as f64);
    let what = "The longest time since a resource was last brought up to date";
    Chart {
        series: vec![series("lag", 6, bins.iter().map(longest))],
        unit: Unit::Seconds,
        ..over(&names, &bins, ["lag", "Longest lag of the mirror", what])
    }
}

/// Returns the chart of the longest run of each job.
pub fn durations(syncs: &Performance) -> Chart {
    let names: Vec<&str> = syncs.lag.iter().map(|day| &*day.day).collect();
    let bins = bins(names.len(), BINS);
    let jobs = longest_runs(syncs, &bins).into_iter().enumerate();
    let jobs = jobs.map(|(colour, (job, longest))| series(job, colour, longest));
    let what = "The duration of the longest run of each job, on a logarithmic axis";
    Chart {
        series: jobs.collect(),
        unit: Unit::Seconds,
        kind: ChartKind::Dots,
        ..over(
            &names,
            &bins,
            ["durations", "Longest run of each job", what],
        )
    }
}

fn over_market(market: &Market, texts: [&'static str; 3], series: Vec<Series>) -> Chart {
    let names: Vec<&str> = market.days.iter().map(|day| &*day.day).collect();
    Chart {
        series,
        ..over(&names, &bins(names.len(), BINS), texts)
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
            format!("{what}, {first} to {last}. A table below has the numbers.")
        }
        _ => format!("{what}."),
    }
}

/// Returns a chart of empty columns over bins of these days. The texts are its identifier, its
/// title and its description.
fn over(names: &[&str], bins: &[Range<usize>], texts: [&'static str; 3]) -> Chart {
    let [id, title, what] = texts;
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
        let last = date_of(names[bin.end - 1]);
        last.map(label).unwrap_or_default()
    });
    Chart {
        id,
        title: title.to_owned(),
        description: describe(what, names),
        bins: bins.iter().map(name).collect(),
        labels: labels.collect(),
        series: Vec::new(),
        unit: Unit::Count,
        kind: ChartKind::Columns,
    }
}
