//! What went wrong with a feed, as callers need to tell it apart.

use crate::stop::Signal;

/// A request to the feed that gave no answer to work with.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// 401 or 403: the feed refused the credentials.
    #[error("the feed refused the credentials ({status}{}); check the token and that the account may read this resource", said(.message))]
    Unauthorized {
        /// The HTTP status.
        status: u16,
        /// The server's own words, if it had any.
        message: String,
    },
    /// Another status that a retry would not change, such as 400 and 404.
    #[error("the feed refused the request ({status}{})", said(.message))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The server's own words, if it had any.
        message: String,
    },
    /// No usable answer after all tries.
    #[error("no usable answer after {tries} {}: {last}", if *.tries == 1 { "try" } else { "tries" })]
    Unavailable {
        /// How often it was tried.
        tries: u32,
        /// What the last try met.
        last: String,
        /// The status of the last answer, if there was one.
        status: Option<u16>,
    },
    /// The feed asked for a longer pause than a run waits.
    #[error(
        "the feed asks to wait {seconds} s, which is longer than a run waits ({limit} s); run it again later"
    )]
    TooLong {
        /// The pause it asked for, in seconds.
        seconds: u64,
        /// The longest pause that a run makes, in seconds.
        limit: u64,
    },
    /// A redirect or link to another origin, where the token must not go.
    #[error(
        "the feed pointed to another host, `{0}`, where the token must not go; if the feed has moved, set feed.base_url"
    )]
    Elsewhere(String),
    /// A body over the size limit.
    #[error(
        "the answer is larger than {limit_bytes} bytes; a smaller feed.page_size makes answers smaller"
    )]
    TooLarge {
        /// The limit in bytes.
        limit_bytes: u64,
    },
    /// The feed's pages do not lead on.
    #[error("the feed's pages do not lead on: {0}")]
    Stuck(String),
    /// The process was asked to stop.
    #[error("stopped as asked")]
    Interrupted(Signal),
}

/// A body that is not the JSON that was promised. Another try may bring it.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not the JSON that was asked for: {0}")]
pub struct BadBody(pub String);

fn said(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

impl FeedError {
    /// Whether asking for less, such as without children, may get an answer.
    pub fn may_be_what_was_asked(&self) -> bool {
        match self {
            FeedError::Unauthorized { status, .. } => *status == 403,
            FeedError::Refused { .. } => true,
            FeedError::Unavailable { status, .. } => *status != Some(429),
            FeedError::TooLarge { .. }
            | FeedError::TooLong { .. }
            | FeedError::Elsewhere(_)
            | FeedError::Stuck(_)
            | FeedError::Interrupted(_) => false,
        }
    }

    /// Whether the feed answered that it will not or cannot do this, so that
    /// another way of asking may work.
    pub fn is_refusal(&self) -> bool {
        match self {
            FeedError::Refused { .. } => true,
            FeedError::Unavailable { status, .. } => status.is_some_and(|status| status >= 500),
            _ => false,
        }
    }
}
