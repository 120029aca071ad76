//! The media job: every live photo as a file.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io::{self, ErrorKind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};

use super::download::{Done, Outcome, download};
use super::files::{FileCounts, clear};
use super::landing::{Batch, Landed};
use super::presence::find_missing;
use super::renew::Renewing;
use super::{Context, Ending, Report, peak_rss_bytes};
use crate::feed::{AssetError, Assets, Traffic};
use crate::files::{MediaDir, Place};
use crate::mirror::{Counts, Job, Mirror, Photo, RunId, Status, WantedPhotos, Writing};
use crate::resource::Resource;
use crate::value::stored_instant;

/// So many photos are noted as being fetched at once.
const BEGUN_AT_ONCE: usize = 128;

/// How long a photo that came waits at most to be put into its place.
const LAND_EVERY: Duration = Duration::from_secs(1);

/// A photo that failed is tried again after so long at most.
const PAUSE_MAX: Duration = Duration::from_secs(86_400);

/// A photo that its host does not have is looked for again: some hosts have it
/// later than the feed does. After these pauses it is not asked for any more.
const LOOK_AGAIN_HOURS: [i64; 4] = [1, 4, 16, 64];

/// How far a media job is.
#[derive(Clone, Copy, Debug, Default)]
pub struct PhotoProgress {
    /// How many photos are to be fetched.
    pub total: u64,
    /// How many of them are done with, one way or another.
    pub done: u64,
    /// Bytes that came so far.
    pub bytes: u64,
}

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
    mirror.begin_sync()?;
    let started = Instant::now();
    let writing = mirror.write()?;
    let run = writing.start_run(Job::Media, Resource::Media, None, None)?;
    writing.commit()?;
    let mut cleared = clear(context, mirror)?;
    let mut job = MediaJob {
        context,
        run,
        counts: FileCounts::default(),
        tried: 0,
        replaced: 0,
        waiting: 0,
        errors: BTreeMap::new(),
        halted: None,
        traffic: Traffic::default(),
        report: Report::default(),
    };
    match MediaDir::open(&context.config.mirror.media_dir) {
        Ok(dir) => job.fetch_all(mirror, &dir, wanted)?,
        Err(error) => {
            let left = mirror.photo_backlog()?.photos;
            job.counts.failed += left;
            let path = context.config.mirror.media_dir.display();
            job.complain(
                (left > 0).then(|| format!("media_dir {path}: cannot be opened ({error})")),
            );
        }
    }
    // What was fetched anew from the feed may have gone there.
    cleared.add(clear(context, mirror)?);
    job.counts.add(cleared.counts);
    job.complain(cleared.complaint);
    job.end(mirror, started)
}

/// The job while it is under way.
struct MediaJob<'a> {
    context: &'a Context<'a>,
    run: RunId,
    counts: FileCounts,
    /// Photos that were asked for.
    tried: u64,
    /// Of those that were fetched, the ones that had a file before.
    replaced: u64,
    /// Photos that failed before and were not due.
    waiting: u64,
    /// What went wrong, and how often.
    errors: BTreeMap<String, u64>,
    /// Why no more is fetched.
    halted: Option<String>,
    traffic: Traffic,
    report: Report,
}

