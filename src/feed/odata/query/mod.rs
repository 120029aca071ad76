//! OData query text: `$filter`, `$orderby`, `$top` and the like.
//!
//! The result is relative to the service root (`Property?$top=200`) and percent-encoded.

mod filter;
mod query_builder;
#[cfg(test)]
mod tests;

pub use filter::{
    Literal, and, eq, ge, group, gt, is_any_of, is_in, le, lt, ne, or, timestamp_literal,
};
pub use query_builder::{Order, Query};
