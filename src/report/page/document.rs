//! The page: headline numbers, then a section on the market and one on the syncs.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::Chart;
use super::charts;
use super::html_table::html_table;
use crate::report::market::{Market, TransitionCount};
use crate::report::performance::{JobPerformance, Performance};
use crate::report::summary::Report;
use crate::report::table::Table;
use crate::report::tables;
use crate::report::terminal_text::steers;
use crate::report::text::longest_lag_sentence;
use crate::report::words::{short_time, thousands};

/// The page loads nothing and runs no script, whatever it contains.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// More distinct status changes than these are not shown.
const TRANSITIONS: usize = 60;

/// More statuses than these share one column.
const STATUSES: usize = 24;

/// Every city of a report is shown.
const CITIES: usize = usize::MAX;

/// Renders a report as one HTML page, with these notes on omitted parts.
pub fn page(report: &Report, left_out: &[String]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "mlsmirror: " (report.since) " to " (report.until) }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                header {
                    h1 { "Market report" }
                    p { (report.since) " to " (report.until) }
                    p class="faint" {
                        "All days and times are UTC. A change counts at the time when the mirror found it (recorded_at)."
                    }
                }
                main { (tiles(report)) (market_section(report, left_out)) (sync_section(&report.syncs)) }
            }
        }
    };
    page.into_string().replace(is_not_printable, "\u{fffd}")
}

/// Returns whether a file with these first bytes is a report.
pub fn is_page(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    head.starts_with("<!DOCTYPE html>") && head.contains("<title>mlsmirror: ")
}

/// Whether a character of a page would steer its reader's terminal or turn the text after it.
fn is_not_printable(letter: char) -> bool {
    let is_space = matches!(letter, '\n' | '\t');
    !is_space && (steers(letter) || matches!(letter, '\u{fffe}' | '\u{ffff}'))
}

fn tiles(report: &Report) -> Markup {
    let mut tiles = report.market.as_ref().map(market_tiles).unwrap_or_default();
    tiles.extend(sync_tiles(&report.syncs));

    html! {
        dl class="tiles" {
            @for (name, number) in tiles {
                div { dt { (name) } dd { (number) } }
            }
        }
    }
}

fn market_tiles(market: &Market) -> Vec<(&'static str, String)> {
    let mut tiles = vec![("listings now", thousands(market.live))];
    if let Some(active) = &market.active {
        tiles.push(("active now", thousands(active.all.listings)));
    }
    let new = tables::sum(&market.days, |day| day.new);
    tiles.extend(new.map(|new| ("new", thousands(new))));
    let closed = tables::sum(&market.days, |day| day.closed);
    tiles.extend(closed.map(|closed| ("closed", thousands(closed))));
    if let Some(prices) = &market.prices {
        tiles.push(("price cuts", thousands(prices.cuts.count)));
    }
    tiles
}

fn sync_tiles(syncs: &Performance) -> Vec<(&'static str, String)> {
    let sum = |count: fn(&JobPerformance) -> u64| syncs.jobs.iter().map(count).sum::<u64>();
    let mut tiles = Vec::new();
    let ended = sum(|job| job.runs - job.running);
    if ended > 0 {
        let rate = sum(|job| job.succeeded) as f64 / ended as f64;
        tiles.push(("of runs succeeded", tables::share(rate)));
    }
    if let Some(lag) = tables::longest_lag(syncs, 0..syncs.lag.len()) {
        tiles.push(("longest lag", short_time(lag as f64)));
    }
    tiles
}

fn market_section(report: &Report, left_out: &[String]) -> Markup {
    html! {
        h2 { "Market" }
        @for note in left_out { p { (note) } }
        @if let Some(market) = &report.market {
            div class="parts" {
                (inventory_chart(market))
                (chart_part(&charts::moves(market), html! {}))
                (price_part(market))
                @if let Some(cities) = tables::cities(market, CITIES) {
                    (table_part("", "Active listings now", &cities))
                }
                @if let Some(transitions) = &market.transitions { (transition_part(transitions)) }
                @if let Some(inventory) = &market.inventory {
                    (table_part(
                        "wide long",
                        "Listings by status, day by day",
                        &tables::inventory(inventory, STATUSES, charts::BINS),
                    ))
                }
                (table_part(
                    "wide long",
                    "Changes day by day",
                    &tables::days(market, &report.syncs, charts::BINS),
                ))
            }
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
        @if market.has_prices() { (html_table(&prices, "Price changes")) }
    };
    chart_part(&charts::prices(market), table)
}

fn transition_part(transitions: &[TransitionCount]) -> Markup {
    const TITLE: &str = "Status changes";
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

fn sync_section(syncs: &Performance) -> Markup {
    let longest_lag = longest_lag_sentence(syncs).unwrap_or_default();

    html! {
        h2 { "Syncs" }
        div class="parts" {
            (chart_part(&charts::lag(syncs), html! { p class="faint" { (longest_lag) } }))
            (chart_part(&charts::durations(syncs), html! {}))
            @if syncs.jobs.is_empty() {
                (part("wide", "Jobs", html! { p { "no job ran in this period" } }))
            } @else {
                (table_part("wide", "Jobs (one run per resource)", &tables::jobs(syncs)))
            }
            @if !syncs.durations.is_empty() {
                (table_part(
                    "wide long",
                    "Longest run of each job, day by day",
                    &tables::durations(syncs, charts::BINS),
                ))
            }
            @if !syncs.complete.is_empty() {
                (table_part("", "Last proof of completeness", &tables::complete(syncs)))
            }
            @if !syncs.failures.is_empty() {
                (part("wide", "Latest runs that did not succeed", failures(syncs)))
            }
        }
    }
}

fn failures(syncs: &Performance) -> Markup {
    html! {
        ul class="errors" {
            @for failure in &syncs.failures {
                li {
                    (failure.started_at) " " (failure.job) " " (failure.resource) ": " (failure.status)
                    br;
                    (failure.error.as_deref().unwrap_or_default())
                }
            }
        }
    }
}

fn chart_part(chart: &Chart, below: Markup) -> Markup {
    part("", &chart.title, html! { (chart.html()) (below) })
}

fn table_part(class: &str, title: &str, table: &Table) -> Markup {
    part(class, title, html_table(table, title))
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
