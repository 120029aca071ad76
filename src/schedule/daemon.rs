//! The daemon: one job at a time, each when it is due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::{Outcome, ScheduledJob, Timetable};
use crate::config::{Config, When};
use crate::feed::{Feed, FeedError};
use crate::mirror::{Lease, LeaseTaken, Mirror, Transition, WantedPhotos};
use crate::stop::Stop;
use crate::sync::{self, Context, Ending, Progress, Report};
use crate::value::instant;

/// The clock is looked at this often: it may be set, and machines sleep.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Requests to read the configuration again, as they are made.
pub type Hangup = watch::Sender<u64>;

/// A way to ask for the configuration to be read again, and to see that.
pub fn hangups() -> (Hangup, watch::Receiver<u64>) {
    watch::channel(0)
}

/// A job that ended.
pub struct Ended<'e> {
    /// Which one.
    pub job: ScheduledJob,
    /// What it did.
    pub report: &'e anyhow::Result<Report>,
    /// How that matters for when it runs again.
    pub outcome: Outcome,
    /// How long it took.
    pub duration: Duration,
    /// When it is due next.
    pub next: Option<DateTime<Utc>>,
}

/// Who the daemon lives with: it gives what the daemon needs, and is told how it goes.
pub trait Household {
    /// Reads the configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    fn configuration(&self) -> anyhow::Result<Config>;
    /// Fetches the token and connects to the feed.
    ///
    /// # Errors
    /// If there is no token.
    fn connect(&self, config: &Config, stop: &Stop) -> anyhow::Result<Arc<Feed>>;
    /// Who is told how a job goes.
    fn progress(&self) -> &dyn Progress;
    /// Tells somebody of changes of status.
    ///
    /// # Errors
    /// If that failed, so that they are told again.
    fn tell(&self, config: &Config, transitions: &[Transition]) -> anyhow::Result<()>;
    /// All is set up, and the first job is awaited.
    fn ready(&self);
    /// The daemon is alive, and waits for this job.
    fn waits(&self, next: Option<(DateTime<Utc>, ScheduledJob)>);
    /// A job begins.
    fn begins(&self, job: ScheduledJob);
    /// A job ended.
    fn ended(&self, ended: &Ended<'_>);
    /// The configuration is read again.
    fn reloads(&self);
    /// It was read; an error leaves the one before in force.
    fn reloaded(&self, read: &anyhow::Result<()>);
}

/// Runs jobs on their schedule until it is asked to stop.
pub struct Daemon<'h> {
    household: &'h dyn Household,
    stop: Stop,
    hangups: watch::Receiver<u64>,
    config: Config,
    feed: Option<Arc<Feed>>,
    timetable: Timetable,
}

