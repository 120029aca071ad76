//! A kind of server, as data.

use std::fmt;
use std::time::Duration;

use chrono_tz::Tz;

use super::photo_defaults::PhotoDefaults;
use super::precision::Precision;
use super::replication::Replication;

/// A kind of server. It sets the defaults of a configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The name in the configuration.
    pub name: &'static str,
    /// The name of the service in sentences.
    pub service: &'static str,
    /// Whether nobody has run the profile against the live service yet. Its values then come
    /// from documents only.
    pub untried: bool,
    /// The root of the service, if all mirrors use the same one. It may have a part in braces,
    /// such as `{dataset}`, which the user must fill in.
    pub base_url: Option<&'static str>,
    /// How the service gives tokens. None = it gives a bearer token without an expiry date.
    pub oauth: Option<OAuthDefaults>,
    /// The default number of records per page.
    pub page_size: u32,
    /// The largest page that the server sends, if it has a limit.
    pub largest_page: Option<u32>,
    /// The number of children to ask for in each list of `$expand`, if the server otherwise
    /// sends only some of them.
    pub expand_top: Option<u32>,
    /// The allowed requests per second, minute, hour and day. 0 = no known limit.
    pub rates: [u32; 4],
    /// The allowed bytes of answers per hour and day. 0 = no known limit.
    pub bytes: [u64; 2],
    /// The clause that every filter needs, as `feed.filter`. It may have a part in braces.
    pub filter: &'static str,
    /// How the feed marks deleted records that it still sends, as `feed.deleted_when`.
    pub deleted_when: &'static str,
    /// When all keys are compared: daily where the feed announces no deletions, else never.
    pub reconcile: &'static str,
    /// How far before the watermark an incremental sync starts to read.
    pub overlap: Duration,
    /// The time zone of the schedule.
    pub timezone: Tz,
    /// The literal of the status `Active` in a filter.
    pub active: &'static str,
    /// How its photos are downloaded.
    pub photos: PhotoDefaults,
    /// The precision of timestamps in a filter.
    pub timestamps: Precision,
    /// The endpoint with which a full sync reads all records, if the service has one.
    pub replication: Option<Replication>,
    /// The endpoint with all keys, for a reconcile, if the service has one.
    pub key_list: Option<Replication>,
}

/// How a service gives tokens for a client's name and secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthDefaults {
    /// The address that gives tokens. It may have a part in braces, as a `base_url` may.
    pub token_url: &'static str,
    /// `client_credentials` or `password`.
    pub grant: &'static str,
    /// The scope, if the service demands one.
    pub scope: Option<&'static str>,
    /// Whether the client's name and secret are sent by HTTP Basic, and not in the body.
    pub basic: bool,
}

/// Returns the parts of a setting in braces, which the user must replace: `{dataset}`.
pub fn placeholders(text: &str) -> Vec<&str> {
    let parts = text.split_inclusive('}').filter(|part| part.ends_with('}'));
    let mut found: Vec<&str> = Vec::new();
    for part in parts.filter_map(|part| part.rfind('{').map(|start| &part[start..])) {
        // An inline table such as `{ env = "NAME" }` has spaces.
        if !part.contains(' ') && !found.contains(&part) {
            found.push(part);
        }
    }
    found
}

impl Profile {
    /// Returns the environment variable with a credential of the service, for example
    /// `TRESTLE_CLIENT_ID` for `CLIENT_ID`.
    pub fn variable(&self, credential: &str) -> String {
        format!("{}_{credential}", self.name.to_ascii_uppercase())
    }

    /// Returns a caution about a profile that is untried.
    pub fn caution(&self) -> Option<String> {
        let caution = format!(
            "nobody has run the profile {self} against the live service yet; compare its settings \
             with the documentation of {}",
            self.service
        );
        self.untried.then_some(caution)
    }

    /// Returns the environment variable with the bearer token.
    pub fn token_env(&self) -> String {
        self.variable("BEARER_TOKEN")
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
