//! Records of the feed, decoded but not yet stored: values only, no I/O.

use std::collections::HashMap;

use crate::resource::{MODIFICATION_TIMESTAMP, Resource};
use crate::value::{Value, ValueForm};

/// One field that the mirror takes from a resource's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldShape {
    /// The field's RESO name, which is also its column's.
    pub name: String,
    /// How its values are stored.
    pub form: ValueForm,
    /// The column's declared type, such as `DECIMAL(14,2)`.
    pub declared_type: String,
}

/// A navigation property that is asked for with `$expand`.
#[derive(Clone, Debug)]
pub struct ChildShape {
    /// The navigation property's name.
    pub name: String,
    /// What its records are.
    pub shape: Shape,
}

/// Which fields of a resource are taken, and in which order a [`Record`] holds them.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The resource whose records these are.
    pub resource: Resource,
    /// The fields, in the order of `$metadata`.
    pub fields: Vec<FieldShape>,
    /// What is expanded along with each record.
    pub children: Vec<ChildShape>,
    /// Whether a field that is not in `fields` is kept in `extra`. Not so where
    /// the configuration selects fields: what it leaves out is left out.
    pub keeps_extra: bool,
    key: usize,
    paging: usize,
    modified: Option<usize>,
    parents: Vec<usize>,
    resource_name: Option<usize>,
    by_name: HashMap<String, usize>,
    ignored: Vec<String>,
}

impl Shape {
    /// The shape of `resource` with these fields, paged by `paging_field`.
    /// `ignored` are names that are no fields, such as other navigation properties.
    /// None if the resource's key or the paging field is not among the fields.
    pub fn new(
        resource: Resource,
        fields: Vec<FieldShape>,
        paging_field: &str,
        ignored: Vec<String>,
        keeps_extra: bool,
    ) -> Option<Shape> {
        let by_name: HashMap<String, usize> = fields
            .iter()
            .enumerate()
            .map(|(at, field)| (field.name.clone(), at))
            .collect();
        let at = |name: &str| by_name.get(name).copied();
        Some(Shape {
            resource,
            key: at(resource.key())?,
            paging: at(paging_field)?,
            modified: at(MODIFICATION_TIMESTAMP),
            parents: resource
                .parent_fields()
                .iter()
                .filter_map(|name| at(name))
                .collect(),
            resource_name: at("ResourceName").filter(|_| resource == Resource::Media),
            children: Vec::new(),
            keeps_extra,
            by_name,
            ignored,
            fields,
        })
    }

    /// Where in [`Record::values`] the named field stands.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Whether the name stands in records without being a field of theirs.
    pub fn ignores(&self, name: &str) -> bool {
        self.ignored.iter().any(|ignored| ignored == name)
    }

    /// The field by which the feed pages this resource.
    pub fn paging_field(&self) -> &FieldShape {
        &self.fields[self.paging]
    }

    /// The record's key, from its values.
    pub fn key_of(&self, values: &[Value]) -> Option<Box<str>> {
        values[self.key].to_key()
    }

    /// The value of the paging field.
    pub fn paging_value<'v>(&self, values: &'v [Value]) -> &'v Value {
        &values[self.paging]
    }

    /// Whether the resource has a ModificationTimestamp.
    pub fn has_timestamp(&self) -> bool {
        self.modified.is_some()
    }

    /// Whether the field at a position is the ModificationTimestamp.
    pub fn is_timestamp(&self, position: usize) -> bool {
        self.modified == Some(position)
    }

    /// The record's ModificationTimestamp in storage form.
    pub fn modified_of<'v>(&self, values: &'v [Value]) -> Option<&'v str> {
        values[self.modified?].as_text()
    }

    /// The key of the listing that a child's record itself names. Media of
    /// members and offices name none.
    pub fn parent_of(&self, values: &[Value]) -> Option<Box<str>> {
        if let Some(at) = self.resource_name
            && values[at]
                .as_text()
                .is_some_and(|name| name != Resource::Property.entity_set())
        {
            return None;
        }
        self.parents.iter().find_map(|&at| values[at].to_key())
    }
}

/// One record of the feed in storage form.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its key in the mirror's table.
    pub key: Box<str>,
    /// For a child, the listing it belongs to.
    pub listing_key: Option<Box<str>>,
    /// The fields' values, in the order of the shape.
    pub values: Vec<Value>,
    /// A JSON object of the fields that came but are not declared.
    pub extra: Option<Box<str>>,
    /// What was expanded with it, in the order of the shape's children. None
    /// where the answer said nothing of that child, which is not an empty list.
    pub children: Vec<Option<Children>>,
}

/// The records of one expanded navigation property.
#[derive(Clone, Debug, Default)]
pub struct Children {
    /// The records that came.
    pub records: Vec<Record>,
    /// Keys of those that came and could not be stored: they are there all the same.
    pub rejected_keys: Vec<Box<str>>,
    /// Whether one came that could not be stored and had no key.
    pub rejected_without_key: bool,
    /// Where the rest of the list is, if the server cut it.
    pub next_link: Option<String>,
}

/// A record that came and could not be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The resource it came from.
    pub resource: Resource,
    /// Its key, if it had one.
    pub key: Option<Box<str>>,
    /// Why it could not be stored.
    pub reason: String,
    /// The record whole, as it came.
    pub payload: String,
}

impl Children {
    /// Notes that a record of the list could not be stored, and its key if it had one.
    pub fn note_reject(&mut self, key: Option<&str>) {
        match key {
            Some(key) => self.rejected_keys.push(key.into()),
            None => self.rejected_without_key = true,
        }
    }
}
