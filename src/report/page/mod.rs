//! A report as one HTML page with inline SVG charts, which loads nothing.
//!
//! In reading order: [`axis`], [`outline`] and [`markup`] are used by [`chart`], which draws
//! any chart; [`charts`] makes those of a report; [`document`] puts the page together.

mod axis;
mod chart;
mod charts;
mod document;
pub(in crate::report) mod markup;
mod outline;

pub use document::page;
