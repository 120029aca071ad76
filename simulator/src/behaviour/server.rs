//! The settings of the simulated server.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::dialect::Dialect;
use super::error_form::ErrorForm;
use super::limit::Limit;
use super::named::Behaviour;

/// How records name the members of an enumeration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// "Active Under Contract"
    #[default]
    Display,
    /// "ActiveUnderContract"
    Member,
}

/// The field names of the Deleted feed.
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

/// How the server differs from its default. Control requests set the same names as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerBehaviour {
    /// The bearer token that the service accepts, if it is no longer that of the options.
    pub token: Option<String>,
    /// How the service writes errors.
    pub errors: ErrorForm,
    /// The rate limits of the service.
    pub limits: Vec<Limit>,
    /// The rate limits of the photo host.
    pub photo_limits: Vec<Limit>,
    /// Whether requests for photos count in the limits of the service.
    pub photos_share_limits: bool,
    /// The page size of an account that gets smaller pages than others.
    pub page_cap: Option<usize>,
    /// The maximum number of expanded children per record. A next link leads to the rest.
    pub expand_cap: Option<usize>,
    /// The status of any request with `$expand`.
    pub expand_refused: Option<u16>,
    /// The status of requests to the Media entity set.
    pub media_status: Option<u16>,
    /// The status of requests with `$expand=Media`.
    pub media_expand_status: Option<u16>,
    /// The status of `$metadata`.
    pub metadata_status: Option<u16>,
    /// Whether `$metadata` is cut off in the middle.
    pub metadata_cut: bool,
    /// Whether a filter with `or` gets 400.
    pub refuse_or: bool,
    /// Whether `$orderby` gets 400.
    pub refuse_orderby: bool,
    /// Whether filters may write enumeration values as plain strings.
    pub enumeration_strings: bool,
    /// How records name the members of enumerations.
    pub names: Names,
    /// The field names of the Deleted feed.
    pub deleted_names: DeletedNames,
    /// Whether `Entity(KEY)` wraps its record in `value`.
    pub wrap_single: bool,
    /// The maximum length of a filter, in bytes.
    pub max_filter: usize,
    /// Whether records contain every field, as on some servers, with null for empty ones.
    pub every_field: bool,
    /// Whether records omit every empty field, as on some servers.
    pub no_nulls: bool,
    /// The minimum duration of a request to the service, in milliseconds.
    pub latency_ms: u64,
    /// The minimum duration of a request with `$expand`, in milliseconds.
    pub expand_latency_ms: u64,
    /// The behaviours that are switched on.
    pub behaviours: BTreeSet<Behaviour>,
}

impl Default for ServerBehaviour {
    fn default() -> ServerBehaviour {
        ServerBehaviour {
            token: None,
            errors: ErrorForm::default(),
            limits: Vec::new(),
            photo_limits: Vec::new(),
            photos_share_limits: false,
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
            expand_latency_ms: 0,
            behaviours: BTreeSet::new(),
        }
    }
}

impl ServerBehaviour {
    /// Sets the rate limits of a vendor.
    pub fn limit_as(&mut self, dialect: &Dialect) {
        self.limits = dialect.limits.to_vec();
        self.photo_limits = dialect.photo_limits.to_vec();
        self.photos_share_limits = dialect.photos_share_limits;
    }

    /// Returns whether a behaviour is switched on.
    #[inline]
    pub fn has(&self, behaviour: Behaviour) -> bool {
        !self.behaviours.is_empty() && self.behaviours.contains(&behaviour)
    }

    /// Returns how values are written.
    pub fn spelling(&self) -> Spelling {
        Spelling {
            names: self.names,
            has_fractions: self.has(Behaviour::TimestampsWith7Digits) || self.compares_texts(),
        }
    }

    /// Returns whether filters compare timestamps as texts.
    pub fn compares_texts(&self) -> bool {
        self.has(Behaviour::TimestampsWith7DigitsComparedAsText)
    }
}

/// How values are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spelling {
    /// How records name the members of enumerations.
    pub names: Names,
    /// Whether timestamps have seven fraction digits.
    pub has_fractions: bool,
}

/// An invalid form of a record, until the record is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spoil {
    /// Without any of its key fields.
    NoKey,
    /// With text in its timestamp and decimal fields.
    WrongType,
    /// A string in place of the record.
    NotAnObject,
}
