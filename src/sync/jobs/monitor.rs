//! The monitor: reads what changed among listings, and reports the changes that the alerts
//! select.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};

use super::alert_report::{AlertHost, AlertLine, AlertSubject, ReportError};
use super::whole_job::whole_job;
use crate::config::{Alert, AlertEvent, Config, MONITOR};
use crate::feed::TokenError;
use crate::mirror::{AlertProgress, Job, Mirror, RunCounts};
use crate::resource::Resource;
use crate::stop::Stop;
use crate::sync::context::Context;
use crate::sync::open_for_sync::{open_for_sync, save_missing_token};
use crate::sync::outcome::{Ending, Report, Verdict};
use crate::sync::photos::cleanup::EmptyFolder;
use crate::sync::records::changes::read_listing_changes;
use crate::sync::records::job_run::run_job;
use crate::sync::records::run_set::SingleRun;
use crate::value::stored_instant;

/// How far back a new alert begins to report.
const FIRST_REPORT: TimeDelta = TimeDelta::hours(1);

/// The greatest number of lines that a program receives at once.
const MOST_LINES: u32 = 500;

/// How long one run may report for one alert. The next run continues.
const LONGEST_REPORT: Duration = Duration::from_secs(600);

/// Reads what changed among listings, and reports to each alert what changed since its last
/// report: each change once, unless reporting fails. Errors of the feed and of reporting
/// are in the report.
pub fn monitor(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
    host: &mut dyn AlertHost,
) -> anyhow::Result<Report> {
    begin_alerts(context.config, mirror)?;
    let mut report = whole_job(context, mirror, EmptyFolder::Refuse, |mirror| {
        run_job(
            context,
            mirror,
            Job::Incremental,
            resources,
            read_listing_changes,
        )
    })?;

    report.add(report_to(
        context.config,
        context.stop,
        mirror,
        host,
        |_| true,
    )?);
    Ok(report)
}

/// Notes that no token could be obtained, and reports that to the alerts that have a program
/// and report when the mirror needs attention. Sends no request. Does nothing without a mirror.
///
/// # Errors
/// [`LeaseTaken`](crate::mirror::LeaseTaken), or an error of the database.
pub fn report_missing_token(
    config: &Config,
    stop: &Stop,
    missing: &TokenError,
    host: &mut dyn AlertHost,
) -> anyhow::Result<()> {
    if Mirror::open_to_read(&config.mirror.database).is_err() {
        return Ok(());
    }
    let mut mirror = open_for_sync(config, false)?;
    save_missing_token(&mut mirror, missing)?;
    let selects =
        |alert: &Alert| alert.on.contains(&AlertEvent::Attention) && alert.command.is_some();
    if config.alerts.iter().any(selects) {
        begin_alerts(config, &mut mirror)?;
        report_to(config, stop, &mut mirror, host, selects)?;
    }
    Ok(())
}

/// Reports to the selected alerts in a run of its own.
fn report_to(
    config: &Config,
    stop: &Stop,
    mirror: &mut Mirror,
    host: &mut dyn AlertHost,
    selects: impl Fn(&Alert) -> bool,
) -> anyhow::Result<Report> {
    let run = SingleRun::begin(mirror, Job::Monitor, Resource::PROPERTY)?;
    let id = run.id;
    let mut reporting = Reporting {
        config,
        stop,
        counts: RunCounts::default(),
        errors: Vec::new(),
    };
    let mut progress = mirror.alert_progress()?;
    // The other alerts come first: whether they can be reported is part of the status.
    let mut alerts: Vec<&Alert> = config
        .alerts
        .iter()
        .filter(|alert| selects(alert))
        .collect();
    alerts.sort_by_key(|alert| alert.on.contains(&AlertEvent::Attention));
    for alert in alerts {
        if let Some(progress) = progress.remove(&alert.name) {
            reporting.report(mirror, alert, progress, host)?;
        }
    }

    let Reporting { counts, errors, .. } = reporting;
    let (verdict, ending) = match errors.as_slice() {
        [] => (Verdict::Done, Ending::Done),
        _ => (Verdict::Partial, Ending::Partial),
    };
    let error = (!errors.is_empty()).then(|| errors.join("; "));
    run.end(mirror, &counts, verdict, error)?;
    Ok(Report {
        runs: vec![mirror.run_summary(id)?],
        ending,
        ..Report::default()
    })
}

/// Begins the progress of new alerts an hour before now, and drops the progress of alerts that
/// are no longer configured: an alert that is configured again later is new.
fn begin_alerts(config: &Config, mirror: &mut Mirror) -> rusqlite::Result<()> {
    let known: BTreeMap<String, AlertProgress> = mirror.alert_progress()?;
    let is_configured = |name: &String| config.alerts.iter().any(|alert| alert.name == *name);
    let is_new = |alert: &&Alert| !known.contains_key(&alert.name);
    let dropped: Vec<&String> = known.keys().filter(|name| !is_configured(name)).collect();
    let new: Vec<&Alert> = config.alerts.iter().filter(is_new).collect();
    if dropped.is_empty() && new.is_empty() {
        return Ok(());
    }

    let since = stored_instant(Utc::now() - FIRST_REPORT);
    let progress = AlertProgress {
        reported_up_to: mirror.newest_change_before(&since)?,
        attention: false,
        lines_at_once: MOST_LINES,
        error: None,
    };
    let write = mirror.write()?;
    for name in dropped {
        write.drop_alert(name)?;
    }
    for alert in new {
        write.save_alert(&alert.name, &progress)?;
    }
    write.commit()
}

