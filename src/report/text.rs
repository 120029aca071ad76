//! A report for a terminal.

use super::market::Market;
use super::performance::Performance;
use super::summary::Report;
use super::table::{Table, WIDTH};
use super::tables;
use super::words::{printable, short_time, thousands};

/// So many lines of days fit on a screen.
const DAYS: usize = 32;

/// So many cities, errors and transitions, if these are told one by one.
const SHOWN: usize = 10;

/// Errors, which are long.
const FAILURES: usize = 5;

/// Writes a report for a terminal of 80 columns.
pub fn text(report: &Report) -> String {
    let mut text = format!(
        "{} to {}\nAll times are UTC; changes count when the mirror found them (recorded_at).\n",
        report.since, report.until
    );
    add_syncs(&mut text, report);
    match &report.market {
        Some(market) => add_market(&mut text, report, market),
        None => text += "\nThe market\n",
    }
    if !report.left_out.is_empty() {
        text += "\n";
    }
    for left_out in &report.left_out {
        text += &wrapped(left_out, "");
    }
    text
}

fn add_syncs(text: &mut String, report: &Report) {
    *text += "\nThe syncs\n";
    if report.syncs.jobs.is_empty() {
        *text += "no job ran in this time\n";
    } else {
        *text += &tables::jobs(&report.syncs).text();
        *text += "(a run for each resource; ok: ended as succeeded; waited: for the rate limits)\n";
    }
    if let Some(longest) = longest_lag_sentence(&report.syncs) {
        *text += &format!("{longest}\n");
    }
    if !report.syncs.failures.is_empty() {
        *text += "\nThe newest runs that did not do all\n";
    }
    for failure in report.syncs.failures.iter().take(FAILURES) {
        *text += &format!(
            "{}  {} {}: {}\n",
            failure.started_at, failure.job, failure.resource, failure.status
        );
        if let Some(error) = &failure.error {
            *text += &wrapped(error, "  ");
        }
    }
}

/// The longest that a resource waited, in a sentence.
pub fn longest_lag_sentence(syncs: &Performance) -> Option<String> {
    let days = syncs.lag.iter();
    let (seconds, day) = days
        .filter_map(|day| Some((day.lag_seconds?, day)))
        .max_by_key(|(seconds, _)| *seconds)?;
    Some(format!(
        "Longest without being brought up to date: {} for {}, on {}",
        day.resource.unwrap_or_default(),
        short_time(seconds as f64),
        day.day
    ))
}

fn add_market(text: &mut String, report: &Report, market: &Market) {
    *text += &format!(
        "\nThe market: {} listings in the mirror now\n",
        thousands(market.live)
    );
    if let Some(inventory) = &market.inventory {
        add(
            text,
            "Listings by status",
            &tables::fitting_inventory(inventory, DAYS),
        );
    }
    if market.is_quiet() {
        let mut told = "no listing came or went".to_owned();
        if market.transitions.is_some() {
            told += ", no status changed";
        }
        if market.prices.is_some() {
            told += ", no price changed";
        }
        *text += &format!("\n{told} in this time\n");
    } else {
        let days = tables::days(market, &report.syncs, DAYS);
        add(text, "By day", &days);
    }
    if let Some(prices) = tables::prices(market).filter(|_| market.has_prices()) {
        add(text, "Changes of price", &prices);
    }
    if let Some(transitions) = &market.transitions
        && !transitions.is_empty()
    {
        let matrix = tables::transitions(transitions);
        if matrix.fits() {
            add(text, "Changes of status", &matrix);
        } else {
            let list = tables::transition_list(transitions, SHOWN);
            add(text, "Changes of status", &list);
            if transitions.len() > SHOWN {
                *text += &format!("and {} kinds more: --json\n", transitions.len() - SHOWN);
            }
        }
    }
    match (&market.active, tables::cities(market, SHOWN)) {
        (Some(active), Some(cities)) if active.all.listings > 0 => {
            add(text, "Active listings now", &cities);
        }
        (Some(_), _) => *text += "\nno listing is active now\n",
        _ => {}
    }
}

fn add(text: &mut String, title: &str, table: &Table) {
    *text += &format!("\n{title}\n{}", table.text());
}

/// A long sentence in lines that fit.
fn wrapped(sentence: &str, indent: &str) -> String {
    let (mut text, mut line) = (String::new(), indent.to_owned());
    for word in printable(sentence).split_whitespace() {
        let is_first = line.trim().is_empty();
        if !is_first && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text += &format!("{line}\n");
            line = indent.to_owned();
        } else if !is_first {
            line += " ";
        }
        line += word;
    }
    text + &line + "\n"
}
