//! What the rest of the house may ask of a feed.
pub mod metadata;
pub mod query;
