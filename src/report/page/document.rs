//! The page: the figures of both periods, the charts and listings of the market, then the syncs.

use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::cards;
use super::chart::Chart;
use super::charts;
use super::html_table::html_table;
use crate::report::headline_tables;
use crate::report::market::{Market, TransitionCount};
use crate::report::performance::{JobPerformance, Performance};
use crate::report::summary::Report;
use crate::report::table::Table;
use crate::report::tables;
use crate::report::terminal_text::steers;
use crate::report::text::longest_lag_sentence;
use crate::report::words::{short_time, thousands};

/// The page loads nothing and runs no script, whatever it contains. Its photos are part of it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The content of the element by which a report is recognized.
const GENERATOR: &str = "mlsmirror report";

/// More distinct status changes than these are not shown.
const TRANSITIONS: usize = 60;

/// More statuses than these share one column.
const STATUSES: usize = 24;

/// The greatest number of cities. Their table is as high as the chart next to it.
const CITIES: usize = 12;

/// Renders a report as one HTML page, with these notes on omitted parts. The photos of listings
/// are read from the folder.
pub fn page(report: &Report, left_out: &[String], media_dir: &Path) -> String {
    let scope = &report.scope;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content=(GENERATOR);
                title { "Market report, " (scope.service) ", " (scope.period()) }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                header {
                    h1 { "Market report: " (scope.listings()) }
                    p { (scope.period()) " · " (scope.service) " · " (scope.host) }
                    p class="faint" { (scope.days()) }
                }
                main {
                    @for note in left_out { p { (note) } }
                    @if let Some(market) = &report.market {
                        (market_section(report, market, media_dir))
                    }
                    (sync_section(report))
                }
            }
        }
    };
    page.into_string().replace(is_not_printable, "\u{fffd}")
}

/// Returns whether a file with these first bytes is a report, also of an earlier version.
pub fn is_page(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    head.starts_with("<!DOCTYPE html>")
        && (head.contains(GENERATOR) || head.contains("<title>mlsmirror: "))
}

/// Whether a character of a page would steer its reader's terminal or turn the text after it.
fn is_not_printable(letter: char) -> bool {
    let is_space = matches!(letter, '\n' | '\t');
    !is_space && (steers(letter) || matches!(letter, '\u{fffe}' | '\u{ffff}'))
}

/// Renders the figures of a headline, each with that of the previous period.
fn headline(market: &Market) -> Markup {
    let previous = &market.headline.previous;

    html! {
        dl class="tiles" {
            @for figure in headline_tables::headline(market) {
                div {
                    dt { (figure.name) }
                    dd { (figure.current) span class="before" { "before: " (figure.previous) } }
                }
            }
        }
        p class="faint" {
            "Before: " (previous.first_day) " to " (previous.last_day)
            ". Sales count by CloseDate; prices, ratios and days are medians of the sales. The mirror has "
            (thousands(market.live)) " such listings now."
        }
    }
}

fn market_section(report: &Report, market: &Market, media_dir: &Path) -> Markup {
    html! {
        (headline(market))
        div class="parts" {
            (inventory_chart(market))
            (chart_part(&charts::moves(market), html! {}))
            (price_part(market))
            @if let Some(cities) = tables::cities(market, CITIES) {
                (table_part("", "Active listings now, by city", &cities))
            }
            @if let Some(transitions) = &market.transitions { (transition_part(transitions)) }
            @if !market.largest_cuts.is_empty() {
                (part("wide", "Largest price cuts", cards::largest_cuts(market, media_dir)))
            }
            @if !market.newest.is_empty() {
                (part("wide", "Newest active listings", cards::newest(market, media_dir)))
            }
            @if let Some(inventory) = &market.inventory {
                (long_table(
                    "Listings by status, day by day",
                    &tables::inventory(inventory, STATUSES, charts::BINS),
                ))
            }
            (long_table(
                "Changes day by day",
                &tables::days(market, &report.syncs, charts::BINS),
            ))
        }
    }
}

