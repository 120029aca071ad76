//! The capabilities of a server that are observed, and an observation.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::value::instant;

/// A capability of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// What `@odata.count` counts.
    Count,
    /// How a resource is paged.
    Paging,
    /// Whether `$expand` sends all records and fields of a child.
    Expand,
    /// The field names of the Deleted resource, or that the feed refuses it.
    Deleted,
    /// Whether `$filter` may have `in`.
    In,
    /// Whether `$filter` may have `or`.
    Or,
    /// The largest number of keys to ask for in one request.
    KeysInOneRequest,
}

/// The value of a capability that the server refuses.
pub(super) const REFUSED: &str = "refused";

/// The value of a capability that the server accepts.
pub(super) const ACCEPTED: &str = "accepted";

/// How long an observation is used.
const LIFETIME: TimeDelta = TimeDelta::days(30);

impl Capability {
    /// All capabilities, in the order in which they are shown.
    pub const ALL: [Capability; 7] = [
        Capability::Count,
        Capability::Paging,
        Capability::Expand,
        Capability::Deleted,
        Capability::In,
        Capability::Or,
        Capability::KeysInOneRequest,
    ];

    /// Returns the name in the table `_capabilities`.
    pub fn name(self) -> &'static str {
        match self {
            Capability::Count => "count",
            Capability::Paging => "paging",
            Capability::Expand => "expand",
            Capability::Deleted => "deleted",
            Capability::In => "in",
            Capability::Or => "or",
            Capability::KeysInOneRequest => "keys_in_one_request",
        }
    }

    /// Returns the capability with this name. A later version may know others.
    pub fn named(name: &str) -> Option<Capability> {
        Capability::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// A capability as it was observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// The entity set, or an empty text for the whole feed.
    pub resource: String,
    /// The capability.
    pub capability: Capability,
    /// What was observed.
    pub value: String,
    /// More about it, such as the server's message.
    pub detail: Option<String>,
    /// When it was observed by the feed's clock, in storage form.
    pub observed_at: String,
}

impl Observation {
    /// Returns whether the observation is too old to be used.
    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.is_older_than(LIFETIME, now)
    }

    /// Returns whether the observation has this age, or an unreadable time.
    pub fn is_older_than(&self, age: TimeDelta, now: DateTime<Utc>) -> bool {
        instant(&self.observed_at).is_none_or(|observed| now - observed >= age)
    }
}
