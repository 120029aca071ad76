//! Photos that were not fetched: what their rows are told, and what is said of them.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::download::{Answer, Done};
use crate::feed::AssetError;
use crate::mirror::{Photo, WriteTx};
use crate::value::stored_instant;

/// A photo that failed is tried again after so long at most.
const PAUSE_MAX: Duration = Duration::from_secs(86_400);

/// A photo that its host does not have is looked for again: some hosts have it
/// later than the feed does. After these pauses it is not asked for any more.
const LOOK_AGAIN_HOURS: [i64; 4] = [1, 4, 16, 64];

/// What could not be looked for is looked for after this.
const PUT_OFF_HOURS: i64 = 1;

/// More kinds of errors than this are of no use in a line.
const KINDS_NAMED: usize = 3;

/// Words of errors may name what is different for each photo: so many are kept.
const KINDS_MAX: usize = 1_000;
const OTHER_KINDS: &str = "other errors";

/// What went wrong in a run.
#[derive(Default)]
pub(super) struct Failures {
    /// By what went wrong: how often, and a photo as an example.
    kinds: BTreeMap<String, (u64, String)>,
    /// Why no more is fetched.
    halted: Option<String>,
    /// Photos that failed before and were not due, and when the first of them is.
    waiting: u64,
    next: Option<(String, String)>,
    /// Files that could not be looked at, and what is wrong with the first of them.
    unseen: Option<(u64, String)>,
}

/// What a photo's failure comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is not fetched in this run.
    Failed,
    /// It is tried once more in this run.
    Again,
    /// It was gone before and still is, which was said already.
    StillGone,
    /// It was not asked for, and stays as it was.
    Untried,
}

impl Failures {
    /// Nothing more is fetched, for this reason.
    pub fn halt(&mut self, why: String) {
        self.halted.get_or_insert(why);
    }

    pub fn is_halted(&self) -> bool {
        self.halted.is_some()
    }

    /// So many files could not be looked at, the first one for this reason.
    pub fn unseen(&mut self, files: u64, what: String) {
        self.unseen = Some((files, what));
    }

    /// So many photos wait before they are tried again; the first one until then, since
    /// that went wrong with it.
    pub fn wait(&mut self, waiting: u64, next: Option<(String, String)>) {
        self.waiting = waiting;
        self.next = next;
    }

    /// Tells a photo's row what went wrong, and judges whether it is tried again.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note(
        &mut self,
        tx: &WriteTx<'_>,
        done: &Done,
        may_try_again: bool,
        delay: Duration,
    ) -> rusqlite::Result<Verdict> {
        let photo = &done.photo;
        let Answer::Failed(error) = &done.answer else {
            return Ok(Verdict::Untried);
        };
        let words = error.to_string();
        match error {
            AssetError::Interrupted(_) => return Ok(Verdict::Untried),
            AssetError::Gone { status } => {
                let after = look_again(photo).filter(|_| *status != 410);
                tx.photo_missing(photo, &words, after.as_deref())?;
                if photo.was_missing {
                    return Ok(Verdict::StillGone);
                }
            }
            AssetError::NoImage(_) => {
                tx.photo_missing(photo, &words, look_again(photo).as_deref())?;
                if photo.was_missing {
                    return Ok(Verdict::StillGone);
                }
            }
            _ if photo.was_missing => {
                let after = moment(Utc::now(), TimeDelta::hours(PUT_OFF_HOURS));
                tx.photo_postponed(&photo.key, &after)?;
                return Ok(Verdict::StillGone);
            }
            // It was not asked for.
            AssetError::Down(_) => {}
            AssetError::AskedToWait {
                until, was_asked, ..
            } => tx.photo_paused(&photo.key, &words, until, *was_asked)?,
            AssetError::Unwritten(error) => {
                if is_hopeless(error) {
                    self.halt(format!("photos cannot be written ({error})"));
                }
                tx.photo_failed(&photo.key, &words, &after(delay, photo.attempts))?;
            }
            _ => tx.photo_failed(&photo.key, &words, &after(delay, photo.attempts))?,
        }
        let is_passing = matches!(error, AssetError::Unavailable(_) | AssetError::Down(_));
        if is_passing && may_try_again {
            return Ok(Verdict::Again);
        }
        self.count(words, || format!("photo {}", photo.key));
        Ok(Verdict::Failed)
    }

    /// Counts what went wrong with a photo.
    pub fn count(&mut self, words: String, example: impl FnOnce() -> String) {
        let is_known = self.kinds.contains_key(&words);
        let words = match is_known || self.kinds.len() < KINDS_MAX {
            true => words,
            false => OTHER_KINDS.to_owned(),
        };
        let (times, _) = self.kinds.entry(words).or_insert_with(|| (0, example()));
        *times += 1;
    }

    /// What went wrong, the most frequent first, of which so many photos failed.
    pub fn words(&self, failed: u64) -> String {
        let mut kinds: Vec<(&String, &(u64, String))> = self.kinds.iter().collect();
        kinds.sort_by(|a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(b.0)));
        let mut parts = Vec::new();
        let unseen = self.unseen.as_ref().map_or(0, |(files, _)| *files);
        let failed = match failed.saturating_sub(self.waiting + unseen) {
            0 => String::new(),
            1 => "1 photo failed".to_owned(),
            failed => format!("{failed} photos failed"),
        };
        let named = kinds.iter().take(KINDS_NAMED);
        let named: Vec<String> = named
            .map(|(error, (times, example))| match times {
                1 => format!("{error} ({example})"),
                times => format!("{error} ({times} times, such as {example})"),
            })
            .collect();
        match &self.halted {
            Some(why) if failed.is_empty() => parts.push(why.clone()),
            Some(why) => parts.push(format!("{failed}: {why}")),
            None if !failed.is_empty() => parts.push(format!("{failed}: {}", named.join("; "))),
            None => {}
        }
        if self.halted.is_none() && kinds.len() > KINDS_NAMED {
            parts.push("and others, see media.download_error".to_owned());
        }
        if let Some((files, what)) = &self.unseen {
            parts.push(match files {
                1 => what.clone(),
                files => format!("{what}, and {} more files", files - 1),
            });
        }
        match (self.waiting, &self.next) {
            (0, _) => {}
            (waiting, next) => {
                let mut words = match waiting {
                    1 => "1 photo waits to be tried again".to_owned(),
                    waiting => format!("{waiting} photos wait to be tried again"),
                };
                if let Some((at, error)) = next {
                    words += &format!(", the first at {at} UTC ({error})");
                }
                parts.push(words + "; `mlsmirror sync media` does not wait");
            }
        }
        parts.join("; ")
    }
}

/// Whether no other photo can be written either.
fn is_hopeless(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem
    )
}

/// When a photo that failed is tried again: the oftener it failed, the later.
fn after(delay: Duration, attempts: u32) -> String {
    let pause = delay.saturating_mul(2_u32.saturating_pow(attempts.min(30)));
    let pause = TimeDelta::from_std(pause.min(PAUSE_MAX)).unwrap_or_default();
    moment(Utc::now(), pause)
}

/// When a photo that is gone is looked for again, if it is.
fn look_again(photo: &Photo) -> Option<String> {
    let hours = LOOK_AGAIN_HOURS.get(photo.missing_count() as usize)?;
    Some(moment(Utc::now(), TimeDelta::hours(*hours)))
}

/// A moment in storage form, in whole seconds as the database's own.
fn moment(now: DateTime<Utc>, from_now: TimeDelta) -> String {
    let seconds = (now + from_now).timestamp();
    stored_instant(DateTime::from_timestamp(seconds, 0).unwrap_or_default())
}
