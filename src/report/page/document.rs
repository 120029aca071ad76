//! A report as one page that loads nothing from anywhere.

use super::charts;
use super::markup::escape;
use crate::report::market::Market;
use crate::report::performance::Performance;
use crate::report::summary::Report;
use crate::report::table::Table;
use crate::report::tables;
use crate::report::text::longest_lag_sentence;
use crate::report::words::{short_time, thousands};

/// Nothing is loaded, and nothing runs, whatever the page holds.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// More changes of status than these are seldom.
const TRANSITIONS: usize = 60;

/// The statuses of a feed; more than these are told together.
const STATUSES: usize = 24;

/// All cities that a report has.
const CITIES: usize = usize::MAX;

/// Writes a report as one page.
pub fn page(report: &Report) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>mlsmirror: {since} to {until}</title>\n<style>\n{style}</style>\n</head>\n<body>\n\
         <header>\n<h1>How the market moved</h1>\n<p>{since} to {until}</p>\n\
         <p class=\"faint\">All days and times are UTC; changes count when the mirror found them \
         (recorded_at).</p>\n</header>\n<main>\n",
        policy = escape(POLICY),
        style = include_str!("page.css"),
        since = escape(&report.since),
        until = escape(&report.until),
    );
    page += &tiles(report);
    page += "<h2>The market</h2>\n";
    for left_out in &report.left_out {
        page += &format!("<p>{}</p>\n", escape(left_out));
    }
    if let Some(market) = &report.market {
        page += &format!(
            "<div class=\"parts\">\n{}</div>\n",
            market_parts(report, market)
        );
    }
    page += "<h2>The syncs</h2>\n";
    page += &format!("<div class=\"parts\">\n{}</div>\n", sync_parts(report));
    page + "</main>\n</body>\n</html>\n"
}

/// The numbers that are looked for first.
fn tiles(report: &Report) -> String {
    let mut tiles: Vec<(&str, String)> = Vec::new();
    if let Some(market) = &report.market {
        tiles.push(("listings now", thousands(market.live)));
        if let Some(active) = &market.active {
            tiles.push(("of them active", thousands(active.all.listings)));
        }
        let mut count = |name, count| {
            let sum = tables::sum(&market.days, count);
            tiles.extend(sum.map(|sum| (name, thousands(sum))));
        };
        count("new", |day| day.new);
        count("closed", |day| day.closed);
        if let Some(prices) = &market.prices {
            tiles.push(("price cuts", thousands(prices.cuts.count)));
        }
    }
    let runs = |count: fn(&crate::report::performance::JobPerformance) -> u64| -> u64 {
        report.syncs.jobs.iter().map(count).sum()
    };
    let ended = runs(|job| job.runs - job.running);
    if ended > 0 {
        let rate = runs(|job| job.succeeded) as f64 / ended as f64;
        tiles.push(("of runs succeeded", tables::share(rate)));
    }
    let days = report.syncs.lag.len();
    if let Some(lag) = tables::longest_lag(&report.syncs, 0..days) {
        tiles.push(("longest lag", short_time(lag as f64)));
    }
    let tiles: String = tiles
        .iter()
        .map(|(name, number)| {
            let (name, number) = (escape(name), escape(number));
            format!("<div><dt>{name}</dt><dd>{number}</dd></div>\n")
        })
        .collect();
    format!("<dl class=\"tiles\">\n{tiles}</dl>\n")
}

fn market_parts(report: &Report, market: &Market) -> String {
    let mut parts = String::new();
    if let Some(inventory) = &market.inventory {
        let (chart, is_part) = charts::inventory(inventory);
        let note = match is_part {
            true => "<p class=\"faint\">Statuses off the market are in the table alone.</p>\n",
            false => "",
        };
        parts += &part("", &chart.title, &format!("{}{note}", chart.html()));
    }
    let moves = charts::moves(market);
    parts += &part("", &moves.title, &moves.html());
    if market.prices.is_some() {
        let prices = charts::prices(market);
        let table = tables::prices(market).filter(|_| market.has_prices());
        let table = table.map(|table| table.html("Changes of price"));
        let body = prices.html() + &table.unwrap_or_default();
        parts += &part("", &prices.title, &body);
    }
    if let Some(cities) = tables::cities(market, CITIES) {
        parts += &table("", "Active listings now", &cities);
    }
    if let Some(transitions) = &market.transitions {
        let matrix = match transitions.len() <= TRANSITIONS {
            true => tables::transitions(transitions),
            false => tables::transition_list(transitions, TRANSITIONS),
        };
        parts += &match transitions.is_empty() {
            true => part("wide", "Changes of status", "<p>none in this time</p>\n"),
            false => table("wide", "Changes of status", &matrix),
        };
    }
    if let Some(inventory) = &market.inventory {
        let counts = tables::inventory(inventory, STATUSES, charts::BINS);
        parts += &table("wide long", "Listings by status, day by day", &counts);
    }
    let days = tables::days(market, &report.syncs, charts::BINS);
    parts + &table("wide long", "What happened, day by day", &days)
}

fn sync_parts(report: &Report) -> String {
    let syncs = &report.syncs;
    let lag = charts::lag(syncs);
    let sentence = longest_lag_sentence(syncs).unwrap_or_default();
    let body = format!(
        "{}<p class=\"faint\">{}</p>\n",
        lag.html(),
        escape(&sentence)
    );
    let mut parts = part("", &lag.title, &body);
    let durations = charts::durations(syncs);
    parts += &part("", &durations.title, &durations.html());
    parts += &match syncs.jobs.is_empty() {
        true => part("wide", "Jobs", "<p>no job ran in this time</p>\n"),
        false => table(
            "wide",
            "Jobs: a run for each resource",
            &tables::jobs(syncs),
        ),
    };
    if !syncs.durations.is_empty() {
        let durations = tables::durations(syncs, charts::BINS);
        parts += &table(
            "wide long",
            "Longest run of each job, day by day",
            &durations,
        );
    }
    if !syncs.failures.is_empty() {
        let title = "The newest runs that did not do all";
        parts += &part("wide", title, &errors(syncs));
    }
    parts
}

fn errors(syncs: &Performance) -> String {
    let failures = syncs.failures.iter();
    let items: String = failures
        .map(|failure| {
            format!(
                "<li>{} {} {}: {}<br/>{}</li>\n",
                escape(&failure.started_at),
                escape(&failure.job),
                escape(&failure.resource),
                escape(&failure.status),
                escape(failure.error.as_deref().unwrap_or(""))
            )
        })
        .collect();
    format!("<ul class=\"errors\">\n{items}</ul>\n")
}

fn part(class: &str, title: &str, body: &str) -> String {
    let class = format!("part {class}");
    format!(
        "<section class=\"{}\">\n<h3>{}</h3>\n{body}</section>\n",
        class.trim_end(),
        escape(title)
    )
}

fn table(class: &str, title: &str, table: &Table) -> String {
    part(class, title, &table.html(title))
}
