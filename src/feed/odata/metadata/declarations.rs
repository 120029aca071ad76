//! The declarations of a feed: entity types, fields, enumerations and entity sets.

use serde::{Deserialize, Serialize};

use super::edm::Edm;

/// The declarations of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The entity types, in the order of the document.
    pub entities: Vec<EntityType>,
    /// The enumerations, in the order of the document.
    pub enumerations: Vec<Enumeration>,
    /// The entity sets, in the order of the document.
    pub sets: Vec<EntitySet>,
}

/// An entity type: a type of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityType {
    /// The name without the namespace.
    pub name: String,
    /// The key fields. A type without a key has those of its base type.
    pub key: Vec<String>,
    /// The fields. Those of base types come first.
    pub fields: Vec<Field>,
    /// The navigation properties, which can be expanded. Those of base types come first.
    pub navigation: Vec<Navigation>,
    /// The fields with lists of records that the server embeds in each record. The records
    /// have the entity type with the name of the field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub embedded: Vec<String>,
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The name.
    pub name: String,
    /// The kind of its type.
    pub edm: Edm,
    /// The type as declared, such as `Edm.Int32` or `Collection(Odata.Models.View)`.
    pub edm_type: String,
    /// Whether it may be null. True unless declared otherwise.
    pub nullable: bool,
    /// The largest number of characters or bytes. None if not declared, or `max`.
    pub max_length: Option<u32>,
    /// The number of digits of a decimal, or of a timestamp's fraction.
    pub precision: Option<u32>,
    /// The number of digits after the point. None if not declared, or `variable`.
    pub scale: Option<u32>,
    /// The enumeration of its values: the unqualified name of its type, or else the value of
    /// its LookupName annotation.
    pub enumeration: Option<String>,
    /// The description, if annotated.
    pub description: Option<String>,
    /// Since when the feed does not declare the field, in storage form; none if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<String>,
    /// Since when the feed declares another type, in storage form; none if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_type_since: Option<String>,
    /// When the type last changed, or changed back, in storage form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_changed_at: Option<String>,
}

/// A navigation property: a relation from one record to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Navigation {
    /// The name, as in `$expand`.
    pub name: String,
    /// The target type, without the namespace.
    pub target: String,
    /// Whether a record can have several targets.
    pub collection: bool,
}

/// An enumeration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enumeration {
    /// The name without the namespace.
    pub name: String,
    /// Whether a value can be several members at once.
    pub flags: bool,
    /// The members, in the order of the document.
    pub members: Vec<Member>,
}

/// A member of an enumeration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The name, such as `ActiveUnderContract`.
    pub name: String,
    /// The number, if declared and within 64 bits.
    pub value: Option<i64>,
    /// The display name, such as `Active Under Contract`, if annotated.
    pub display: Option<String>,
}

/// An entity set: a set of records that can be queried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntitySet {
    /// The name, as in URLs.
    pub name: String,
    /// The type of the records, without the namespace.
    pub entity_type: String,
}

impl Metadata {
    /// Returns the entity type of a set, or none if the feed declares no such set.
    ///
    /// Some services have sets that no container declares. Such a set has the entity type
    /// with its own name.
    pub fn entity_of_set(&self, set: &str) -> Option<&EntityType> {
        let declared = self.sets.iter().find(|known| known.name == set);
        self.entity(declared.map_or(set, |known| known.entity_type.as_str()))
    }

    /// Returns the entity type with this name, without the namespace.
    pub fn entity(&self, name: &str) -> Option<&EntityType> {
        self.entities.iter().find(|entity| entity.name == name)
    }

    /// Returns the enumeration with this name, without the namespace.
    pub fn enumeration(&self, name: &str) -> Option<&Enumeration> {
        self.enumerations.iter().find(|known| known.name == name)
    }
}

impl Field {
    /// Returns a field that is declared as text and nothing else.
    pub(super) fn of_text(name: &str) -> Field {
        Field {
            name: name.to_owned(),
            edm: Edm::String,
            edm_type: "Edm.String".to_owned(),
            nullable: true,
            max_length: None,
            precision: None,
            scale: None,
            enumeration: None,
            description: None,
            missing_since: None,
            other_type_since: None,
            type_changed_at: None,
        }
    }
}

impl EntityType {
    /// Returns the field with this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}
