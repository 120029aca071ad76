//! How the feed is set up, and how its server differs from the plain one.

use serde::{Deserialize, Serialize};

/// How answers name the members of an enumeration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// "Active Under Contract"
    #[default]
    Display,
    /// "ActiveUnderContract"
    Member,
}

/// Which names the Deleted feed answers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletedNames {
    /// resource, primary_key, ts
    #[default]
    Live,
    /// ListingId, DeletedDate, DeletedReason; listings only
    Guide,
    /// ResourceName, ResourceRecordKey, DeletedDateTime
    Resource,
    /// There is no Deleted feed.
    Absent,
}

/// How many requests the service answers; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests in any minute.
    pub per_minute: u64,
    /// Requests in any hour.
    pub per_hour: u64,
    /// Requests in any day.
    pub per_day: u64,
    /// Requests in each window of `window_ms`, for limits that tests can wait for.
    pub per_window: u64,
    /// The length of that window, in milliseconds.
    pub window_ms: u64,
}

/// How the server differs from the plain one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerBehaviour {
    /// How many requests it answers.
    pub limits: Limits,
    /// Records a page at most, where the account gets fewer than the page size.
    pub page_cap: Option<usize>,
    /// Expanded children a record at most; the others come by their own next link.
    pub expand_cap: Option<usize>,
    /// Status that any `$expand` gets.
    pub expand_refused: Option<u16>,
    /// Status that the Media entity set gets.
    pub media_status: Option<u16>,
    /// Status that an `$expand` of Media gets.
    pub media_expand_status: Option<u16>,
    /// Status that `$metadata` gets.
    pub metadata_status: Option<u16>,
    /// Whether `$metadata` is cut off in the middle.
    pub metadata_cut: bool,
    /// Whether a filter with `or` gets 400.
    pub refuse_or: bool,
    /// Whether `$orderby` gets 400.
    pub refuse_orderby: bool,
    /// Whether 'single-quoted' enumeration values are understood in filters.
    pub enumeration_strings: bool,
    /// How answers name the members of enumerations.
    pub names: Names,
    /// Which names the Deleted feed answers to.
    pub deleted_names: DeletedNames,
    /// Whether `Entity(KEY)` wraps its record in `value`.
    pub wrap_single: bool,
    /// Characters that a filter may have.
    pub max_filter: usize,
    /// Whether every field comes, nulls as null, as some servers do.
    pub every_field: bool,
    /// Whether fields that are null never come, as some servers do.
    pub no_nulls: bool,
    /// How long every answer of the service takes at least.
    pub latency_ms: u64,
}

impl Default for ServerBehaviour {
    fn default() -> ServerBehaviour {
        ServerBehaviour {
            limits: Limits::default(),
            page_cap: None,
            expand_cap: None,
            expand_refused: None,
            media_status: None,
            media_expand_status: None,
            metadata_status: None,
            metadata_cut: false,
            refuse_or: false,
            refuse_orderby: false,
            enumeration_strings: true,
            names: Names::Display,
            deleted_names: DeletedNames::Live,
            wrap_single: false,
            max_filter: 8_192,
            every_field: false,
            no_nulls: false,
            latency_ms: 0,
        }
    }
}

/// A way for a record to come spoiled in answers, until it is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spoil {
    /// Without any of its key fields.
    NoKey,
    /// With text where its timestamp and its numbers belong.
    WrongType,
    /// A string in place of the record.
    NotAnObject,
}
