//! Derives the fields that the mirror stores from `$metadata`.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::metadata::{Edm, EntityType, Field, Metadata};
use crate::record::{ChildShape, FieldShape, Shape};
use crate::resource::{MODIFICATION_TIMESTAMP, PHOTOS_COUNT, Resource};
use crate::value::ValueForm;

/// The fields and children to request.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The selected fields by resource. All fields of other resources are requested.
    pub select: &'a BTreeMap<Resource, Vec<String>>,
    /// The child resources to request with `$expand`.
    pub expand: &'a [Resource],
    /// The columns that the tables already have.
    pub held: &'a BTreeMap<Resource, Vec<String>>,
}

/// Why `$metadata` does not satisfy the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    /// It declares no such resource.
    #[error(
        "$metadata declares no {0}; remove it from sync.resources if this account cannot read it"
    )]
    Undeclared(Resource),
    /// It declares the resource without its key.
    #[error("$metadata declares {resource} without its key {key}")]
    Keyless {
        /// The resource.
        resource: Resource,
        /// The key.
        key: &'static str,
    },
    /// It does not declare a selected field.
    #[error("[sync.select] {resource}: $metadata declares no field `{field}`")]
    NoSuchField {
        /// The resource.
        resource: Resource,
        /// The field.
        field: String,
    },
}

fn form(edm: &Edm) -> ValueForm {
    match edm {
        Edm::Int => ValueForm::Integer,
        Edm::Decimal => ValueForm::Decimal,
        Edm::Double => ValueForm::Real,
        Edm::Boolean => ValueForm::Boolean,
        Edm::Date => ValueForm::Date,
        Edm::DateTimeOffset => ValueForm::Timestamp,
        Edm::TimeOfDay | Edm::Duration | Edm::Guid | Edm::String | Edm::Binary => ValueForm::Text,
        Edm::Enumeration { .. } => ValueForm::Enumeration,
        Edm::Geography | Edm::Complex | Edm::Collection => ValueForm::Json,
    }
}

fn field_shape(field: &Field) -> FieldShape {
    let form = form(&field.edm);
    let declared_type = match (form, field.precision, field.scale) {
        (ValueForm::Decimal, Some(precision), Some(scale)) => {
            format!("DECIMAL({precision},{scale})")
        }
        (ValueForm::Decimal, Some(precision), None) => format!("DECIMAL({precision})"),
        _ => form.declared_type().to_owned(),
    };
    FieldShape {
        name: field.name.clone(),
        form,
        declared_type,
        is_declared: field.missing_since.is_none(),
    }
}

/// The names of the mirror's own columns. A field must not have one of these names.
const OWN_COLUMNS: [&str; 16] = [
    "listing_key",
    "extra",
    "first_seen_at",
    "updated_at",
    "deleted_at",
    "deleted_reason",
    "file_path",
    "file_bytes",
    "file_sha256",
    "downloaded_at",
    "download_attempts",
    "download_error",
    "download_after",
    "file_source",
    "file_etag",
    "file_last_modified",
];

/// The largest number of columns of a table. SQLite allows 2,000 in a table and in the
/// result of a query, which may add some.
const MOST_COLUMNS: usize = 1_990;

