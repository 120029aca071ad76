//! The daemon: runs one job at a time, each when it is due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::{DaemonHost, EndedJob, JobOutcome, ScheduledJob, Timetable};
use crate::config::{Alert, Config, When};
use crate::feed::{Feed, FeedError};
use crate::mirror::{HeldLease, Lease, LeaseTaken, Mirror, WantedPhotos};
use crate::stop::Stop;
#[cfg(feature = "export")]
use crate::sync::ExportCounts;
use crate::sync::{self, AlertHost, AlertLine, Context, Ending, Report, ReportError};
use crate::value::instant;

/// How often the daemon reads the clock. The clock may be set, and machines sleep, so
/// one long wait could end too late.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);

/// Runs jobs on their schedule until it is asked to stop.
pub struct Daemon<'h> {
    host: &'h dyn DaemonHost,
    stop: Stop,
    reloads: watch::Receiver<u64>,
    config: Config,
    feed: Option<Arc<Feed>>,
    timetable: Timetable,
    lease: HeldLease,
}

impl<'h> Daemon<'h> {
    /// Creates a daemon and takes the watch lease of the mirror.
    ///
    /// # Errors
    /// [`LeaseTaken`] if another daemon watches this mirror; or if the mirror cannot be
    /// opened.
    pub fn new(
        host: &'h dyn DaemonHost,
        config: Config,
        feed: Arc<Feed>,
        stop: Stop,
        reloads: watch::Receiver<u64>,
    ) -> anyhow::Result<Daemon<'h>> {
        let (lease, timetable) = sync::naming_database(&config, take_lease_and_plan(&config))?;

