//! `$metadata`: which fields and enumerations a feed has, and their types.
//!
//! [`Metadata::parse`] reads the OData CSDL XML that a service publishes
//! (OASIS, "OData CSDL XML Representation 4.01"). It is lenient in what a
//! mirror has no use for, and strict in one thing: a document that is not
//! whole, or is something else, is an error, as a half-read one would look
//! like a feed which lost its fields.

mod csdl;
mod edm;
mod element;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

/// What a feed declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The types of records, in the order of the document.
    pub entities: Vec<EntityType>,
    /// The enumerations, in the order of the document.
    pub enumerations: Vec<Enumeration>,
    /// The sets that can be queried, in the order of the document.
    pub sets: Vec<EntitySet>,
}

/// A type of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityType {
    /// Its name without the namespace.
    pub name: String,
    /// The fields of its key; those of its base type if it has none.
    pub key: Vec<String>,
    /// Its fields, those of its base types first.
    pub fields: Vec<Field>,
    /// What can be expanded, that of its base types first.
    pub navigation: Vec<Navigation>,
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// The kind of its type.
    pub edm: Edm,
    /// Its type as declared, such as `Edm.Int32` or `Collection(Odata.Models.View)`.
    pub edm_type: String,
    /// Whether it may be null; true unless declared otherwise.
    pub nullable: bool,
    /// The most characters or bytes it may hold. None if not declared, or `max`.
    pub max_length: Option<u32>,
    /// The digits of a decimal, or of a timestamp's fraction.
    pub precision: Option<u32>,
    /// The digits after the point. None if not declared, or `variable`.
    pub scale: Option<u32>,
    /// The enumeration of its values: the unqualified name of its type, else
    /// what its LookupName annotation says.
    pub enumeration: Option<String>,
    /// What it means, if an annotation says so.
    pub description: Option<String>,
}

/// The kinds of types that a mirror tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edm {
    /// `SByte`, `Byte`, `Int16`, `Int32`, `Int64`.
    Int,
    /// `Decimal`.
    Decimal,
    /// `Single`, `Double`.
    Double,
    /// `Boolean`.
    Boolean,
    /// `Date`.
    Date,
    /// `TimeOfDay`.
    TimeOfDay,
    /// `DateTimeOffset`.
    DateTimeOffset,
    /// `Duration`.
    Duration,
    /// `Guid`.
    Guid,
    /// `String`.
    String,
    /// `Binary`, `Stream`.
    Binary,
    /// `Geography…`, `Geometry…`.
    Geography,
    /// An enumeration; with `flags`, a value can be several members at once.
    Enumeration {
        /// Whether a value can be several members.
        flags: bool,
    },
    /// A complex type, or one that the document does not declare.
    Complex,
    /// Several values of any type.
    Collection,
}

/// A way from one record to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Navigation {
    /// Its name, as `$expand` has it.
    pub name: String,
    /// The type it leads to, without the namespace.
    pub target: String,
    /// Whether it leads to several records.
    pub collection: bool,
}

/// An enumeration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enumeration {
    /// Its name without the namespace.
    pub name: String,
    /// Whether a value can be several members at once.
    pub flags: bool,
    /// Its members, in the order of the document.
    pub members: Vec<Member>,
}

/// A value of an enumeration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name, such as `ActiveUnderContract`.
    pub name: String,
    /// Its number, if declared and within 64 bits.
    pub value: Option<i64>,
    /// What people read, such as `Active Under Contract`, if annotated.
    pub display: Option<String>,
}

/// A set of records that can be queried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntitySet {
    /// Its name, as URLs have it.
    pub name: String,
    /// The type of its records, without the namespace.
    pub entity_type: String,
}

impl Metadata {
    /// Reads a `$metadata` document.
    ///
    /// # Errors
    ///
    /// When the text is not a whole CSDL document with at least one entity
    /// type; the error says what it was instead. RequestOptions again may help.
    pub fn parse(xml: &[u8]) -> Result<Metadata, MetadataError> {
        let read = element::parse(xml).and_then(|root| csdl::read(&root));
        read.map_err(MetadataError::printable)
    }

    /// The type of a set's records; None when the feed declares no such set.
    ///
    /// A type by the set's own name stands in for a set that no container
    /// lists: some services answer for more sets than they declare.
    pub fn entity_of_set(&self, set: &str) -> Option<&EntityType> {
        let declared = self.sets.iter().find(|known| known.name == set);
        let name = declared.map_or(set, |known| known.entity_type.as_str());
        self.entities.iter().find(|entity| entity.name == name)
    }

    /// The enumeration by that name, without the namespace.
    pub fn enumeration(&self, name: &str) -> Option<&Enumeration> {
        self.enumerations.iter().find(|known| known.name == name)
    }
}

impl EntityType {
    /// The field by that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// Why a text is no `$metadata`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// There is nothing in it.
    #[error("$metadata is empty")]
    Empty,
    /// It is something else, such as an HTML page.
    #[error("$metadata is {0}, not CSDL XML")]
    NotCsdl(String),
    /// It ends before its root element does.
    #[error("$metadata was cut short: it ends after {bytes} bytes inside <{element}>")]
    CutShort {
        /// How long it is, in bytes.
        bytes: usize,
        /// The innermost element that is open where it ends.
        element: String,
    },
    /// It is not well-formed XML.
    #[error("$metadata is not well-formed XML at byte {at}: {problem}")]
    Malformed {
        /// Where, in bytes from its start.
        at: usize,
        /// What is wrong there.
        problem: String,
    },
    /// It is CSDL that declares no type of records.
    #[error("$metadata declares no entity type")]
    NoEntityTypes,
}

impl MetadataError {
    /// The same without what would steer a terminal: what stands in it is the server's.
    fn printable(self) -> MetadataError {
        let clean = |text: String| text.replace(char::is_control, " ");
        match self {
            MetadataError::NotCsdl(what) => MetadataError::NotCsdl(clean(what)),
            MetadataError::CutShort { bytes, element } => MetadataError::CutShort {
                bytes,
                element: clean(element),
            },
            MetadataError::Malformed { at, problem } => MetadataError::Malformed {
                at,
                problem: clean(problem),
            },
            other => other,
        }
    }
}
