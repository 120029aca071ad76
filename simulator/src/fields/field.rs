//! Fields of entity types, and their types.

use super::enumeration::{Enumeration, enumeration};
use crate::dice::salt_of;

/// A field's type.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Int32,
    Decimal,
    Text,
    Boolean,
    Date,
    Timestamp,
    Enumeration(&'static Enumeration),
    Point,
}

impl Kind {
    /// Returns the type with this name, with or without its `Edm.` or `Odata.Models.` prefix.
    pub fn named(name: &str) -> Option<Kind> {
        let name = name.trim_start_matches("Edm.");
        Some(match name {
            "Int16" | "Int32" | "Int64" => Kind::Int32,
            "Decimal" | "Double" => Kind::Decimal,
            "String" => Kind::Text,
            "Boolean" => Kind::Boolean,
            "Date" => Kind::Date,
            "DateTimeOffset" => Kind::Timestamp,
            "GeographyPoint" => Kind::Point,
            _ => Kind::Enumeration(enumeration(
                name.trim_start_matches("Odata.Models.")
                    .trim_start_matches("Enum."),
            )?),
        })
    }

    /// Returns the name as `$metadata` writes it.
    pub fn edm(self) -> String {
        match self {
            Kind::Int32 => "Edm.Int32".to_owned(),
            Kind::Decimal => "Edm.Decimal".to_owned(),
            Kind::Text => "Edm.String".to_owned(),
            Kind::Boolean => "Edm.Boolean".to_owned(),
            Kind::Date => "Edm.Date".to_owned(),
            Kind::Timestamp => "Edm.DateTimeOffset".to_owned(),
            Kind::Point => "Edm.GeographyPoint".to_owned(),
            Kind::Enumeration(e) => format!("Odata.Models.{}", e.name),
        }
    }
}

/// A field of an entity type.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub kind: Kind,
    pub precision: &'static str,
    pub scale: &'static str,
    pub max_length: &'static str,
    pub is_key: bool,
    /// Whether `$metadata` declares the field. Records contain undeclared fields too.
    pub is_declared: bool,
    /// The name as JSON with its colon: `"Name":`.
    pub json_name: Vec<u8>,
    pub salt: u64,
}

impl Field {
    pub fn new(name: &str, kind: Kind) -> Field {
        Field {
            name: name.to_owned(),
            kind,
            precision: "",
            scale: "",
            max_length: "",
            is_key: false,
            is_declared: true,
            json_name: format!("\"{name}\":").into_bytes(),
            salt: salt_of(name),
        }
    }
}
