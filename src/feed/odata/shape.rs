//! From `$metadata` to the fields that the mirror takes.

use std::collections::BTreeMap;

use super::dialect::{Dialect, Paging};
use super::metadata::{Edm, EntityType, Field, Metadata};
use crate::record::{ChildShape, FieldShape, Shape};
use crate::resource::{MODIFICATION_TIMESTAMP, PHOTOS_COUNT, Resource};
use crate::value::ValueForm;

/// What is wanted of a resource.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The fields of resources; one that is not in here is wanted whole.
    pub select: &'a BTreeMap<Resource, Vec<String>>,
    /// The child resources to ask for in the same request.
    pub expand: &'a [Resource],
}

/// `$metadata` does not have what is wanted.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    /// The server has no such resource.
    #[error(
        "$metadata declares no {0}; take it out of sync.resources if this account does not have it"
    )]
    Undeclared(Resource),
    /// It has it without the key that the mirror goes by.
    #[error("$metadata declares {resource} without its key {key}")]
    Keyless {
        /// The resource.
        resource: Resource,
        /// The key.
        key: &'static str,
    },
    /// A selected field is not declared.
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

/// The names of the mirror's own columns, which no field may take.
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

/// The fields of a resource that are columns of its table: all that are
/// declared, but for a name that SQLite, which ignores case in names, could not
/// tell from another column. Such a field is kept in `extra`.
///
/// # Errors
/// [`ShapeError`] if the resource is not declared or has no key.
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

/// The shape of a resource's records as this feed declares them.
///
/// # Errors
/// [`ShapeError`] if the resource is not declared, has no key, or has no field
/// that is wanted. A child that cannot be expanded is left out of the shape.
pub fn shape(
    metadata: &Metadata,
    dialect: &Dialect,
    resource: Resource,
    wanted: Wanted<'_>,
) -> Result<Shape, ShapeError> {
    let entity = entity(metadata, resource)?;
    let mut fields = columns(metadata, resource)?;
    let keyless = || ShapeError::Keyless {
        resource,
        key: resource.key(),
    };
    let paging = match dialect.paging {
        Paging::Keyset => entity.key.first().map_or(resource.key(), String::as_str),
        Paging::NextLink => resource.key(),
    };
    let select = wanted.select.get(&resource);
    if let Some(select) = select {
        let missing = select
            .iter()
            .find(|name| !fields.iter().any(|field| field.name == **name));
        if let Some(field) = missing {
            return Err(ShapeError::NoSuchField {
                resource,
                field: field.clone(),
            });
        }
        fields.retain(|field| {
            select.contains(&field.name)
                || field.name == paging
                || field.name == resource.key()
                || field.name == MODIFICATION_TIMESTAMP
                || (resource == Resource::Property && field.name == PHOTOS_COUNT)
                || resource.parent_fields().contains(&field.name.as_str())
        });
    }
    let ignored = entity
        .navigation
        .iter()
        .map(|navigation| navigation.name.clone())
        .collect();
    let keeps_extra = select.is_none();
    let mut shape =
        Shape::new(resource, fields, paging, ignored, keeps_extra).ok_or_else(keyless)?;
    for &child in wanted.expand {
        let target = metadata.entity_of_set(child.entity_set());
        let navigation = target.and_then(|target| {
            entity
                .navigation
                .iter()
                .find(|navigation| navigation.target == target.name)
        });
        if let Some(navigation) = navigation {
            let child = self::shape(
                metadata,
                dialect,
                child,
                Wanted {
                    expand: &[],
                    ..wanted
                },
            )?;
            shape.children.push(ChildShape {
                name: navigation.name.clone(),
                shape: child,
            });
        }
    }
    Ok(shape)
}
