//! `$metadata`: the fields and enumerations of a feed, and their types.
//!
//! [`Metadata::parse`] reads the OData CSDL XML that a service publishes (OASIS, "OData CSDL
//! XML Representation 4.01"). It ignores elements that a mirror does not need. It rejects
//! incomplete documents, because they would look like a feed that removed fields.
//! [`Metadata::settle`] keeps declarations that may come back.

mod csdl;
mod declarations;
mod edm;
mod element;
mod embedded;
mod metadata_error;
mod settling;
#[cfg(test)]
mod tests;

pub use declarations::{EntitySet, EntityType, Enumeration, Field, Member, Metadata, Navigation};
pub use edm::Edm;
pub use metadata_error::MetadataError;
pub use settling::ReadAt;
