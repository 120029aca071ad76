//! Faults in responses, and the rules that say which requests they hit.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::dice::mix;

/// One of the two servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Host {
    /// The service with the records.
    #[default]
    Feed,
    /// The host with the photos.
    Assets,
}

/// How a 429 says when the client may retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// No header.
    None,
    /// `Retry-After` in seconds.
    Seconds(u64),
    /// `Retry-After` as a date, this number of seconds from now.
    Date(u64),
    /// `X-RateLimit-RetryAfter` in seconds.
    XHeader(u64),
}

/// A fault in a response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// This status with the service's error body.
    Status(u16),
    /// 429.
    TooMany {
        /// How the response says when the client may retry.
        retry_after: RetryAfter,
    },
    /// 200 with a web page.
    HtmlOk,
    /// 200 with an empty body.
    EmptyOk,
    /// 200 with the first half of the document, and the content length of that half.
    HalfDocument,
    /// The connection closes in the middle of the body.
    CutBody,
    /// The connection closes without a response.
    Reset,
    /// A delay before the response.
    #[serde(rename = "delay_ms")]
    Delay(#[serde(with = "millis")] Duration),
    /// Headers and half of the body, then silence for two minutes.
    Stall,
    /// Headers, then three bytes of the body per second.
    Drip,
    /// 200 with a PDF.
    PdfOk,
    /// A redirect to this URL.
    RedirectTo(String),
    /// A page whose next link is this URL.
    ForeignNextLink(String),
    /// A document with this number of additional spaces.
    Oversized(u64),
    /// The document as text/plain.
    WrongContentType,
    /// A `Date` header with this time.
    DateHeader(#[serde(with = "rfc3339")] DateTime<Utc>),
}

/// A fault and the requests that it hits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// The fault.
    pub kind: Fault,
    /// Hits only requests whose decoded `path?query` contains this text.
    #[serde(default)]
    pub path_contains: Option<String>,
    /// The number of matching requests before the first hit.
    #[serde(default)]
    pub skip: u64,
    /// The maximum number of hits.
    #[serde(default = "once")]
    pub times: u64,
    /// Hits one of this number of matching requests, chosen by the seed.
    #[serde(default = "once")]
    pub one_in: u64,
    /// The host whose requests the rule hits.
    #[serde(default)]
    pub on: Host,
}

impl FaultRule {
    /// Returns a rule that hits the next request to the service.
    pub fn once(kind: Fault) -> FaultRule {
        FaultRule {
            kind,
            path_contains: None,
            skip: 0,
            times: 1,
            one_in: 1,
            on: Host::Feed,
        }
    }

    /// Returns a rule that hits every request to the service.
    pub fn always(kind: Fault) -> FaultRule {
        FaultRule {
            times: u64::MAX,
            ..FaultRule::once(kind)
        }
    }
}

fn once() -> u64 {
    1
}

/// The current rules, with the number of requests that each has matched and hit.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<Counted>,
    seed: u64,
}

#[derive(Debug)]
struct Counted {
    rule: FaultRule,
    matched: u64,
    hit: u64,
}

impl Faults {
    pub fn new(seed: u64) -> Faults {
        Faults {
            rules: Vec::new(),
            seed,
        }
    }

    pub fn add(&mut self, rule: FaultRule) {
        self.rules.push(Counted {
            rule,
            matched: 0,
            hit: 0,
        });
    }

    pub fn hits(&self) -> u64 {
        self.rules.iter().map(|counted| counted.hit).sum()
    }

    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// Returns the fault of the first rule that hits this request.
    pub fn next(&mut self, host: Host, path_and_query: &str) -> Option<Fault> {
        let seed = self.seed;
        self.rules.iter_mut().enumerate().find_map(|(at, counted)| {
            let rule = &counted.rule;
            let matches = rule.on == host
                && rule
                    .path_contains
                    .as_ref()
                    .is_none_or(|part| path_and_query.contains(part.as_str()));
            if !matches {
                return None;
            }
            counted.matched += 1;
            let turn = mix(seed ^ (at as u64) << 40 ^ counted.matched);
            if counted.matched <= rule.skip
                || counted.hit >= rule.times
                || !turn.is_multiple_of(rule.one_in.max(1))
            {
                return None;
            }
            counted.hit += 1;
            Some(rule.kind.clone())
        })
    }
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(duration.as_millis() as u64)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

mod rfc3339 {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&at.to_rfc3339())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
        let text = String::deserialize(from)?;
        DateTime::parse_from_rfc3339(&text)
            .map(|at| at.with_timezone(&Utc))
            .map_err(D::Error::custom)
    }
}