        Ok(Daemon {
            host,
            stop,
            reloads,
            config,
            feed: Some(feed),
            timetable,
            lease,
        })
    }

    /// Runs jobs until the daemon is asked to stop.
    ///
    /// # Errors
    /// If no timer can be created.
    pub fn run(mut self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        self.host.ready();

        while self.stop.requested().is_none() {
            if self.reloads.has_changed().unwrap_or(false) {
                self.reloads.mark_unchanged();
                self.reload();
            }
            if self.timetable.follow_clock(Utc::now()) {
                tracing::warn!("the clock of this machine was set back; the jobs follow it");
            }
            let next = self.timetable.next();
            self.host.waiting_for(next);
            match next {
                Some((at, job)) if at <= Utc::now() => self.run_and_reschedule(job),
                _ => runtime.block_on(self.wait(next.map(|(at, _)| at))),
            }
        }

        Ok(())
    }

    /// Waits until this time, but at most [`CLOCK_INTERVAL`].
    async fn wait(&mut self, until: Option<DateTime<Utc>>) {
        let left = until.and_then(|until| (until - Utc::now()).to_std().ok());
        let pause = left.map_or(CLOCK_INTERVAL, |left| left.min(CLOCK_INTERVAL));

        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = self.stop.wait() => {}
            _ = self.reloads.changed() => self.reloads.mark_changed(),
        }
    }

    /// Reads the configuration again. After an error the previous one stays in force,
    /// and the host is notified.
    fn reload(&mut self) {
        self.host.reload_started();
        let read = self
            .host
            .read_config()
            .and_then(|config| self.replace_config(config));
        self.host.reload_ended(&read);
    }

    fn replace_config(&mut self, config: Config) -> anyhow::Result<()> {
        if config.mirror.database == self.config.mirror.database {
            let timetable = Mirror::open(&config.mirror.database)
                .and_then(|mut mirror| timetable(&config, &mut mirror));
            self.timetable = sync::naming_database(&config, timetable)?;
        } else {
            let planned = sync::naming_database(&config, take_lease_and_plan(&config));
            (self.lease, self.timetable) = planned?;
        }
        self.config = config;
        // The new configuration may name another token.
        self.feed = None;
        Ok(())
    }

    fn run_and_reschedule(&mut self, job: ScheduledJob) {
        self.host.job_started(job);
        let (started_at, started) = (Utc::now(), Instant::now());
        let result = match job {
            ScheduledJob::Export => self.run_export(),
            _ => self.run_with_lease(job),
        };
        let report = sync::naming_database(&self.config, result);

        let outcome = outcome(&report);
        if outcome == JobOutcome::Refused {
            // The next try fetches a new token.
            self.feed = None;
        }
        self.timetable.ran(job, started_at, Utc::now(), outcome);
        let changes_mirror = !matches!(job, ScheduledJob::Monitor | ScheduledJob::Export);
        if changes_mirror && outcome == JobOutcome::Ran {
            self.timetable.synced(Utc::now());
        }

        self.host.job_ended(&EndedJob {
            job,
            report: &report,
            outcome,
            duration: started.elapsed(),
            next: self.timetable.next_of(job),
        });
    }

    fn run_with_lease(&mut self, job: ScheduledJob) -> anyhow::Result<Report> {
        let feed = match &self.feed {
            Some(feed) => feed.clone(),
            None => connect(self.host, &self.config, &self.stop)?,
        };
        self.feed = Some(feed.clone());

        let mut mirror = sync::open_for_sync(&self.config, false)?;
        sync::share_budget(&self.config, &feed, Some(&mut mirror));
        let context = Context {
            config: &self.config,
            feed: &feed,
            stop: &self.stop,
            progress: self.host.progress(),
            allow_deletes: 0,
        };
        self.run_job(&context, &mut mirror, job)
    }

    /// Exports the mirror. That needs neither the feed nor the lease of syncs.
    #[cfg(feature = "export")]
    fn run_export(&self) -> anyhow::Result<Report> {
        use crate::export::{ExportSettings, RowsPerFile, export, save_end};

        let mut mirror = Mirror::open_to_read(&self.config.mirror.database)?;
        let settings = ExportSettings {
            dir: &self.config.export.dir,
            keep: self.config.export.keep,
            rows_per_file: RowsPerFile::default(),
        };
        let started_at = Utc::now();
        let exported = export(&mut mirror, &settings, &|_| match self.stop.requested() {
            Some(signal) => Err(FeedError::Interrupted(signal).into()),
            None => Ok(()),
        });
        save_end(&mut mirror, started_at, &exported);
        let exported = exported?;
        let tables = &exported.tables;
        Ok(Report {
            exported: Some(ExportCounts {
                tables: tables.len() as u64,
                rows: tables.iter().map(|table| table.written_rows).sum(),
                misfits: exported.misfits,
            }),
            ending: if exported.misfits > 0 {
                Ending::Partial
            } else {
                Ending::Done
            },
            ..Report::default()
        })
    }

    #[cfg(not(feature = "export"))]
    fn run_export(&self) -> anyhow::Result<Report> {
        anyhow::bail!("this program was built without the feature `export`")
    }

    fn run_job(
        &self,
        context: &Context<'_>,
        mirror: &mut Mirror,
        job: ScheduledJob,
    ) -> anyhow::Result<Report> {
        let resources = &self.config.sync.resources;
        let mut report = match job {
            ScheduledJob::Full => sync::full(context, mirror, resources)?,
            ScheduledJob::Reconcile => sync::reconcile(context, mirror, resources)?,
            ScheduledJob::Incremental => sync::incremental(context, mirror, resources)?,
            ScheduledJob::Deletions => sync::deletions(context, mirror, resources)?,
            ScheduledJob::Monitor => {
                let mut host = Notifying {
                    host: self.host,
                    config: &self.config,
                };
                sync::monitor(context, mirror, resources, &mut host)?
            }
            ScheduledJob::Media => sync::media(context, mirror, WantedPhotos::Due)?,
            // It needs no connection.
            ScheduledJob::Export => self.run_export()?,
        };

        // Without a schedule of their own, photos are downloaded after the jobs that add
        // rows of photos.
        let adds_photos = matches!(
            job,
            ScheduledJob::Full | ScheduledJob::Reconcile | ScheduledJob::Incremental
        );
        let has_no_schedule = self.config.schedule.media == When::Never;
        let succeeded = matches!(report.ending, Ending::Done | Ending::Partial);
        if adds_photos && has_no_schedule && succeeded && sync::downloads_photos(context, resources)
        {
            report.add(sync::media(context, mirror, WantedPhotos::Due)?);
        }
        Ok(report)
    }
}

