//! What a change is of.

use crate::resource::Resource;

/// The record that a change concerns.
#[derive(Clone, Copy)]
pub struct ChangedRecord<'a> {
    /// Its resource.
    pub resource: Resource,
    /// Its key.
    pub key: &'a str,
    /// The listing it concerns.
    pub listing_key: Option<&'a str>,
    /// Its ModificationTimestamp that brought the change.
    pub source_timestamp: Option<&'a str>,
}
