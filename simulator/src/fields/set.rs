//! The entity sets that the feed serves.

/// An entity set, named as in the service's URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Set {
    Property,
    Media,
    OpenHouse,
    Member,
    Office,
    PropertyUnitTypes,
    Adu,
    Lookup,
    Resource,
    DataSystem,
    Deleted,
}

impl Set {
    /// Every entity set, in the order of the service document and of `$metadata`.
    pub const ALL: [Set; 11] = [
        Set::Property,
        Set::Member,
        Set::Office,
        Set::OpenHouse,
        Set::Media,
        Set::DataSystem,
        Set::Resource,
        Set::PropertyUnitTypes,
        Set::Adu,
        Set::Lookup,
        Set::Deleted,
    ];

    /// The entity sets whose records belong to a listing.
    pub const CHILDREN: [Set; 4] = [Set::Media, Set::OpenHouse, Set::PropertyUnitTypes, Set::Adu];

    pub fn name(self) -> &'static str {
        match self {
            Set::Property => "Property",
            Set::Media => "Media",
            Set::OpenHouse => "OpenHouse",
            Set::Member => "Member",
            Set::Office => "Office",
            Set::PropertyUnitTypes => "PropertyUnitTypes",
            Set::Adu => "Adu",
            Set::Lookup => "Lookup",
            Set::Resource => "Resource",
            Set::DataSystem => "DataSystem",
            Set::Deleted => "Deleted",
        }
    }

    pub fn named(name: &str) -> Option<Set> {
        Set::ALL.into_iter().find(|set| set.name() == name)
    }

    pub fn is_child(self) -> bool {
        Set::CHILDREN.contains(&self)
    }

    /// Whether a field identifies records of this set: its key as a number or as text.
    pub fn is_key_field(self, field: &str) -> bool {
        match self {
            Set::Property => matches!(field, "ListingKey" | "ListingKeyNumeric"),
            Set::Media => field == "MediaKey",
            Set::OpenHouse => matches!(field, "OpenHouseKey" | "OpenHouseKeyNumeric"),
            Set::Member => matches!(field, "MemberKey" | "MemberKeyNumeric"),
            Set::Office => matches!(field, "OfficeKey" | "OfficeKeyNumeric"),
            Set::PropertyUnitTypes => field == "UnitTypeKey",
            Set::Adu => field == "AduKeyNumeric",
            Set::Lookup => field == "LookupKey",
            Set::Resource => field == "RName",
            Set::DataSystem => field == "DSName",
            Set::Deleted => false,
        }
    }
}
