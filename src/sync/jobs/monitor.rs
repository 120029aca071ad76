//! The monitor: reads what changed among listings, and reports the configured status
//! changes.

use super::whole_job::whole_job;
use crate::config;
use crate::mirror::{Job, Mirror, RunCounts, Transition};
use crate::resource::{Resource, folded_status};
use crate::sync::context::Context;
use crate::sync::outcome::{Ending, Report, Verdict};
use crate::sync::photos::cleanup::EmptyFolder;
use crate::sync::records::changes::read_listing_changes;
use crate::sync::records::job_run::run_job;
use crate::sync::records::run_set::SingleRun;

/// The key in `_state` of the last entry of the log that was reported.
const REPORTED: &str = "reported_up_to_change";

/// Reports transitions. If it fails, the next run reports them again.
pub type ReportTransitions<'t> = dyn FnMut(&[Transition]) -> anyhow::Result<()> + 't;

/// Reads what changed among listings, and reports the configured status changes that
/// were found since the last run: each once, unless reporting fails. Errors of the feed
/// and of reporting are in the report.
pub fn monitor(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
    report_transitions: &mut ReportTransitions<'_>,
) -> anyhow::Result<Report> {
    let since = reported_so_far(mirror)?;
    let mut report = whole_job(context, mirror, EmptyFolder::Refuse, |mirror| {
        run_job(
            context,
            mirror,
            Job::Incremental,
            resources,
            read_listing_changes,
        )
    })?;

    let run = SingleRun::begin(mirror, Job::Monitor, Resource::PROPERTY)?;
    let id = run.id;
    let newest = mirror.newest_change()?;
    let mut transitions = mirror.transitions_after(since)?;
    let found = transitions.len() as u64;
    transitions.retain(|transition| is_configured(&context.config.monitor, transition));
    let result = if transitions.is_empty() {
        Ok(())
    } else {
        report_transitions(&transitions)
    };
    if result.is_ok() && newest != since {
        save_reported(mirror, newest)?;
    }

    let counts = RunCounts {
        records_seen: found,
        updated: transitions.len() as u64,
        ..RunCounts::default()
    };
    let error = result.err().map(|error| {
        let count = match transitions.len() {
            1 => "1 status change was not reported".to_owned(),
            many => format!("{many} status changes were not reported"),
        };
        format!("{count} ({error:#}); the next run reports them again")
    });
    let (verdict, ending) = match error {
        None => (Verdict::Done, Ending::Done),
        Some(_) => (Verdict::Partial, Ending::Partial),
    };
    run.end(mirror, &counts, verdict, error)?;
    report.add(Report {
        runs: vec![mirror.run_summary(id)?],
        ending,
        ..Report::default()
    });
    Ok(report)
}

/// Returns the last entry of the log that was reported. The first run starts at the
/// newest entry.
fn reported_so_far(mirror: &mut Mirror) -> rusqlite::Result<i64> {
    if let Some(reported) = mirror.state(REPORTED)? {
        return Ok(reported.parse().unwrap_or(0));
    }
    let newest = mirror.newest_change()?;
    save_reported(mirror, newest)?;
    Ok(newest)
}

fn save_reported(mirror: &mut Mirror, newest: i64) -> rusqlite::Result<()> {
    let write = mirror.write()?;
    write.set_state(REPORTED, &newest.to_string())?;
    write.commit()
}

/// Returns whether a transition is configured. One feed sends a status by its display
/// name, another by its member name, so that case and spaces do not matter.
fn is_configured(monitor: &config::Monitor, found: &Transition) -> bool {
    let is = |status: &Option<String>, wanted: &str| {
        let status = status.as_deref();
        status.is_some_and(|status| folded_status(status).eq(folded_status(wanted)))
    };
    let mut wanted = monitor.transitions.iter();
    wanted.any(|wanted| is(&found.from, &wanted.from) && is(&found.to, &wanted.to))
}
