//! The types of OData, and their names.

use serde::{Deserialize, Serialize};

/// The kinds of types that a mirror distinguishes.
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
    /// An enumeration.
    Enumeration {
        /// Whether a value can combine several members.
        flags: bool,
    },
    /// A complex type.
    Complex,
    /// `Untyped`, or a type that the document does not declare.
    Untyped,
    /// Several values of any type.
    Collection,
}

/// Returns the type of a collection's values, or none for a type that is no collection.
pub(super) fn collection_of(edm_type: &str) -> Option<&str> {
    edm_type.strip_prefix("Collection(")?.strip_suffix(')')
}

/// Returns a name without its namespace.
pub(super) fn unqualified(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}

/// Returns the kind of a type that OData defines.
pub(super) fn primitive(name: &str) -> Option<Edm> {
    Some(match name.strip_prefix("Edm.")? {
        "SByte" | "Byte" | "Int16" | "Int32" | "Int64" => Edm::Int,
        "Decimal" => Edm::Decimal,
        "Single" | "Double" => Edm::Double,
        "Boolean" => Edm::Boolean,
        "Date" => Edm::Date,
        "TimeOfDay" => Edm::TimeOfDay,
        "DateTimeOffset" => Edm::DateTimeOffset,
        "Duration" => Edm::Duration,
        "Guid" => Edm::Guid,
        "String" => Edm::String,
        "Binary" | "Stream" => Edm::Binary,
        name if name.starts_with("Geography") || name.starts_with("Geometry") => Edm::Geography,
        _ => Edm::Untyped,
    })
}