/// Passes the reports of alerts to the host of the daemon.
struct Notifying<'h> {
    host: &'h dyn DaemonHost,
    config: &'h Config,
}

impl AlertHost for Notifying<'_> {
    fn report(&mut self, alert: &Alert, lines: &[AlertLine]) -> Result<(), ReportError> {
        self.host.notify(self.config, alert, lines)
    }

    fn conditions(&mut self, mirror: &mut Mirror) -> anyhow::Result<Vec<String>> {
        self.host.conditions(self.config, mirror)
    }
}

/// Connects to the feed. If there is no token, that is reported to the alerts that report
/// when the mirror needs attention.
///
/// # Errors
/// As [`DaemonHost::connect`].
pub fn connect(host: &dyn DaemonHost, config: &Config, stop: &Stop) -> anyhow::Result<Arc<Feed>> {
    host.connect(config, stop).inspect_err(|error| {
        let Some(missing) = error.downcast_ref() else {
            return;
        };
        let mut alerts = Notifying { host, config };
        if let Err(error) = sync::report_missing_token(config, stop, missing, &mut alerts) {
            tracing::warn!("the missing token is not reported: {error:#}");
        }
    })
}

/// Takes the watch lease and plans the jobs of the mirror.
fn take_lease_and_plan(config: &Config) -> anyhow::Result<(HeldLease, Timetable)> {
    let mut mirror = Mirror::open(&config.mirror.database)?;
    let lease = Lease::Watch.take(&config.mirror.database)?;
    Ok((lease, timetable(config, &mut mirror)?))
}

/// Returns when the jobs are due, counted from their last starts. If a resource has
/// never been read in full, the first job that can do so is due now.
fn timetable(config: &Config, mirror: &mut Mirror) -> anyhow::Result<Timetable> {
    sync::check_feed_address(config, mirror)?;
    sync::check_conditions(config, mirror)?;
    let mut started = Vec::new();
    for job in ScheduledJob::ALL {
        let last = mirror.last_started(job.job())?;
        started.push((job, last.as_deref().and_then(instant)));
    }

    let now = Utc::now();
    let mut timetable = Timetable::new(&config.schedule, now, |job| {
        let of_job = started.iter().find(|(other, _)| *other == job);
        of_job.and_then(|(_, started)| *started)
    });

    for &resource in &config.sync.resources {
        if !mirror.has_finished_full(resource)? {
            let fills = [ScheduledJob::Incremental, ScheduledJob::Full];
            let _ = fills.into_iter().any(|job| timetable.make_due(job, now));
            break;
        }
    }
    Ok(timetable)
}

fn outcome(report: &anyhow::Result<Report>) -> JobOutcome {
    match report {
        Ok(report) => match report.ending {
            Ending::Done | Ending::Partial | Ending::Interrupted(_) => JobOutcome::Ran,
            Ending::Failed | Ending::Misconfigured => JobOutcome::Failed,
            Ending::Unauthorized => JobOutcome::Refused,
        },
        Err(error) if error.is::<LeaseTaken>() => JobOutcome::Busy,
        Err(error) => match error.downcast_ref() {
            Some(FeedError::Unauthorized { .. }) => JobOutcome::Refused,
            Some(FeedError::Interrupted(_)) => JobOutcome::Ran,
            _ => JobOutcome::Failed,
        },
    }
}