/// Returns the declared fields of a resource that are columns of its table. The mirror
/// keeps the other fields in `extra`: a table has no room for more than
/// `MOST_COLUMNS`, and SQLite ignores case in names. Of fields whose names differ only
/// by case, the one with the RESO name has the column.
pub fn columns(
    metadata: &Metadata,
    resource: Resource,
    wanted: Wanted<'_>,
) -> Result<Vec<FieldShape>, ShapeError> {
    let entity = entity(metadata, resource)?;
    let selected = wanted.select.get(&resource).map_or(&[][..], Vec::as_slice);
    let is_needed = |name: &str| {
        let mut others = entity.key.iter().chain(selected);
        is_required(resource, name) || others.any(|other| other == name)
    };
    let mut chosen: HashMap<String, &Field> = HashMap::with_capacity(entity.fields.len());
    for field in &entity.fields {
        let rank = |field: &Field| (!is_needed(&field.name), !is_pascal_case(&field.name));
        let place = chosen.entry(field.name.to_ascii_lowercase());
        let known = place.or_insert(field);
        if rank(field) < rank(known) {
            *known = field;
        }
    }
    for own in OWN_COLUMNS {
        chosen.remove(own);
    }

    let mut fields: Vec<&Field> = (entity.fields.iter())
        .filter(|field| {
            let chosen = chosen.get(&field.name.to_ascii_lowercase());
            chosen.is_some_and(|chosen| chosen.name == field.name)
        })
        .collect();
    let held = wanted.held.get(&resource).into_iter().flatten();
    let held: HashSet<String> = held
        .map(|name| name.to_ascii_lowercase())
        .filter(|name| !OWN_COLUMNS.contains(&name.as_str()))
        .collect();
    let room = MOST_COLUMNS.saturating_sub(OWN_COLUMNS.len() + held.len());
    let mut new = fields.clone();
    new.retain(|field| !held.contains(&field.name.to_ascii_lowercase()));
    // Names with an underscore are a vendor's own.
    new.sort_by_key(|field| (!is_needed(&field.name), field.name.contains('_')));
    let without_room = new.iter().skip(room).map(|field| field.name.as_str());
    let without_room: HashSet<&str> = without_room.collect();
    fields.retain(|field| !without_room.contains(field.name.as_str()));

    let columns: Vec<FieldShape> = fields.into_iter().map(field_shape).collect();
    let key = resource.key();
    if columns.iter().any(|column| column.name == key) {
        Ok(columns)
    } else {
        Err(ShapeError::Keyless { resource, key })
    }
}

/// Returns whether a name is spelled as the names of the RESO Data Dictionary are, such as
/// `ListPrice`.
fn is_pascal_case(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.contains(|letter: char| letter.is_ascii_lowercase())
}

fn entity(metadata: &Metadata, resource: Resource) -> Result<&EntityType, ShapeError> {
    metadata
        .entity_of_set(resource.entity_set())
        .ok_or(ShapeError::Undeclared(resource))
}

/// Returns the shape of a resource's records. It has only the children that the feed can
/// expand.
pub fn shape(
    metadata: &Metadata,
    resource: Resource,
    wanted: Wanted<'_>,
) -> Result<Shape, ShapeError> {
    let entity = entity(metadata, resource)?;
    let select = wanted.select.get(&resource);
    let mut fields = columns(metadata, resource, wanted)?;
    // A key whose name differs from a RESO name only by case is not the key.
    let declared = (entity.key.first().map(String::as_str))
        .filter(|name| fields.iter().any(|field| field.name == **name));
    let paging = declared.unwrap_or(resource.key());
    if let Some(select) = select {
        check_selected(resource, &fields, select)?;
        fields.retain(|field| {
            let name = &field.name;
            select.contains(name) || name == paging || is_required(resource, name)
        });
    }

    let ignored = entity
        .navigation
        .iter()
        .map(|navigation| navigation.name.clone())
        .collect();
    let mut shape = Shape::new(resource, fields, paging, ignored, select.is_none()).ok_or(
        ShapeError::Keyless {
            resource,
            key: resource.key(),
        },
    )?;
    for &child in wanted.expand {
        if let Some(name) = navigation_to(metadata, entity, child) {
            let wanted = Wanted {
                expand: &[],
                ..wanted
            };
            shape.children.push(ChildShape {
                name: name.to_owned(),
                shape: self::shape(metadata, child, wanted)?,
            });
        }
    }
    Ok(shape)
}

fn check_selected(
    resource: Resource,
    fields: &[FieldShape],
    select: &[String],
) -> Result<(), ShapeError> {
    let missing = select
        .iter()
        .find(|name| !fields.iter().any(|field| field.name == **name));
    match missing {
        None => Ok(()),
        Some(field) => Err(ShapeError::NoSuchField {
            resource,
            field: field.clone(),
        }),
    }
}

/// Returns whether the mirror needs a field, even if it is not selected.
fn is_required(resource: Resource, name: &str) -> bool {
    name == resource.key()
        || name == MODIFICATION_TIMESTAMP
        || (resource == Resource::PROPERTY && name == PHOTOS_COUNT)
        || resource.parent_fields().contains(&name)
}

/// Returns the navigation property that leads to a child resource, if any.
fn navigation_to<'m>(
    metadata: &Metadata,
    entity: &'m EntityType,
    child: Resource,
) -> Option<&'m str> {
    let target = metadata.entity_of_set(child.entity_set())?;
    let navigation = entity
        .navigation
        .iter()
        .find(|navigation| navigation.target == target.name)?;
    Some(&navigation.name)
}
