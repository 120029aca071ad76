//! The jobs: one thin file each.

pub(in crate::sync) mod whole_job;

pub(in crate::sync) mod retention;

pub(in crate::sync) mod alert_report;
pub(in crate::sync) mod condition_check;
pub(in crate::sync) mod deletions;
pub(in crate::sync) mod full;
pub(in crate::sync) mod incremental;
pub(in crate::sync) mod job_ways;
pub(in crate::sync) mod media;
pub(in crate::sync) mod monitor;
mod photo_plan;
pub(in crate::sync) mod plan;
pub(in crate::sync) mod planned;
pub(in crate::sync) mod prune;
pub(in crate::sync) mod reconcile;
pub(in crate::sync) mod reconcile_plan;
pub(in crate::sync) mod refresh;
mod request_count;
mod request_time;
