//! The fields of a listing's children.

use super::facts::ChildMaker;
use super::plausible::{ORIGIN, anything, member, sometimes};
use crate::dice::salt;
use crate::fields::Value;
use crate::fields::{Field, Set};
use crate::world::Agent;
use crate::world::Child;
use crate::world::words;

/// Returns the maker of a field.
pub fn maker(set: Set, name: &str) -> ChildMaker {
    match set {
        Set::Media => photo(name),
        Set::OpenHouse => open_house(name),
        Set::Adu => adu(name),
        _ => unit_type(name),
    }
}

fn any(child: &Child<'_>, field: &Field) -> Value {
    anything(child.dice, child.timestamp, field)
}

fn null(_: &Child<'_>, _: &Field) -> Value {
    Value::Null
}

fn timestamp(child: &Child<'_>, _: &Field) -> Value {
    Value::seconds(child.timestamp)
}

fn own_key(child: &Child<'_>, _: &Field) -> Value {
    Value::owned(child.key())
}

fn own_key_numeric(child: &Child<'_>, _: &Field) -> Value {
    child.key().parse().map_or(Value::Null, Value::Int)
}

fn listing_key(child: &Child<'_>, _: &Field) -> Value {
    Value::owned(child.listing_key.to_string())
}

fn listing_key_numeric(child: &Child<'_>, _: &Field) -> Value {
    Value::Int(child.listing_key)
}

fn origin(_: &Child<'_>, _: &Field) -> Value {
    Value::text(ORIGIN)
}

fn photo(name: &str) -> ChildMaker {
    match name {
        "MediaKey" | "MediaObjectID" | "OriginatingSystemMediaKey" => own_key,
        "ResourceRecordKey" | "ResourceRecordID" => listing_key,
        "ResourceRecordKeyNumeric" => listing_key_numeric,
        "Order" => |child, _| Value::Int(child.serial as i64),
        "MediaURL" => |child, _| Value::owned(child.photo_url()),
        "OriginatingSystemName" => origin,
        "LongDescription" => |child, field| {
            sometimes(child.dice, field, 0.1, || {
                Value::text(words::sentence(child.dice, field.salt))
            })
        },
        "ShortDescription" => |child, field| {
            sometimes(child.dice, field, 0.3, || {
                Value::text(child.dice.pick(
                    field.salt ^ 1,
                    &["Front", "Kitchen", "Yard \u{1f333}", "\"Great\" room"],
                ))
            })
        },
        "MediaModificationTimestamp" | "ModificationTimestamp" => timestamp,
        "ClassName" => |child, field| match child.base.dwelling(child.listing) {
            crate::world::Dwelling::Land => member(field, "Land"),
            crate::world::Dwelling::Commercial => member(field, "CommercialSale"),
            _ => member(field, "Residential"),
        },
        "ImageSizeDescription" => |_, field| member(field, "Large"),
        "MediaCategory" => |_, field| member(field, "Photo"),
        "MediaType" => |_, field| member(field, "Jpeg"),
        "ResourceName" => |_, field| member(field, "Property"),
        "Permission" => |_, field| member(field, "Public"),
        _ => any,
    }
}

fn open_house(name: &str) -> ChildMaker {
    match name {
        "OpenHouseKeyNumeric" => own_key_numeric,
        "OpenHouseKey" | "OpenHouseId" | "OriginatingSystemKey" | "SourceSystemKey" => own_key,
        "ListingKeyNumeric" => listing_key_numeric,
        "ListingKey" | "ListingId" => listing_key,
        "OriginatingSystemName" | "SourceSystemName" => origin,
        "OriginatingSystemID" | "SourceSystemID" => |_, _| Value::text("M00000628"),
        "ShowingAgentKeyNumeric" => |child, _| Value::Int(showing_agent(child).key),
        "ShowingAgentKey" => |child, _| Value::owned(showing_agent(child).key.to_string()),
        "ShowingAgentFirstName" => |child, _| Value::text(showing_agent(child).first),
        "ShowingAgentLastName" => |child, _| Value::text(showing_agent(child).last),
        "ShowingAgentMlsID" => |child, _| Value::owned(showing_agent(child).mls_id()),
        "VirtualURL" => null,
        // The service derives the date from UTC, so an evening in Utah has the next day's date.
        "OpenHouseDate" => |child, _| Value::Date(child.hours().0.div_euclid(86_400)),
        "OpenHouseStartTime" => |child, _| Value::seconds(child.hours().0),
        "OpenHouseEndTime" => |child, _| Value::seconds(child.hours().1),
        "ModificationTimestamp" | "OriginalEntryTimestamp" => timestamp,
        "OpenHouseStatus" => |_, field| member(field, "Active"),
        "OpenHouseType" => |_, field| member(field, "Public"),
        "OpenHouseAttendedBy" => |_, field| member(field, "Agent"),
        _ => any,
    }
}

fn showing_agent<'m>(child: &Child<'m>) -> Agent<'m> {
    Agent::new(child.base, child.base.agent(child.listing, salt!("agent")))
}

fn unit_type(name: &str) -> ChildMaker {
    match name {
        "UnitTypeKey" => own_key,
        "ListingKeyNumeric" => listing_key_numeric,
        "ListingKey" | "ListingId" => listing_key,
        "UnitTypeUnitsTotal" => |_, _| Value::Int(1),
        "UnitTypeActualRent" => {
            |child, field| Value::whole(child.dice.between(field.salt, 32, 90) * 25)
        }
        "UnitTypeBedsTotal" => |child, field| Value::Int(child.dice.between(field.salt, 1, 4)),
        "UnitTypeBathsTotal" => |child, field| Value::Int(child.dice.between(field.salt, 1, 2)),
        "UnitTypeDescription" => |child, _| Value::owned(format!("Unit {}", child.serial + 1)),
        _ => any,
    }
}

fn adu(name: &str) -> ChildMaker {
    match name {
        "AduKeyNumeric" => own_key_numeric,
        "BedroomsTotal" => |child, field| Value::Int(child.dice.between(field.salt, 1, 2)),
        "BathroomsTotal" => |_, _| Value::Int(1),
        "SquareFeet" => |child, field| Value::whole(child.dice.between(field.salt, 300, 1_000)),
        "Rent" => |child, field| Value::whole(child.dice.between(field.salt, 28, 60) * 25),
        "Remarks" => |child, field| Value::text(words::sentence(child.dice, field.salt)),
        "OriginatingSystemName" => origin,
        "ModificationTimestamp" => timestamp,
        _ => any,
    }
}
