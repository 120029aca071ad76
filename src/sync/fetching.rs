//! Fetching what is lined up: threads ask the hosts, and the main thread notes what is
//! begun and takes in what comes.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Report;
use super::download::{Answer, Done, download};
use super::failing::Verdict;
use super::landing::{Batch, Landed};
use super::media_job::MediaJob;
use super::renew::Renewing;
use crate::feed::{AssetError, Assets, DELAY_LIMIT};
use crate::files::{MediaDir, Place};
use crate::mirror::{Mirror, Photo, WriteTx};

/// So many photos are noted as being fetched at once.
const BEGUN_AT_ONCE: usize = 128;

/// How long a photo that came waits at most to be put into its place.
const LAND_EVERY: Duration = Duration::from_secs(1);

/// How far fetching photos is.
#[derive(Clone, Copy, Debug, Default)]
pub struct PhotoProgress {
    /// How many photos are to be fetched.
    pub total: u64,
    /// How many of them are done with, one way or another.
    pub done: u64,
    /// Bytes that came so far.
    pub bytes: u64,
}

/// The fetching while it is under way.
pub(super) struct Fetching<'j, 'a> {
    job: &'j mut MediaJob<'a>,
    dir: &'j MediaDir,
    assets: &'j Assets,
    batch: Batch,
    /// What failed and is to be told its row.
    failed: Vec<Done>,
    /// Photos whose URLs have expired, as it seems.
    expired: Vec<Photo>,
    renewing: Renewing<'a>,
    progress: PhotoProgress,
    landed_at: Instant,
    round: u32,
}

impl<'j, 'a> Fetching<'j, 'a> {
    pub fn new(
        job: &'j mut MediaJob<'a>,
        dir: &'j MediaDir,
        assets: &'j Assets,
        total: u64,
    ) -> Fetching<'j, 'a> {
        Fetching {
            dir,
            assets,
            batch: Batch::default(),
            failed: Vec::new(),
            expired: Vec::new(),
            renewing: Renewing::new(job.context),
            progress: PhotoProgress {
                total,
                ..PhotoProgress::default()
            },
            landed_at: Instant::now(),
            round: 0,
            job,
        }
    }

