//! Failed downloads: when they are retried, and how a run describes them.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::time::Duration;

use chrono::{TimeDelta, Utc};

use super::download::{Download, PhotoResult};
use crate::feed::AssetError;
use crate::mirror::{Photo, WriteTx};
use crate::value::stored_second;

/// The longest pause before a failed photo is retried.
const PAUSE_MAX: Duration = Duration::from_secs(86_400);

/// The pauses, in hours, before a photo that its host does not have is requested again.
/// Some hosts have a photo later than the feed. After the last pause it is given up.
const RETRY_MISSING_HOURS: [i64; 4] = [1, 4, 16, 64];

/// The pause, in hours, before a photo that its host did not have is requested again, if
/// the host does not answer now.
const POSTPONED_HOURS: i64 = 1;

/// The number of different errors that one line names.
const KINDS_NAMED: usize = 3;

/// The number of different errors that are counted separately. An error's text may
/// differ for every photo.
const KINDS_MAX: usize = 1_000;
const OTHER_KINDS: &str = "other errors";

/// The failures of a run.
#[derive(Default)]
pub(super) struct Failures {
    /// By the error's text: how often it occurred, and one photo as an example.
    kinds: BTreeMap<String, (u64, String)>,
    /// Why no more photos are downloaded.
    halted: Option<String>,
    /// Photos that failed before and are not due yet.
    paused: u64,
    /// When the first of them is due, and its error.
    next: Option<(String, String)>,
    /// The number of files that could not be read, and the error of the first one.
    unreadable: Option<(u64, String)>,
}

/// The decision on a failed photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// It is not downloaded in this run.
    Failed,
    /// It is retried in this run.
    Again,
    /// Its host still does not have it. An earlier run reported that.
    StillMissing,
    /// It was not requested.
    Untried,
}

impl Failures {
    /// Ends the run: no more photos are downloaded, for this reason.
    pub fn halt(&mut self, why: String) {
        self.halted.get_or_insert(why);
    }

    pub fn is_halted(&self) -> bool {
        self.halted.is_some()
    }

    /// Notes a number of files that could not be read, and the error of the first one.
    pub fn note_unreadable(&mut self, files: u64, what: String) {
        self.unreadable = Some((files, what));
    }

    /// Notes a number of paused photos, when the first of them is due, and its error.
    pub fn note_paused(&mut self, paused: u64, next: Option<(String, String)>) {
        self.paused = paused;
        self.next = next;
    }

    /// Writes a failure to the photo's row, and decides whether the photo is retried.
    pub fn note(
        &mut self,
        tx: &WriteTx<'_>,
        done: &Download,
        may_try_again: bool,
        delay: Duration,
    ) -> rusqlite::Result<Retry> {
        let photo = &done.photo;
        let PhotoResult::Failed(error) = &done.result else {
            return Ok(Retry::Untried);
        };
        if let AssetError::Interrupted(_) = error {
            return Ok(Retry::Untried);
        }
        let text = error.to_string();
        save_failure(tx, photo, error, &text, delay)?;
        if photo.was_missing {
            return Ok(Retry::StillMissing);
        }
        if let AssetError::Unwritten(error) = error
            && affects_all(error)
        {
            self.halt(format!("photos cannot be written ({error})"));
        }
        let is_temporary = matches!(error, AssetError::Unavailable(_) | AssetError::HostDown(_));
        if is_temporary && may_try_again {
            return Ok(Retry::Again);
        }
        self.count(text, || format!("photo {}", photo.key));
        Ok(Retry::Failed)
    }

    /// Counts an error.
    fn count(&mut self, text: String, example: impl FnOnce() -> String) {
        let is_known = self.kinds.contains_key(&text);
        let text = if is_known || self.kinds.len() < KINDS_MAX {
            text
        } else {
            OTHER_KINDS.to_owned()
        };
        let (times, _) = self.kinds.entry(text).or_insert_with(|| (0, example()));
        *times += 1;
    }

