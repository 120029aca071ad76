//! Rate limits, and the headers that report them.

use serde::{Deserialize, Serialize};

/// The unit of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counts {
    /// Requests.
    Requests,
    /// The bytes of answers, as they are sent.
    Bytes,
}

/// The headers that report a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaHeaders {
    /// No headers.
    None,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, and in a 429 `Retry-After` and
    /// `X-RateLimit-RetryAfter`.
    XRateLimit,
    /// `Minute-Quota-Limit` and `-Available`, as fractions.
    MinuteQuota,
    /// `Hour-Quota-Limit` and `-Available`, as fractions, and `-ResetTime` in milliseconds.
    HourQuota,
    /// `Burst-RateLimit-Limit`, `-Remaining` and `-Reset`, in seconds since 1970.
    Burst,
    /// `Application-RateLimit-Limit`, `-Remaining` and `-Reset`, as a time.
    Application,
    /// `X-Rate-Limit-Remaining` and `X-Rate-Limit-Retry-After-Seconds`.
    RetryAfterSeconds,
}

/// The largest number of requests or bytes within a window. A request beyond it gets 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The unit.
    pub counts: Counts,
    /// The number.
    pub number: u64,
    /// The length of the window, in milliseconds.
    pub window_ms: u64,
    /// Whether windows begin at multiples of their length, in UTC. Others begin with the first
    /// request after the window before.
    pub is_aligned: bool,
    /// The headers that report it.
    pub headers: QuotaHeaders,
}

/// Lengths of windows, in milliseconds.
pub const SECOND: u64 = 1_000;
pub const MINUTE: u64 = 60 * SECOND;
pub const HOUR: u64 = 60 * MINUTE;
pub const DAY: u64 = 24 * HOUR;

impl Limit {
    /// Returns a limit of requests, with the headers of WFRMLS.
    pub const fn requests(number: u64, window_ms: u64) -> Limit {
        Limit {
            counts: Counts::Requests,
            number,
            window_ms,
            is_aligned: false,
            headers: QuotaHeaders::XRateLimit,
        }
    }

    /// Returns a limit of bytes, without headers.
    pub const fn bytes(number: u64, window_ms: u64) -> Limit {
        Limit {
            counts: Counts::Bytes,
            headers: QuotaHeaders::None,
            ..Limit::requests(number, window_ms)
        }
    }

    /// Returns the limit with windows that begin at multiples of their length.
    pub const fn aligned(self) -> Limit {
        Limit {
            is_aligned: true,
            ..self
        }
    }

    /// Returns the limit with other headers.
    pub const fn reported(self, headers: QuotaHeaders) -> Limit {
        Limit { headers, ..self }
    }
}
