//! Derives the fields that the mirror stores from `$metadata`.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::children::list_of;
use super::declared::Known;
use super::metadata::{Edm, Field, Metadata};
use super::roles::roles;
use super::shape_error::ShapeError;
use crate::config::nearest_name;
use crate::record::{ChildShape, FieldShape, RECORD_KEY, Roles, Shape};
use crate::resource::{PHOTOS_COUNT, Resource};
use crate::value::ValueForm;

/// The fields and children to request.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The selected fields by resource. All fields of other resources are requested.
    pub select: &'a BTreeMap<Resource, Vec<String>>,
    /// The child resources to request with `$expand`.
    pub expand: &'a [Resource],
    /// The configured entity sets and the tables of the mirror.
    pub known: Known<'a>,
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
        Edm::Untyped => ValueForm::Untyped,
    }
}

fn field_shape(field: &Field, roles: &Roles) -> FieldShape {
    let form = match form(&field.edm) {
        // Some feeds declare timestamps as text.
        ValueForm::Text if roles.timestamp.as_ref() == Some(&field.name) => ValueForm::Timestamp,
        form => form,
    };
    let declared_type = match (form, field.precision, field.scale) {
        (ValueForm::Decimal, Some(precision), Some(scale)) => {
            format!("NUMERIC({precision},{scale})")
        }
        (ValueForm::Decimal, Some(precision), None) => format!("NUMERIC({precision})"),
        _ => form.declared_type().to_owned(),
    };
    FieldShape {
        name: field.name.clone(),
        form,
        declared_type,
        is_guid: field.edm == Edm::Guid,
        is_declared: field.missing_since.is_none(),
    }
}

/// The names of the mirror's own columns. A field must not have one of these names.
const OWN_COLUMNS: [&str; 18] = [
    RECORD_KEY,
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
    "file_excluded",
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
    let (roles, entity) = roles(metadata, resource, wanted.known)?;
    let selected = wanted.select.get(&resource).map_or(&[][..], Vec::as_slice);
    let is_needed =
        |name: &str| is_required(resource, &roles, name) || selected.iter().any(|one| one == name);
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
    let held = wanted.known.held.get(&resource).into_iter();
    let held: HashSet<String> = (held.flat_map(|held| &held.columns))
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

    let has = |key: &&String| fields.iter().any(|field| field.name == **key);
    if let Some(key) = roles.key.iter().find(|key| !has(key)).cloned() {
        return Err(ShapeError::Keyless { resource, key });
    }
    let columns = fields.into_iter().map(|field| field_shape(field, &roles));
    Ok(columns.collect())
}

/// Returns whether a name is spelled as the names of the RESO Data Dictionary are, such as
/// `ListPrice`.
fn is_pascal_case(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.contains(|letter: char| letter.is_ascii_lowercase())
}

/// Returns the shape of a resource's records. It has only the children that the feed can
/// expand.
pub fn shape(
    metadata: &Metadata,
    resource: Resource,
    wanted: Wanted<'_>,
) -> Result<Shape, ShapeError> {
    let (mut roles, entity) = roles(metadata, resource, wanted.known)?;
    let select = wanted.select.get(&resource);
    let mut fields = columns(metadata, resource, wanted)?;
    if !fields.iter().any(|field| field.name == roles.paging) {
        roles.paging.clone_from(&roles.key[0]);
    }
    if let Some(select) = select {
        check_selected(resource, &fields, select)?;
        fields.retain(|field| {
            select.contains(&field.name) || is_required(resource, &roles, &field.name)
        });
    }

    let ignored = entity
        .navigation
        .iter()
        .map(|navigation| navigation.name.clone())
        .collect();
    let key = roles.key[0].clone();
    let mut shape = Shape::new(resource, roles, fields, ignored, select.is_none())
        .ok_or(ShapeError::Keyless { resource, key })?;
    for &child in wanted.expand {
        if let Some(list) = list_of(metadata, entity, child, wanted.known) {
            let wanted = Wanted {
                expand: &[],
                ..wanted
            };
            shape.children.push(ChildShape {
                name: list.name.to_owned(),
                is_embedded: list.is_embedded,
                is_only_source: list.is_only_source,
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
        Some(field) => {
            let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            Err(ShapeError::NoSuchField {
                resource,
                field: field.clone(),
                near: nearest_name(field, &known).map(str::to_owned),
            })
        }
    }
}

/// Returns whether the mirror needs a field, even if it is not selected.
fn is_required(resource: Resource, roles: &Roles, name: &str) -> bool {
    let parent = roles.parent.as_ref();
    roles.key.iter().any(|key| key == name)
        || name == roles.paging
        || roles.timestamp.as_deref() == Some(name)
        || (resource == Resource::PROPERTY && name == PHOTOS_COUNT)
        || parent.is_some_and(|parent| {
            let names_resource = parent.has_resource_name && name == "ResourceName";
            names_resource || parent.fields.iter().any(|field| field == name)
        })
}