    /// Fetches what is lined up, and tries again what failed, with growing pauses.
    /// Returns what was read of the feed meanwhile.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub fn run(mut self, mirror: &mut Mirror) -> anyhow::Result<Report> {
        let fetched = self.rounds(mirror);
        let renewed = self.renewing.end(mirror);
        fetched?;
        renewed
    }

    fn rounds(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        let feed = &self.job.context.config.feed;
        let (retries, delay) = (feed.max_retries, feed.retry_delay);
        self.show();
        loop {
            self.round(mirror)?;
            let is_over = self.must_end() || self.round >= retries;
            if is_over || mirror.count_queued_photos()? == 0 {
                return Ok(());
            }
            self.wait(delay.saturating_mul(1 << self.round.min(16)));
            self.assets.forget_failures();
            self.round += 1;
        }
    }

    fn must_end(&self) -> bool {
        self.job.failures.is_halted() || self.job.context.stop.requested().is_some()
    }

    fn wait(&self, pause: Duration) {
        /// A request to stop is seen this soon.
        const LOOK_EVERY: Duration = Duration::from_millis(50);
        let until = Instant::now() + pause.min(DELAY_LIMIT);
        while !self.must_end() && Instant::now() < until {
            let left = until - Instant::now();
            std::thread::sleep(left.min(LOOK_EVERY));
        }
    }

    /// Fetches what is lined up for this round.
    fn round(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        let (orders, waiting) = channel::<Photo>();
        let waiting = Mutex::new(waiting);
        let (finished, done) = channel::<Done>();
        let (assets, dir) = (self.assets, self.dir);
        let workers = self.job.context.config.media.max_concurrent_downloads;
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
            let directed = self.direct(mirror, &orders, &done);
            // With it the workers end, and the threads are waited for.
            drop(orders);
            directed
        })
    }

    /// Hands out photos and takes in what came of them, until all are done with.
    fn direct(
        &mut self,
        mirror: &mut Mirror,
        orders: &Sender<Photo>,
        done: &Receiver<Done>,
    ) -> anyhow::Result<()> {
        let workers = self.job.context.config.media.max_concurrent_downloads;
        // While a batch is put into its places, there has to be enough to do.
        let in_hand_max = 2 * BEGUN_AT_ONCE + workers;
        let keys_at_once = self.job.context.feed.dialect().keys_at_once;
        let mut ready: VecDeque<Photo> = VecDeque::new();
        let (mut in_hand, mut is_line_empty) = (0, false);
        loop {
            while in_hand < in_hand_max && !self.must_end() {
                if ready.is_empty() && !is_line_empty {
                    ready = self.begin_next(mirror)?.into();
                    is_line_empty = ready.is_empty();
                }
                let Some(photo) = ready.pop_front() else {
                    break;
                };
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
            if self.expired.len() >= keys_at_once && !self.must_end() {
                ready.extend(self.renew(mirror)?);
            }
        }
    }

    /// The next photos of this round, noted as being fetched.
    fn begin_next(&mut self, mirror: &mut Mirror) -> anyhow::Result<Vec<Photo>> {
        let tx = mirror.write()?;
        let photos = tx.next_photos(self.round, BEGUN_AT_ONCE)?;
        begin(&tx, &photos)?;
        tx.commit()?;
        Ok(photos)
    }

    /// Takes in what came of a photo.
    fn take(&mut self, done: Done) {
        if !matches!(done.answer, Answer::Failed(AssetError::Interrupted(_))) {
            match (done.photo.round, done.photo.is_renewed) {
                (0, false) => self.job.tried += 1,
                _ => self.assets.count_retry(),
            }
        }
        let Some(done) = self.batch.take(done) else {
            return;
        };
        let is_expired = matches!(done.answer, Answer::Failed(AssetError::Expired { .. }));
        if is_expired && !done.photo.is_renewed && !done.photo.was_missing {
            self.expired.push(done.photo);
        } else {
            self.failed.push(done);
        }
    }

    /// Puts what came into its places, and tells the rows.
    fn land(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        self.landed_at = Instant::now();
        let feed = &self.job.context.config.feed;
        let may_try_again = self.round < feed.max_retries && !self.must_end();
        let (delay, next_round) = (feed.retry_delay, self.round + 1);
        let traffic = self.assets.traffic();
        let mut failed = std::mem::take(&mut self.failed);
        let mut given_up = 0;
        let job = &mut *self.job;
        let landed = self.batch.land(self.dir, mirror, |tx, landed| {
            failed.append(&mut landed.failed);
            for done in failed.iter().chain(&landed.adrift) {
                let key = &done.photo.key;
                match job.failures.note(tx, done, may_try_again, delay)? {
                    Verdict::Failed => {
                        job.counts.failed += 1;
                        given_up += 1;
                    }
                    Verdict::StillGone => given_up += 1,
                    Verdict::Again => tx.requeue_photo(key, next_round)?,
                    Verdict::Untried => tx.requeue_photo(key, done.photo.round)?,
                }
            }
            for done in &failed {
                tx.end_download(&done.photo.key)?;
            }
            job.count(landed);
            Ok(tx.save_run(job.run, &job.run_counts(traffic), None)?)
        })?;
        self.job.counts.removed += landed.removed;
        self.progress.done += landed.fetched + landed.unchanged + given_up;
        self.progress.bytes = traffic.bytes_received;
        self.show();
        Ok(())
    }

    fn show(&self) {
        self.job.context.progress.photos(&self.progress);
    }

    /// Reads the rows of photos whose URLs have expired anew from the feed, and gives
    /// those that are still there, to be tried once more.
    fn renew(&mut self, mirror: &mut Mirror) -> anyhow::Result<Vec<Photo>> {
        let expired = std::mem::take(&mut self.expired);
        let absent = match self.renewing.ask(mirror, &expired) {
            Err(error) if error.is::<rusqlite::Error>() => return Err(error),
            Err(error) => {
                let words =
                    format!("the host refused the URL, and the feed gave no other ({error:#})");
                let stopped = self.job.context.stop.requested();
                let failed = expired.into_iter().map(|photo| match stopped {
                    Some(signal) => failed(photo, AssetError::Interrupted(signal)),
                    None => failed(photo, AssetError::Refused(words.clone())),
                });
                self.failed.extend(failed);
                return Ok(Vec::new());
            }
            Ok(absent) => absent,
        };
        let mut photos = Vec::new();
        let tx = mirror.write()?;
        for photo in expired {
            if absent.contains(&photo.key) {
                let words = "the host refused the URL, and the feed has no such photo any more; `mlsmirror sync reconcile` looks for what is deleted";
                self.failed
                    .push(failed(photo, AssetError::Refused(words.to_owned())));
                continue;
            }
            match tx.photo(&photo.key)? {
                Some(now) => photos.push(Photo {
                    round: photo.round,
                    is_renewed: true,
                    ..now
                }),
                None => {
                    tx.end_download(&photo.key)?;
                    self.progress.done += 1;
                }
            }
        }
        begin(&tx, &photos)?;
        tx.commit()?;
        Ok(photos)
    }

    /// Photos that were begun and not asked for stay to be fetched.
    fn give_back(&mut self, mirror: &mut Mirror, ready: VecDeque<Photo>) -> anyhow::Result<()> {
        let tx = mirror.write()?;
        for photo in ready.iter().chain(&self.expired) {
            tx.end_download(&photo.key)?;
            tx.requeue_photo(&photo.key, photo.round)?;
        }
        Ok(tx.commit()?)
    }
}

impl MediaJob<'_> {
    fn count(&mut self, landed: &Landed) {
        self.counts.fetched += landed.fetched;
        self.counts.unchanged += landed.unchanged;
        self.counts.bytes += landed.bytes;
        self.replaced += landed.replaced;
    }
}

fn failed(photo: Photo, error: AssetError) -> Done {
    Done {
        photo,
        answer: Answer::Failed(error),
    }
}

fn next(waiting: &Mutex<Receiver<Photo>>) -> Option<Photo> {
    let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.recv().ok()
}

/// Notes that photos are being fetched.
fn begin(tx: &WriteTx<'_>, photos: &[Photo]) -> rusqlite::Result<()> {
    for photo in photos {
        let place = Place::of(photo.listing_key.as_deref(), &photo.key);
        tx.begin_download(photo, &place.folder, &place.stem)?;
    }
    Ok(())
}
