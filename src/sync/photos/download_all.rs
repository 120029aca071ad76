//! Downloads the wanted photos in one run.

use super::cleanup::{EmptyFolder, find_folder};
use super::failures::Failures;
use super::missing_files::find_missing;
use super::photo_run::PhotoRun;
use super::pipeline::Pipeline;
use crate::feed::Traffic;
use crate::files::MediaDir;
use crate::mirror::{Job, Mirror, WantedPhotos};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::media_folder::{FolderProblem, UnusableFolder, mark};
use crate::sync::outcome::{Advice, Ending, FileCounts, Misconfigured, Report, Verdict};
use crate::sync::progress::Note;
use crate::sync::records::run_set::SingleRun;

/// Downloads photos unless the job has failed, and adds the result to its report.
pub(in crate::sync) fn add_photos(
    report: &mut Report,
    context: &Context<'_>,
    mirror: &mut Mirror,
    wanted: WantedPhotos<'_>,
) -> anyhow::Result<()> {
    if matches!(report.ending, Ending::Done | Ending::Partial) {
        report.add(download_photos(context, mirror, wanted)?);
    }
    Ok(())
}

/// Returns whether an empty media folder is accepted: only where all photos are wanted.
pub(in crate::sync) fn empty_folder(wanted: WantedPhotos<'_>) -> EmptyFolder {
    match wanted {
        WantedPhotos::All => EmptyFolder::Accept,
        WantedPhotos::Due | WantedPhotos::Of(_) => EmptyFolder::Refuse,
    }
}

/// Downloads the wanted photos. Failures of files are in the report.
pub(in crate::sync) fn download_photos(
    context: &Context<'_>,
    mirror: &mut Mirror,
    wanted: WantedPhotos<'_>,
) -> anyhow::Result<Report> {
    let single = SingleRun::begin(mirror, Job::Media, Resource::MEDIA)?;
    let mut run = PhotoRun {
        context,
        id: single.id,
        counts: FileCounts::default(),
        tried: 0,
        replaced: 0,
        failures: Failures::default(),
        traffic: Traffic::default(),
        report: Report::default(),
    };
    if let Err(wrong) = mirror.mark_excluded_photos(&context.config.media.kept)? {
        run.halt(
            mirror,
            wanted,
            Misconfigured::kept_photos(wrong).to_string(),
        )?;
        return end(run, single, mirror);
    }
    match open_folder(context, mirror, empty_folder(wanted))? {
        Ok(dir) => run.download(mirror, &dir, wanted)?,
        Err(unusable) => {
            let why = unusable.to_string();
            run.report.advice.insert(Advice::MediaFolder(unusable));
            run.halt(mirror, wanted, why)?;
        }
    }
    end(run, single, mirror)
}

/// Opens the media folder, and creates it if it does not exist.
fn open_folder(
    context: &Context<'_>,
    mirror: &mut Mirror,
    empty: EmptyFolder,
) -> anyhow::Result<Result<MediaDir, UnusableFolder>> {
    let config = context.config;
    let unusable = |problem| Ok(Err(UnusableFolder::of(config, problem)));
    let opened = match find_folder(context, mirror, empty)? {
        Ok(Some(dir)) => Ok(dir),
        Ok(None) => MediaDir::open(&config.mirror.media_dir),
        Err(unusable) => return Ok(Err(unusable)),
    };
    let dir = match opened {
        Ok(dir) => dir,
        Err(error) => return unusable(FolderProblem::Unopened(error.to_string())),
    };
    if let Err(error) = dir.check_writable() {
        return unusable(FolderProblem::Unwritable(error.to_string()));
    }
    Ok(mark(config, &dir, mirror)?.map(|()| dir))
}

impl PhotoRun<'_> {
    /// Downloads nothing: all wanted photos count as failed.
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

    fn download(
        &mut self,
        mirror: &mut Mirror,
        dir: &MediaDir,
        wanted: WantedPhotos<'_>,
    ) -> anyhow::Result<()> {
        if let Some((count, what)) = find_missing(self.context, mirror, dir, wanted)? {
            self.counts.failed += count;
            self.failures.note_unreadable(count, what);
        }
        if let WantedPhotos::Due = wanted {
            let endless = mirror.end_endless_pauses()?;
            if endless > 0 {
                self.context.progress.note(&Note::EndlessPauses(endless));
            }
            let paused = mirror.photo_backlog()?.paused;
            self.counts.failed += paused;
            self.failures.note_paused(paused, mirror.next_paused()?);
            if paused > 0 {
                self.report.advice.insert(Advice::RetryPhotos);
            }
        }
        let total = mirror.queue_photos(wanted)?;
        if total == 0 {
            return Ok(());
        }

        let context = self.context;
        let assets = context
            .feed
            .open_assets(context.config, context.stop.clone())?;
        let downloaded = Pipeline::new(self, dir, &assets, total).run(mirror);
        self.traffic = assets.traffic();
        context.progress.end(Resource::MEDIA);
        self.report.add(downloaded?);
        if self.failures.is_halted() {
            self.counts.failed += mirror.count_queued_photos()?;
        }
        Ok(())
    }
}

fn end(mut run: PhotoRun<'_>, single: SingleRun, mirror: &mut Mirror) -> anyhow::Result<Report> {
    let is_complete = run.counts.failed == 0 && !run.failures.is_halted();
    let (verdict, ending) = match run.context.stop.requested() {
        Some(signal) => (Verdict::Interrupted, Ending::Interrupted(signal)),
        None if is_complete => (Verdict::Done, Ending::Done),
        None => (Verdict::Partial, Ending::Partial),
    };
    let error = (verdict == Verdict::Partial).then(|| run.failures.describe(run.counts.failed));
    single.end(mirror, &run.run_counts(run.traffic), verdict, error)?;
    run.report.add(Report {
        runs: vec![mirror.run_summary(run.id)?],
        files: run.counts,
        ending,
        ..Report::default()
    });
    Ok(run.report)
}
