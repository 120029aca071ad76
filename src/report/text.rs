//! The report as text for a terminal.

use super::headline_tables;
use super::market::{Market, TransitionCount};
use super::performance::Performance;
use super::summary::Report;
use super::table::{Table, WIDTH};
use super::tables;
use super::terminal_text::{printable, width};
use super::words::{short_time, thousands};

/// The greatest number of rows in a table by day.
const DAYS: usize = 32;

/// The greatest number of cities, and of transitions in a list.
const SHOWN: usize = 10;

/// The greatest number of failed runs. Their errors take several lines.
const FAILURES: usize = 5;

/// Returns a report as text for a terminal of 80 columns, with these notes on omitted parts.
pub fn text(report: &Report, left_out: &[String]) -> String {
    let scope = &report.scope;
    let mut text = wrapped(&format!("{}, {}", scope.service, scope.period()), "");
    text += &wrapped(&scope.listings(), "");
    text += &wrapped(&scope.days(), "");
    match &report.market {
        Some(market) => add_market(&mut text, report, market),
        None => text += "\nMarket\n",
    }
    add_syncs(&mut text, report);
    if !left_out.is_empty() {
        text += "\n";
    }
    for note in left_out {
        text += &wrapped(note, "");
    }
    text
}

fn add_syncs(text: &mut String, report: &Report) {
    *text += "\nSyncs\n";
    if report.syncs.jobs.is_empty() {
        *text += "no job ran in this period\n";
    } else {
        *text += &tables::jobs(&report.syncs).text();
        *text += "(one run per resource; ok: succeeded; waited: for the rate limits)\n";
    }
    if let Some(longest) = longest_lag_sentence(&report.syncs) {
        *text += &format!("{longest}\n");
    }
    if !report.syncs.complete.is_empty() {
        add(
            text,
            "Last proof of completeness",
            &tables::complete(report),
        );
    }
    if !report.syncs.failures.is_empty() {
        *text += "\nLatest runs that did not succeed\n";
    }
    for failure in report.syncs.failures.iter().take(FAILURES) {
        *text += &format!(
            "{}  {} {}: {}\n",
            report.scope.local_time(&failure.started_at),
            failure.job,
            failure.resource,
            failure.status
        );
        if let Some(error) = &failure.error {
            *text += &wrapped(error, "  ");
        }
    }
}

/// Returns a sentence on the longest lag of the period.
pub fn longest_lag_sentence(syncs: &Performance) -> Option<String> {
    let days = syncs.lag.iter();
    let (seconds, day) = days
        .filter_map(|day| Some((day.lag_seconds?, day)))
        .max_by_key(|(seconds, _)| *seconds)?;
    Some(format!(
        "Longest lag: {}, {}, on {}",
        day.resource.unwrap_or_default(),
        short_time(seconds as f64),
        day.day
    ))
}

fn add_market(text: &mut String, report: &Report, market: &Market) {
    *text += &format!(
        "\nMarket: {} listings in the mirror now\n",
        thousands(market.live)
    );
    add(
        text,
        "Compared with the previous period",
        &headline_tables::headline_table(market),
    );
    if let Some(inventory) = &market.inventory {
        add(
            text,
            "Listings by status",
            &tables::fitting_inventory(inventory, DAYS),
        );
    }
    if market.is_quiet() {
        let mut unchanged = "no listing was added, deleted or restored".to_owned();
        if market.transitions.is_some() {
            unchanged += ", no status changed";
        }
        if market.prices.is_some() {
            unchanged += ", no price changed";
        }
        *text += &format!("\n{}", wrapped(&(unchanged + " in this period"), ""));
    } else {
        let days = tables::days(market, &report.syncs, DAYS);
        add(text, "Changes by day", &days);
    }
    if let Some(prices) = tables::prices(market).filter(|_| market.has_prices()) {
        add(text, "Price changes", &prices);
    }
    if let Some(transitions) = &market.transitions {
        add_transitions(text, transitions);
    }
    if !market.largest_cuts.is_empty() {
        add(
            text,
            "Largest price cuts",
            &headline_tables::largest_cuts(market),
        );
    }
    if !market.newest.is_empty() {
        add(
            text,
            "Newest active listings",
            &headline_tables::newest(market),
        );
    }
    match (&market.active, tables::cities(market, SHOWN)) {
        (Some(active), Some(cities)) if active.all.listings > 0 => {
            add(text, "Active listings now", &cities);
        }
        (Some(_), _) => *text += "\nno listing is active now\n",
        _ => {}
    }
}

fn add_transitions(text: &mut String, transitions: &[TransitionCount]) {
    if transitions.is_empty() {
        return;
    }
    let matrix = tables::transitions(transitions);
    if matrix.fits() {
        add(text, "Status changes", &matrix);
        return;
    }

    let list = tables::transition_list(transitions, SHOWN);
    add(text, "Status changes", &list);
    if transitions.len() > SHOWN {
        *text += &format!("and {} more\n", transitions.len() - SHOWN);
    }
}

fn add(text: &mut String, title: &str, table: &Table) {
    *text += &format!("\n{title}\n{}", table.text());
}

/// Wraps a sentence at the width of a terminal.
fn wrapped(sentence: &str, indent: &str) -> String {
    let (mut text, mut line) = (String::new(), indent.to_owned());
    for word in printable(sentence).split_whitespace() {
        let is_first = line.trim().is_empty();
        if !is_first && width(&line) + 1 + width(word) > WIDTH {
            text += &format!("{line}\n");
            line = indent.to_owned();
        } else if !is_first {
            line += " ";
        }
        line += word;
    }
    text + &line + "\n"
}
