//! Behaviours of real servers that clients did not expect, each under a name.

use serde::{Deserialize, Serialize};

/// Declares the behaviours once, with their documentation and their names.
macro_rules! behaviours {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// A behaviour of a server that differs from the service's own. Any number of them
        /// can be switched on together.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Behaviour {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Behaviour {
            /// Every behaviour.
            pub const ALL: &[Behaviour] = &[$(Behaviour::$variant,)+];

            /// Returns the name, as control requests and the command line write it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Behaviour::$variant => $name,)+
                }
            }
        }
    };
}

behaviours! {
    /// Timestamps have seven fraction digits, and filters compare them as texts.
    TimestampsWith7DigitsComparedAsText = "timestamps-with-7-digits-compared-as-text",
    /// Timestamps have seven fraction digits, and filters compare them as instants.
    TimestampsWith7Digits = "timestamps-with-7-digits",
    /// Records show whole seconds, but `$filter` and `$orderby` use milliseconds.
    TimestampsFinerThanShown = "timestamps-finer-than-shown",
    /// Filters take timestamps only with quotes, as RealTracs documents it.
    TimestampsQuoted = "timestamps-quoted",
    /// The timestamps of one listing are a year ahead.
    FutureTimestamp = "future-timestamp",

    /// `$orderby` has no effect. Records come in an order of their own, always the same.
    OrderbyIgnored = "orderby-ignored",
    /// Only the first field of `$orderby` has an effect.
    OrderbyFirstFieldOnly = "orderby-first-field-only",
    /// `$orderby` gets 400.
    OrderbyRefused = "orderby-refused",

    /// `gt` includes equal values.
    GtIncludesEqual = "gt-includes-equal",
    /// A filter with `in` gets 400.
    InRefused = "in-refused",
    /// A filter with `in` matches no record.
    InFindsNothing = "in-finds-nothing",
    /// A filter with an `or` of more than five terms gets 400.
    OrOfFiveTerms = "or-of-five-terms",

    /// `$expand` gets 400.
    ExpandRefused = "expand-refused",
    /// `$expand` has no effect.
    ExpandIgnored = "expand-ignored",
    /// `$expand` with options, such as `$select` or `$top`, gets 400.
    ExpandOptionsRefused = "expand-options-refused",
    /// Expanded lists have at most two children, without a link to the rest, unless the request
    /// has a `$top` for them.
    ExpandCapped = "expand-capped",
    /// Expanded lists omit open houses whose start time has passed.
    ExpandFutureOpenHousesOnly = "expand-future-open-houses-only",
    /// Expanded lists are empty.
    ExpandEmpty = "expand-empty",
    /// Expanded lists are null.
    ExpandNull = "expand-null",
    /// Expanded children lack fields that their own resource sends.
    ExpandPoorer = "expand-poorer",
    /// Expanded lists of photos end with a photo of another listing.
    ChildOfAnotherListing = "child-of-another-listing",

    /// `@odata.count` is the number of records in the page.
    CountIsPageSize = "count-is-page-size",
    /// Counts include each listing that was added since the start, but pages lack every second one
    /// of them.
    CountedButNotSent = "counted-but-not-sent",
    /// `$count` gets 400.
    CountRefused = "count-refused",
    /// `$count` gets 400 in requests with a filter.
    CountRefusedWithFilter = "count-refused-with-filter",
    /// `@odata.count` is a text.
    CountAsText = "count-as-text",
    /// `@odata.count` counts all records, whatever the filter is.
    FilterIgnoredByCount = "filter-ignored-by-count",

    /// Pages have at most seven records and no link to the next page.
    ShortPagesWithoutLink = "short-pages-without-link",
    /// Each page has its first record again, in an older version.
    PageRepeatsARecord = "page-repeats-a-record",
    /// Each page ends with the record that has the largest key. It matches the filter, except for
    /// conditions on keys and timestamps.
    LargestKeyAtPageEnd = "largest-key-at-page-end",
    /// A third of the pages is empty the first two times that they are requested.
    EmptyAnswers = "empty-answers",
    /// Pages without records have null instead of a list.
    NullPages = "null-pages",
    /// Each third period between two advances of the clock, pages come from the state at the
    /// start of three periods before. Counts and records by key are current.
    StaleReplica = "stale-replica",
    /// `$skip` above ten gets 400, also in links of the server.
    SkipCapped = "skip-capped",
    /// Next links consist of a query.
    NextLinkRelative = "next-link-relative",
    /// Next links are in the `Link` header and not in the body.
    NextLinkInHeader = "next-link-in-header",
    /// The last page has an empty next link.
    NextLinkEmpty = "next-link-empty",
    /// Next links repeat a token as the parameter `access_token`.
    NextLinkWithToken = "next-link-with-token",

    /// `replication=true` starts a whole copy. Its further pages have one URL.
    ReplicationParameter = "replication-parameter",
    /// A whole copy is at `/replication`, without an order and without a filter of timestamps.
    ReplicationPath = "replication-path",
    /// `PropertyReplication()` has the keys and timestamps of all listings in one answer.
    KeyListFunction = "key-list-function",

    /// Every second answer for `$metadata` lacks a field that records have.
    MetadataAlternates = "metadata-alternates",
    /// `$metadata` does not declare open houses, and the service does not have them.
    UndeclaredChild = "undeclared-child",
    /// Requests for open houses get 403.
    ChildForbidden = "child-forbidden",
    /// Each answer has other signatures in the URLs of photos.
    MediaUrlSignedAnew = "media-url-signed-anew",
    /// The URL of a photo works once.
    PhotoUrlsWorkOnce = "photo-urls-work-once",
    /// The photo host refuses requests without the token as `User-Agent`, and those with an
    /// `Authorization` header.
    PhotosNeedUserAgent = "photos-need-user-agent",
    /// The photo host refuses requests without the bearer token.
    PhotosNeedBearer = "photos-need-bearer",

    /// The Deleted feed names resources in lower case.
    DeletedNamesLowerCase = "deleted-names-lower-case",
    /// The Deleted feed names resources in the plural.
    DeletedNamesPlural = "deleted-names-plural",
    /// The Deleted feed refuses `$skip` above three.
    DeletedSkipCapped = "deleted-skip-capped",
    /// In filters of `Deleted`, `ge` excludes equal values.
    DeletedGeExcludesEqual = "deleted-ge-excludes-equal",
    /// An announcement without a key precedes each announcement.
    DeletedWithoutKey = "deleted-without-key",
    /// Each announced deletion is followed by the announcement of a record that stays. The
    /// first of these records is announced for 2097, too.
    AnnouncedButAlive = "announced-but-alive",
    /// There is no Deleted feed.
    NoDeletionsAnnounced = "no-deletions-announced",
    /// There is no Deleted feed. Deleted listings and open houses stay for seven days, with false
    /// in `MlgCanView` and a new timestamp.
    DeletedByFlag = "deleted-by-flag",

    /// Documents start with a byte order mark.
    ByteOrderMark = "bom",
    /// Documents are compressed as two gzip members.
    GzipMultiMember = "gzip-multi-member",
    /// Requests from clients that do not accept gzip get 400.
    GzipRequired = "gzip-required",
    /// The `Date` header cannot be read.
    DateHeaderUnreadable = "date-header-unreadable",
}

impl Behaviour {
    /// Returns the behaviour with this name.
    pub fn named(name: &str) -> Option<Behaviour> {
        Behaviour::ALL
            .iter()
            .copied()
            .find(|one| one.name() == name)
    }
}
