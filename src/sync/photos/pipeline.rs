//! Downloads the queued photos: threads request them from their hosts, and the main
//! thread notes which downloads begin, and commits the results.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};

use super::commit::{Batch, Committed};
use super::download::{Download, PhotoResult, download, place_of};
use super::failures::Retry;
use super::photo_run::PhotoRun;
use super::renew_urls::{RenewalError, UrlRenewal};
use crate::feed::{AssetError, Assets, DELAY_LIMIT};
use crate::files::{MediaDir, rivals};
use crate::mirror::{Mirror, Photo, WriteTx};
use crate::resource::Resource;
use crate::sync::outcome::Report;
use crate::sync::progress::PhotoProgress;
use crate::sync::workers::start_workers;
use crate::value::stored_instant;

/// The number of downloads that are noted in one transaction.
const BEGUN_AT_ONCE: usize = 128;

/// The longest time that a downloaded photo waits to be committed.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// Downloads the queued photos of one run.
pub(in crate::sync) struct Pipeline<'j, 'a> {
    run: &'j mut PhotoRun<'a>,
    dir: &'j MediaDir,
    assets: &'j Assets,
    batch: Batch,
    /// Failures that are not written to their rows yet.
    failed: Vec<Download>,
    /// Photos whose URLs seem to have expired.
    expired: Vec<Photo>,
    renewal: UrlRenewal<'a>,
    progress: PhotoProgress,
    committed_at: Instant,
    round: u32,
}

impl<'j, 'a> Pipeline<'j, 'a> {
    pub fn new(
        run: &'j mut PhotoRun<'a>,
        dir: &'j MediaDir,
        assets: &'j Assets,
        total: u64,
    ) -> Pipeline<'j, 'a> {
        Pipeline {
            dir,
            assets,
            batch: Batch::default(),
            failed: Vec::new(),
            expired: Vec::new(),
            renewal: UrlRenewal::new(run.context),
            progress: PhotoProgress {
                total,
                ..PhotoProgress::default()
            },
            committed_at: Instant::now(),
            round: 0,
            run,
        }
    }

    /// Downloads the queued photos, and retries failures with growing pauses. Returns the
    /// report of the rows that were refetched meanwhile.
    pub fn run(mut self, mirror: &mut Mirror) -> anyhow::Result<Report> {
        let downloaded = self.rounds(mirror);
        let renewed = self.renewal.end(mirror);
        downloaded?;
        renewed
    }

    fn rounds(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        let feed = &self.run.context.config.feed;
        let (retries, delay) = (feed.max_retries, feed.retry_delay);
        self.show();
        loop {
            self.round(mirror)?;
            let is_last = self.must_end() || self.round >= retries;
            if is_last || mirror.count_queued_photos()? == 0 {
                return Ok(());
            }
            self.wait(delay.saturating_mul(1 << self.round.min(16)));
            self.assets.reset_failures();
            self.round += 1;
        }
    }

    fn must_end(&self) -> bool {
        self.run.failures.is_halted() || self.run.context.stop.requested().is_some()
    }

    fn wait(&self, pause: Duration) {
        /// The longest delay before a request to stop is noticed.
        const CHECK_EVERY: Duration = Duration::from_millis(50);
        let until = Instant::now() + pause.min(DELAY_LIMIT);
        while !self.must_end() && Instant::now() < until {
            let left = until - Instant::now();
            std::thread::sleep(left.min(CHECK_EVERY));
        }
    }

    /// Downloads the photos that are queued for this round.
    fn round(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        let (orders, waiting) = channel::<Photo>();
        let waiting = Mutex::new(waiting);
        let (finished, done) = channel::<Download>();
        let (assets, dir) = (self.assets, self.dir);
        let workers = self.run.context.config.media.max_concurrent_downloads;
        std::thread::scope(|threads| {
            let waiting = &waiting;
            start_workers(threads, workers, move || {
                while let Some(photo) = next(waiting) {
                    if finished.send(download(assets, dir, photo)).is_err() {
                        return;
                    }
                }
            })?;
            let directed = self.distribute(mirror, &orders, &done);
            // Without a sender, the workers end.
            drop(orders);
            directed
        })
    }