impl<'h> Daemon<'h> {
    /// A daemon for this configuration. Holds the mirror against other daemons from
    /// now on, until [`Daemon::run`] has ended.
    ///
    /// # Errors
    /// [`LeaseTaken`] if another daemon watches this mirror, or what keeps it from
    /// being opened.
    pub fn new(
        household: &'h dyn Household,
        config: Config,
        feed: Arc<Feed>,
        stop: Stop,
        hangups: watch::Receiver<u64>,
    ) -> anyhow::Result<Daemon<'h>> {
        let timetable = sync::naming_database(&config, take_over(&config))?;
        Ok(Daemon {
            household,
            stop,
            hangups,
            config,
            feed: Some(feed),
            timetable,
        })
    }

    /// Runs jobs until it is asked to stop.
    ///
    /// # Errors
    /// If the process cannot wait.
    pub fn run(mut self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        self.household.ready();
        while self.stop.requested().is_none() {
            if self.hangups.has_changed().unwrap_or(false) {
                self.hangups.mark_unchanged();
                self.reload();
            }
            let next = self.timetable.next();
            self.household.waits(next);
            match next {
                Some((at, job)) if at <= Utc::now() => self.do_job(job),
                _ => runtime.block_on(self.wait(next.map(|(at, _)| at))),
            }
        }
        self.let_go();
        Ok(())
    }

    /// Gives the mirror back. If that fails, the next one finds the lease dead.
    fn let_go(&self) {
        if let Ok(mut mirror) = Mirror::open(&self.config.mirror.database) {
            let _ = mirror.release_lease(Lease::Watch);
        }
    }

    /// Waits until it is time, or for a while.
    async fn wait(&mut self, until: Option<DateTime<Utc>>) {
        let left = until.and_then(|until| (until - Utc::now()).to_std().ok());
        let pause = left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = self.stop.wait() => {}
            _ = self.hangups.changed() => self.hangups.mark_changed(),
        }
    }

    /// Reads the configuration again. What is wrong with it is told, and the one before
    /// stays.
    fn reload(&mut self) {
        self.household.reloads();
        let read = self.household.configuration().and_then(|config| {
            let is_same = config.mirror.database == self.config.mirror.database;
            let timetable = match is_same {
                true => Mirror::open(&config.mirror.database)
                    .and_then(|mirror| timetable(&config, &mirror)),
                false => take_over(&config),
            };
            self.timetable = sync::naming_database(&config, timetable)?;
            if !is_same {
                self.let_go();
            }
            self.config = config;
            // The token may have changed with it.
            self.feed = None;
            Ok(())
        });
        self.household.reloaded(&read);
    }

    fn do_job(&mut self, job: ScheduledJob) {
        self.household.begins(job);
        let (started_at, started) = (Utc::now(), Instant::now());
        let report = self.try_job(job);
        let report = sync::naming_database(&self.config, report);
        let outcome = outcome(&report);
        if outcome == Outcome::Refused {
            // A new token is fetched for the next try.
            self.feed = None;
        }
        self.timetable.ran(job, started_at, Utc::now(), outcome);
        self.household.ended(&Ended {
            job,
            report: &report,
            outcome,
            duration: started.elapsed(),
            next: self.timetable.next_of(job),
        });
    }

    fn try_job(&mut self, job: ScheduledJob) -> anyhow::Result<Report> {
        let feed = match &self.feed {
            Some(feed) => feed.clone(),
            None => self.household.connect(&self.config, &self.stop)?,
        };
        self.feed = Some(feed.clone());
        let mut mirror = sync::open_for_sync(&self.config)?;
        sync::share_budget(&self.config, &feed);
        let context = Context {
            config: &self.config,
            feed: &feed,
            stop: &self.stop,
            progress: self.household.progress(),
            allow_deletes: 0,
        };
        let done = self.run_job(&context, &mut mirror, job);
        let released = mirror.release_lease(Lease::Sync);
        let report = done?;
        released?;
        Ok(report)
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
            ScheduledJob::Monitor => sync::monitor(context, mirror, resources, &mut |found| {
                self.household.tell(&self.config, found)
            })?,
            ScheduledJob::Media => sync::media(context, mirror, WantedPhotos::Due)?,
        };
        // Where photos have no times of their own, they come with what brings them.
        let brings_photos = matches!(
            job,
            ScheduledJob::Full | ScheduledJob::Reconcile | ScheduledJob::Incremental
        );
        let has_no_times = self.config.schedule.media == When::Never;
        let is_well = matches!(report.ending, Ending::Done | Ending::Partial);
        if brings_photos && has_no_times && is_well && sync::downloads_photos(context, resources) {
            report.add(sync::media(context, mirror, WantedPhotos::Due)?);
        }
        Ok(report)
    }
}

/// Takes the mirror for this daemon, and plans by what ran last.
fn take_over(config: &Config) -> anyhow::Result<Timetable> {
    let mut mirror = Mirror::open(&config.mirror.database)?;
    mirror.take_lease(Lease::Watch)?;
    timetable(config, &mirror)
}

/// When the jobs are due, by when they were started last. A mirror that was never
/// filled is filled at once.
fn timetable(config: &Config, mirror: &Mirror) -> anyhow::Result<Timetable> {
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
    let is_filled = |resource| mirror.has_finished_full(resource);
    for &resource in &config.sync.resources {
        if !is_filled(resource)? {
            let fills = [ScheduledJob::Incremental, ScheduledJob::Full];
            let _ = fills.into_iter().any(|job| timetable.make_due(job, now));
            break;
        }
    }
    Ok(timetable)
}

fn outcome(report: &anyhow::Result<Report>) -> Outcome {
    match report {
        Ok(report) => match report.ending {
            Ending::Done | Ending::Partial | Ending::Interrupted(_) => Outcome::Ran,
            Ending::Failed | Ending::Misconfigured => Outcome::Failed,
            Ending::Unauthorized => Outcome::Refused,
        },
        Err(error) if error.is::<LeaseTaken>() => Outcome::Busy,
        Err(error) => match error.downcast_ref() {
            Some(FeedError::Unauthorized { .. }) => Outcome::Refused,
            _ => Outcome::Failed,
        },
    }
}