/// The reports of one run.
struct Reporting<'a> {
    config: &'a Config,
    stop: &'a Stop,
    counts: RunCounts,
    errors: Vec<String>,
}

impl Reporting<'_> {
    /// Reports what an alert selects, in batches. Progress is saved after each batch, so
    /// that a crash repeats one batch at most.
    fn report(
        &mut self,
        mirror: &mut Mirror,
        alert: &Alert,
        mut progress: AlertProgress,
        host: &mut dyn AlertHost,
    ) -> anyhow::Result<()> {
        let before = progress.clone();
        let reported = match checked(mirror, alert)? {
            Ok(()) => self.report_batches(mirror, alert, &mut progress, host)?,
            Err(wrong) => Err(wrong),
        };
        progress.error = reported.err().map(|error| error.to_string());
        if let Some(error) = &progress.error {
            self.errors.push(if alert.name == MONITOR {
                error.clone()
            } else {
                format!("alert `{}`: {error}", alert.name)
            });
        }
        if progress != before {
            save(mirror, alert, &progress)?;
        }
        Ok(())
    }

    fn report_batches(
        &mut self,
        mirror: &mut Mirror,
        alert: &Alert,
        progress: &mut AlertProgress,
        host: &mut dyn AlertHost,
    ) -> anyhow::Result<Result<(), ReportError>> {
        let started = Instant::now();
        loop {
            let lines_at_once = progress.lines_at_once.clamp(1, MOST_LINES);
            let found =
                mirror.alert_changes(alert, progress.reported_up_to, lines_at_once as usize);
            let batch = match found {
                Ok(batch) => batch,
                // The condition is the user's own.
                Err(error) => return Ok(Err(ReportError::Failed(error.into()))),
            };
            self.counts.records_seen += batch.considered;
            let media_dir = &self.config.mirror.media_dir;
            let lines: Vec<AlertLine> = (batch.changes.into_iter())
                .map(|change| AlertLine::change(alert, change, media_dir))
                .collect();
            if let Err(error) = self.pass_on(alert, &lines, host) {
                if matches!(error, ReportError::TimedOut(_)) {
                    // A slow program gets ahead with fewer lines.
                    progress.lines_at_once = (lines.len() as u32 / 4).max(1);
                }
                return Ok(Err(error));
            }
            progress.reported_up_to = batch.up_to;
            if !lines.is_empty() {
                progress.lines_at_once = (lines_at_once * 2).min(MOST_LINES);
            }
            let ends = self.stop.requested().is_some() || started.elapsed() > LONGEST_REPORT;
            if !batch.is_full || ends {
                break;
            }
            save(mirror, alert, progress)?;
        }
        self.report_attention(mirror, alert, progress, host)
    }

    /// Reports that the mirror begins or ceases to need attention.
    fn report_attention(
        &mut self,
        mirror: &mut Mirror,
        alert: &Alert,
        progress: &mut AlertProgress,
        host: &mut dyn AlertHost,
    ) -> anyhow::Result<Result<(), ReportError>> {
        if !alert.on.contains(&AlertEvent::Attention) {
            return Ok(Ok(()));
        }
        if progress.error.take().is_some() {
            // The failure of the last report is over.
            save(mirror, alert, progress)?;
        }
        let conditions = host.conditions(mirror)?;
        let needs_attention = !conditions.is_empty();
        if needs_attention == progress.attention {
            return Ok(Ok(()));
        }
        let reported = self.pass_on(alert, &[AlertLine::attention(alert, conditions)], host);
        if reported.is_ok() {
            progress.attention = needs_attention;
        }
        Ok(reported)
    }

    fn pass_on(
        &mut self,
        alert: &Alert,
        lines: &[AlertLine],
        host: &mut dyn AlertHost,
    ) -> Result<(), ReportError> {
        if lines.is_empty() {
            return Ok(());
        }
        host.report(alert, lines)
            .map_err(|error| error.of(alert, lines.len()))?;
        let is_change = |line: &&AlertLine| matches!(line.subject, AlertSubject::Change(_));
        self.counts.updated += lines.iter().filter(is_change).count() as u64;
        Ok(())
    }
}

/// Checks the alert's condition, which may have been written before there were any columns.
fn checked(mirror: &mut Mirror, alert: &Alert) -> rusqlite::Result<Result<(), ReportError>> {
    let Some(condition) = &alert.condition else {
        return Ok(Ok(()));
    };
    let checked = mirror.check_condition(condition)?;
    Ok(checked.map_err(|wrong| ReportError::Failed(anyhow::anyhow!("`where`: {wrong}"))))
}

fn save(mirror: &mut Mirror, alert: &Alert, progress: &AlertProgress) -> rusqlite::Result<()> {
    let write = mirror.write()?;
    write.save_alert(&alert.name, progress)?;
    write.commit()
}
