//! Compares the keys and timestamps of one resource with the feed, by as few requests as the
//! feed allows: by the counts of ranges of keys where they can be trusted, and else by all keys.
//!
//! `verify` reports what an audit finds, and a reconcile repairs it.

mod audit_resource;
mod audited;
mod cost;
mod count_audit;
mod division;
mod findings;
mod key_walk;
mod range_plan;

pub use audit_resource::{Audit, Depth};
pub use audited::Audited;
pub use cost::AuditCost;
pub use findings::Findings;