impl MediaJob<'_> {
    fn complain(&mut self, complaint: Option<String>) {
        if let Some(complaint) = complaint {
            *self.errors.entry(complaint).or_default() += 1;
        }
    }

    fn fetch_all(
        &mut self,
        mirror: &mut Mirror,
        dir: &MediaDir,
        wanted: WantedPhotos<'_>,
    ) -> anyhow::Result<()> {
        find_missing(self.context, mirror, dir, wanted)?;
        if let WantedPhotos::Due = wanted {
            self.waiting = mirror.photo_backlog()?.paused;
        }
        let total = mirror.line_up_photos(wanted)?;
        if total == 0 {
            return Ok(());
        }
        let assets = Assets::open(self.context.config, self.context.stop.clone())?;
        let mut fetching = Fetching {
            dir,
            assets: &assets,
            batch: Batch::default(),
            failed: Vec::new(),
            expired: Vec::new(),
            renewed: HashSet::new(),
            renewing: Renewing::new(self.context),
            progress: PhotoProgress {
                total,
                ..PhotoProgress::default()
            },
            landed_at: Instant::now(),
            round: 0,
            job: self,
        };
        let fetched = fetching.rounds(mirror);
        let renewed = fetching.renewing.end(mirror);
        self.traffic = assets.traffic();
        self.context.progress.end(Resource::Media);
        fetched?;
        self.report.add(renewed?);
        // What was not asked for, since there was no sense in it.
        if self.halted.is_some() {
            self.counts.failed += mirror.photos_in_line()?;
        }
        Ok(())
    }

    /// What the run did, in the columns that runs have.
    fn run_counts(&self, traffic: Traffic) -> Counts {
        let mut counts = Counts {
            records_seen: self.tried,
            inserted: self.counts.fetched - self.replaced,
            updated: self.replaced,
            unchanged: self.counts.unchanged,
            deleted: self.counts.removed,
            rejected: self.counts.failed,
            ..Counts::default()
        };
        counts.spent(traffic);
        counts
    }

    fn end(mut self, mirror: &mut Mirror, started: Instant) -> anyhow::Result<Report> {
        self.counts.failed += self.waiting;
        let stopped = self.context.stop.requested();
        let (status, ending) = match stopped {
            Some(signal) => (Status::Interrupted, Ending::Interrupted(signal)),
            None if self.counts.failed > 0 => (Status::Partial, Ending::Partial),
            None => (Status::Succeeded, Ending::Done),
        };
        let error = (status == Status::Partial).then(|| self.error());
        let writing = mirror.write()?;
        writing.save_run(self.run, &self.run_counts(self.traffic), None)?;
        let outcome = crate::mirror::Outcome {
            status,
            watermark_after: None,
            duration: started.elapsed(),
            peak_rss_bytes: peak_rss_bytes(),
            error,
        };
        writing.finish_run(self.run, &outcome)?;
        writing.commit()?;
        let own = Report {
            runs: vec![mirror.run_summary(self.run)?],
            files: self.counts,
            ending,
            ..Report::default()
        };
        self.report.add(own);
        Ok(self.report)
    }

    /// What went wrong, the most frequent first.
    fn error(&self) -> String {
        /// More kinds of errors than this are of no use in a line.
        const NAMED: usize = 3;
        let mut errors: Vec<(&String, &u64)> = self.errors.iter().collect();
        errors.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let named: Vec<String> = errors
            .iter()
            .take(NAMED)
            .map(|(error, times)| match times {
                1 => (*error).clone(),
                times => format!("{error} ({times} times)"),
            })
            .collect();
        let mut words = match self.counts.failed - self.waiting {
            0 => String::new(),
            1 => "1 file failed".to_owned(),
            failed => format!("{failed} files failed"),
        };
        if let Some(halted) = &self.halted {
            words += &format!(", since {halted}");
        } else if !named.is_empty() {
            words += &format!(": {}", named.join("; "));
        }
        if errors.len() > NAMED {
            words += "; and others, see media.download_error";
        }
        let waiting = match self.waiting {
            0 => return words,
            1 => "1 photo waits to be tried again".to_owned(),
            waiting => format!("{waiting} photos wait to be tried again"),
        };
        match words.is_empty() {
            true => waiting,
            false => format!("{words}; {waiting}"),
        }
    }
}

/// The fetching while it is under way.
struct Fetching<'j, 'a> {
    job: &'j mut MediaJob<'a>,
    dir: &'j MediaDir,
    assets: &'j Assets,
    batch: Batch,
    /// What failed and is to be told its row.
    failed: Vec<Done>,
    /// Photos whose URLs have expired, as it seems.
    expired: Vec<Photo>,
    /// The photos that were read anew from the feed because of that.
    renewed: HashSet<String>,
    renewing: Renewing<'a>,
    progress: PhotoProgress,
    landed_at: Instant,
    round: u32,
}

impl Fetching<'_, '_> {
    /// Fetches what is lined up, and tries again what failed, with growing pauses.
    fn rounds(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        let feed = &self.job.context.config.feed;
        let (retries, delay) = (feed.max_retries, feed.retry_delay);
        self.show();
        loop {
            self.round(mirror)?;
            let is_over = self.must_end() || self.round >= retries;
            if is_over || mirror.photos_in_line()? == 0 {
                return Ok(());
            }
            self.wait(delay.saturating_mul(1 << self.round.min(16)));
            self.assets.try_again();
            self.round += 1;
        }
    }

    fn must_end(&self) -> bool {
        self.job.halted.is_some() || self.job.context.stop.requested().is_some()
    }

