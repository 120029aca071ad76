//! The RESO resources that a mirror can hold, and their relations.
//!
//! This file only has names: of a resource on the wire, of its table, and of its key
//! fields. `feed::odata` describes how servers differ.

use std::fmt;
use std::str::FromStr;

/// A RESO resource that the mirror can hold.
///
/// The order is the order in which jobs process them: listings come before their
/// children.
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

    /// Returns the name of the entity set in URLs and in `$metadata`.
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

    /// Returns the name of the table.
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

    /// Returns the name of the key field.
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

    /// Returns whether its records belong to a listing and are deleted with it.
    pub fn is_child(self) -> bool {
        !self.parent_fields().is_empty() || self == Resource::Adu
    }

    /// Returns the fields of a child's record that name its listing, the preferred one
    /// first. Empty for other resources, and for `Adu`, whose records name no listing
    /// and belong to the listing with which they were expanded.
    pub fn parent_fields(self) -> &'static [&'static str] {
        match self {
            Resource::Media => &["ResourceRecordKey", "ResourceRecordKeyNumeric"],
            Resource::OpenHouse | Resource::PropertyUnitTypes => {
                &["ListingKey", "ListingKeyNumeric"]
            }
            _ => &[],
        }
    }

    /// Returns the common names of one record and of several records.
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

/// The field with a record's last change, in every resource that has one.
pub const MODIFICATION_TIMESTAMP: &str = "ModificationTimestamp";

/// The field with the URL of a photo's file.
pub const MEDIA_URL: &str = "MediaURL";

/// The field with the time of the last change of a listing's photos.
pub const PHOTOS_CHANGE_TIMESTAMP: &str = "PhotosChangeTimestamp";

/// The field with a listing's number of photos.
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

/// The name is not a resource that a mirror can hold.
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
