//! The errors of requests to the feed.

use crate::stop::Signal;

/// Why a request to the feed failed.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Status 401 or 403: the feed refused the credentials.
    #[error("the feed refused the credentials ({status}{}); check the token and that the account may read this resource", with_colon(.message))]
    Unauthorized {
        /// The HTTP status.
        status: u16,
        /// The server's message, or an empty text.
        message: String,
    },
    /// A proxy in front of the feed blocked the request.
    #[error(
        "a proxy in front of the feed blocked the request ({status}) and did not check the credentials; some proxies block the User-Agent of programs: set another one in [feed.headers], or ask the vendor to allow the address of this machine"
    )]
    Blocked {
        /// The HTTP status.
        status: u16,
    },
    /// Another status that a retry does not change, such as 400 or 404.
    #[error("the feed refused the request ({status}{})", with_colon(.message))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The server's message, or an empty text.
        message: String,
    },
    /// All tries failed.
    #[error("no usable answer after {tries} {}: {last}", if *.tries == 1 { "try" } else { "tries" })]
    Unavailable {
        /// The number of tries.
        tries: u32,
        /// The problem of the last try.
        last: String,
        /// The status of the last response, if any.
        status: Option<u16>,
    },
    /// The feed asked for a longer pause than a run waits for.
    #[error(
        "the feed asked for a pause until {until} UTC, which is longer than a run waits ({limit_seconds} s); run it again then"
    )]
    PauseTooLong {
        /// The end of the pause, in storage form.
        until: String,
        /// The longest pause that a run makes, in seconds.
        limit_seconds: u64,
    },
    /// A redirect or link to another origin, which must not receive the token.
    #[error(
        "the feed pointed to another host, `{0}`, which must not receive the token; if the feed has moved, set feed.base_url"
    )]
    OtherOrigin(String),
    /// An answer that exceeds the limit of its bytes, or of the memory of its values.
    #[error(
        "the answer is too large: mlsmirror reads answers of up to 32 MB, before and after decoding"
    )]
    TooLarge,
    /// The next page cannot be requested.
    #[error("the feed's pages cannot be followed to their end: {0}")]
    Stuck(String),
    /// The server does not obey `$orderby`, so that pages cannot be read by it.
    #[error("the server does not obey $orderby: {0}")]
    Unordered(String),
    /// The answer to a request by key has other records, so that it does not show which keys
    /// the feed lacks.
    #[error("the answer to a request by key has other records")]
    NotByKey,
    /// The feed sends no record of a resource, so that it may lack keys by mistake.
    #[error(
        "the feed sends no record of it at all, so that its answers may be empty by mistake; a sync with --allow-deletes accepts them"
    )]
    NoRecord,
    /// The process was asked to stop.
    #[error("stopped on request")]
    Interrupted(Signal),
}

/// A body that cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum BadBody {
    /// It is not the expected document. Another try may succeed.
    #[error("the body of the response is not valid: {0}")]
    Invalid(String),
    /// Its values would take too much memory.
    #[error("the values of the response would take too much memory")]
    TooLarge,
}

fn with_colon(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

impl FeedError {
    /// Returns the text of the error that may quote the server.
    pub(super) fn text_mut(&mut self) -> Option<&mut String> {
        match self {
            FeedError::Unauthorized { message: text, .. }
            | FeedError::Refused { message: text, .. }
            | FeedError::Unavailable { last: text, .. }
            | FeedError::OtherOrigin(text)
            | FeedError::Stuck(text)
            | FeedError::Unordered(text) => Some(text),
            FeedError::Blocked { .. }
            | FeedError::PauseTooLong { .. }
            | FeedError::TooLarge
            | FeedError::NotByKey
            | FeedError::NoRecord
            | FeedError::Interrupted(_) => None,
        }
    }

    /// Returns whether a smaller request, such as one without children, may succeed.
    pub fn smaller_request_may_succeed(&self) -> bool {
        match self {
            FeedError::Unauthorized { status, .. } => *status == 403,
            FeedError::Refused { .. } | FeedError::TooLarge => true,
            FeedError::Unavailable { status, .. } => *status != Some(429),
            FeedError::Blocked { .. }
            | FeedError::PauseTooLong { .. }
            | FeedError::OtherOrigin(_)
            | FeedError::Stuck(_)
            | FeedError::Unordered(_)
            | FeedError::NotByKey
            | FeedError::NoRecord
            | FeedError::Interrupted(_) => false,
        }
    }

    /// Returns whether the feed rejects this kind of request, so that another kind may
    /// succeed.
    pub fn is_refusal(&self) -> bool {
        match self {
            FeedError::Refused { .. } | FeedError::NotByKey | FeedError::NoRecord => true,
            FeedError::Unavailable { status, .. } => status.is_some_and(|status| status >= 500),
            _ => false,
        }
    }

    /// Returns whether the server may not know `$orderby`, or may not obey it.
    pub fn may_refuse_order(&self) -> bool {
        match self {
            FeedError::Refused { status, .. } => matches!(status, 400 | 501),
            FeedError::Unordered(_) => true,
            _ => false,
        }
    }
}
