//! The plan of a full sync, and the way of each job, as values.

use serde::Serialize;

pub use super::photo_plan::{KeptPlan, PhotoPlan};

use crate::feed::Observation;
use crate::sync::outcome::Ending;
use crate::sync::records::audit::AuditCost;
use crate::sync::records::probes::ChangesWay;

/// The requests of a first sync: of a full sync, and of finding deletions.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// One entry per resource.
    pub resources: Vec<ResourcePlan>,
    /// The resources that `$metadata` does not declare.
    pub left_out: Vec<&'static str>,
    /// How deletions are found; `None` if the feed's Deleted resource does not answer.
    pub deletions: Option<DeletionsWay>,
    /// Why the feed's Deleted resource does not answer.
    pub deletions_error: Option<String>,
    /// The number of requests, without those of resources that the feed does not count.
    pub requests: u64,
    /// The time that they take at the rate limits, in seconds: 0 if they are within all
    /// of them, `None` without limits.
    pub seconds: Option<u64>,
    /// The limit that decides the time, such as "100 a minute".
    pub rate: Option<String>,
    /// Bytes of bodies, estimated from one page of each resource.
    pub bytes: Option<u64>,
    /// The photos to download; `None` if the sync downloads none, or the feed does not count
    /// them.
    pub photos: Option<PhotoPlan>,
    /// The capabilities of the feed, as its answers showed.
    pub capabilities: Vec<Observation>,
    /// How a sync will end.
    #[serde(skip)]
    pub ending: Ending,
}

/// The way in which a full sync reads a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadingWay {
    /// Page by page in the order of its key.
    ByKey,
    /// By the links that the server sends.
    ByNextLinks,
    /// By the links of an endpoint for a whole copy.
    ByReplication,
    /// Together with its listings, by `$expand`.
    WithListings,
}

/// The way in which deletions are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletionsWay {
    /// The feed lists events.
    Events,
    /// The feed announces them.
    Announced,
    /// The feed marks deleted records.
    Marked,
    /// A reconcile finds them.
    Reconcile,
}

/// The requests of a full sync for one resource.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ResourcePlan {
    /// The entity set.
    pub resource: &'static str,
    /// The number of records, if the feed counts them.
    pub records: Option<u64>,
    /// The newest ModificationTimestamp.
    pub newest: Option<String>,
    /// How it is read; `None` if it does not answer.
    pub way: Option<ReadingWay>,
    /// Why a child does not come with its listings.
    pub separate: Option<String>,
    /// The number of records in its first page.
    pub page_size: Option<u64>,
    /// The requests for its count and its pages; `None` if the feed does not count its
    /// records.
    pub requests: Option<u64>,
    /// Bytes of bodies, estimated from its first page.
    pub bytes: Option<u64>,
    /// The number of fields of its records, if a page was read.
    pub fields: Option<usize>,
    /// The number of declared fields that have no column.
    pub fields_without_column: usize,
    /// Why a sync of it does not succeed.
    pub error: Option<String>,
    /// The requests with which `verify` begins; none if the feed does not count its records, or
    /// they come only with their listings.
    pub audit: Option<AuditCost>,
    /// The requests with which a reconcile begins, as `audit`.
    pub reconcile: Option<AuditCost>,
    /// The way that each job takes; none if the resource cannot be read.
    pub jobs: Vec<JobWay>,
    /// Whether the feed has a list of all its keys.
    #[serde(skip)]
    pub(super) has_key_list: bool,
    /// Whether its key has several fields.
    #[serde(skip)]
    pub(super) has_composite_key: bool,
    /// How its changes are read, if it is known.
    #[serde(skip)]
    pub(super) changes: Option<ChangesWay>,
}

/// The way that a job takes for a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobWay {
    /// The job, as `sync` names it.
    pub job: &'static str,
    /// The reading or comparison, in words.
    pub way: String,
    /// Why it does not do what other servers allow.
    pub why: Option<String>,
}
