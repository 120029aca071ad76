//! Reads the records of one resource, and applies them to the mirror.
//!
//! In order: the requests, the runs and their counts, the application of one page, the
//! reader of one resource, and the engines that the jobs start.

pub(in crate::sync) mod by_key;
pub(in crate::sync) mod catalog;
pub(in crate::sync) mod checkpoint;
pub(in crate::sync) mod expand_cost;
pub(in crate::sync) mod expansion;
pub(in crate::sync) mod held_deletions;
pub(in crate::sync) mod last_read;
pub(in crate::sync) mod ranges;
pub(in crate::sync) mod scope;
mod stored_tables;
pub(in crate::sync) mod survey;

pub(in crate::sync) mod job_run;
pub(in crate::sync) mod run_set;
mod same_feed;

pub(in crate::sync) mod apply;
pub(in crate::sync) mod file_effect;
pub(in crate::sync) mod record_plan;

pub(in crate::sync) mod audit;
pub(in crate::sync) mod reader;

pub(in crate::sync) mod all_keys;
mod announced_keys;
pub(in crate::sync) mod deleted_resource;
pub(in crate::sync) mod events;

pub(in crate::sync) mod announced;
pub(in crate::sync) mod changes;

pub(in crate::sync) mod counts;
pub(in crate::sync) mod expand_comparison;
pub(in crate::sync) mod whole;

pub(in crate::sync) mod probes;
pub(in crate::sync) mod way;
