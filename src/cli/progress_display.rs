//! The progress of a job: a bar on a terminal, otherwise a line every 30 seconds.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::advice;
use super::display_text::{bytes, counted, thousands, time};
use super::output::Output;
use crate::feed::Feed;
use crate::mirror::RunCounts;
use crate::resource::Resource;
use crate::sync::{Note, PhotoProgress, Progress};

/// The time between two lines without a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// Shows progress on stderr.
pub struct ProgressDisplay<'a> {
    output: &'a Output,
    feed: &'a Feed,
    bars: bool,
    current: RefCell<Option<Current>>,
    /// The bar of `current`, which shows the waits of requests.
    shown: Arc<Mutex<Option<ProgressBar>>>,
}

struct Current {
    bar: ProgressBar,
    total: Option<u64>,
    started: Instant,
    /// The number of records that earlier runs of the same sweep read.
    read_before: Option<u64>,
    last_line: Instant,
}

impl<'a> ProgressDisplay<'a> {
    /// Returns a display of jobs that use this feed. Without a terminal, the log shows the
    /// waits for the rate limits.
    pub fn new(output: &'a Output, feed: &'a Feed) -> ProgressDisplay<'a> {
        let bars = std::io::stderr().is_terminal() && !output.quiet;
        let shown: Arc<Mutex<Option<ProgressBar>>> = Arc::default();
        let waiting = shown.clone();
        feed.show_waits(Box::new(move |wait| {
            if let Some(bar) = &*waiting.lock().unwrap_or_else(PoisonError::into_inner) {
                bar.set_message(wait.to_owned());
            }
        }));
        ProgressDisplay {
            output,
            feed,
            bars,
            current: RefCell::new(None),
            shown,
        }
    }

    fn start(&self, what: &'static str, total: Option<u64>) -> Current {
        let bar = if self.bars {
            ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        let template = match total {
            Some(_) => "{prefix} {bar:30} {human_pos} of {human_len}  {msg}",
            None => "{prefix} {spinner} {human_pos}  {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        let now = Instant::now();
        Current {
            bar,
            total,
            started: now,
            read_before: None,
            last_line: now,
        }
    }

    /// Estimates the time left from the speed so far. It is never less than the rate limit
    /// requires.
    fn time_left(&self, current: &Current, done: u64) -> Option<Duration> {
        let left = current.total?.saturating_sub(done);
        let read = done.saturating_sub(current.read_before?);
        let by_speed = if read == 0 {
            Duration::ZERO
        } else {
            current.started.elapsed().mul_f64(left as f64 / read as f64)
        };
        let requests = left.div_ceil(self.feed.page_size().into());
        Some(by_speed.max(self.feed.time_for(requests)))
    }
}

impl Progress for ProgressDisplay<'_> {
    fn begin(&self, resource: Resource, total: Option<u64>) {
        let is_shown = |current: &Current| {
            current.total == total && current.bar.prefix() == resource.nouns().1
        };
        // An audit begins within the reading of its resource.
        if self.current.borrow().as_ref().is_some_and(is_shown) {
            return;
        }
        if !self.bars {
            let what = match total {
                Some(total) => format!("{} to read", counted(total, resource.nouns())),
                None => format!("reading {}", resource.nouns().1),
            };
            self.output.say(&format!("{resource}: {what}"));
        }
        *self.current.borrow_mut() = Some(self.start(resource.nouns().1, total));
    }

    fn page(&self, resource: Resource, counts: &RunCounts, done: u64) {
        let mut current = self.current.borrow_mut();
        let Some(current) = current.as_mut() else {
            return;
        };
        current
            .read_before
            .get_or_insert(done.saturating_sub(counts.records_seen));
        let left = self.time_left(current, done);
        current.bar.set_position(done);
        let read = done.saturating_sub(current.read_before.unwrap_or(0)) as f64;
        let rate = read / current.started.elapsed().as_secs_f64().max(0.001);
        let left = left
            .map(|left| format!(", {} left", time(left)))
            .unwrap_or_default();
        current
            .bar
            .set_message(format!("{} per second{left}", thousands(rate as u64)));
        if !self.bars && current.last_line.elapsed() >= LINE_INTERVAL {
            current.last_line = Instant::now();
            self.output
                .say(&format!("{resource}: {} read{left}", thousands(done)));
        }
    }

    fn photos(&self, progress: &PhotoProgress) {
        let PhotoProgress {
            total,
            done,
            bytes: received,
        } = *progress;
        let mut current = self.current.borrow_mut();
        let current = current.get_or_insert_with(|| {
            if !self.bars {
                let photos = counted(total, Resource::MEDIA.nouns());
                self.output.say(&format!("Media: {photos} to fetch"));
            }
            self.start("photos", Some(total))
        });
        let seconds = current.started.elapsed().as_secs_f64().max(0.001);
        let left = if done == 0 {
            String::new()
        } else {
            let left = total.saturating_sub(done) as f64 / done as f64 * seconds;
            format!(", {} left", time(Duration::from_secs_f64(left)))
        };
        let rate = bytes((received as f64 / seconds) as u64);
        let received = bytes(received);
        current.bar.set_position(done);
        current
            .bar
            .set_message(format!("{received}, {rate} per second{left}"));
        if !self.bars && current.last_line.elapsed() >= LINE_INTERVAL {
            current.last_line = Instant::now();
            let (done, total) = (thousands(done), thousands(total));
            self.output.say(&format!(
                "Media: {done} of {total} photos done, {received}{left}"
            ));
        }
    }

    fn files(&self, checked: u64, read: u64) {
        let mut current = self.current.borrow_mut();
        let current = current.get_or_insert_with(|| self.start("files", None));
        current.bar.set_position(checked);
        let rate = read as f64 / current.started.elapsed().as_secs_f64().max(0.001);
        let read = format!("{}, {} per second", bytes(read), bytes(rate as u64));
        current.bar.set_message(read.clone());
        if !self.bars && current.last_line.elapsed() >= LINE_INTERVAL {
            current.last_line = Instant::now();
            let checked = counted(checked, ("file", "files"));
            self.output
                .say(&format!("Media: {checked} verified, {read}"));
        }
    }

    fn note(&self, note: &Note) {
        self.output.say(&advice::note(note));
    }

    fn end(&self, _: Resource) {
        if let Some(current) = self.current.borrow_mut().take() {
            current.bar.finish_and_clear();
        }
    }
}
