//! A kind of server, as data.

use std::fmt;

use chrono_tz::Tz;

use super::dialect::Dialect;

/// A kind of server. It sets the defaults of a configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name in the configuration.
    pub name: &'static str,
    /// The root of the service, if all mirrors use the same one.
    pub base_url: Option<&'static str>,
    /// The environment variable with the bearer token.
    pub token_env: &'static str,
    /// The default number of records per page.
    pub page_size: u32,
    /// The largest page that the server sends, if it has a limit.
    pub largest_page: Option<u32>,
    /// The allowed requests per minute, hour and day. 0 = no known limit.
    pub rates: [u32; 3],
    /// When all keys are compared: daily where the feed announces no deletions, else never.
    pub reconcile: &'static str,
    /// The time zone of the schedule.
    pub timezone: Tz,
    /// The literal of the status `Active` in a filter.
    pub active: &'static str,
    /// The particulars that shape requests.
    pub dialect: Dialect,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