    /// Distributes photos to the workers and commits the results, until all photos are
    /// downloaded or have failed.
    fn distribute(
        &mut self,
        mirror: &mut Mirror,
        orders: &Sender<Photo>,
        done: &Receiver<Download>,
    ) -> anyhow::Result<()> {
        let workers = self.run.context.config.media.max_concurrent_downloads;
        // The workers must stay busy while a batch is committed.
        let in_progress_max = 2 * BEGUN_AT_ONCE + workers;
        let keys_at_once = self.run.context.feed.keys_at_once(Resource::MEDIA);
        let mut ready: VecDeque<Photo> = VecDeque::new();
        let (mut in_progress, mut is_queue_empty) = (0, false);
        loop {
            while in_progress < in_progress_max && !self.must_end() {
                if ready.is_empty() && !is_queue_empty {
                    ready = self.begin_next(mirror)?.into();
                    is_queue_empty = ready.is_empty();
                }
                let next = ready.pop_front();
                if next.is_none_or(|photo| orders.send(photo).is_err()) {
                    break;
                }
                in_progress += 1;
            }
            if in_progress == 0 {
                self.commit(mirror)?;
                if !self.must_end() && !self.expired.is_empty() {
                    ready = self.renew(mirror)?.into();
                    continue;
                }
                return self.requeue(mirror, ready);
            }
            if self.receive_next(done)? {
                in_progress -= 1;
            }
            if self.must_commit() {
                self.commit(mirror)?;
            }
            if self.expired.len() >= keys_at_once && !self.must_end() {
                ready.extend(self.renew(mirror)?);
            }
        }
    }

    /// Waits for the next result, at most until the next commit. Returns whether there was
    /// one.
    fn receive_next(&mut self, done: &Receiver<Download>) -> anyhow::Result<bool> {
        match done.recv_timeout(COMMIT_EVERY) {
            Ok(one) => {
                self.receive(one);
                Ok(true)
            }
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the downloads have ended"),
        }
    }

    /// Returns whether many results wait, or one of them has waited long enough.
    fn must_commit(&self) -> bool {
        self.batch.is_full()
            || self.failed.len() >= BEGUN_AT_ONCE
            || self.committed_at.elapsed() >= COMMIT_EVERY
    }

    /// Returns the next photos of this round, after noting that their downloads begin. The
    /// rows of photos with old URLs are refetched before. The list is empty at the end of the queue.
    fn begin_next(&mut self, mirror: &mut Mirror) -> anyhow::Result<Vec<Photo>> {
        loop {
            let tx = mirror.write()?;
            let mut photos = tx.next_photos(self.round, BEGUN_AT_ONCE)?;
            begin(&tx, &mut photos)?;
            tx.commit()?;
            let is_end = photos.is_empty();
            let oldest = self.oldest_url();
            let is_old = |photo: &Photo| oldest.as_ref().is_some_and(|at| photo.updated_at < *at);
            let (old, mut photos): (Vec<_>, Vec<_>) = photos.into_iter().partition(is_old);
            if !old.is_empty() {
                self.expired.extend(old);
                photos.extend(self.renew(mirror)?);
            }
            if is_end || !photos.is_empty() || self.must_end() {
                return Ok(photos);
            }
        }
    }

    /// Returns the time, in storage form, before which a URL was received too long ago to work.
    fn oldest_url(&self) -> Option<String> {
        let life = TimeDelta::from_std(self.run.context.config.media.url_life?).ok()?;
        Some(stored_instant(Utc::now() - life))
    }

    /// Receives the result of one download.
    fn receive(&mut self, done: Download) {
        if !matches!(done.result, PhotoResult::Failed(AssetError::Interrupted(_))) {
            match (done.photo.round, done.photo.is_renewed) {
                (0, false) => self.run.tried += 1,
                _ => self.assets.count_retry(),
            }
        }
        let Some(done) = self.batch.add(done) else {
            return;
        };
        let is_expired = matches!(done.result, PhotoResult::Failed(AssetError::Expired { .. }));
        if is_expired && !done.photo.is_renewed && !done.photo.was_missing {
            self.expired.push(done.photo);
        } else {
            self.failed.push(done);
        }
    }