    fn wait(&self, pause: Duration) {
        let until = Instant::now() + pause.min(PAUSE_MAX);
        while !self.must_end() && Instant::now() < until {
            let left = until - Instant::now();
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    /// Fetches what is lined up for this round.
    fn round(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        let workers = self.job.context.config.media.max_concurrent_downloads;
        // While a batch is put into its places, there has to be enough to do.
        let in_hand_max = 2 * BEGUN_AT_ONCE + workers;
        let (orders, waiting) = sync_channel::<Photo>(in_hand_max);
        let waiting = Mutex::new(waiting);
        let (finished, done) = channel::<Done>();
        let (assets, dir) = (self.assets, self.dir);
        std::thread::scope(|threads| {
            for _ in 0..workers {
                let (waiting, finished) = (&waiting, finished.clone());
                threads.spawn(move || {
                    while let Some(photo) = next(waiting) {
                        if finished.send(download(assets, dir, photo)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(finished);
            let directed = self.direct(mirror, &orders, &done, in_hand_max);
            // With it the workers end, and the threads are waited for.
            drop(orders);
            directed
        })
    }

    /// Hands out photos and takes in what came of them, until all are done with.
    fn direct(
        &mut self,
        mirror: &mut Mirror,
        orders: &SyncSender<Photo>,
        done: &Receiver<Done>,
        in_hand_max: usize,
    ) -> anyhow::Result<()> {
        let mut ready: VecDeque<Photo> = VecDeque::new();
        let mut in_hand = 0;
        loop {
            while in_hand < in_hand_max && !self.must_end() {
                if ready.is_empty() {
                    ready = self.begin_next(mirror)?.into();
                }
                let Some(photo) = ready.pop_front() else {
                    break;
                };
                self.job.tried += u64::from(photo.round == 0);
                if orders.send(photo).is_err() {
                    break;
                }
                in_hand += 1;
            }
            if in_hand == 0 {
                self.land(mirror)?;
                if !self.must_end() && !self.expired.is_empty() {
                    ready = self.renew(mirror)?.into();
                    continue;
                }
                return self.give_back(mirror, ready);
            }
            match done.recv_timeout(LAND_EVERY) {
                Ok(one) => {
                    in_hand -= 1;
                    self.take(one);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the downloads have ended"),
            }
            if self.batch.is_full()
                || self.failed.len() >= BEGUN_AT_ONCE
                || self.landed_at.elapsed() >= LAND_EVERY
            {
                self.land(mirror)?;
            }
            if self.expired.len() >= self.job.context.feed.dialect().keys_at_once
                && !self.must_end()
            {
                ready.extend(self.renew(mirror)?);
            }
        }
    }

    /// The next photos of this round, noted as being fetched.
    fn begin_next(&mut self, mirror: &mut Mirror) -> anyhow::Result<Vec<Photo>> {
        let writing = mirror.write()?;
        let photos = writing.next_photos(self.round, BEGUN_AT_ONCE)?;
        begin(&writing, &photos)?;
        writing.commit()?;
        Ok(photos)
    }

    /// Takes in what came of a photo.
    fn take(&mut self, done: Done) {
        let Some(done) = self.batch.take(done) else {
            return;
        };
        let is_expired = matches!(done.outcome, Outcome::Failed(AssetError::Expired { .. }));
        if is_expired && !self.renewed.contains(&done.photo.key) && !done.photo.was_gone {
            self.expired.push(done.photo);
            return;
        }
        if let Outcome::Failed(AssetError::Unwritten(error)) = &done.outcome
            && is_hopeless(error)
        {
            let path = self.dir.path().display();
            self.job
                .halted
                .get_or_insert(format!("{path} cannot be written ({error})"));
        }
        self.failed.push(done);
    }

    /// Puts what came into its places, and tells the rows.
    fn land(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        self.landed_at = Instant::now();
        let mut failed = std::mem::take(&mut self.failed);
        let mut noted = Noted::default();
        let (round, has_ended) = (self.round, self.must_end());
        let retries = match has_ended {
            true => 0,
            false => self.job.context.config.feed.max_retries,
        };
        let delay = self.job.context.config.feed.retry_delay;
        let traffic = self.assets.traffic();
        let job = &mut *self.job;
        let landed = self.batch.land(self.dir, mirror, |writing, landed| {
            failed.append(&mut landed.failed);
            for done in failed {
                writing.end_download(&done.photo.key)?;
                noted.note(writing, done, round < retries, delay)?;
            }
            for done in landed.adrift.drain(..) {
                noted.note(writing, done, false, delay)?;
            }
            Ok(writing.save_run(job.run, &job.run_counts(traffic), None)?)
        })?;
        self.count(&landed, &noted);
        self.show();
        Ok(())
    }

    fn count(&mut self, landed: &Landed, noted: &Noted) {
        let counts = &mut self.job.counts;
        counts.fetched += landed.fetched;
        counts.unchanged += landed.unchanged;
        counts.bytes += landed.bytes;
        counts.removed += landed.replaced.len() as u64;
        counts.failed += noted.failed;
        for (error, times) in &noted.errors {
            *self.job.errors.entry(error.clone()).or_default() += times;
        }
        for _ in 0..noted.again {
            self.assets.count_retry();
        }
        self.progress.done += landed.fetched + landed.unchanged + noted.failed + noted.quiet;
        self.progress.bytes = self.assets.traffic().bytes_received;
    }

    fn show(&self) {
        self.job.context.progress.photos(&self.progress);
    }

    /// Reads the rows of photos whose URLs have expired anew from the feed, and gives
    /// those that are still there, to be tried once more.
    fn renew(&mut self, mirror: &mut Mirror) -> anyhow::Result<Vec<Photo>> {
        let expired = std::mem::take(&mut self.expired);
        if let Err(error) = self.renewing.ask(mirror, &expired) {
            if error.is::<rusqlite::Error>() {
                return Err(error);
            }
            let stopped = self.job.context.stop.requested();
            let words = format!("the host refused the URL, and the feed gave no other ({error:#})");
            self.failed.extend(expired.into_iter().map(|photo| Done {
                photo,
                outcome: Outcome::Failed(match stopped {
                    Some(signal) => AssetError::Interrupted(signal),
                    None => AssetError::Forbidden(words.clone()),
                }),
            }));
            return Ok(Vec::new());
        }
        let mut photos = Vec::new();
        let writing = mirror.write()?;
        for photo in expired {
            self.renewed.insert(photo.key.clone());
            match writing.photo(&photo.key)? {
                Some(now) => photos.push(Photo {
                    round: photo.round,
                    ..now
                }),
                None => {
                    writing.end_download(&photo.key)?;
                    self.progress.done += 1;
                }
            }
        }
        begin(&writing, &photos)?;
        writing.commit()?;
        Ok(photos)
    }

    /// Photos that were begun and not asked for stay to be fetched.
    fn give_back(&mut self, mirror: &mut Mirror, ready: VecDeque<Photo>) -> anyhow::Result<()> {
        let writing = mirror.write()?;
        for photo in ready.iter().chain(&self.expired) {
            writing.end_download(&photo.key)?;
            writing.line_up_again(&photo.key, photo.round)?;
        }
        Ok(writing.commit()?)
    }
}

fn next(waiting: &Mutex<Receiver<Photo>>) -> Option<Photo> {
    waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
        .ok()
}

/// Notes that photos are being fetched.
fn begin(writing: &Writing<'_>, photos: &[Photo]) -> rusqlite::Result<()> {
    for photo in photos {
        let place = Place::of(photo.listing_key.as_deref(), &photo.key);
        writing.begin_download(photo, &place.folder, &place.stem)?;
    }
    Ok(())
}

/// Whether no other photo can be written either.
fn is_hopeless(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem
    )
}

/// What was told to the rows of photos that failed.
#[derive(Default)]
struct Noted {
    failed: u64,
    /// Those that are tried again in this run.
    again: u64,
    /// Those that were gone before and still are.
    quiet: u64,
    errors: BTreeMap<String, u64>,
}

impl Noted {
    fn note(
        &mut self,
        writing: &Writing<'_>,
        done: Done,
        may_try_again: bool,
        delay: Duration,
    ) -> rusqlite::Result<()> {
        let Done { photo, outcome } = done;
        let Outcome::Failed(error) = outcome else {
            return Ok(());
        };
        let words = error.to_string();
        match &error {
            AssetError::Interrupted(_) => return writing.line_up_again(&photo.key, photo.round),
            _ if photo.was_gone => {
                self.quiet += 1;
                return writing.photo_gone(&photo, &words, look_again(&photo).as_deref());
            }
            AssetError::Gone { status } => {
                let after = look_again(&photo).filter(|_| *status != 410);
                writing.photo_gone(&photo, &words, after.as_deref())?;
            }
            // It was not asked for.
            AssetError::Down(_) => {}
            _ => writing.photo_failed(&photo.key, &words, &after(delay, photo.attempts))?,
        }
        let is_passing = matches!(error, AssetError::Unavailable(_) | AssetError::Down(_));
        if is_passing && may_try_again {
            self.again += 1;
            return writing.line_up_again(&photo.key, photo.round + 1);
        }
        self.failed += 1;
        *self.errors.entry(words).or_default() += 1;
        Ok(())
    }
}

/// When a photo that failed is tried again: the oftener it failed, the later.
fn after(delay: Duration, attempts: u32) -> String {
    let pause = delay
        .saturating_mul(2_u32.saturating_pow(attempts.min(30)))
        .min(PAUSE_MAX);
    moment(TimeDelta::from_std(pause).unwrap_or_default())
}

/// When a photo that is gone is looked for again, if it is.
fn look_again(photo: &Photo) -> Option<String> {
    let hours = LOOK_AGAIN_HOURS.get(photo.attempts as usize)?;
    Some(moment(TimeDelta::hours(*hours)))
}

/// A moment from now in storage form, in whole seconds as the database's.
fn moment(from_now: TimeDelta) -> String {
    let seconds = (Utc::now() + from_now).timestamp();
    stored_instant(chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default())
}
