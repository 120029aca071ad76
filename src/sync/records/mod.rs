//! Reading the records of one resource, and applying them to the mirror.

pub(in crate::sync) mod apply;
pub(in crate::sync) mod begin;
pub(in crate::sync) mod by_key;
pub(in crate::sync) mod catalog;
pub(in crate::sync) mod checkpoint;
pub(in crate::sync) mod end;
pub(in crate::sync) mod job_run;
pub(in crate::sync) mod loggable;
pub(in crate::sync) mod missing;
pub(in crate::sync) mod ranges;
pub(in crate::sync) mod reader;
pub(in crate::sync) mod run_rows;
pub(in crate::sync) mod scope;
pub(in crate::sync) mod survey;
