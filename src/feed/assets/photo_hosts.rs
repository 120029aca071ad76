//! The state of each photo host: its rate budget, its failures and its pauses.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::{SubsecRound, TimeDelta, Utc};
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap};

use super::asset_error::AssetError;
use crate::config::Config;
use crate::feed::http::{
    DELAY_LIMIT, Limit, PAUSE_LIMIT, Pace, asked_pause, header, http_date, locked,
};
use crate::value::stored_instant;

/// A host is down after this number of failures in a row over at least this time.
const DOWN_AFTER: Duration = Duration::from_secs(60);
const DOWN_AFTER_FAILURES: u32 = 16;

/// The longest pause that a host can ask for.
const PAUSE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// The state of one host.
struct PhotoHost {
    pace: Pace,
    /// The time of the first failure in a row, and the number of failures since.
    failing: Option<(Instant, u32)>,
    /// The number of times in a row that the host answered 429 without a pause.
    too_often: u32,
    /// The end of the pause that the host asked for, in storage form.
    closed_until: Option<String>,
}

/// The state of all photo hosts.
pub struct PhotoHosts {
    hosts: Mutex<HashMap<String, PhotoHost>>,
    limits: Vec<Limit>,
    retry_delay: Duration,
}

impl PhotoHosts {
    /// Returns an empty list of hosts with the configured limits.
    pub fn new(config: &Config) -> PhotoHosts {
        let limits = config.media.own_limits().map(|(requests, span)| Limit {
            requests: requests.get(),
            span,
        });
        PhotoHosts {
            hosts: Mutex::default(),
            limits: limits.collect(),
            retry_delay: config.feed.retry_delay,
        }
    }

    /// Returns whether a host has not answered for a while.
    pub fn is_down(&self, host: &str) -> bool {
        let hosts = locked(&self.hosts);
        let failing = hosts.get(host).and_then(|host| host.failing);
        failing.is_some_and(|(since, failures)| {
            failures >= DOWN_AFTER_FAILURES && since.elapsed() >= DOWN_AFTER
        })
    }

    /// Forgets the failures of all hosts, so that each gets another try.
    pub fn reset_failures(&self) {
        for host in locked(&self.hosts).values_mut() {
            host.failing = None;
        }
    }

    /// Counts a failure of a host, or ends its row of failures.
    pub fn record(&self, host: &str, error: Option<&AssetError>) {
        let mut hosts = locked(&self.hosts);
        let Some(host) = hosts.get_mut(host) else {
            return;
        };
        match error {
            Some(AssetError::Unavailable(_)) => {
                let (since, failures) = host.failing.unwrap_or((Instant::now(), 0));
                host.failing = Some((since, failures + 1));
            }
            Some(AssetError::Unwritten(_) | AssetError::Interrupted(_)) => {}
            _ => (host.failing, host.too_often) = (None, 0),
        }
    }

    /// Takes one request out of a host's budget, or returns the time to wait before the
    /// next attempt.
    ///
    /// # Errors
    /// [`AssetError::AskedToWait`] if the host asked for a long pause.
    pub fn take(&self, host: &str) -> Result<Result<(), Duration>, AssetError> {
        let mut hosts = locked(&self.hosts);
        let state = hosts.entry(host.to_owned()).or_insert_with(|| PhotoHost {
            pace: Pace::new(self.limits.clone()),
            failing: None,
            too_often: 0,
            closed_until: None,
        });
        match &state.closed_until {
            Some(until) => Err(AssetError::AskedToWait {
                host: host.to_owned(),
                until: until.clone(),
                was_asked: false,
            }),
            None => Ok(state.pace.take(Instant::now())),
        }
    }

    /// Returns the error for a status that another try may change. A pause that the host
    /// asks for applies to all requests to this host.
    pub fn unavailable(&self, host: &str, status: StatusCode, headers: &HeaderMap) -> AssetError {
        let date = header(headers, DATE.as_str()).and_then(http_date);
        let pause = asked_pause(headers, date).filter(|pause| !pause.is_zero());
        let unavailable = AssetError::Unavailable(format!("the host answered {status}"));
        let mut hosts = locked(&self.hosts);
        let Some(state) = hosts.get_mut(host) else {
            return unavailable;
        };

        match pause {
            Some(pause) if pause > PAUSE_LIMIT => {
                let pause = TimeDelta::from_std(pause.min(PAUSE_MAX)).unwrap_or_default();
                let until = stored_instant((Utc::now() + pause).trunc_subsecs(0));
                state.closed_until = Some(until.clone());
                return AssetError::AskedToWait {
                    host: host.to_owned(),
                    until,
                    was_asked: true,
                };
            }
            Some(pause) => state.pace.pause(Instant::now(), pause),
            None if status == StatusCode::TOO_MANY_REQUESTS => {
                let doubled = self
                    .retry_delay
                    .saturating_mul(1 << state.too_often.min(16));
                state.too_often += 1;
                state.pace.pause(Instant::now(), doubled.min(DELAY_LIMIT));
            }
            None => {}
        }
        unavailable
    }
}
