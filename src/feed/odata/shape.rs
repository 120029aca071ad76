//! Derives the fields that the mirror stores from `$metadata`.

use std::collections::BTreeMap;

use super::dialect::{Dialect, Paging};
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

/// Returns the declared fields of a resource that are columns of its table. SQLite ignores
/// case in names, so a field that differs from another column only by case has no column.
/// The mirror keeps such a field in `extra`.
pub fn columns(metadata: &Metadata, resource: Resource) -> Result<Vec<FieldShape>, ShapeError> {
    let entity = entity(metadata, resource)?;
    let mut taken: Vec<String> = OWN_COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    let mut columns = Vec::with_capacity(entity.fields.len());
    for field in &entity.fields {
        let folded = field.name.to_ascii_lowercase();
        if !taken.contains(&folded) {
            taken.push(folded);
            columns.push(field_shape(field));
        }
    }
    let key = resource.key();
    if columns.iter().any(|column| column.name == key) {
        Ok(columns)
    } else {
        Err(ShapeError::Keyless { resource, key })
    }
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
    dialect: &Dialect,
    resource: Resource,
    wanted: Wanted<'_>,
) -> Result<Shape, ShapeError> {
    let entity = entity(metadata, resource)?;
    let paging = match dialect.paging {
        Paging::Keyset => entity.key.first().map_or(resource.key(), String::as_str),
        Paging::NextLink => resource.key(),
    };
    let select = wanted.select.get(&resource);
    let mut fields = columns(metadata, resource)?;
    if let Some(select) = select {
        check_selected(resource, &fields, select)?;
        fields.retain(|field| {
            select.contains(&field.name) || field.name == paging || is_required(resource, field)
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
                shape: self::shape(metadata, dialect, child, wanted)?,
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
fn is_required(resource: Resource, field: &FieldShape) -> bool {
    field.name == resource.key()
        || field.name == MODIFICATION_TIMESTAMP
        || (resource == Resource::Property && field.name == PHOTOS_COUNT)
        || resource.parent_fields().contains(&field.name.as_str())
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
