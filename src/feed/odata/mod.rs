//! OData: `$metadata`, queries, and the records in a response.

mod children;
mod count;
mod declared;
mod deleted;
mod memory_limit;
pub mod metadata;
mod page;
pub mod query;
mod raw_json;
mod roles;
mod shape;
mod shape_error;

pub use children::is_nested;
pub use declared::{Known, declared};
pub use deleted::{
    Announced, Announcement, DELETED_NAMES, DeletedBody, DeletedNames, DeletedPosition,
    KeylessAnnouncement, resource_named,
};
pub use memory_limit::LIMIT_BYTES as MEMORY_LIMIT_BYTES;
pub use metadata::Metadata;
#[cfg(test)]
pub use page::LastChange;
pub use page::{LeftOut, Page, Part};
pub use raw_json::member_value;
pub use roles::parent;
pub use shape::{Wanted, columns, shape};
pub use shape_error::ShapeError;