    /// Describes the failures in one line; `failed` is the number of photos that have no
    /// file because of them.
    pub fn describe(&self, failed: u64) -> String {
        let unreadable = self.unreadable.as_ref().map_or(0, |(files, _)| *files);
        let failed = failed.saturating_sub(self.paused + unreadable);
        let parts = [
            self.describe_failed(failed),
            self.describe_unreadable(),
            self.describe_paused(),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join("; ")
    }

    fn describe_failed(&self, failed: u64) -> Option<String> {
        let count = match failed {
            0 => return self.halted.clone(),
            1 => "1 photo failed".to_owned(),
            failed => format!("{failed} photos failed"),
        };
        if let Some(why) = &self.halted {
            return Some(format!("{count}: {why}"));
        }
        let mut kinds: Vec<(&String, &(u64, String))> = self.kinds.iter().collect();
        kinds.sort_by(|a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(b.0)));
        let named = kinds.iter().take(KINDS_NAMED);
        let mut named: Vec<String> = named
            .map(|(error, (times, example))| match times {
                1 => format!("{error} ({example})"),
                times => format!("{error} ({times} times, such as {example})"),
            })
            .collect();
        if kinds.len() > KINDS_NAMED {
            named.push("and others, see media.download_error".to_owned());
        }
        Some(format!("{count}: {}", named.join("; ")))
    }

    fn describe_unreadable(&self) -> Option<String> {
        let (files, error) = self.unreadable.as_ref()?;
        Some(match files {
            1 => error.clone(),
            files => format!("{error}, and {} more files", files - 1),
        })
    }

    fn describe_paused(&self) -> Option<String> {
        let first = match &self.next {
            Some((at, error)) => format!(", the first at {at} UTC ({error})"),
            None => String::new(),
        };
        match self.paused {
            0 => None,
            1 => Some(format!("1 photo will be retried{first}")),
            paused => Some(format!("{paused} photos will be retried{first}")),
        }
    }
}

/// Writes a failure and the time of the next try to the row of a photo.
fn save_failure(
    tx: &WriteTx<'_>,
    photo: &Photo,
    error: &AssetError,
    text: &str,
    delay: Duration,
) -> rusqlite::Result<()> {
    match error {
        // The host has deleted the photo for good.
        AssetError::NotFound { status: 410 } => tx.photo_missing(photo, text, None),
        AssetError::NotFound { .. } | AssetError::NotAnImage(_) => {
            tx.photo_missing(photo, text, retry_missing_at(photo).as_deref())
        }
        _ if photo.was_missing => {
            let at = after(TimeDelta::hours(POSTPONED_HOURS));
            tx.photo_postponed(&photo.key, &at)
        }
        // It was not requested.
        AssetError::HostDown(_) => Ok(()),
        AssetError::AskedToWait {
            until, was_asked, ..
        } => tx.photo_failed(&photo.key, text, until, *was_asked),
        _ => {
            let at = retry_failed_at(delay, photo.attempts);
            tx.photo_failed(&photo.key, text, &at, true)
        }
    }
}

/// Returns whether an error means that no other photo can be written either.
fn affects_all(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem
    )
}

/// Returns when a failed photo is retried: later with every attempt.
fn retry_failed_at(delay: Duration, attempts: u32) -> String {
    let pause = delay.saturating_mul(2_u32.saturating_pow(attempts.min(30)));
    let pause = TimeDelta::from_std(pause.min(PAUSE_MAX)).unwrap_or_default();
    after(pause)
}

/// Returns when a photo that its host does not have is requested again, if ever.
fn retry_missing_at(photo: &Photo) -> Option<String> {
    let hours = RETRY_MISSING_HOURS.get(photo.missing_count() as usize)?;
    Some(after(TimeDelta::hours(*hours)))
}

/// Returns the time after a pause, in storage form.
fn after(pause: TimeDelta) -> String {
    stored_second(Utc::now() + pause)
}
