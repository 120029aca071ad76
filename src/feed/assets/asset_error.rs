//! Why a photo is not downloaded.

use std::io;
use std::num::NonZeroU64;

use crate::feed::http::{Client, FeedError};
use crate::stop::Signal;

/// Why the receiver of a body rejects it.
#[derive(Debug, thiserror::Error)]
pub enum RejectedDownload {
    /// The file cannot be written.
    #[error(transparent)]
    Unwritten(#[from] io::Error),
    /// The body is not an image.
    #[error("{0}")]
    Unusable(String),
    /// The body is a file of a known type that is not an image.
    #[error("{0}")]
    WrongType(String),
}

impl AssetError {
    /// Removes secrets that the host may have repeated.
    pub(super) fn without_secrets(mut self, feed: &Client) -> AssetError {
        if let AssetError::Refused(text)
        | AssetError::Unavailable(text)
        | AssetError::NotAnImage(text)
        | AssetError::HostDown(text)
        | AssetError::AskedToWait { host: text, .. } = &mut self
        {
            *text = feed.redact(text);
        }
        self
    }

    /// Returns the error for a photo whose request needs the feed, which gave this error.
    pub(in crate::feed) fn of_feed(error: FeedError) -> AssetError {
        match error {
            FeedError::Interrupted(signal) => AssetError::Interrupted(signal),
            error => AssetError::Unavailable(error.to_string()),
        }
    }
}

/// Why a photo is not downloaded.
#[derive(Debug, thiserror::Error)]
pub enum AssetError {
    /// The URL must not be requested, or another request would fail in the same way.
    #[error("{0}")]
    Refused(String),
    /// Status 404 or 410: the file does not exist.
    #[error("the host has no such file ({status})")]
    NotFound {
        /// The HTTP status.
        status: u16,
    },
    /// The file has a known type that is not an image.
    #[error("{0}")]
    NotAnImage(String),
    /// Status 401 or 403: the URL is invalid or has expired.
    #[error("the host refused the URL ({status}), which may have expired")]
    Expired {
        /// The HTTP status.
        status: u16,
    },
    /// The request failed. Another try may succeed.
    #[error("{0}")]
    Unavailable(String),
    /// No request was sent, because the host has not answered for a while.
    #[error("not requested: {0} does not answer")]
    HostDown(String),
    /// The host asks for a longer pause than a run waits for. It gets no requests until then.
    #[error("the host {host} asks to wait until {until} UTC")]
    AskedToWait {
        /// The host.
        host: String,
        /// The end of the pause, in storage form.
        until: String,
        /// Whether a request for this photo was sent.
        was_asked: bool,
    },
    /// The file is larger than the configuration allows.
    #[error("larger than media.max_bytes ({0} bytes)")]
    TooLarge(NonZeroU64),
    /// The file cannot be written.
    #[error(transparent)]
    Unwritten(io::Error),
    /// The process was asked to stop.
    #[error("stopped on request")]
    Interrupted(Signal),
}