fn inventory_chart(market: &Market) -> Markup {
    let Some(inventory) = &market.inventory else {
        return html! {};
    };
    let (chart, is_partial) = charts::inventory(inventory);
    let note = html! {
        @if is_partial {
            p class="faint" { "Only the table shows the statuses of listings off the market." }
        }
    };
    chart_part(&chart, note)
}

fn price_part(market: &Market) -> Markup {
    let Some(prices) = tables::prices(market) else {
        return html! {};
    };
    let table = html! {
        @if market.has_prices() { (html_table(&prices)) }
    };
    chart_part(&charts::prices(market), table)
}

fn transition_part(transitions: &[TransitionCount]) -> Markup {
    const TITLE: &str = "Status changes, from each status to another";
    if transitions.is_empty() {
        return part("wide", TITLE, html! { p { "none in this period" } });
    }
    let table = if transitions.len() <= TRANSITIONS {
        tables::transitions(transitions)
    } else {
        tables::transition_list(transitions, TRANSITIONS)
    };
    table_part("wide", TITLE, &table)
}

fn sync_section(report: &Report) -> Markup {
    let syncs = &report.syncs;
    let longest_lag = longest_lag_sentence(syncs).unwrap_or_default();

    html! {
        h2 { "Syncs" }
        p { (sync_sentence(syncs)) }
        div class="parts" {
            (sync_chart(&charts::lag(syncs), html! { p class="faint" { (longest_lag) } }))
            (sync_chart(&charts::durations(syncs), html! {}))
            @if syncs.jobs.is_empty() {
                (part("wide", "Jobs", html! { p { "no job ran in this period" } }))
            } @else {
                (table_part("wide", "Jobs (one run per resource)", &tables::jobs(syncs)))
            }
            @if !syncs.complete.is_empty() {
                (table_part("", "Last proof of completeness", &tables::complete(report)))
            }
            @if !syncs.failures.is_empty() {
                (part("wide", "Latest runs that did not succeed", failures(report)))
            }
            @if !syncs.durations.is_empty() {
                (long_table(
                    "Longest run of each job, day by day",
                    &tables::durations(syncs, charts::BINS),
                ))
            }
        }
    }
}

fn sync_sentence(syncs: &Performance) -> String {
    let sum = |count: fn(&JobPerformance) -> u64| syncs.jobs.iter().map(count).sum::<u64>();
    let ended = sum(|job| job.runs - job.running);
    if ended == 0 {
        return String::new();
    }
    let rate = tables::share(sum(|job| job.succeeded) as f64 / ended as f64);
    let lag = tables::longest_lag(syncs, 0..syncs.lag.len());
    let lag = lag.map(|lag| format!("; the longest lag was {}", short_time(lag as f64)));
    format!(
        "{rate} of {} runs succeeded{}.",
        thousands(ended),
        lag.unwrap_or_default()
    )
}

fn failures(report: &Report) -> Markup {
    html! {
        ul class="errors" {
            @for failure in &report.syncs.failures {
                li {
                    (report.scope.local_time(&failure.started_at)) " " (failure.job) " " (failure.resource) ": " (failure.status)
                    br;
                    (failure.error.as_deref().unwrap_or_default())
                }
            }
        }
    }
}

/// Renders a chart that is not printed.
fn sync_chart(chart: &Chart, below: Markup) -> Markup {
    part("screen", &chart.title, html! { (chart.html()) (below) })
}

fn chart_part(chart: &Chart, below: Markup) -> Markup {
    part("", &chart.title, html! { (chart.html()) (below) })
}

fn table_part(class: &str, title: &str, table: &Table) -> Markup {
    part(class, title, html_table(table))
}

/// Renders a table of many rows that a reader can open. It is not printed.
fn long_table(title: &str, table: &Table) -> Markup {
    html! {
        details class="part wide" {
            summary { (title) }
            (html_table(table))
        }
    }
}

fn part(class: &str, title: &str, body: Markup) -> Markup {
    let class = format!("part {class}");

    html! {
        section class=(class.trim_end()) {
            h3 { (title) }
            (body)
        }
    }
}