    /// Commits the batch and the failures.
    fn commit(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        self.committed_at = Instant::now();
        let feed = &self.run.context.config.feed;
        let may_try_again = self.round < feed.max_retries && !self.must_end();
        let (delay, next_round) = (feed.retry_delay, self.round + 1);
        let traffic = self.assets.traffic();
        let mut failed = std::mem::take(&mut self.failed);
        let mut given_up = 0;
        let run = &mut *self.run;
        let committed = self.batch.commit(self.dir, mirror, |tx, committed| {
            failed.append(&mut committed.failed);
            for done in failed.iter().chain(&committed.unflushed) {
                let key = &done.photo.key;
                match run.failures.note(tx, done, may_try_again, delay)? {
                    Retry::Failed => {
                        run.counts.failed += 1;
                        given_up += 1;
                    }
                    Retry::StillMissing => given_up += 1,
                    Retry::Again => tx.requeue_photo(key, next_round)?,
                    Retry::Untried => tx.requeue_photo(key, done.photo.round)?,
                }
            }
            for done in &failed {
                tx.end_download(&done.photo.key)?;
            }
            count(run, committed);
            Ok(tx.save_run(run.id, &run.run_counts(traffic), None)?)
        })?;
        self.run.counts.removed += committed.removed;
        self.progress.done += committed.fetched + committed.unchanged + given_up;
        self.progress.bytes = traffic.bytes_received;
        self.show();
        Ok(())
    }

    fn show(&self) {
        self.run.context.progress.photos(&self.progress);
    }

    /// Refetches the rows of photos whose URLs have expired. Returns the photos that the
    /// feed still has, to be requested once more.
    fn renew(&mut self, mirror: &mut Mirror) -> anyhow::Result<Vec<Photo>> {
        let expired = std::mem::take(&mut self.expired);
        let absent = match self.renewal.renew(mirror, &expired) {
            Err(RenewalError::Database(error)) => return Err(error),
            Err(RenewalError::Feed(error)) => {
                self.fail_expired(expired, &error);
                return Ok(Vec::new());
            }
            Ok(absent) => absent,
        };
        let mut photos = Vec::new();
        let tx = mirror.write()?;
        for photo in expired {
            if absent.contains(&photo.key) {
                let text = "the host refused the URL, and the feed no longer has the photo";
                let refused = AssetError::Refused(text.to_owned());
                self.failed.push(Download::failed(photo, refused));
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
        begin(&tx, &mut photos)?;
        tx.commit()?;
        Ok(photos)
    }

    /// Notes that photos have failed because the feed gave no other URLs.
    fn fail_expired(&mut self, expired: Vec<Photo>, problem: &str) {
        let stopped = self.run.context.stop.requested();
        let text = format!("the host refused the URL, and the feed gave no other one ({problem})");
        let failed = expired.into_iter().map(|photo| match stopped {
            Some(signal) => Download::failed(photo, AssetError::Interrupted(signal)),
            None => Download::failed(photo, AssetError::Refused(text.clone())),
        });
        self.failed.extend(failed);
    }

    /// Returns photos to the queue whose downloads were noted but did not start.
    fn requeue(&mut self, mirror: &mut Mirror, ready: VecDeque<Photo>) -> anyhow::Result<()> {
        let tx = mirror.write()?;
        for photo in ready.iter().chain(&self.expired) {
            tx.end_download(&photo.key)?;
            tx.requeue_photo(&photo.key, photo.round)?;
        }
        Ok(tx.commit()?)
    }
}

fn count(run: &mut PhotoRun<'_>, committed: &Committed) {
    run.counts.fetched += committed.fetched;
    run.counts.unchanged += committed.unchanged;
    run.counts.bytes += committed.bytes;
    run.replaced += committed.replaced;
}

fn next(waiting: &Mutex<Receiver<Photo>>) -> Option<Photo> {
    let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.recv().ok()
}

/// Notes that downloads begin.
fn begin(tx: &WriteTx<'_>, photos: &mut [Photo]) -> anyhow::Result<()> {
    for photo in photos {
        photo.has_rival = tx.has_photo(&rivals(&photo.key))?;
        let place = place_of(photo);
        tx.begin_download(photo, &place.folder, &place.stem)?;
    }
    Ok(())
}
