//! The media job: every live photo as a file.

use std::time::Instant;

use super::failing::Failures;
use super::fetching::Fetching;
use super::files::{FileCounts, Folder, Trust, look_for_folder};
use super::media_job::MediaJob;
use super::presence::find_missing;
use super::{Context, Ending, Report, peak_rss_bytes};
use crate::feed::{Assets, Traffic};
use crate::files::MediaDir;
use crate::mirror::{Job, Mirror, RunOutcome, RunStatus, WantedPhotos};
use crate::resource::Resource;
use crate::sync::jobs::whole_job::whole_job;

/// Fetches the photos that are wanted, and removes what is to go.
///
/// # Errors
/// If the database cannot be read or written. What goes wrong with files is in the
/// report.
pub fn media(
    context: &Context<'_>,
    mirror: &mut Mirror,
    wanted: WantedPhotos<'_>,
) -> anyhow::Result<Report> {
    whole_job(context, mirror, trust(wanted), |mirror| {
        fetch_photos(context, mirror, wanted)
    })
}

fn trust(wanted: WantedPhotos<'_>) -> Trust {
    match wanted {
        WantedPhotos::All => Trust::AsItIs,
        WantedPhotos::Due | WantedPhotos::Of(_) => Trust::NotEmpty,
    }
}

/// Fetches the photos that are wanted.
///
/// # Errors
/// As [`media`].
pub(super) fn fetch_photos(
    context: &Context<'_>,
    mirror: &mut Mirror,
    wanted: WantedPhotos<'_>,
) -> anyhow::Result<Report> {
    let started = Instant::now();
    let tx = mirror.write()?;
    let run = tx.start_run(Job::Media, Resource::Media, None, None)?;
    tx.commit()?;
    let mut job = MediaJob {
        context,
        run,
        counts: FileCounts::default(),
        tried: 0,
        replaced: 0,
        failures: Failures::default(),
        traffic: Traffic::default(),
        report: Report::default(),
    };
    match look_for_folder(context, mirror, trust(wanted))? {
        Folder::Doubtful(why) => job.halt(mirror, wanted, why)?,
        Folder::Found(_) => match MediaDir::open(&context.config.mirror.media_dir) {
            Ok(dir) => job.fetch_all(mirror, &dir, wanted)?,
            Err(error) => {
                let path = context.config.mirror.media_dir.display();
                let why = format!("media_dir {path}: cannot be opened ({error})");
                job.halt(mirror, wanted, why)?;
            }
        },
    }
    job.end(mirror, started)
}

impl MediaJob<'_> {
    /// Nothing is fetched; what would have been counts as failed.
    fn halt(
        &mut self,
        mirror: &Mirror,
        wanted: WantedPhotos<'_>,
        why: String,
    ) -> anyhow::Result<()> {
        self.counts.failed += mirror.queue_photos(wanted)?;
        self.failures.halt(why);
        Ok(())
    }

    fn fetch_all(
        &mut self,
        mirror: &mut Mirror,
        dir: &MediaDir,
        wanted: WantedPhotos<'_>,
    ) -> anyhow::Result<()> {
        if let Err(error) = dir.check_writable() {
            let path = dir.path().display();
            let why = format!("media_dir {path}: nothing can be written in it ({error})");
            return self.halt(mirror, wanted, why);
        }
        if let Some((unseen, what)) = find_missing(self.context, mirror, dir, wanted)? {
            self.counts.failed += unseen;
            self.failures.unseen(unseen, what);
        }
        if let WantedPhotos::Due = wanted {
            let waiting = mirror.photo_backlog()?.paused;
            self.counts.failed += waiting;
            self.failures.wait(waiting, mirror.next_paused()?);
        }
        let total = mirror.queue_photos(wanted)?;
        if total == 0 {
            return Ok(());
        }
        let context = self.context;
        let assets = Assets::open(context.config, context.stop.clone())?;
        let fetched = Fetching::new(self, dir, &assets, total).run(mirror);
        self.traffic = assets.traffic();
        context.progress.end(Resource::Media);
        self.report.add(fetched?);
        // What was not asked for, since there was no sense in it.
        if self.failures.is_halted() {
            self.counts.failed += mirror.count_queued_photos()?;
        }
        Ok(())
    }

    fn end(mut self, mirror: &mut Mirror, started: Instant) -> anyhow::Result<Report> {
        let is_whole = self.counts.failed == 0 && !self.failures.is_halted();
        let (status, ending) = match self.context.stop.requested() {
            Some(signal) => (RunStatus::Interrupted, Ending::Interrupted(signal)),
            None if is_whole => (RunStatus::Succeeded, Ending::Done),
            None => (RunStatus::Partial, Ending::Partial),
        };
        let error = (status == RunStatus::Partial).then(|| self.failures.words(self.counts.failed));
        let outcome = RunOutcome {
            status,
            watermark_after: None,
            duration: started.elapsed(),
            peak_rss_bytes: peak_rss_bytes(),
            error,
        };
        let tx = mirror.write()?;
        tx.save_run(self.run, &self.run_counts(self.traffic), None)?;
        tx.finish_run(self.run, &outcome)?;
        tx.commit()?;
        let own = Report {
            runs: vec![mirror.run_summary(self.run)?],
            files: self.counts,
            ending,
            ..Report::default()
        };
        self.report.add(own);
        Ok(self.report)
    }
}
