//! Finds the key, the timestamp and the parent of a resource in `$metadata`.

use super::children::is_nested;
use super::declared::{Known, declared};
use super::metadata::{Edm, EntityType, Metadata};
use super::shape_error::ShapeError;
use crate::record::{HeldTable, Parent, RECORD_KEY, Roles};
use crate::resource::{Resource, TIMESTAMPS};

/// Returns the roles of the fields of a resource.
pub fn roles<'m>(
    metadata: &'m Metadata,
    resource: Resource,
    known: Known<'_>,
) -> Result<(Roles, &'m EntityType), ShapeError> {
    let (set, entity) = declared(metadata, resource, known)?;
    let key = key(resource, entity, known.held(resource));
    let key = key.ok_or_else(|| ShapeError::Keyless {
        resource,
        key: resource.reso_key().unwrap_or("field").to_owned(),
    })?;
    let parent = parent(metadata, resource, known);
    let names_listing = (parent.as_ref()).is_some_and(|parent| !parent.fields.is_empty());
    if names_listing && let Some(key) = listing_key(metadata, known).filter(|key| key.len() > 1) {
        return Err(ShapeError::UnnamedListing { resource, key });
    }
    let paging = declared_key(resource, entity).into_iter().next();
    let timestamp = (TIMESTAMPS.into_iter()).find_map(|name| entity.field(name));
    let roles = Roles {
        set: set.to_owned(),
        paging: paging.unwrap_or_else(|| key[0].clone()),
        key,
        is_text_timestamp: timestamp.is_some_and(|field| field.edm == Edm::String),
        timestamp: timestamp.map(|field| field.name.clone()),
        parent,
    };
    Ok((roles, entity))
}

/// Returns the declared key fields. A name that differs from a declared field only by case is
/// that field; it is the RESO key if that differs only by case, too.
fn declared_key(resource: Resource, entity: &EntityType) -> Vec<String> {
    let field = |name: &String| {
        let reso = resource
            .reso_key()
            .filter(|key| key.eq_ignore_ascii_case(name));
        let mut same = (entity.fields.iter()).filter(|field| field.name.eq_ignore_ascii_case(name));
        let of_reso = reso.and_then(|key| entity.field(key));
        let found = of_reso
            .or_else(|| entity.field(name))
            .or_else(|| same.next());
        found.map(|field| field.name.clone())
    };
    let fields: Option<Vec<String>> = entity.key.iter().map(field).collect();
    fields.unwrap_or_default()
}

/// Returns the key fields by which the mirror distinguishes records: the declared ones. The
/// key of the Data Dictionary stays the key if only its numeric twin is declared as key
/// (WFRMLS declares ListingKeyNumeric), or the name of the listing, which several records
/// share.
fn key(resource: Resource, entity: &EntityType, held: Option<&HeldTable>) -> Option<Vec<String>> {
    let declared = declared_key(resource, entity);
    match held {
        Some(held) if held.key == RECORD_KEY => return (declared.len() > 1).then_some(declared),
        Some(held) => return Some(vec![held.key.clone()]),
        None => {}
    }
    let reso = resource
        .reso_key()
        .filter(|key| entity.field(key).is_some());
    match (declared.as_slice(), reso) {
        ([], Some(reso)) => Some(vec![reso.to_owned()]),
        ([], None) => undeclared_key(entity),
        ([one], Some(reso))
            if one.strip_prefix(reso) == Some("Numeric") || is_shared(resource, one) =>
        {
            Some(vec![reso.to_owned()])
        }
        _ => Some(declared),
    }
}

/// Returns whether several records of a resource have the same value in a field.
fn is_shared(resource: Resource, field: &str) -> bool {
    let names_listing = ["ListingKey", "ListingKeyNumeric", "ListingId"].contains(&field);
    names_listing && resource != Resource::PROPERTY
}

/// Returns the key of a type that declares none: the field with the type's name and `Key`.
fn undeclared_key(entity: &EntityType) -> Option<Vec<String>> {
    let name = &entity.name;
    let singular = name.strip_suffix('s').unwrap_or(name);
    let names = [name, singular].map(|name| [format!("{name}Key"), format!("{name}KeyNumeric")]);
    let mut names = names.into_iter().flatten();
    names
        .find(|name| entity.field(name).is_some())
        .map(|name| vec![name])
}

/// Returns how the records of a resource belong to listings. A resource whose records name a
/// listing belongs to it, unless it [stands alone](Resource::stands_alone).
pub fn parent(metadata: &Metadata, resource: Resource, known: Known<'_>) -> Option<Parent> {
    if resource.stands_alone() {
        return None;
    }
    let listings = listing_fields(metadata, known);
    let records = listings.iter().map(|field| match field.as_str() {
        "ListingKey" => "ResourceRecordKey".to_owned(),
        "ListingKeyNumeric" => "ResourceRecordKeyNumeric".to_owned(),
        other => other.to_owned(),
    });
    let of_record = |fields| Parent {
        fields,
        has_resource_name: true,
    };
    let of_listing = |fields| Parent {
        fields,
        has_resource_name: false,
    };
    match resource {
        Resource::MEDIA => return Some(of_record(records.collect())),
        Resource::OPEN_HOUSE | Resource::PROPERTY_UNIT_TYPES => return Some(of_listing(listings)),
        // An ADU names no listing: only $expand shows to which one it belongs.
        Resource::ADU => return Some(of_listing(Vec::new())),
        _ => {}
    }
    let (_, entity) = declared(metadata, resource, known).ok()?;
    let held = known.held(resource);
    if held.is_some_and(|held| !held.columns.iter().any(|column| column == "listing_key")) {
        return None;
    }
    let has = |field: &String| entity.field(field).is_some();
    let fields: Vec<String> = listings
        .iter()
        .filter(|field| has(field))
        .cloned()
        .collect();
    if !fields.is_empty() {
        return Some(of_listing(fields));
    }
    let fields: Vec<String> = records.filter(has).collect();
    let is_named = !fields.is_empty() && entity.field("ResourceName").is_some();
    if is_named {
        return Some(of_record(fields));
    }
    is_nested(metadata, resource, known).then(|| of_listing(Vec::new()))
}

/// Returns the fields in which records of other resources have the key of a listing, the
/// preferred one first. ListingKey and ListingKeyNumeric are the same key where the feed
/// declares the latter as the key of a type that has both.
fn listing_fields(metadata: &Metadata, known: Known<'_>) -> Vec<String> {
    let [text, number] = ["ListingKey", "ListingKeyNumeric"].map(str::to_owned);
    let key = listing_key(metadata, known).unwrap_or_default();
    match key.as_slice() {
        [one] if *one == text => vec![text, number],
        [one] if *one == number => vec![number, text],
        [one] => vec![one.clone()],
        _ => vec![text, number],
    }
}

/// Returns the key fields of a listing.
fn listing_key(metadata: &Metadata, known: Known<'_>) -> Option<Vec<String>> {
    let listings = Resource::PROPERTY;
    let (_, entity) = declared(metadata, listings, known).ok()?;
    key(listings, entity, known.held(listings))
}
