//! The names of types.

use super::Edm;

/// The type of a collection's values; None for a single value.
pub(super) fn collection_of(edm_type: &str) -> Option<&str> {
    edm_type.strip_prefix("Collection(")?.strip_suffix(')')
}

/// A name without its namespace.
pub(super) fn unqualified(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}

/// The kind of a type that OData itself defines.
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
        _ => Edm::Complex,
    })
}
