//! Records of the feed, decoded but not yet stored. Values only, no I/O.

use std::collections::HashMap;

use crate::resource::{MODIFICATION_TIMESTAMP, Resource};
use crate::value::{Value, ValueForm};

/// A field that is mirrored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldShape {
    /// The field's RESO name, which is also the name of its column.
    pub name: String,
    /// How its values are stored.
    pub form: ValueForm,
    /// The column's declared type, such as `NUMERIC(14,2)`.
    pub declared_type: String,
    /// Whether it is declared as `Edm.Guid`, whose values are not quoted in a filter.
    pub is_guid: bool,
    /// Whether the feed declares the field now. If it does not, but did within the last
    /// day, a record without the field does not change the stored value.
    pub is_declared: bool,
}

/// A navigation property that is requested with `$expand`.
#[derive(Clone, Debug)]
pub struct ChildShape {
    /// The name of the navigation property, or of the field.
    pub name: String,
    /// Whether the server embeds the records in each listing, so that `$expand` is not needed.
    pub is_embedded: bool,
    /// Whether the records come only in such lists.
    pub is_only_source: bool,
    /// The shape of its records.
    pub shape: Shape,
}

/// The table of a resource, as far as it decides how records are read.
#[derive(Clone, Debug, Default)]
pub struct HeldTable {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// The column of its keys.
    pub key: String,
}

/// The entity set of a resource, and the fields with a meaning for the mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// The entity set, as in URLs.
    pub set: String,
    /// The fields of the key. Several fields are one composite key.
    pub key: Vec<String>,
    /// The field by which the feed pages the resource: the declared key, or its first part.
    pub paging: String,
    /// The field with the time of a record's last change, if there is one.
    pub timestamp: Option<String>,
    /// Whether the feed declares that field as text.
    pub is_text_timestamp: bool,
    /// How its records belong to listings. None if they do not.
    pub parent: Option<Parent>,
}

/// How the records of a child resource show to which listing they belong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parent {
    /// The fields with the key of the listing, the preferred one first. Empty if the records
    /// name no listing: they belong to the listing with which they were expanded.
    pub fields: Vec<String>,
    /// Whether the records belong to listings only if their ResourceName says so.
    pub has_resource_name: bool,
}

/// The column of a composite key.
pub const RECORD_KEY: &str = "record_key";

/// Joins the parts of a composite key: `12,A`. In each part, `%` is written as `%25` and `,`
/// as `%2C`, so that different parts never have the same key.
pub fn composite_key<'p>(parts: impl IntoIterator<Item = &'p str>) -> String {
    let parts = parts.into_iter();
    let parts: Vec<String> = parts
        .map(|part| part.replace('%', "%25").replace(',', "%2C"))
        .collect();
    parts.join(",")
}

/// Returns the parts of a composite key.
pub fn key_parts(key: &str) -> impl Iterator<Item = String> {
    let parts = key.split(',');
    parts.map(|part| part.replace("%2C", ",").replace("%25", "%"))
}

/// Which fields of a resource are mirrored, and in which order a [`Record`] holds them.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The resource.
    pub resource: Resource,
    /// Its entity set, and the fields with a meaning for the mirror.
    pub roles: Roles,
    /// The fields, in the order of `$metadata`.
    pub fields: Vec<FieldShape>,
    /// The children that are expanded with each record.
    pub children: Vec<ChildShape>,
    /// Whether fields that are not in `fields` are kept in `extra`. False if the
    /// configuration selects fields.
    pub keeps_extra: bool,
    key: Vec<usize>,
    paging: usize,
    modified: Option<usize>,
    parents: Vec<usize>,
    resource_name: Option<usize>,
    by_name: HashMap<String, usize>,
    ignored: Vec<String>,
}

impl Shape {
    /// Creates the shape of `resource` with these fields. `ignored` are names that are not
    /// fields, such as other navigation properties. Returns None if the key or the paging
    /// field is not among the fields.
    pub fn new(
        resource: Resource,
        roles: Roles,
        fields: Vec<FieldShape>,
        ignored: Vec<String>,
        keeps_extra: bool,
    ) -> Option<Shape> {
        let by_name: HashMap<String, usize> = fields
            .iter()
            .enumerate()
            .map(|(at, field)| (field.name.clone(), at))
            .collect();
        let at = |name: &str| by_name.get(name).copied();
        let parent = roles.parent.as_ref();
        let parents = parent.iter().flat_map(|parent| &parent.fields);
        Some(Shape {
            resource,
            key: roles
                .key
                .iter()
                .map(|name| at(name))
                .collect::<Option<_>>()?,
            paging: at(&roles.paging)?,
            modified: roles.timestamp.as_deref().and_then(at),
            parents: parents.filter_map(|name| at(name)).collect(),
            resource_name: at("ResourceName")
                .filter(|_| parent.is_some_and(|parent| parent.has_resource_name)),
            children: Vec::new(),
            keeps_extra,
            roles,
            by_name,
            ignored,
            fields,
        })
    }

