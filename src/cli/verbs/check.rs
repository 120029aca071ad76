//! `check`: whether the feed answers, and how many requests a full sync needs.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::advice::condition;
use crate::cli::arguments::Arguments;
use crate::cli::display_text::{bytes, counted, nouns_of, thousands, time};
use crate::cli::exit::Exit;
use crate::cli::local_times::LocalTimes;
use crate::cli::output::Output;
use crate::cli::progress_display::ProgressDisplay;
use crate::cli::session::Session;
use crate::feed::Observation;
use crate::report::Condition;
use crate::sync::{
    self, DeletionsWay, Ending, JobWay, KeptPlan, PhotoPlan, Plan, ReadingWay, ResourcePlan,
};

pub fn run(arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    let session = Session::open(arguments, output)?;
    let resources = session.config.sync.resources.clone();
    let feed = &session.config.feed;
    let times = LocalTimes::of(&session.config);
    if let Some(caution) = feed.profile.caution() {
        output.say(&format!("mlsmirror: {caution}"));
    }
    for alert in &session.config.alerts {
        if let Some(program) = alert.missing_program() {
            let missing = Condition::ProgramMissing(alert.name.clone(), program.to_owned());
            output.complain(&condition(&missing, times));
        }
    }
    let progress = ProgressDisplay::new(output, &session.feed);
    let plan = sync::plan(&session.context(&progress, 0), &resources)?;
    let answers = match plan.ending {
        Ending::Done | Ending::Partial => "answers and accepts the token",
        _ => "does not answer as a sync needs it",
    };
    let text = format!(
        "feed {} {answers}\n{}",
        feed.base_url,
        times.in_text(&describe(&plan, times))
    );
    sync::remember_capabilities(&session.config, &session.feed);
    output.result(&plan, &text)?;
    Ok(Exit::from(&plan.ending))
}

/// Describes the plan, with one line for each resource and one for deletions.
pub fn describe(plan: &Plan, times: LocalTimes) -> String {
    let mut text = String::new();
    for resource in &plan.resources {
        text += &format!("  {}\n", describe_resource(resource, plan, times));
        text.extend(resource.jobs.iter().map(describe_job));
    }
    let deletions = match (&plan.deletions_error, plan.deletions) {
        (Some(error), _) => error,
        (None, Some(DeletionsWay::Events)) => "listed by the feed as events (EntityEvent)",
        (None, Some(DeletionsWay::Announced)) => "announced by the feed",
        (None, Some(DeletionsWay::Marked)) => "marked by the feed in the records",
        (None, Some(DeletionsWay::Reconcile)) => {
            "not announced by the feed; found by comparing counts and by reconcile"
        }
        (None, None) => "not asked for",
    };
    text += &format!("  deletions: {deletions}\n");
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
    let requests = |of: fn(&ResourcePlan) -> Option<u64>| {
        let sum = plan.resources.iter().filter_map(of).sum();
        counted(sum, ("request", "requests"))
    };
    total += &format!(
        "\nan audit: {} by verify, {} by reconcile",
        requests(|one| Some(one.audit.as_ref()?.requests)),
        requests(|one| Some(one.reconcile.as_ref()?.requests))
    );
    if let Some(photos) = &plan.photos {
        total += &format!("\n{}", describe_photos(photos));
    }
    text + &total + "\n" + &describe_capabilities(&plan.capabilities)
}

fn describe_photos(photos: &PhotoPlan) -> String {
    let is_limit = photos.kept.is_some_and(|kept| kept.files.is_none());
    let at_most = if is_limit { "at most " } else { "" };
    let files = counted(photos.files, ("file", "files"));
    let mut text = format!("photos: {at_most}{files}");
    if let Some(size) = photos.bytes.filter(|_| photos.files > 0) {
        text += &format!(", about {}", bytes(size));
    }
    if let Some(seconds) = photos.seconds.filter(|_| photos.files > 0) {
        text += &format!(", about {}", time(Duration::from_secs(seconds)));
    }
    if let Some(kept) = &photos.kept {
        text += &format!("\n{}", describe_kept(kept));
    }
    text
}

