//! Finds the entity set and the type of a resource in `$metadata`.

use std::collections::BTreeMap;

use super::metadata::{EntityType, Metadata};
use super::shape_error::ShapeError;
use crate::config::nearest_name;
use crate::record::HeldTable;
use crate::resource::Resource;

/// What decides the roles of fields in addition to `$metadata`.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The configured entity sets.
    pub sets: &'a BTreeMap<Resource, String>,
    /// The tables of the mirror. A table keeps its key, and its relation to listings.
    pub held: &'a BTreeMap<Resource, HeldTable>,
}

static NO_SETS: BTreeMap<Resource, String> = BTreeMap::new();
static NO_TABLES: BTreeMap<Resource, HeldTable> = BTreeMap::new();

impl Default for Known<'_> {
    fn default() -> Self {
        Known {
            sets: &NO_SETS,
            held: &NO_TABLES,
        }
    }
}

impl Known<'_> {
    /// Returns the table of a resource, if the mirror has it.
    pub fn held(&self, resource: Resource) -> Option<&HeldTable> {
        let held = self.held.get(&resource);
        held.filter(|held| !held.columns.is_empty())
    }
}

/// Returns the entity set of a resource, and the type of its records: the configured set,
/// the set with its name, the only set of the type with its name, or that type.
pub fn declared<'m>(
    metadata: &'m Metadata,
    resource: Resource,
    known: Known<'_>,
) -> Result<(&'m str, &'m EntityType), ShapeError> {
    let configured = known.sets.get(&resource);
    let name = configured.map_or(resource.entity_set(), String::as_str);
    if let Some(set) = metadata.sets.iter().find(|set| set.name == name)
        && let Some(entity) = metadata.entity(&set.entity_type)
    {
        return Ok((&set.name, entity));
    }
    let undeclared = || {
        let sets = metadata.sets.iter().map(|set| set.name.as_str());
        ShapeError::Undeclared {
            resource,
            set: name.to_owned(),
            near: nearest_name(name, &sets.collect::<Vec<_>>()).map(str::to_owned),
        }
    };
    let of_name = metadata.entity(name);
    let entity = of_name.or_else(|| navigated(metadata, resource, known));
    let entity = entity.ok_or_else(undeclared)?;
    let mut of_type = (metadata.sets.iter()).filter(|set| set.entity_type == entity.name);
    match (of_type.next(), of_type.next()) {
        (Some(set), None) => Ok((&set.name, entity)),
        (Some(one), Some(other)) => Err(ShapeError::SeveralSets {
            resource,
            sets: [one.name.clone(), other.name.clone()],
        }),
        (None, _) => Ok((&entity.name, entity)),
    }
}

/// Returns the type of a resource that has the name of a navigation property of listings.
fn navigated<'m>(
    metadata: &'m Metadata,
    resource: Resource,
    known: Known<'_>,
) -> Option<&'m EntityType> {
    if resource == Resource::PROPERTY {
        return None;
    }
    let (_, listings) = declared(metadata, Resource::PROPERTY, known).ok()?;
    let name = resource.entity_set();
    let found = listings.navigation.iter().find(|one| one.name == name)?;
    metadata.entity(&found.target)
}
