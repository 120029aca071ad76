//! The fields of agents, offices, lookups, deletions, and of the service's description.

use super::facts::{AgentMaker, BranchMaker, DeletionMaker, FixedMaker, TermMaker};
use super::plausible::{ORIGIN, anything, member, sometimes};
use crate::fields::Field;
use crate::fields::Value;
use crate::world::Term;
use crate::world::{Agent, Branch};

pub fn agent(name: &str) -> AgentMaker {
    match name {
        "MemberKeyNumeric" => |a, _| Value::Int(a.key),
        "MemberKey" | "OriginatingSystemMemberKey" | "MemberAORkey" => {
            |a, _| Value::owned(a.key.to_string())
        }
        "OfficeKeyNumeric" => |a, _| Value::Int(a.in_office().key),
        "OfficeKey" => |a, _| Value::owned(a.in_office().key.to_string()),
        "OfficeMlsId" => |a, _| Value::owned(a.in_office().mls_id()),
        "OfficeName" => |a, _| Value::owned(a.in_office().name()),
        "MemberFirstName" => |a, _| Value::text(a.first),
        "MemberLastName" => |a, _| Value::text(a.last),
        "MemberFullName" => |a, _| Value::owned(a.full_name()),
        "MemberMlsId" => |a, _| Value::owned(a.mls_id()),
        "MemberNationalAssociationId" => |a, _| Value::owned((a.key + 740_000_000).to_string()),
        "MemberStateLicense" => |a, _| Value::owned(a.license()),
        "MemberAddress1" => |a, field| {
            Value::owned(format!(
                "{} S State ST",
                100 + a.dice.below(field.salt, 9_000)
            ))
        },
        "MemberAddress2" | "MemberMiddleName" | "MemberFax" => no_agent_value,
        "MemberCity" => |a, _| Value::text(a.in_office().place.name),
        "MemberPostalCode" => |a, _| Value::text(a.in_office().place.postal_codes[0]),
        "MemberCountyOrParish" => |a, field| member(field, a.in_office().place.county),
        "MemberAOR" => |a, field| member(field, a.in_office().place.board),
        "MemberMobilePhone" | "MemberPreferredPhone" => |a, _| Value::owned(a.phone(1)),
        "MemberOfficePhone" => |a, _| Value::owned(a.in_office().phone(1)),
        "MemberCountry" => |_, field| member(field, "US"),
        "MemberStateOrProvince" | "MemberStateLicenseState" => |_, field| member(field, "UT"),
        "MemberStatus" => |_, field| member(field, "Active"),
        "MemberType" => |_, field| member(field, "MLSOnlySalesperson"),
        "MemberMlsAccessYN" => |_, _| Value::Flag(true),
        "OriginatingSystemName" => |_, _| Value::text(ORIGIN),
        "ModificationTimestamp" => |a, _| Value::seconds(a.timestamp()),
        "OriginalEntryTimestamp" => |a, _| Value::seconds(a.timestamp() - 90 * 86_400),
        _ => |a, field| anything(a.dice, a.timestamp(), field),
    }
}

fn no_agent_value(_: &Agent<'_>, _: &Field) -> Value {
    Value::Null
}

pub fn branch(name: &str) -> BranchMaker {
    match name {
        "OfficeKeyNumeric" => |o, _| Value::Int(o.key),
        "OfficeKey" | "OriginatingSystemOfficeKey" => |o, _| Value::owned(o.key.to_string()),
        "OfficeMlsId" => |o, _| Value::owned(o.mls_id()),
        "OfficeName" => |o, _| Value::owned(o.name()),
        "MainOfficeKeyNumeric" => |o, _| Value::Int(main_of(o).key),
        "MainOfficeMlsId" => |o, _| Value::owned(main_of(o).mls_id()),
        "OfficeAddress1" => {
            |o, field| Value::owned(format!("{} E Main ST", 10 + o.dice.below(field.salt, 900)))
        }
        "OfficeAddress2" => |o, field| sometimes(o.dice, field, 0.2, || Value::text("Suite \"B\"")),
        "OfficeCity" => |o, _| Value::text(o.place.name),
        "OfficePostalCode" => |o, _| Value::text(o.place.postal_codes[0]),
        "OfficePhone" => |o, _| Value::owned(o.phone(1)),
        "OfficeFax" => |o, _| Value::owned(o.phone(3)),
        "OfficeCorporateLicense" => |o, _| Value::owned(format!("{}-CN00", o.key * 31)),
        "OfficeBrokerKey" | "OfficeBrokerMlsId" => |o, _| Value::owned((o.key + 7).to_string()),
        "OfficeCountyOrParish" => |o, field| member(field, o.place.county),
        "OfficeStateOrProvince" => |_, field| member(field, "UT"),
        "OfficeStatus" => |_, field| member(field, "Active"),
        "OfficeBranchType" => {
            |o, field| member(field, if o.index == o.main { "Main" } else { "Branch" })
        }
        "OriginatingSystemName" => |_, _| Value::text(ORIGIN),
        "ModificationTimestamp" => |o, _| Value::seconds(o.timestamp()),
        "OriginalEntryTimestamp" => |o, _| Value::seconds(o.timestamp() - 400 * 86_400),
        _ => |o, field| anything(o.dice, o.timestamp(), field),
    }
}

fn main_of<'m>(branch: &Branch<'m>) -> Branch<'m> {
    Branch::new(branch.base, branch.main)
}

pub fn term(name: &str) -> TermMaker {
    match name {
        "LookupKey" => |term, _| Value::owned(Term::key(term.index)),
        "LookupName" => |term, _| Value::text(term.enumeration.name),
        "LookupValue" | "StandardLookupValue" => {
            |term, _| Value::text(term.enumeration.members[term.member].display)
        }
        "LegacyODataValue" => |term, _| Value::text(term.enumeration.members[term.member].name),
        "ModificationTimestamp" => |term, _| Value::seconds(term.timestamp),
        _ => |_, _| Value::Null,
    }
}

pub fn fixed(name: &str) -> FixedMaker {
    match name {
        "DSName" => |_, _| Value::text(ORIGIN),
        "ServiceUri" => |_, _| Value::text("/reso/odata"),
        "TransportVersion" => |_, _| Value::text("4.0"),
        "DataDictionaryVersion" => |_, _| Value::text("1.7"),
        "TimeZoneOffset" => |_, _| Value::Int(-7),
        "RName" | "ResourcePath" | "Description" => |fixed, _| {
            fixed
                .describes
                .map_or(Value::Null, |set| Value::text(set.name()))
        },
        "TimestampModified" => |fixed, _| Value::seconds(fixed.base.start - 300 * 86_400),
        _ => |_, _| Value::Null,
    }
}

pub fn deletion(name: &str) -> DeletionMaker {
    match name {
        "resource" | "ResourceName" => |deletion, _| Value::text(deletion.set.name()),
        "primary_key" | "ListingId" | "ResourceRecordKey" => {
            |deletion, _| match deletion.key.as_str() {
                "" => Value::Null,
                key => Value::owned(key.to_owned()),
            }
        }
        "ts" | "DeletedDate" | "DeletedDateTime" => |deletion, _| Value::seconds(deletion.at),
        "DeletedReason" => |_, _| Value::text("Removed"),
        _ => |_, _| Value::Null,
    }
}
