//! Errors of a job, as far as callers branch on them.

use crate::feed::{FeedError, ShapeError};
use crate::resource::Resource;

/// The result of work on one resource.
pub(super) type Result<T, E = SyncError> = std::result::Result<T, E>;

/// Why a resource could not be synced.
#[derive(Debug, thiserror::Error)]
pub(super) enum SyncError {
    /// The database cannot be read or written. This ends the whole job.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// The feed gave no usable answer, or the job was interrupted.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The feed gave no usable `$metadata`.
    #[error("{reading}: {0}", reading = reading_metadata(.0))]
    Metadata(#[source] FeedError),
    /// The feed does not declare the resource or a configured field.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The job needs a resource that was read completely once.
    #[error("{0} has never completed a full sync")]
    NeverComplete(Resource),
    /// Anything else, in words.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Describes a request for `$metadata`, and where the server must have it if it has not.
fn reading_metadata(error: &FeedError) -> &'static str {
    match error {
        FeedError::Refused {
            status: 400 | 404, ..
        } => "reading $metadata directly below feed.base_url, which may have a wrong path",
        _ => "reading the feed's $metadata",
    }
}

/// Returns the answer to a question that the feed need not answer. Returns none for an error
/// that leaves the job running.
pub(super) fn answer_if_any<T>(answered: Result<T, FeedError>) -> Result<Option<T>> {
    match answered.map_err(SyncError::from) {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.ends_job(false) => Err(error),
        Err(_) => Ok(None),
    }
}

impl SyncError {
    /// Returns the feed's error, if the feed caused this one.
    pub fn feed(&self) -> Option<&FeedError> {
        match self {
            SyncError::Feed(error) | SyncError::Metadata(error) => Some(error),
            _ => None,
        }
    }

    /// Returns whether the feed answered that it will not or cannot do this.
    pub fn is_refusal(&self) -> bool {
        self.feed().is_some_and(FeedError::is_refusal)
    }

    /// Returns whether this error stops a job that still has other resources to read:
    /// the job was interrupted, or the feed refuses the credentials for everything.
    pub fn ends_job(&self, is_first: bool) -> bool {
        match self.feed() {
            Some(FeedError::Interrupted(_)) => true,
            Some(FeedError::Unauthorized { status, .. }) => *status == 401 || is_first,
            _ => matches!(self, SyncError::Database(_)),
        }
    }

    /// Passes a database error on, which ends the job; returns any other error as a value.
    pub fn of_resource(self) -> Result<SyncError> {
        match self {
            SyncError::Database(_) => Err(self),
            error => Ok(error),
        }
    }

    /// Unwraps the cause, so that callers outside of `sync` can look for its type.
    pub fn into_anyhow(self) -> anyhow::Error {
        match self {
            SyncError::Database(error) => error.into(),
            SyncError::Feed(error) => error.into(),
            SyncError::Metadata(error) => {
                let reading = reading_metadata(&error);
                anyhow::Error::new(error).context(reading)
            }
            SyncError::Shape(error) => error.into(),
            SyncError::Other(error) => error,
            SyncError::NeverComplete(_) => anyhow::Error::new(self),
        }
    }
}
