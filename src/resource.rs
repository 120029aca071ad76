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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource(&'static Definition);

/// The names of a resource. Two definitions never have the same place.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Definition {
    /// The place in the order of jobs.
    place: usize,
    entity_set: &'static str,
    table: &'static str,
    key: &'static str,
    parent_fields: &'static [&'static str],
    nouns: (&'static str, &'static str),
}

const RECORD_PARENT: &[&str] = &["ResourceRecordKey", "ResourceRecordKeyNumeric"];
const LISTING_PARENT: &[&str] = &["ListingKey", "ListingKeyNumeric"];

impl Resource {
    /// Listings.
    pub const PROPERTY: Resource = Resource(&Definition {
        place: 0,
        entity_set: "Property",
        table: "listings",
        key: "ListingKey",
        parent_fields: &[],
        nouns: ("listing", "listings"),
    });

    /// Photos and other media of listings.
    pub const MEDIA: Resource = Resource(&Definition {
        place: 1,
        entity_set: "Media",
        table: "media",
        key: "MediaKey",
        parent_fields: RECORD_PARENT,
        nouns: ("photo", "photos"),
    });

    /// Open houses of listings.
    pub const OPEN_HOUSE: Resource = Resource(&Definition {
        place: 2,
        entity_set: "OpenHouse",
        table: "open_houses",
        key: "OpenHouseKey",
        parent_fields: LISTING_PARENT,
        nouns: ("open house", "open houses"),
    });

    /// Unit types of multi-family listings.
    pub const PROPERTY_UNIT_TYPES: Resource = Resource(&Definition {
        place: 3,
        entity_set: "PropertyUnitTypes",
        table: "unit_types",
        key: "UnitTypeKey",
        parent_fields: LISTING_PARENT,
        nouns: ("unit type", "unit types"),
    });

    /// Accessory dwelling units of listings (a resource of WFRMLS).
    pub const ADU: Resource = Resource(&Definition {
        place: 4,
        entity_set: "Adu",
        table: "adus",
        key: "AduKeyNumeric",
        parent_fields: &[],
        nouns: ("ADU", "ADUs"),
    });

    /// Agents.
    pub const MEMBER: Resource = Resource(&Definition {
        place: 5,
        entity_set: "Member",
        table: "members",
        key: "MemberKey",
        parent_fields: &[],
        nouns: ("member", "members"),
    });

    /// Brokerages and their branches.
    pub const OFFICE: Resource = Resource(&Definition {
        place: 6,
        entity_set: "Office",
        table: "offices",
        key: "OfficeKey",
        parent_fields: &[],
        nouns: ("office", "offices"),
    });

    /// The values of enumerations.
    pub const LOOKUP: Resource = Resource(&Definition {
        place: 7,
        entity_set: "Lookup",
        table: "lookups",
        key: "LookupKey",
        parent_fields: &[],
        nouns: ("lookup", "lookups"),
    });

    /// Every resource, in the order of jobs.
    pub const ALL: [Resource; 8] = [
        Resource::PROPERTY,
        Resource::MEDIA,
        Resource::OPEN_HOUSE,
        Resource::PROPERTY_UNIT_TYPES,
        Resource::ADU,
        Resource::MEMBER,
        Resource::OFFICE,
        Resource::LOOKUP,
    ];

    /// Returns the name of the entity set in URLs and in `$metadata`.
    pub fn entity_set(self) -> &'static str {
        self.0.entity_set
    }

    /// Returns the name of the table.
    pub fn table(self) -> &'static str {
        self.0.table
    }

    /// Returns the name of the key field.
    pub fn key(self) -> &'static str {
        self.0.key
    }

    /// Returns whether its records belong to a listing and are deleted with it.
    pub fn is_child(self) -> bool {
        !self.parent_fields().is_empty() || self == Resource::ADU
    }

    /// Returns the fields of a child's record that name its listing, the preferred one
    /// first. Empty for other resources, and for `Adu`, whose records name no listing
    /// and belong to the listing with which they were expanded.
    pub fn parent_fields(self) -> &'static [&'static str] {
        self.0.parent_fields
    }

    /// Returns the common names of one record and of several records.
    pub fn nouns(self) -> (&'static str, &'static str) {
        self.0.nouns
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

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entity_set())
    }
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
