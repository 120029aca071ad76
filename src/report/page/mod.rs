//! A report as one HTML page with inline SVG charts, which loads nothing.
//!
//! In reading order: [`axis`] and [`outline`] are used by [`chart`], which draws any chart;
//! [`charts`] makes those of a report; [`thumbnail`] is used by [`cards`]; [`document`] puts
//! them and [`html_table`] together.

mod axis;
mod cards;
mod chart;
mod charts;
mod document;
mod html_table;
mod outline;
mod thumbnail;

pub use document::{is_page, page};