    /// Returns the column of the key in the resource's table.
    pub fn key_column(&self) -> &str {
        match self.key.as_slice() {
            [one] => &self.fields[*one].name,
            _ => RECORD_KEY,
        }
    }

    /// Returns the fields of the key. Several fields are one composite key.
    pub fn key_fields(&self) -> impl ExactSizeIterator<Item = &FieldShape> {
        self.key.iter().map(|&at| &self.fields[at])
    }

    /// Returns whether the key consists of several fields.
    pub fn has_composite_key(&self) -> bool {
        self.key.len() > 1
    }

    /// Returns whether the records belong to listings and are deleted with them.
    pub fn is_child(&self) -> bool {
        self.roles.parent.is_some()
    }

    /// Returns the position of a field in [`Record::values`].
    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Returns whether a name in records is not a field.
    pub fn ignores(&self, name: &str) -> bool {
        self.ignored.iter().any(|ignored| ignored == name)
    }

    /// Returns the field by which the feed pages this resource.
    pub fn paging_field(&self) -> &FieldShape {
        &self.fields[self.paging]
    }

    /// Returns the record's key.
    pub fn key_of(&self, values: &[Value]) -> Option<Box<str>> {
        if let [one] = self.key.as_slice() {
            return values[*one].to_key();
        }
        let parts = self.key.iter().map(|&at| values[at].to_key());
        let parts: Vec<Box<str>> = parts.collect::<Option<_>>()?;
        Some(composite_key(parts.iter().map(|part| &**part)).into())
    }

    /// Returns the value of the paging field.
    pub fn paging_value<'v>(&self, values: &'v [Value]) -> &'v Value {
        &values[self.paging]
    }

    /// Returns the field with the time of a record's last change.
    pub fn timestamp_field(&self) -> Option<&str> {
        self.modified.map(|at| self.fields[at].name.as_str())
    }

    /// Returns whether the records have the time of their last change.
    pub fn has_timestamp(&self) -> bool {
        self.modified.is_some()
    }

    /// Returns whether the field at a position has the time of the last change.
    pub fn is_timestamp(&self, position: usize) -> bool {
        self.modified == Some(position)
    }

    /// Returns the time of the record's last change in storage form.
    pub fn modified_of<'v>(&self, values: &'v [Value]) -> Option<&'v str> {
        values[self.modified?].as_text()
    }

    /// Returns the field in which a child's record names its listing.
    pub fn parent_field(&self) -> Option<&FieldShape> {
        self.parents.first().map(|at| &self.fields[*at])
    }

    /// Returns whether changes of the field at a position are logged. A timestamp changes with
    /// every other field.
    pub fn is_logged(&self, position: usize) -> bool {
        !self.is_timestamp(position) && self.fields[position].name != MODIFICATION_TIMESTAMP
    }

    /// Returns the key of the listing that a child's record names. Media of members and
    /// offices name no listing.
    pub fn parent_of(&self, values: &[Value]) -> Option<Box<str>> {
        if let Some(at) = self.resource_name
            && values[at]
                .as_text()
                .is_some_and(|name| name != Resource::PROPERTY.entity_set())
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
    /// The listing of a child.
    pub listing_key: Option<Box<str>>,
    /// The fields' values, in the order of the shape.
    pub values: Vec<Value>,
    /// A JSON object of the fields that are not declared.
    pub extra: Option<Box<str>>,
    /// The expanded children, in the order of the shape's children. None if the answer
    /// did not contain the property, which differs from an empty list.
    pub children: Vec<Option<Children>>,
}

/// The records of one expanded navigation property.
#[derive(Clone, Debug, Default)]
pub struct Children {
    /// The records that could be decoded.
    pub records: Vec<Record>,
    /// Keys of the rejected records. These records exist in the feed.
    pub rejected_keys: Vec<Box<str>>,
    /// Whether a record without a key was rejected.
    pub rejected_without_key: bool,
    /// The link to the rest of the list, if the server cut it.
    pub next_link: Option<String>,
    /// The number of all records of the list, if the server counts them.
    pub count: Option<u64>,
}

/// A record that could not be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The record's resource.
    pub resource: Resource,
    /// The record's key, if it has one.
    pub key: Option<Box<str>>,
    /// The reason.
    pub reason: String,
    /// The whole record as received.
    pub payload: String,
}

impl Children {
    /// Adds a rejected record of the list, with its key if it has one.
    pub fn note_reject(&mut self, key: Option<&str>) {
        match key {
            Some(key) => self.rejected_keys.push(key.into()),
            None => self.rejected_without_key = true,
        }
    }
}