fn describe_kept(kept: &KeptPlan) -> String {
    let files = |number| counted(number, ("file", "files"));
    let mut text = match kept.files {
        Some(number) => format!("[media] keeps {}", files(number)),
        None => "the first sync finds the listings of `[media] listings`: fewer files".to_owned(),
    };
    if let Some(size) = kept.bytes {
        text += &format!(", about {}", bytes(size));
    }
    if kept.removed_files > 0 {
        let (number, size) = (files(kept.removed_files), bytes(kept.removed_bytes));
        text += &format!("; the next sync removes {number}, {size}");
    }
    text
}

fn describe_job(way: &JobWay) -> String {
    let JobWay { job, way, why } = way;
    match why {
        Some(why) => format!("    {job}: {way} ({why})\n"),
        None => format!("    {job}: {way}\n"),
    }
}

/// Describes the capabilities with one line for the feed and one for each resource.
fn describe_capabilities(known: &[Observation]) -> String {
    let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in known {
        let line = lines.entry(&one.resource).or_default();
        let name = one.capability.name().replace('_', " ");
        line.push(format!("{name}: {}", one.value));
    }
    let mut text = "capabilities of the feed:\n".to_owned();
    for (resource, facts) in lines {
        let of = if resource.is_empty() {
            "feed"
        } else {
            resource
        };
        text += &format!("  {of}: {}\n", facts.join("; "));
    }
    text
}

fn at_rate(seconds: u64, rate: &str) -> String {
    let (number, unit) = rate.split_once(' ').unwrap_or((rate, ""));
    let rate = match (number.parse(), unit.strip_prefix("bytes ")) {
        (Ok(number), Some(period)) => format!("{} {period}", bytes(number)),
        (Ok(number), None) => format!("{} {unit}", thousands(number)),
        (Err(_), _) => rate.to_owned(),
    };
    if seconds == 0 {
        return format!("within {rate}");
    }
    format!("{} at {rate}", time(Duration::from_secs(seconds)))
}

fn describe_resource(plan: &ResourcePlan, whole: &Plan, times: LocalTimes) -> String {
    let nouns = nouns_of(plan.resource);
    let mut line = match plan.records {
        Some(records) => counted(records, nouns),
        None => format!("{}, not counted by the feed", nouns.1),
    };
    if let Some(error) = &plan.error {
        return format!("{}: {error}", plan.resource);
    }
    if plan.way == Some(ReadingWay::WithListings) {
        line += ": read with their listings";
    } else {
        line += &describe_reading(plan, whole);
    }
    if let Some(newest) = &plan.newest {
        line += &format!("; newest {}", times.named_stored(newest));
    }
    line
}

/// Describes the requests of a resource, and the way in which they are sent.
fn describe_reading(plan: &ResourcePlan, whole: &Plan) -> String {
    let mut text = String::new();
    if let Some(requests) = plan.requests {
        text += &format!(": {}", counted(requests, ("request", "requests")));
        if let Some(rate) = whole.rate.as_ref().filter(|_| whole.seconds > Some(0)) {
            let seconds = whole.seconds.unwrap_or(0) * requests / whole.requests.max(1);
            text += &format!(", {}", at_rate(seconds.max(1), rate));
        }
    }
    if let Some(size) = plan.page_size {
        let way = match plan.way {
            Some(ReadingWay::ByNextLinks) => "by next links",
            Some(ReadingWay::ByReplication) => "from the endpoint for a whole copy",
            _ => "by key",
        };
        text += &format!("; {way}, {} in a page", thousands(size));
    }
    if let Some(why) = &plan.separate {
        text += &format!("; read without $expand: {why}");
    }
    text
}
