//! `status`: the state of the mirror, and whether it needs attention.

use std::time::Duration;

use chrono::Utc;
use serde::Serialize;

use crate::cli::advice::condition;
use crate::cli::arguments::Arguments;
use crate::cli::display_text::{by_error, bytes, counted, printable, thousands, time};
use crate::cli::exit::Exit;
use crate::cli::local_times::LocalTimes;
use crate::cli::output::Output;
use crate::cli::photo_text::describe_backlog;
use crate::cli::session::configuration;
use crate::mirror::{BudgetUnit, LeaseHolder, Mirror, Reading};
use crate::report::{self, Budget, PhotoFiles, ResourceStatus, Status};

/// The JSON document of `status`.
#[derive(Serialize)]
struct Document<'a> {
    exit_code: u8,
    #[serde(flatten)]
    status: &'a Status,
    needs_attention: &'a [String],
}

pub fn run(arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    let config = configuration(arguments, output)?;
    let mut mirror = Mirror::open_to_read(&config.mirror.database)?;
    let status = report::status(&config, &mut mirror, PhotoFiles::Counted, Utc::now())?;
    let in_zone = |times| -> Vec<String> {
        let conditions = status.conditions.iter();
        conditions.map(|one| condition(one, times)).collect()
    };
    let needs_attention = in_zone(LocalTimes::UTC);
    let times = LocalTimes::of(&config);
    let exit = if needs_attention.is_empty() {
        Exit::Done
    } else {
        Exit::Partial
    };
    let document = Document {
        exit_code: exit.code(),
        status: &status,
        needs_attention: &needs_attention,
    };
    output.result(&document, &describe(&status, &in_zone(times), times))?;
    Ok(exit)
}

fn describe(status: &Status, needs_attention: &[String], times: LocalTimes) -> String {
    let zone = times.name();
    let local = |stored: &Option<String>| match stored {
        Some(stored) => times.plain_stored(stored),
        None => "-".to_owned(),
    };
    let mut text = format!(
        "{:<18}{:>12}{:>12}  {:<20} {:<20}\n",
        "",
        "live",
        "deleted",
        format!("feed time ({zone})"),
        "up to date"
    );
    for resource in &status.resources {
        let ago = match resource.lag_seconds {
            Some(lag) => format!("{} ago", time(Duration::from_secs(lag))),
            None => "never".to_owned(),
        };
        let line = format!(
            "{:<18}{:>12}{:>12}  {:<20} {ago:<20}",
            resource.resource,
            thousands(resource.live),
            thousands(resource.deleted),
            local(&resource.watermark),
        );
        text += &format!("{}\n", line.trim_end());
        if !resource.is_declared {
            text += "  left out: the feed does not declare it\n";
        }
        if let Some(reading) = &resource.first_sync {
            text += &format!("  first sync in progress: {}\n", describe_reading(reading));
        }
    }
    text += &describe_proofs(&status.resources, times);
    if !status.jobs.is_empty() {
        let start = format!("last start ({zone})");
        text += &format!("\n{:<18}{start:<21}{:<13}next ({zone})\n", "job", "result");
    }
    for job in &status.jobs {
        let line = format!(
            "{:<18}{:<21}{:<13}{}",
            job.job,
            local(&job.started_at),
            job.status.as_deref().unwrap_or("-"),
            local(&job.next_at),
        );
        text += &format!("{}\n", line.trim_end());
        let errors = job.errors.iter();
        let errors = errors.map(|problem| (problem.resource.as_str(), problem.error.as_str()));
        for (error, resources) in by_error(errors) {
            let error = times.in_text(&printable(error));
            text += &format!("  {}: {error}\n", resources.join(", "));
        }
        if let (Some(error), []) = (&job.error, &*job.errors) {
            text += &format!("  {}\n", times.in_text(&printable(error)));
        }
    }
    text += &format!("\n{}", describe_backlog(&status.photos));
    text += &format!(
        "; {} on disk, {}\n",
        counted(status.sizes.files, ("file", "files")),
        bytes(status.sizes.media_bytes)
    );
    text += &format!(
        "{}: {}\n",
        status.database.display(),
        bytes(status.sizes.database_bytes)
    );
    for (unit, name) in [
        (BudgetUnit::Requests, "requests"),
        (BudgetUnit::Bytes, "bytes"),
    ] {
        let left: Vec<String> = (status.budget.iter())
            .filter(|budget| budget.unit == unit)
            .map(|budget| describe_budget(budget, times))
            .collect();
        if !left.is_empty() {
            text += &format!("{name} left: {}\n", left.join(", "));
        }
    }
    if let Some(until) = &status.paused_until {
        let until = times.named_stored(until);
        text += &format!("no requests until {until}: the feed asked for a pause\n");
    }
    text += &describe_clock(status.clock_ahead_days);
    let by = |what: &str, holder: &LeaseHolder| {
        format!(
            "{what} by process {} on {} since {}\n",
            holder.pid,
            holder.host,
            times.named_stored(&holder.since)
        )
    };
    match &status.watching {
        Some(holder) => text += &by("watched", holder),
        None => text += "not watched: `mlsmirror watch` runs the jobs on their schedule\n",
    }
    if let Some(holder) = &status.syncing {
        text += &by("sync in progress", holder);
    }
    if !needs_attention.is_empty() {
        text += "\nneeds attention:\n";
    }
    for sentence in needs_attention {
        text += &format!("  {sentence}\n");
    }
    text
}

fn describe_reading(reading: &Reading) -> String {
    let read = thousands(reading.read);
    match reading.count {
        Some(count) if count > 0 => {
            let percent = (reading.read * 100 / count).min(100);
            format!("{read} of {} read ({percent} %)", thousands(count))
        }
        _ => format!("{read} read"),
    }
}

/// Lists when each resource was last compared with the feed and complete.
fn describe_proofs(resources: &[ResourceStatus], times: LocalTimes) -> String {
    let mut text = String::new();
    for resource in resources {
        let Some(proof) = &resource.proven else {
            continue;
        };
        if text.is_empty() {
            text = format!(
                "\n{:<18}{:>12}  {:<20} {}\n",
                "complete with",
                "records",
                format!("at ({})", times.name()),
                "compared"
            );
        }
        text += &format!(
            "{:<18}{:>12}  {:<20} {}\n",
            resource.resource,
            thousands(proof.records),
            times.plain_stored(&proof.proven_at),
            if proof.by_counts {
                "counts"
            } else {
                "all keys"
            }
        );
    }
    text
}

/// Describes a difference of a day or more between the clocks of this machine and of the feed.
fn describe_clock(ahead_days: i64) -> String {
    let compared = match ahead_days {
        0 => return String::new(),
        1.. => "ahead of",
        _ => "behind",
    };
    let days = counted(ahead_days.unsigned_abs(), ("day", "days"));
    format!("the clock of this machine was {days} {compared} the feed's at the last sync\n")
}

fn describe_budget(budget: &Budget, times: LocalTimes) -> String {
    let period = match budget.seconds {
        60 => "minute",
        3_600 => "hour",
        _ => "day",
    };
    let number = match budget.unit {
        BudgetUnit::Requests => thousands,
        BudgetUnit::Bytes => bytes,
    };
    let mut text = format!(
        "{} of {} this {period}",
        number(budget.left()),
        number(budget.limit)
    );
    if let Some(at) = &budget.opens_at {
        text += &format!(" until {}", times.named_stored(at));
    }
    text
}
