//! The record that a change belongs to.

use crate::resource::Resource;

/// The record that a change belongs to.
#[derive(Clone, Copy)]
pub struct ChangedRecord<'a> {
    /// Its resource.
    pub resource: Resource,
    /// Its key.
    pub key: &'a str,
    /// The listing that the change concerns.
    pub listing_key: Option<&'a str>,
    /// The record's ModificationTimestamp of this change.
    pub source_timestamp: Option<&'a str>,
}
