//! The RESO resources that a mirror can hold, and how they hang together.
//!
//! Only names stand here: what a resource is called on the wire, in the
//! database, and which of its fields name it. What a *server* does differently
//! stands in `feed::dialect`.

use std::fmt;
use std::str::FromStr;

/// A RESO resource that the mirror can hold.
///
/// The order is the order in which jobs visit them: listings first, so that
/// their children find them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Listings.
    Property,
    /// Photos and other media of listings.
    Media,
    /// Open houses of listings.
    OpenHouse,
    /// Unit types of multi-family listings.
    PropertyUnitTypes,
    /// Accessory dwelling units of listings (a resource of WFRMLS).
    Adu,
    /// Agents.
    Member,
    /// Brokerages and their branches.
    Office,
    /// The values of enumerations.
    Lookup,
}

impl Resource {
    /// Every resource, in the order of jobs.
    pub const ALL: [Resource; 8] = [
        Resource::Property,
        Resource::Media,
        Resource::OpenHouse,
        Resource::PropertyUnitTypes,
        Resource::Adu,
        Resource::Member,
        Resource::Office,
        Resource::Lookup,
    ];

    /// The name of the entity set in URLs and in `$metadata`.
    pub fn entity_set(self) -> &'static str {
        match self {
            Resource::Property => "Property",
            Resource::Media => "Media",
            Resource::OpenHouse => "OpenHouse",
            Resource::PropertyUnitTypes => "PropertyUnitTypes",
            Resource::Adu => "Adu",
            Resource::Member => "Member",
            Resource::Office => "Office",
            Resource::Lookup => "Lookup",
        }
    }

    /// The table of the database that holds its rows.
    pub fn table(self) -> &'static str {
        match self {
            Resource::Property => "listings",
            Resource::Media => "media",
            Resource::OpenHouse => "open_houses",
            Resource::PropertyUnitTypes => "unit_types",
            Resource::Adu => "adus",
            Resource::Member => "members",
            Resource::Office => "offices",
            Resource::Lookup => "lookups",
        }
    }

    /// The field that is the key of its table.
    pub fn key(self) -> &'static str {
        match self {
            Resource::Property => "ListingKey",
            Resource::Media => "MediaKey",
            Resource::OpenHouse => "OpenHouseKey",
            Resource::PropertyUnitTypes => "UnitTypeKey",
            Resource::Adu => "AduKeyNumeric",
            Resource::Member => "MemberKey",
            Resource::Office => "OfficeKey",
            Resource::Lookup => "LookupKey",
        }
    }

    /// Whether its records belong to a listing and go when it goes.
    pub fn is_child(self) -> bool {
        !self.parent_fields().is_empty() || self == Resource::Adu
    }

    /// The fields of a child's record that name its listing, the most telling
    /// first. Empty for a resource that is no child, and for `Adu`, whose
    /// records name no listing and are known only by the one they came with.
    pub fn parent_fields(self) -> &'static [&'static str] {
        match self {
            Resource::Media => &["ResourceRecordKey", "ResourceRecordKeyNumeric"],
            Resource::OpenHouse | Resource::PropertyUnitTypes => {
                &["ListingKey", "ListingKeyNumeric"]
            }
            _ => &[],
        }
    }

    /// What people call one, and several, of its records.
    pub fn nouns(self) -> (&'static str, &'static str) {
        match self {
            Resource::Property => ("listing", "listings"),
            Resource::Media => ("photo", "photos"),
            Resource::OpenHouse => ("open house", "open houses"),
            Resource::PropertyUnitTypes => ("unit type", "unit types"),
            Resource::Adu => ("ADU", "ADUs"),
            Resource::Member => ("member", "members"),
            Resource::Office => ("office", "offices"),
            Resource::Lookup => ("lookup", "lookups"),
        }
    }
}

/// The field that says when a record last changed, in every resource that has one.
pub const MODIFICATION_TIMESTAMP: &str = "ModificationTimestamp";

/// How many photos a listing says that it has.
pub const PHOTOS_COUNT: &str = "PhotosCount";

/// Normalizes a StandardStatus, so that the two spellings of one status are equal
/// (`Active Under Contract` and `ActiveUnderContract`).
pub fn folded_status(status: &str) -> impl Iterator<Item = char> {
    let letters = status.chars().filter(|letter| *letter != ' ');
    letters.map(|letter| letter.to_ascii_lowercase())
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entity_set())
    }
}

/// The name is not one of the resources that a mirror can hold.
#[derive(Debug, thiserror::Error)]
#[error("unknown resource `{0}`; known are {known}", known = Resource::ALL.map(Resource::entity_set).join(", "))]
pub struct UnknownResource(pub String);

impl FromStr for Resource {
    type Err = UnknownResource;

    fn from_str(name: &str) -> Result<Self, UnknownResource> {
        Resource::ALL
            .into_iter()
            .find(|resource| resource.entity_set() == name)
            .ok_or_else(|| UnknownResource(name.to_owned()))
    }
}
