//! The monitor: what changed among listings, and of that the changes of status that
//! somebody wants to be told.

use std::time::Instant;

use super::incremental::follow_listings;
use super::whole_job::whole_job;
use crate::config;
use crate::mirror::{Job, Mirror, RunCounts, RunId, RunOutcome, RunStatus, Transition};
use crate::resource::Resource;
use crate::resource::folded_status;
use crate::sync::files::Trust;
use crate::sync::records::job_run::run_job;
use crate::sync::{Context, Ending, Report, peak_rss_bytes};

/// Under what it is remembered up to which entry of the log all was told.
const STATE: &str = "reported_up_to_change";

/// Tells somebody of transitions; what it cannot tell is told again by the next run.
pub type Tell<'t> = dyn FnMut(&[Transition]) -> anyhow::Result<()> + 't;

/// Reads what changed among listings, and lets the configured changes of status that
/// were found since this was last done be told: each once, unless telling fails.
///
/// # Errors
/// If the database cannot be read or written. What the feed does wrong, and that
/// telling failed, is in the report.
pub fn monitor(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
    tell: &mut Tell<'_>,
) -> anyhow::Result<Report> {
    let started = Instant::now();
    let since = match mirror.state(STATE)? {
        Some(told) => told.parse().unwrap_or(0),
        None => {
            let newest = mirror.newest_change()?;
            told_up_to(mirror, newest)?;
            newest
        }
    };
    let mut report = whole_job(context, mirror, Trust::NotEmpty, |mirror| {
        run_job(
            context,
            mirror,
            Job::Incremental,
            resources,
            |mirror, catalog, runs| follow_listings(context, catalog, mirror, resources, runs),
        )
    })?;
    let tx = mirror.write()?;
    let run = tx.start_run(Job::Monitor, Resource::Property, None, None)?;
    tx.commit()?;
    let newest = mirror.newest_change()?;
    let mut transitions = mirror.transitions_after(since)?;
    let found = transitions.len() as u64;
    transitions.retain(|transition| is_wanted(&context.config.monitor, transition));
    let told = match transitions.is_empty() {
        true => Ok(()),
        false => tell(&transitions),
    };
    let counts = RunCounts {
        records_seen: found,
        updated: transitions.len() as u64,
        ..RunCounts::default()
    };
    let error = told.err().map(|error| {
        let words = match transitions.len() {
            1 => "1 change of status was not told".to_owned(),
            many => format!("{many} changes of status were not told"),
        };
        format!("{words} ({error:#}); the next run tells again")
    });
    let (status, ending) = match error {
        None => (RunStatus::Succeeded, Ending::Done),
        Some(_) => (RunStatus::Partial, Ending::Partial),
    };
    if error.is_none() && newest != since {
        told_up_to(mirror, newest)?;
    }
    end(mirror, run, &counts, started, status, error)?;
    report.add(Report {
        runs: vec![mirror.run_summary(run)?],
        ending,
        ..Report::default()
    });
    Ok(report)
}

/// Remembers up to which entry of the log all was told.
fn told_up_to(mirror: &mut Mirror, newest: i64) -> rusqlite::Result<()> {
    let tx = mirror.write()?;
    tx.set_state(STATE, &newest.to_string())?;
    tx.commit()
}

fn end(
    mirror: &mut Mirror,
    run: RunId,
    counts: &RunCounts,
    started: Instant,
    status: RunStatus,
    error: Option<String>,
) -> rusqlite::Result<()> {
    let outcome = RunOutcome {
        status,
        watermark_after: None,
        duration: started.elapsed(),
        peak_rss_bytes: peak_rss_bytes(),
        error,
    };
    let tx = mirror.write()?;
    tx.save_run(run, counts, None)?;
    tx.finish_run(run, &outcome)?;
    tx.commit()
}

/// Whether somebody wants to be told of it. One feed spells a status by its display
/// name, another by its member's name: case and spaces do not matter.
fn is_wanted(monitor: &config::Monitor, found: &Transition) -> bool {
    let is = |status: &Option<String>, wanted: &str| {
        let status = status.as_deref();
        status.is_some_and(|status| folded_status(status).eq(folded_status(wanted)))
    };
    let mut wanted = monitor.transitions.iter();
    wanted.any(|wanted| is(&found.from, &wanted.from) && is(&found.to, &wanted.to))
}
