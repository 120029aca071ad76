//! How listings contain the records of their children.

use super::declared::{Known, declared};
use super::metadata::{EntityType, Metadata};

use crate::resource::Resource;

/// A list of children in a listing.
pub struct List<'m> {
    /// The name of the field, or of the navigation property.
    pub name: &'m str,
    /// Whether it is a field, which comes without `$expand`.
    pub is_embedded: bool,
    /// Whether the records come only in such lists: the type of an expanded list has no entity
    /// set, though the feed declares some.
    pub is_only_source: bool,
}

/// Returns the list of a child resource in an entity type, if there is one.
pub fn list_of<'m>(
    metadata: &Metadata,
    entity: &'m EntityType,
    child: Resource,
    known: Known<'_>,
) -> Option<List<'m>> {
    let (_, target) = declared(metadata, child, known).ok()?;
    if let Some(name) = entity.embedded.iter().find(|name| **name == target.name) {
        return Some(List {
            name,
            is_embedded: true,
            is_only_source: true,
        });
    }
    let mut navigation = entity.navigation.iter();
    let found = navigation.find(|navigation| navigation.target == target.name)?;
    let mut sets = metadata.sets.iter();
    let has_set = sets.any(|set| set.entity_type == target.name);
    Some(List {
        name: &found.name,
        is_embedded: false,
        is_only_source: !has_set && !metadata.sets.is_empty(),
    })
}

/// Returns whether the records of a child come only with their listings. An ADU has an entity
/// set, but names no listing (seen at WFRMLS).
pub fn is_nested(metadata: &Metadata, child: Resource, known: Known<'_>) -> bool {
    if child == Resource::ADU {
        return true;
    }
    let listings = declared(metadata, Resource::PROPERTY, known).ok();
    let list = listings.and_then(|(_, listings)| list_of(metadata, listings, child, known));
    list.is_some_and(|list| list.is_only_source)
}
