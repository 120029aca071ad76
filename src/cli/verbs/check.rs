//! `check`: whether the feed answers, and how many requests a full sync needs.

use std::time::Duration;

use crate::cli::arguments::Arguments;
use crate::cli::display_text::{bytes, counted, thousands, time};
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::progress_display::ProgressDisplay;
use crate::cli::session::Session;
use crate::resource::Resource;
use crate::sync::{self, Plan, ResourcePlan};

pub fn run(arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    let session = Session::open(arguments, output)?;
    let resources = session.config.sync.resources.clone();
    let feed = &session.config.feed;
    let progress = ProgressDisplay::new(output, feed);
    let plan = sync::check(&session.context(&progress, 0), &resources)?;
    let text = format!(
        "feed {} answers and accepts the token\n{}",
        feed.base_url,
        describe(&plan)
    );
    output.result(&plan, &text)?;
    Ok(exit(&plan))
}

/// Returns the exit code of a plan: [`Exit::Partial`] if a resource does not answer.
pub fn exit(plan: &Plan) -> Exit {
    let is_failed = |resource: &ResourcePlan| resource.error.is_some();
    if plan.resources.iter().any(is_failed) {
        Exit::Partial
    } else {
        Exit::Done
    }
}

/// Describes the plan, with one line for each resource.
pub fn describe(plan: &Plan) -> String {
    let mut text = String::new();
    for resource in &plan.resources {
        text += &format!("  {}\n", describe_resource(resource, plan));
    }
    let mut total = format!(
        "a full sync: {}",
        counted(plan.requests, ("request", "requests"))
    );
    if let (Some(seconds), Some(rate)) = (plan.seconds, &plan.rate) {
        total += &format!(", {}", at_rate(seconds, rate));
    }
    if let Some(size) = plan.bytes {
        total += &format!(", about {} to download", bytes(size));
    }
    text + &total + "\n"
}

fn at_rate(seconds: u64, rate: &str) -> String {
    let (number, unit) = rate.split_once(' ').unwrap_or((rate, ""));
    let number = number.parse().map_or_else(|_| number.to_owned(), thousands);
    if seconds == 0 {
        return format!("within {number} {unit}");
    }
    format!("{} at {number} {unit}", time(Duration::from_secs(seconds)))
}

fn describe_resource(plan: &ResourcePlan, whole: &Plan) -> String {
    let nouns = plan
        .resource
        .parse()
        .map_or(("record", "records"), Resource::nouns);
    let count = match plan.records {
        Some(records) => counted(records, nouns),
        None => format!("{}, not counted by the feed", nouns.1),
    };
    let mut line = match (&plan.error, plan.requests) {
        (Some(error), _) => return format!("{}: {error}", plan.resource),
        _ if plan.with_listings => {
            format!("{count}: read with their listings, without requests of their own")
        }
        (None, Some(requests)) => {
            let mut line = format!("{count}: {}", counted(requests, ("request", "requests")));
            if let Some(rate) = whole.rate.as_ref().filter(|_| whole.seconds > Some(0)) {
                let seconds = whole.seconds.unwrap_or(0) * requests / whole.requests.max(1);
                line += &format!(", {}", at_rate(seconds.max(1), rate));
            }
            line
        }
        (None, None) => count,
    };
    if let Some(newest) = &plan.newest {
        line += &format!("; newest {newest} UTC");
    }
    line
}
