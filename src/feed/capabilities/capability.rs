//! The capabilities of a server that are observed, and an observation.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::value::instant;

/// Declares the capabilities once, with their documentation and their names.
macro_rules! capabilities {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// A capability of a server.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum Capability {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Capability {
            /// All capabilities, in the order in which they are shown.
            pub const ALL: &[Capability] = &[$(Capability::$variant,)+];

            /// Returns the name in the table `_capabilities`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Capability::$variant => $name,)+
                }
            }
        }
    };
}

capabilities! {
    /// The number of records in a full page.
    PageSize = "page_size",
    /// The number of records in a full page if their children come along.
    PageSizeWithChildren = "page_size_with_children",
    /// How a resource is paged.
    Paging = "paging",
    /// Whether the server puts the newest records first.
    NewestFirst = "newest_first",
    /// Whether `$filter` takes timestamps only with quotes.
    TimestampLiteral = "timestamp_literal",
    /// Whether the server does not have the resource of a child, which comes with its listings.
    Changes = "changes",
    /// Whether changes appear later than the overlap after their timestamps.
    LateChanges = "late_changes",
    /// Whether `$expand` sends all records and fields of a child.
    Expand = "expand",
    /// Whether `$expand` may have `$select`.
    ExpandSelect = "expand_select",
    /// What `@odata.count` counts.
    Count = "count",
    /// Whether the counts of ranges of keys can be compared.
    RangeCount = "range_count",
    /// Whether `$top` is the size of a page or of the whole answer.
    Top = "top",
    /// The form of the link to the next page.
    NextLink = "next_link",
    /// Whether the server has the endpoint of its profile for a whole copy.
    Replication = "replication",
    /// Whether `$filter` may have `or`.
    Or = "or",
    /// Whether `$filter` may have `in`.
    In = "in",
    /// The largest number of keys to ask for in one request.
    KeysInOneRequest = "keys_in_one_request",
    /// Whether the server accepts `$select`.
    Select = "select",
    /// The field names of the Deleted resource, or that the feed refuses it.
    Deleted = "deleted",
    /// Whether the feed declares the resource EntityEvent.
    EntityEvent = "entity_event",
    /// Whether the server compresses its answers.
    Gzip = "gzip",
}

/// The value of a capability that the server refuses.
pub(super) const REFUSED: &str = "refused";

/// The value of a capability that the server accepts.
pub(super) const ACCEPTED: &str = "accepted";

/// An observation may be in the future by this much, because clocks differ.
const CLOCK_ERROR_MAX: TimeDelta = TimeDelta::days(1);

/// How long an observation is used.
const LIFETIME: TimeDelta = TimeDelta::days(30);

impl Capability {
    /// Returns the capability with this name. A later version may know others.
    pub fn named(name: &str) -> Option<Capability> {
        let mut all = Capability::ALL.iter().copied();
        all.find(|one| one.name() == name)
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

    /// Returns whether the observation has this age, or a time that is unreadable or in the
    /// future: the clock was wrong.
    pub fn is_older_than(&self, age: TimeDelta, now: DateTime<Utc>) -> bool {
        let is_usable = |age_now: TimeDelta| age_now < age && age_now > -CLOCK_ERROR_MAX;
        !instant(&self.observed_at).is_some_and(|observed| is_usable(now - observed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_expires_after_a_month_and_counts_only_if_it_is_not_of_the_future() {
        let now = "2026-03-04T12:00:00Z".parse().unwrap();
        for (observed_at, has_expired) in [
            ("2026-03-04 11:00:00", false),
            ("2026-03-05 11:00:00", false),
            ("2026-02-03 11:00:00", false),
            ("2026-02-02 11:00:00", true),
            ("2030-03-04 11:00:00", true),
            ("today", true),
        ] {
            let observation = Observation {
                resource: String::new(),
                capability: Capability::Or,
                value: REFUSED.to_owned(),
                detail: None,
                observed_at: observed_at.to_owned(),
            };
            assert_eq!(observation.has_expired(now), has_expired, "{observed_at}");
        }
    }
}
