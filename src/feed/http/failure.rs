//! Classifies failed tries: whether another try can succeed, and when.

use std::error::Error;
use std::time::Duration;

use reqwest::StatusCode;

use super::error::{BadBody, FeedError};
use super::error_body::Meaning;
use super::secrets::Secrets;
use crate::config::is_loopback;

/// Why one try failed.
pub enum Failure {
    /// Another try would fail in the same way.
    Final(FeedError),
    /// Another try may succeed.
    Temporary {
        /// What happened.
        problem: String,
        /// The status of the response, if any.
        status: Option<u16>,
        /// The pause that the feed asked for, if any.
        pause: Option<Duration>,
    },
}

impl Failure {
    /// Removes secrets that the server may have repeated.
    pub fn without_secrets(mut self, secrets: &Secrets) -> Failure {
        let text = match &mut self {
            Failure::Final(error) => error.text_mut(),
            Failure::Temporary { problem, .. } => Some(problem),
        };
        if let Some(text) = text {
            *text = secrets.redact(text);
        }
        self
    }

    /// Returns a temporary failure without a status.
    pub fn temporary(problem: String) -> Failure {
        Failure::Temporary {
            problem,
            status: None,
            pause: None,
        }
    }

    /// Returns the error of a request that is not tried again.
    pub fn after_one_try(self) -> FeedError {
        match self {
            Failure::Final(error) => error,
            Failure::Temporary {
                problem, status, ..
            } => FeedError::Unavailable {
                tries: 1,
                last: problem,
                status,
            },
        }
    }

    /// Returns the failure of a request whose credentials the feed refused.
    pub fn refused_credentials(message: String) -> Failure {
        Failure::Final(FeedError::Unauthorized {
            status: 401,
            message,
        })
    }

    /// Classifies a response by its status and by what its body means.
    pub fn of_status(
        status: StatusCode,
        meaning: Meaning,
        message: String,
        pause: Option<Duration>,
    ) -> Failure {
        let code = status.as_u16();
        match code {
            _ if meaning == Meaning::Blocked => Failure::Final(FeedError::Blocked { status: code }),
            _ if meaning == Meaning::Later => Failure::Temporary {
                problem: format!("the feed answered {status}: {message}"),
                status: Some(503),
                pause,
            },
            _ if meaning == Meaning::NotLicensed => Failure::Final(FeedError::Refused {
                status: code,
                message: format!("the account is not licensed for this resource: {message}"),
            }),
            401 | 403 => Failure::Final(FeedError::Unauthorized {
                status: code,
                message,
            }),
            // 501: the server does not support the request, now or later (RFC 9110).
            408 | 429 | 500 | 502..=599 => Failure::Temporary {
                problem: if message.is_empty() {
                    format!("the feed answered {status}")
                } else {
                    format!("the feed answered {status}: {message}")
                },
                status: Some(code),
                pause,
            },
            _ => Failure::Final(FeedError::Refused {
                status: code,
                message,
            }),
        }
    }

    /// Classifies a failure below HTTP.
    pub fn of_network(error: reqwest::Error) -> Failure {
        let mut source: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(inner) = source {
            if let Some(FeedError::OtherOrigin(origin)) = inner.downcast_ref::<FeedError>() {
                return Failure::Final(FeedError::OtherOrigin(origin.clone()));
            }
            source = inner.source();
        }

        let cannot_connect = if error.url().is_some_and(is_loopback) {
            "cannot connect; check feed.base_url, and start the feed on this machine: a demo's feed ends with the demo"
        } else {
            "cannot connect; check feed.base_url and the network"
        };
        Failure::temporary(network_problem(&error, cannot_connect))
    }
}

impl From<FeedError> for Failure {
    fn from(error: FeedError) -> Failure {
        Failure::Final(error)
    }
}

impl From<BadBody> for Failure {
    fn from(bad: BadBody) -> Failure {
        match bad {
            BadBody::Invalid(_) => Failure::temporary(bad.to_string()),
            BadBody::TooLarge => Failure::Final(FeedError::TooLarge),
        }
    }
}

/// Describes a failure below HTTP with its host, and without the rest of its URL. Callers name
/// the resource instead.
pub fn network_problem(error: &reqwest::Error, cannot_connect: &str) -> String {
    let kind = if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        cannot_connect
    } else if error.is_redirect() {
        "too many redirects"
    } else {
        "the connection broke"
    };
    let mut cause = root_cause(error);
    if cause.contains("InvalidContentType") {
        cause = "the server does not speak TLS; its URL may have to begin with http:".to_owned();
    }
    let url = error.url().filter(|_| error.is_connect());
    let Some((host, url)) = url.and_then(|url| Some((url.host_str()?, url))) else {
        return format!("{kind} ({cause})");
    };
    match url.port() {
        Some(port) => format!("{kind} ({host}:{port}: {cause})"),
        None => format!("{kind} ({host}: {cause})"),
    }
}

/// Returns whether the name servers say that there is no such host. A name server that does
/// not answer leaves that open.
pub fn is_unknown_host(error: &reqwest::Error) -> bool {
    // The texts of glibc, musl, macOS and Windows. The standard library has no kind for them.
    const TEXTS: [&str; 4] = [
        "Name or service not known",
        "Name does not resolve",
        "nodename nor servname provided",
        "No such host is known",
    ];
    let cause = root_cause(error);
    error.is_connect() && TEXTS.iter().any(|text| cause.contains(text))
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
